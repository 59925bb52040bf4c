#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/usage.h"
#include "protocol/chat_reply.h"

namespace turnpike::protocol {

/// One step of a streamed answer, whatever dialect it came in. Views live until the decoder is fed again.
struct ChatEvent {
  enum class Kind : std::uint8_t {
    Start,             // The provider has begun: `id` and `name` (its model), where it says them.
    Text,              // `text`
    Refusal,           // `text`
    Thinking,          // `text`
    Signature,         // `signature` of the thinking before it; it ends that block.
    RedactedThinking,  // `text`: the opaque data.
    ToolStart,         // `tool`, `id` (may be empty), `name`; `signature` where Gemini gives one.
    ToolArguments,     // `tool`, `text`: a fragment of JSON text, as the provider cut it.
    Image,             // `media`
    Audio,             // `media` (a slice of base64), `text` the transcript's slice, `id`
    Citation,          // `citation`
    Logprobs,          // `json` in OpenAI's shape, of the text event before it.
    Native,            // `name` and `json`: a member of `provider_specific_fields`.
    Finish,            // `finish`, `native_finish`: once per choice.
    Usage,             // EventDecoder::usage() has changed.
    End,               // The dialect's terminal marker.
  };
  Kind kind = Kind::Text;
  Finish finish = Finish::None;
  std::uint32_t choice = 0;
  std::uint32_t tool = 0;   // Counts the tool calls of the choice from 0, not content blocks.
  std::uint32_t block = 0;  // The provider's content block, where it counts them: a new number is a new block.
  std::string_view text;
  std::string_view signature;
  std::string_view id;
  std::string_view name;
  std::string_view json;
  std::string_view native_finish;
  Media media;
  Citation citation;
};

/// Reads one provider's stream into events, however the bytes are cut.
///
/// Errors:    of `feed`: an error event (mapped Upstream kind), UpstreamMalformed; events before the fault are good.
///            of `finish` (the upstream has ended): UpstreamTruncated unless the dialect's end was seen.
/// Threading: none; one per attempt.
class EventDecoder {
 public:
  virtual ~EventDecoder() = default;
  virtual Status feed(std::string_view bytes, std::vector<ChatEvent>& out) = 0;
  virtual Status finish(std::vector<ChatEvent>& out) = 0;
  /// The latest the provider said; absent until it said something. Cumulative counts replace, they are never added.
  virtual const std::optional<domain::Usage>& usage() const = 0;
  virtual std::string_view service_tier() const { return {}; }
};

}  // namespace turnpike::protocol
