#pragma once

#include "codec/chat_codec.h"

namespace turnpike::codec {

/// generateContent of the Gemini API and of Vertex AI, which differ in addresses, keys, labels and ids of calls.
///
/// Source: npm @google/genai 2.32 (types, and what its converters send to which of the two); spec providers-google.
class GeminiCodec : public ChatCodec {
 public:
  explicit GeminiCodec(bool vertex) : vertex_(vertex) {}

  Error read_error(const Refusal& refusal) const override;
  std::optional<domain::Usage> usage_of_part(std::string_view body) const override;

 protected:
  protocol::ParamSet supported(const EncodeInput& input) const override;
  Status encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const override;
  Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const override;
  std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view label) const override;
  bool needs_bytes(const protocol::Block& block, const EncodeInput& input) const override;

 private:
  bool vertex_;
};

}  // namespace turnpike::codec
