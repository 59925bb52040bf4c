#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "domain/usage.h"

namespace turnpike::protocol {

/// What a whole (not streamed) OpenAI-shaped answer says, sniffed without rebuilding it.
struct ReplyFacts {
  std::string id;
  std::string model;                     // The provider's word for it.
  std::optional<domain::Usage> usage;    // Absent: the provider did not say.
  std::string finish_reason;             // Of the first choice.
  std::string service_tier;
  std::string text_for_count;            // All output text, tool arguments and reasoning; filled only when usage is absent.
};

/// Reads an answer's body (padded) and appends to `pieces` what the caller gets: the same bytes with `model` replaced
/// by `shown_model` (added when absent). `scratch` owns the inserted text and must live as long as the pieces.
/// Errors: an error object inside the 200 (AC-ERR-2) comes back as the mapped Upstream error; UpstreamMalformed when the
///         body is no JSON object.
Result<ReplyFacts> read_reply(domain::Operation operation, std::string_view body, std::string_view shown_model,
                              std::string& scratch, std::vector<std::string_view>& pieces);

/// Usage from an OpenAI `usage` object (JSON text), also DeepSeek's cache-hit spelling, `x_groq`, cache-write details.
std::optional<domain::Usage> read_usage(std::string_view usage_json);

/// An error answer of an OpenAI-compatible provider as an Error of the right kind (spec: routing 15, providers 2.7): by
/// code and text first, then by status. `provider_label` is "OpenAI", "Groq", ...; the message becomes
/// "litellm.<Class>: <Provider>Exception - <provider text>". Secrets are masked, HTML is cut to 500 characters.
Error read_error(int status, std::string_view body, std::string_view provider_label, std::string_view retry_after);
/// LiteLLM's class name of a kind ("RateLimitError", "ContextWindowExceededError", ...).
std::string_view exception_class(ErrorKind kind);

}  // namespace turnpike::protocol
