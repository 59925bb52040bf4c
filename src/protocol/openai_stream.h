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
#include "protocol/reply_stream.h"

namespace turnpike::protocol {

/// Follows one OpenAI-shaped stream from provider to caller: SSE bytes in, SSE bytes out, and what it said on the way.
/// A chunk that already keeps AC-OAI-1 to -3 leaves with nothing changed but its `model`; one that does not is
/// rewritten alone. Usage is always sniffed and reaches only callers who asked for it, last before [DONE].
///
/// Source:    OpenAI API reference, chat completion chunks; deviations tolerated: spec providers-openai-compatible 5.
///            A provider that answers with a whole reply, a JSON error or a page of HTML instead of events is read too:
///            `finish` says what it was.
class OpenAiStream final : public ReplyStream {
 public:
  explicit OpenAiStream(StreamOptions options);
  ~OpenAiStream() override;

  Status feed(std::string_view bytes, std::vector<std::string_view>& pieces) override;
  Status finish(std::vector<std::string_view>& pieces) override;
  bool done() const override;
  bool owes_usage() const override;
  std::string_view last_events(const domain::Usage& counted) override;
  bool content_seen() const override;
  const std::string& id() const override;
  const std::string& finish_reason() const override;
  const std::optional<domain::Usage>& usage() const override;
  const std::string& service_tier() const override;
  bool complete() const override;
  bool choice_seen() const override;
  const std::string& text_for_count() const override;
  std::uint64_t text_bytes() const override;
  std::uint64_t raw_text_bytes() const override;

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
