#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "domain/usage.h"

namespace turnpike::protocol {

/// Follows one OpenAI-shaped stream from provider to caller: SSE bytes in, SSE bytes out, and what it said on the way.
/// A chunk that already keeps AC-OAI-1 to -3 leaves with nothing changed but its `model`; one that does not is
/// rewritten alone. Usage is always sniffed and reaches only callers who asked for it, last before [DONE].
///
/// Source:    OpenAI API reference, chat completion chunks; deviations tolerated: spec providers-openai-compatible 5.
///            A provider that answers with a whole reply, a JSON error or a page of HTML instead of events is read too:
///            `finish` says what it was.
/// Errors:    of `feed`: an error event from the provider (mapped Upstream kind), UpstreamMalformed (an unreadable
///            chunk, an event above the limit). Nothing is given out for the event at fault.
/// Threading: none; one per attempt.
class OpenAiStream {
 public:
  struct Options {
    domain::Operation operation = domain::Operation::Chat;
    std::string shown_model;     // The caller's word for the model.
    bool include_usage = false;  // The caller asked.
    std::uint64_t choices = 1;   // That the caller asked for.
    bool count_text = true;      // Keep output text lengths for estimates.
    std::string fallback_id;     // "chatcmpl-<uuid>", used when the provider gives no id.
    std::int64_t created_s = 0;  // Used when the provider gives none.
    std::string provider_label;
  };
  explicit OpenAiStream(Options options);
  ~OpenAiStream();

  /// Consumes what one read brought; appends what the caller gets to `pieces` (views into `bytes` and into this object,
  /// valid until the next call).
  Status feed(std::string_view bytes, std::vector<std::string_view>& pieces);

  /// The upstream has ended. Success only when the stream was complete ([DONE] or every choice finished): appends
  /// what is still owed (usage chunk, [DONE]). Errors: UpstreamTruncated.
  Status finish(std::vector<std::string_view>& pieces);

  /// [DONE] has been read: nothing after it matters, the terminal events are in `pieces` already.
  bool done() const;
  /// The caller asked for usage and the provider did not say all of it: what ends a good stream (usage chunk, [DONE])
  /// is owed until somebody has counted.
  bool owes_usage() const;
  /// Those events; an empty usage leaves its chunk out. What was given out before stays good.
  std::string_view last_events(const domain::Usage& counted);
  /// Some content (text, tool call, reasoning, refusal, finish) has been given out: no silent restart any more.
  bool content_seen() const;

  const std::string& id() const;
  const std::string& finish_reason() const;
  const std::optional<domain::Usage>& usage() const;  // The latest the provider said.
  const std::string& service_tier() const;
  /// Every choice seen so far has its finish_reason: an upstream that goes now has told everything.
  bool complete() const;
  /// The provider has begun an answer, if only by a role: what it did may be billed.
  bool choice_seen() const;
  /// Output text seen so far (for counting when usage is missing); bounded, the rest only as a length. Good until the
  /// next feed.
  const std::string& text_for_count() const;
  std::uint64_t text_bytes() const;
  /// The same length as it stood in the JSON, escapes and all: cheap, for following a stream under way.
  std::uint64_t raw_text_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The events that end a broken stream truthfully (AC-ERR-1): one error event, then [DONE].
std::string broken_stream_events(const Error& error);

/// A stand-in answer for `mock_response` (JSON text), streamed or whole: a string is the content, an object with
/// `choices` is the whole answer, a list the vector of an embedding. Usage is LiteLLM's stand-in, 10 and 20 tokens.
std::string mock_reply(domain::Operation operation, std::string_view mock_json, std::string_view model,
                       std::string_view id, std::int64_t created_s, domain::Usage& usage);
std::string mock_stream(std::string_view mock_json, std::string_view model, std::string_view id, std::int64_t created_s,
                        bool include_usage, domain::Usage& usage,
                        domain::Operation operation = domain::Operation::Chat);
/// The failure that a special `mock_response` string asks for ("litellm.RateLimitError", "Exception:
/// content_filter_policy",
/// ...); nothing for any other.
std::optional<Error> mock_error(std::string_view mock_json);

}  // namespace turnpike::protocol
