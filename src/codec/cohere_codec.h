#pragma once

#include <string>
#include <string_view>

#include "codec/chat_codec.h"

namespace turnpike::codec {

/// Cohere's API v2.
///
/// Source: npm `cohere-ai` 8.1 (V2ChatRequest, V2ChatResponse, V2ChatStreamResponse); Cohere's reference of Chat v2;
///         spec providers-others 1.
/// Usage:  callers read the tokens the model saw; what `billed_units` leaves out of them is booked as unbilled, so that
///         the ledger agrees with Cohere's invoice.
/// Thinking and `tool_plan` are both reasoning to the caller. On the way back they are thinking for models that the
/// price catalogue says reason, and the `tool_plan` of a turn with tool calls for the others.
class CohereCodec : public ChatCodec {
 public:
  Error read_error(const Refusal& refusal) const override;
  std::optional<domain::Usage> usage_of_part(std::string_view body) const override;

 protected:
  protocol::ParamSet supported(const EncodeInput& input) const override;
  Status encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const override;
  Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const override;
  std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view label) const override;
};

/// The path of one of Cohere's own operations ("/chat", "/embed", "/rerank") of API v2; a base that names another
/// version or a whole operation counts as its host.
std::string cohere_path(const provider::Target& target, std::string_view operation);

}  // namespace turnpike::codec
