#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace turnpike::http {

/// Reads the head of an HTTP/1.1 message, strictly: what two readers could take differently is refused, because the
/// gateway stands between other proxies.
///
/// Source:    RFC 9112 (message syntax), RFC 9110 section 5 (fields). Stricter than both: no bare LF, no folded lines,
///            no repeated Content-Length or Host, no Transfer-Encoding but exactly one `chunked`.
/// Limits:    bytes and number of fields.
/// Threading: none.
struct HeadLimits {
  std::size_t bytes_max = 64 * 1024;
  std::size_t count_max = 100;
};

enum class HeadState : std::uint8_t { Done, Incomplete, Refused };

struct HeadResult {
  HeadState state = HeadState::Incomplete;
  std::size_t head_bytes = 0;  // When Done: up to and including the empty line.
  int status = 0;              // When Refused: the answer to give (400, 417, 431, 505).
  const char* reason = "";     // When Refused.
};

/// How the message goes on after its head.
struct Framing {
  bool version_1_0 = false;
  bool keep_alive = true;
  bool chunked = false;
  bool expects_continue = false;
  std::optional<std::uint64_t> length;
};

/// Fills the head's part of `request` with views into `bytes`.
HeadResult parse_request_head(std::string_view bytes, const HeadLimits& limits, Request& request, Framing& framing);

/// Fills status, fields and framing of an answer. A Transfer-Encoding beside a Content-Length wins and ends the
/// connection after this message.
HeadResult parse_reply_head(std::string_view bytes, const HeadLimits& limits, int& status, Fields& fields,
                            Framing& framing);

/// Whether `bytes` hold the end of a head; `from` is where the last search stopped and moves on. A line feed without a
/// carriage return is Refused at once. For heads that arrive in pieces, so that each piece is looked at once.
HeadState find_head_end(std::string_view bytes, std::size_t& from);

}  // namespace turnpike::http
