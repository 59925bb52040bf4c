#include "http/chunk_decoder.h"

#include <algorithm>
#include <cstring>

namespace turnpike::http {
namespace {

constexpr std::uint8_t kDigitsMax = 15;
constexpr std::uint16_t kExtraMax = 16 * 1024;

int hex_digit(unsigned char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const unsigned char lower = c | 0x20;
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return -1;
}

bool is_text(unsigned char c) {
  return c == '\t' || (c >= 0x20 && c != 0x7f);
}

}  // namespace

ChunkDecoder::State ChunkDecoder::next(unsigned char byte) {
  switch (state_) {
    case State::SizeFirst:
    case State::Size: {
      const int digit = hex_digit(byte);
      if (digit >= 0) {
        if (state_ == State::SizeFirst) left_ = digits_ = 0;
        if (++digits_ > kDigitsMax) return State::Failed;
        left_ = left_ * 16 + static_cast<unsigned>(digit);
        return State::Size;
      }
      if (state_ == State::SizeFirst) return State::Failed;
      if (byte == '\r') return State::SizeLineFeed;
      return byte == ';' ? State::Extension : State::Failed;
    }
    case State::Extension:
      if (byte == '\r') return State::SizeLineFeed;
      return is_text(byte) && ++extra_ <= kExtraMax ? State::Extension : State::Failed;
    case State::SizeLineFeed:
      if (byte != '\n') return State::Failed;
      return left_ == 0 ? State::LineStart : State::Data;
    case State::DataReturn:
      return byte == '\r' ? State::DataLineFeed : State::Failed;
    case State::DataLineFeed:
      return byte == '\n' ? State::SizeFirst : State::Failed;
    case State::LineStart:
      if (byte == '\r') return State::LastLineFeed;
      return is_text(byte) && byte > ' ' && ++extra_ <= kExtraMax ? State::Trailer : State::Failed;
    case State::Trailer:
      if (byte == '\r') return State::TrailerLineFeed;
      return is_text(byte) && ++extra_ <= kExtraMax ? State::Trailer : State::Failed;
    case State::TrailerLineFeed:
      return byte == '\n' ? State::LineStart : State::Failed;
    case State::LastLineFeed:
      return byte == '\n' ? State::Done : State::Failed;
    case State::Data:
    case State::Done:
    case State::Failed:
      return state_;
  }
  return State::Failed;
}

ChunkDecoder::Step ChunkDecoder::decode(char* data, std::size_t size) {
  Step step;
  while (step.consumed < size && !done() && !failed()) {
    if (state_ == State::Data) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - step.consumed));
      if (step.body_bytes != step.consumed) std::memmove(data + step.body_bytes, data + step.consumed, take);
      step.body_bytes += take;
      step.consumed += take;
      left_ -= take;
      if (left_ == 0) state_ = State::DataReturn;
      continue;
    }
    state_ = next(static_cast<unsigned char>(data[step.consumed++]));
  }
  return step;
}

}  // namespace turnpike::http
