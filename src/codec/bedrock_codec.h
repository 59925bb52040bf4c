#pragma once

#include "codec/chat_codec.h"

namespace turnpike::codec {

/// AWS Bedrock: Converse and ConverseStream.
///
/// Source: Bedrock Runtime's service model (botocore, @aws-sdk/client-bedrock-runtime); spec providers-bedrock.
class BedrockCodec final : public ChatCodec {
 public:
  Error read_error(const Refusal& refusal) const override;
  std::string_view caller_field() const override { return "anthropic-beta"; }

 protected:
  protocol::ParamSet supported(const EncodeInput& input) const override;
  Status encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const override;
  Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const override;
  std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view label) const override;
  bool needs_bytes(const protocol::Block& block, const EncodeInput& input) const override;
};

}  // namespace turnpike::codec
