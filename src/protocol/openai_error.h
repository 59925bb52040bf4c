#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/document.h"

namespace turnpike::protocol {

/// An error answer of an OpenAI-compatible provider as an Error of the right kind (spec: routing 15, providers 2.7): by
/// code and text first, then by status. `provider_label` is "OpenAI", "Groq", ...; the message becomes
/// "litellm.<Class>: <Provider>Exception - <provider text>". Secrets are masked, HTML is cut to 500 characters.
/// `status` is 0 or 200 for an error inside a success; `retry_after` is the header's value ("3", "0.5", "1500ms",
/// a date, measured from `now_s` in Unix seconds).
Error read_error(int status, std::string_view body, std::string_view provider_label, std::string_view retry_after,
                 std::int64_t now_s = 0);

/// The error that a JSON object carries: an `error` member, a FastAPI `detail`, vLLM's and MiniMax's forms.
/// False when it is none.
bool holds_error(const json::Value& object);

/// LiteLLM's class name of a kind ("RateLimitError", "ContextWindowExceededError", ...).
std::string_view exception_class(ErrorKind kind);

/// What a provider's `finish_reason` means in OpenAI's words.
struct FinishReason {
  std::string_view shown;  // stop, length, tool_calls, content_filter, function_call; empty: not finished ("" or null).
  bool native = false;     // The provider's word is another.
  bool broke_off = false;  // It says that the answer is incomplete through the provider's own fault.
};
FinishReason finish_reason_of(std::string_view word);
Error broke_off_error(std::string_view word, std::string_view provider_label);

/// `text` with everything that looks like a key or a token masked.
std::string mask_secrets(std::string_view text);

}  // namespace turnpike::protocol
