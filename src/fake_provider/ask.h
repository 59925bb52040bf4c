#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fake_provider/script.h"

namespace turnpike::fake_provider {

/// Messages: a chat in Anthropic's dialect.
enum class AskKind : std::uint8_t { Chat, Completion, Embedding, Messages };

/// What of a request decides the answer.
struct Ask {
  AskKind kind = AskKind::Chat;
  std::string model;
  bool stream = false;
  bool has_stream_options = false;
  bool include_usage = false;
  std::int64_t max_tokens = -1;
  std::int64_t choices = 1;
  std::int64_t inputs = 1;  // Embeddings asked for.
  std::int64_t dimensions = 8;
  bool base64 = false;
  std::uint64_t prompt_bytes = 0;  // Of the raw value of `messages`, `prompt` or `input`.
  std::uint64_t content_hash = 0;  // Of the whole body: same bytes, same answer.
  Script script;                   // The defaults with the request's own directives on top.
};

/// Reads a body, which must be followed by json::kJsonPadding readable bytes.
/// Errors: InvalidRequest: no JSON object, no `model`, a directive nobody knows.
Result<Ask> parse_ask(AskKind kind, std::string_view body, const Script& defaults);

/// Tokens the answer reports.
struct Tokens {
  std::int64_t prompt = 0;
  std::int64_t cached = 0;
  std::int64_t completion = 0;
  std::int64_t reasoning = 0;
  bool cut_by_limit = false;  // max_tokens was reached: finish_reason "length".
};
Tokens tokens_of(const Ask& ask);

}  // namespace turnpike::fake_provider
