#include "protocol/sse_decoder.h"

#include <cstring>

namespace turnpike::protocol {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::size_t find_byte(std::string_view text, std::size_t from, char c) {
  const void* found = from < text.size() ? std::memchr(text.data() + from, c, text.size() - from) : nullptr;
  return found == nullptr ? text.size() : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace

SseDecoder::SseDecoder(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

void SseDecoder::dispatch(std::string_view buffer, std::vector<SseEvent>& out) {
  if (!data_.empty()) {
    SseEvent event;
    event.name = buffer.substr(name_.begin, name_.size);
    if (data_.size() == 1) {
      event.data = buffer.substr(data_[0].begin, data_[0].size);
    } else {
      std::string& text = joined_.emplace_front();
      for (const Span& line : data_) {
        if (&line != &data_[0]) text += '\n';
        text += buffer.substr(line.begin, line.size);
      }
      event.data = text;
    }
    out.push_back(event);
  }
  data_.clear();
  name_ = {};
}

void SseDecoder::end_line(std::string_view buffer, std::size_t begin, std::size_t end, std::vector<SseEvent>& out) {
  if (begin == end) {
    dispatch(buffer, out);
    return;
  }
  const std::string_view line = buffer.substr(begin, end - begin);
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::size_t value = colon == std::string_view::npos ? line.size() : colon + 1;
  if (value < line.size() && line[value] == ' ') ++value;
  const Span span{begin + value, line.size() - value};
  if (field == "data") {
    data_.push_back(span);
  } else if (field == "event") {
    name_ = span;
  }
}

// Reads lines of `buffer` from where the last scan stopped; the offsets are places in `buffer`.
Status SseDecoder::scan(std::string_view buffer, std::vector<SseEvent>& out) {
  if (at_start_) {
    if (buffer.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(buffer)) return {};
    if (buffer.starts_with(kByteOrderMark)) event_begin_ = line_begin_ = searched_ = kByteOrderMark.size();
    at_start_ = false;
  }
  while (true) {
    if (skip_line_feed_ && line_begin_ < buffer.size()) {
      skip_line_feed_ = false;
      if (buffer[line_begin_] == '\n') {
        if (event_begin_ == line_begin_) ++event_begin_;
        searched_ = ++line_begin_;
      }
    }
    const std::size_t line_feed = find_byte(buffer, searched_, '\n');
    const std::size_t end = find_byte(buffer.substr(0, line_feed), searched_, '\r');
    if (end - event_begin_ > event_bytes_max_) {
      return base::fail(ErrorKind::UpstreamMalformed,
                        "the provider sent an event of more than " + std::to_string(event_bytes_max_) + " bytes");
    }
    if (end == buffer.size()) {
      searched_ = end;
      return {};
    }
    skip_line_feed_ = buffer[end] == '\r';
    const bool blank = end == line_begin_;
    end_line(buffer, line_begin_, end, out);
    searched_ = line_begin_ = end + 1;
    if (blank) event_begin_ = line_begin_;
  }
}

Status SseDecoder::feed(std::string_view bytes, std::vector<SseEvent>& out) {
  joined_.clear();
  // What the last feed gave out is read by now: its bytes go.
  const auto rebase = [&](std::size_t by) {
    for (Span& line : data_) line.begin -= by;
    name_.begin = name_.size > 0 ? name_.begin - by : 0;  // An empty name may lie in bytes that go.
    line_begin_ -= by;
    searched_ -= by;
    event_begin_ = 0;
  };
  if (event_begin_ > 0) {
    const std::size_t by = event_begin_;
    pending_.erase(0, by);
    rebase(by);
  }
  if (!pending_.empty()) {
    pending_ += bytes;
    return scan(pending_, out);
  }
  if (auto scanned = scan(bytes, out); !scanned) return scanned;
  pending_.assign(bytes.substr(event_begin_));
  rebase(event_begin_);
  return {};
}

Status SseDecoder::finish(std::vector<SseEvent>& out) {
  joined_.clear();
  if (line_begin_ < pending_.size()) end_line(pending_, line_begin_, pending_.size(), out);
  line_begin_ = searched_ = pending_.size();
  dispatch(pending_, out);
  return {};
}

}  // namespace turnpike::protocol
