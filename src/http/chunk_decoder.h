#pragma once

#include <cstddef>
#include <cstdint>

namespace turnpike::http {

/// Takes the chunk framing out of a body, in place and as strictly as the head parser: CRLF line ends only, sizes of
/// hexadecimal digits only. Extensions and trailers are read past and dropped.
///
/// Source:    RFC 9112 section 7.1.
/// Limits:    15 digits of size; 16 KB of extensions and trailers together in one body.
/// Threading: none; one decoder per message.
class ChunkDecoder {
 public:
  struct Step {
    std::size_t body_bytes = 0;  // They stand at the front of the buffer now.
    std::size_t consumed = 0;    // Less than given only when the message has ended or failed.
  };
  Step decode(char* data, std::size_t size);

  bool done() const { return state_ == State::Done; }
  bool failed() const { return state_ == State::Failed; }

 private:
  enum class State : std::uint8_t {
    SizeFirst,
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    LineStart,
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
    Done,
    Failed
  };
  State next(unsigned char byte);

  State state_ = State::SizeFirst;
  std::uint8_t digits_ = 0;
  std::uint16_t extra_ = 0;
  std::uint64_t left_ = 0;
};

}  // namespace turnpike::http
