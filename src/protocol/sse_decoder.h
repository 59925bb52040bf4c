#pragma once

#include <forward_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace turnpike::protocol {

/// One server-sent event; the views live until the next `feed`.
struct SseEvent {
  std::string_view name;  // Empty when the event has no `event:` line.
  std::string_view data;  // `data:` lines joined by "\n".
};

/// Turns a byte stream into server-sent events, whatever the chunk boundaries.
///
/// Source:    WHATWG HTML Living Standard, section 9.2 "Server-sent events".
///            `id:` and `retry:` are read past: no provider we speak to gives them a meaning.
/// Limits:    one event holds at most `event_bytes_max` bytes.
/// Errors:    UpstreamMalformed when an event outgrows the limit; the decoder is then spent.
/// Threading: none; one decoder per upstream response.
class SseDecoder {
 public:
  explicit SseDecoder(std::size_t event_bytes_max = 1 << 20);

  /// Consumes `bytes` and appends every event they complete to `out`. Events that lie whole inside `bytes` are views
  /// into it (no copy); one that spans calls is kept inside.
  Status feed(std::string_view bytes, std::vector<SseEvent>& out);
  /// End of stream: a last event without its blank line (AC-BYTES-1) is given out if it has data.
  Status finish(std::vector<SseEvent>& out);

 private:
  void end_line(std::string_view buffer, std::size_t begin, std::size_t end, std::vector<SseEvent>& out);
  void dispatch(std::string_view buffer, std::vector<SseEvent>& out);
  Status scan(std::string_view buffer, std::vector<SseEvent>& out);

  // Places in the buffer of the event under way; rebased when its bytes move into `pending_`.
  struct Span {
    std::size_t begin = 0;
    std::size_t size = 0;
  };

  std::size_t event_bytes_max_;
  std::string pending_;                    // Bytes of the event under way; before `event_begin_`, of events given out.
  std::forward_list<std::string> joined_;  // Data of several lines, of events given out by the last feed.
  std::vector<Span> data_;
  Span name_;
  std::size_t event_begin_ = 0;
  std::size_t line_begin_ = 0;
  std::size_t searched_ = 0;  // No line end before this.
  bool at_start_ = true;
  bool skip_line_feed_ = false;  // The line before ended in CR: an LF that follows belongs to it.
};

}  // namespace turnpike::protocol
