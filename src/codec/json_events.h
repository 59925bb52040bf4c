#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/usage.h"
#include "json/document.h"
#include "protocol/chat_event.h"
#include "protocol/sse_decoder.h"
#include "protocol/texts.h"

namespace turnpike::codec {

/// Base of the decoders whose stream is server-sent events with one JSON object each (Anthropic, Gemini, Cohere,
/// watsonx). It tells events from a whole JSON body and from a page of HTML, and parses; a dialect reads objects.
///
/// Events without data and `[DONE]` are read past: dialects that are no OpenAI's end by an object or by the close.
/// Limits: 4 MiB an event, 8 MiB a whole body.
/// Errors: as EventDecoder; what `take` and `take_whole` return is given on.
class JsonEventDecoder : public protocol::EventDecoder {
 public:
  explicit JsonEventDecoder(std::string_view label) : label_(label), sse_(kEventBytesMax) {}

  Status feed(std::string_view bytes, std::vector<protocol::ChatEvent>& out) final;
  Status finish(std::vector<protocol::ChatEvent>& out) final;
  const std::optional<domain::Usage>& usage() const final { return usage_; }
  std::string_view service_tier() const final { return service_tier_; }

 protected:
  /// One event: an object. `event_name` is empty where the stream has no `event:` lines. `root` lives during the call,
  /// views of strings in it until the next feed.
  virtual Status take(std::string_view event_name, const json::Value& root, std::vector<protocol::ChatEvent>& out) = 0;
  /// The provider ignored `stream`, or failed in a 200: the whole body, an object; of a list, each in turn.
  virtual Status take_whole(const json::Value& root, std::vector<protocol::ChatEvent>& out) = 0;
  /// The dialect's terminal marker has been seen: the upstream may close.
  virtual bool ended() const = 0;
  /// The upstream has closed after `ended()`: a chance to say what the dialect leaves for the close.
  virtual void at_close(std::vector<protocol::ChatEvent>& out) { static_cast<void>(out); }

  /// What a JSON string says; "" when it is none. Good until the next feed.
  std::string_view text(const json::Value& value);
  protocol::Texts& made() { return texts_; }
  /// Keeps a made text until the next feed.
  std::string_view keep(std::string made) { return texts_.keep(std::move(made)); }
  const std::string& label() const { return label_; }

  std::optional<domain::Usage> usage_;
  std::string service_tier_;

 private:
  static constexpr std::size_t kEventBytesMax = 4 << 20;
  static constexpr std::size_t kWholeBodyMax = 8 << 20;
  enum class Form : std::uint8_t { Unknown, Events, Whole };

  Status take_events(std::vector<protocol::ChatEvent>& out);
  Status take_body(std::vector<protocol::ChatEvent>& out);

  std::string label_;
  protocol::SseDecoder sse_;
  protocol::Texts texts_;
  std::vector<protocol::SseEvent> events_;
  Form form_ = Form::Unknown;
  std::string front_;  // Bytes before the form is known, then the whole body if it is no event stream.
};

}  // namespace turnpike::codec
