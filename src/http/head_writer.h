#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace turnpike::http {

/// "OK" for 200; "Unknown" for a status nobody has named.
std::string_view reason_phrase(int status);

/// How a reply is framed and what the server adds to its head.
struct ReplyFraming {
  bool version_1_0 = false;
  bool keep_alive = true;
  bool chunked = false;
  std::optional<std::uint64_t> length;
  std::string_view cors;  // Rendered lines, or nothing.
};

/// Appends the head of a reply. `Date` is made once a second per thread.
void append_reply_head(std::string& out, const ReplyHead& head, const ReplyFraming& framing);

/// Appends "1a2b\r\n".
void append_chunk_size(std::string& out, std::uint64_t size);

}  // namespace turnpike::http
