#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace turnpike::http {

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
  std::size_t event_bytes_max_;
  std::string pending_;
  std::string joined_;
  bool at_start_ = true;
};

}  // namespace turnpike::http
