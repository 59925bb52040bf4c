#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "domain/usage.h"
#include "protocol/answer_quirks.h"

namespace turnpike::protocol {

/// What the caller is to see of a stream.
struct StreamOptions {
  domain::Operation operation = domain::Operation::Chat;
  std::string shown_model;     // The caller's word for the model.
  bool include_usage = false;  // The caller asked.
  std::uint64_t choices = 1;   // That the caller asked for.
  bool count_text = true;      // Keep output text lengths for estimates.
  std::string fallback_id;     // "chatcmpl-<uuid>", used when the provider gives no id.
  std::int64_t created_s = 0;  // Used when the provider gives none.
  std::string provider_label;
  AnswerQuirks quirks;
  std::string content_type;  // The provider's, where an operation has answers of several.
};

/// Follows one stream from provider to caller: the provider's bytes in, the caller's server-sent events out, and what
/// was said on the way. Same dialect: `OpenAiStream`; another one: `TranslatedStream`.
///
/// Errors:    of `feed`: an error event from the provider (mapped Upstream kind), UpstreamMalformed (unreadable, or an
///            event above the limit). Nothing is given out for the event at fault.
/// Threading: none; one per attempt.
class ReplyStream {
 public:
  virtual ~ReplyStream() = default;

  /// Consumes what one read brought; appends what the caller gets to `pieces` (views into `bytes` and into this object,
  /// valid until the next call).
  virtual Status feed(std::string_view bytes, std::vector<std::string_view>& pieces) = 0;
  /// The upstream has ended. Success only when the stream was complete: appends what is still owed (usage chunk,
  /// [DONE]). Errors: UpstreamTruncated.
  virtual Status finish(std::vector<std::string_view>& pieces) = 0;

  /// The end has been read: nothing after it matters, the terminal events are in `pieces` already.
  virtual bool done() const = 0;
  /// The caller asked for usage and the provider did not say all of it: what ends a good stream (usage chunk, [DONE])
  /// is owed until somebody has counted.
  virtual bool owes_usage() const = 0;
  /// Those events; an empty usage leaves its chunk out. What was given out before stays good.
  virtual std::string_view last_events(const domain::Usage& counted) = 0;
  /// Some content (text, tool call, reasoning, refusal, finish) has been given out: no silent restart any more.
  virtual bool content_seen() const = 0;

  virtual const std::string& id() const = 0;
  virtual const std::string& finish_reason() const = 0;
  virtual const std::optional<domain::Usage>& usage() const = 0;  // The latest the provider said.
  virtual const std::string& service_tier() const = 0;
  /// Every choice seen so far has its finish_reason: an upstream that goes now has told everything.
  virtual bool complete() const = 0;
  /// The provider has begun an answer, if only by a role: what it did may be billed.
  virtual bool choice_seen() const = 0;
  /// Output text seen so far (for counting when usage is missing); bounded, the rest only as a length. Good until the
  /// next feed.
  virtual const std::string& text_for_count() const = 0;
  virtual std::uint64_t text_bytes() const = 0;
  /// The same length as it stood in the JSON, escapes and all: cheap, for following a stream under way.
  virtual std::uint64_t raw_text_bytes() const = 0;
  /// The length of the sound that went through, where it is sound and says so.
  virtual std::uint64_t sound_milliseconds() const { return 0; }
};

}  // namespace turnpike::protocol
