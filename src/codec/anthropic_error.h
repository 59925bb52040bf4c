#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "json/document.h"

namespace turnpike::codec {

/// What an error body of Anthropic means. `status` 0: it came inside a 200, or in a stream, and its type says which
/// status it would have had.
///
/// Source: Anthropic API reference, "Errors"; `error.details.error_code` as its SDK reads it.
Error read_anthropic_error(int status, std::string_view body, std::string_view label, std::string_view retry_after = {},
                           std::int64_t now_s = 0);

/// Whether an object is an error instead of an answer or an event.
bool is_anthropic_error(const json::Value& object);

}  // namespace turnpike::codec
