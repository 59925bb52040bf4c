#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace turnpike::base {

/// Standard base64 with padding (RFC 4648, section 4).
std::string to_base64(std::string_view bytes);
/// What standard base64 says, with padding or without; nothing when it is none.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace turnpike::base
