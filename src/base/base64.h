#pragma once

#include <string>
#include <string_view>

namespace turnpike::base {

/// Standard base64 with padding (RFC 4648, section 4). Its reader is `from_base64` in text.h.
std::string to_base64(std::string_view bytes);

}  // namespace turnpike::base
