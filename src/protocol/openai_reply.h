#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "domain/usage.h"
#include "json/document.h"
#include "protocol/answer_quirks.h"
#include "protocol/openai_error.h"

namespace turnpike::protocol {

/// What a whole (not streamed) OpenAI-shaped answer says, sniffed without rebuilding it.
struct ReplyFacts {
  std::string id;
  std::string model;                   // The provider's word for it.
  std::optional<domain::Usage> usage;  // Absent: the provider did not say.
  std::string finish_reason;           // Of the first choice.
  std::string service_tier;
  bool owes_usage = false;     // The answer is left open: the member `usage` and the closing brace follow when counted.
  std::uint64_t images = 0;    // That were made.
  std::uint64_t audio_ms = 0;  // Length of what was heard, as the provider says it.
  std::string text_for_count;  // All output text, tool arguments and reasoning; filled only when usage is absent.
};

/// Reads an answer's body and appends to `pieces` what the caller gets: the same bytes with `model` replaced by
/// `shown_model` (added when absent), `finish_reason` normalised, `reasoning` named `reasoning_content`, usage made to
/// add up. `scratch` owns the inserted text and must live as long as the pieces, unchanged.
/// Errors: an error object inside the 200 (AC-ERR-2) comes back as the mapped Upstream error, also a finish reason that
///         says the provider broke off; UpstreamMalformed when the body is no answer (no JSON object, no choices).
struct ReplyOptions {
  domain::Operation operation = domain::Operation::Chat;
  std::string_view shown_model;
  std::string_view provider_label;
  std::string_view fallback_id;  // "chatcmpl-<uuid>"; empty: an answer without id stays without.
  AnswerQuirks quirks;
  std::string_view content_type;  // The provider's, where an operation has answers of several.
  std::int64_t created_s = 0;     // Of an answer whose provider gives no time.
};
Result<ReplyFacts> read_reply(const ReplyOptions& options, std::string_view body, std::string& scratch,
                              std::vector<std::string_view>& pieces);
Result<ReplyFacts> read_reply(domain::Operation operation, std::string_view body, std::string_view shown_model,
                              std::string& scratch, std::vector<std::string_view>& pieces);

/// What the model wrote in a reply that was cut off: content, reasoning and tool arguments as far as they came, for
/// counting. Reads text that is no whole JSON; finds nothing rather than too much.
std::string text_of_part(std::string_view part);

/// What a whole reply says it used, also when it is an error.
std::optional<domain::Usage> usage_of_reply(std::string_view body);

/// Usage from an OpenAI `usage` object (JSON text), also DeepSeek's cache-hit spelling, `x_groq`, cache-write details.
/// Nothing when it says nothing (no counts, or all zero) or what nobody believes (a count above 1e9).
std::optional<domain::Usage> read_usage(std::string_view usage_json);
std::optional<domain::Usage> read_usage(const json::Value& usage);
/// Whether the object keeps the invariant callers rely on: total = prompt + completion, sub-counts inside them.
bool adds_up(const json::Value& usage, const domain::Usage& read);
/// A provider's `usage` object as callers read it, where that is not as it stands: made to add up, cache hits named.
std::optional<std::string> shown_usage(domain::Operation operation, const json::Value& usage,
                                       const domain::Usage& read);
/// Usage as OpenAI writes it.
std::string usage_json(domain::Operation operation, const domain::Usage& usage);

}  // namespace turnpike::protocol
