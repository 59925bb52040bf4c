#pragma once

#include "codec/anthropic_request.h"
#include "codec/chat_codec.h"

namespace turnpike::codec {

/// Anthropic's Messages API: at Anthropic itself, in Azure's copy of it, on Vertex AI and through Bedrock's
/// InvokeModel.
///
/// Source: Anthropic API reference and the types of its SDK (Messages, streaming, errors), the request frames of its
///         SDKs for Vertex and Bedrock; spec providers-anthropic.
class AnthropicCodec final : public ChatCodec {
 public:
  explicit AnthropicCodec(AnthropicFrame frame) : frame_(frame) {}

  Error read_error(const Refusal& refusal) const override;
  std::string_view caller_field() const override { return "anthropic-beta"; }

 protected:
  protocol::ParamSet supported(const EncodeInput& input) const override { return anthropic_params(input, frame_); }
  Status encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const override;
  Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const override;
  std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view label) const override;
  bool needs_bytes(const protocol::Block& block, const EncodeInput& input) const override;

 private:
  AnthropicFrame frame_;
};

}  // namespace turnpike::codec
