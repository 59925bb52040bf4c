#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "base/result.h"

namespace turnpike::protocol {

using FindField = std::function<std::string_view(std::string_view name)>;  // Empty: there is no such field.

/// Completes an error by what the header fields of the answer say of another try:
///
/// `x-should-retry`  true or false: the provider's own word, which its SDKs obey before any status.
/// limits            where a 429 has no Retry-After, the longest wait among the limits that are used up:
///                   `x-ratelimit-remaining-X` of 0 with `x-ratelimit-reset-X` ("6m0s", "20ms", plain seconds; X is
///                   `requests` or `tokens`), and `anthropic-ratelimit-X-remaining` with `-reset` (RFC 3339; also
///                   `input-tokens` and `output-tokens`). A limit with something left says nothing of this refusal.
///
/// Source: the header tables of OpenAI's and Anthropic's rate limit pages, and their SDKs, read in 2026.
void heed_retry_fields(Error& error, const FindField& find, std::int64_t now_s);

}  // namespace turnpike::protocol
