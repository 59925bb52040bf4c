#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/anthropic_stream.h"
#include "codec/event_stream.h"
#include "protocol/chat_event.h"

namespace turnpike::codec {

/// Reads a Messages stream out of the event stream of Bedrock's InvokeModelWithResponseStream: each `chunk` holds one
/// event of the Messages API in base64. Exceptions of the stream are errors, as ConverseStream's are.
///
/// A provider that answers in one JSON body is read as well (AC-ERR-2).
/// Source: ResponseStream of Bedrock Runtime's service model; Anthropic's SDK for Bedrock reads it the same way.
/// Errors and limits: as EventStreamReader and AnthropicEvents.
class AnthropicBedrockEvents final : public protocol::EventDecoder {
 public:
  explicit AnthropicBedrockEvents(std::string_view label) : label_(label), frames_(label), events_(label) {}

  Status feed(std::string_view bytes, std::vector<protocol::ChatEvent>& out) override;
  Status finish(std::vector<protocol::ChatEvent>& out) override { return events_.finish(out); }
  const std::optional<domain::Usage>& usage() const override { return events_.usage(); }
  std::string_view service_tier() const override { return events_.service_tier(); }

 private:
  enum class Form : std::uint8_t { Unknown, Frames, Whole };
  Status take(const StreamMessage& message);

  std::string label_;
  Form form_ = Form::Unknown;
  EventStreamReader frames_;
  AnthropicEvents events_;
  std::vector<StreamMessage> messages_;
  std::string plain_;  // What the frames of one feed hold, as the API itself would send it.
};

}  // namespace turnpike::codec
