#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "fake_provider/script.h"

namespace turnpike::fake_provider {

class Shape;

/// Models: the list of models.
enum class AskKind : std::uint8_t { Chat, Completion, Embedding, Rerank, Image, Speech, Transcription, Models };

/// What an address asks for.
struct Route {
  const Shape* shape = nullptr;
  AskKind kind = AskKind::Chat;
  bool stream = false;           // The address says so, not the body.
  bool streams_unasked = false;  // A body that does not say `stream` means it.
  std::string model;             // Empty: the body names it.
};

/// What of a request decides the answer.
struct Ask {
  const Shape* shape = nullptr;
  AskKind kind = AskKind::Chat;
  std::string model;
  bool stream = false;
  bool has_stream_options = false;
  bool include_usage = false;
  bool blocked = false;  // By the vendor's policy, which says so in an answer and not by an error.
  std::int64_t max_tokens = -1;
  std::int64_t choices = 1;
  std::int64_t inputs = 1;  // Embeddings asked for, documents to be ranked.
  std::int64_t dimensions = 8;
  bool base64 = false;
  std::uint64_t prompt_bytes = 0;  // Of the raw value of `messages`, `prompt`, `contents` and the like.
  std::uint64_t content_hash = 0;  // Of the whole body: same bytes, same answer.
  Script script;                   // The defaults with the request's own directives on top.
};

/// Reads a body in whatever dialect: the names that matter mean the same in all of them. JSON must be followed by
/// json::kJsonPadding readable bytes; a form (`content_type`) is read by its fields.
/// Errors: InvalidRequest: no JSON object, no model, a directive nobody knows.
Result<Ask> parse_ask(const Route& route, std::string_view content_type, std::string_view body, const Script& defaults);

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
