#pragma once

#include <string>
#include <string_view>

#include "codec/chat_codec.h"

namespace turnpike::codec {

/// Ollama's own /api/chat.
///
/// Source: Ollama's docs/api.md; npm `ollama`; spec providers-others 3.
/// Limits: images as bytes only; no `tool_choice`: tools that may not be called are left out, and nothing can be
/// forced. Stream: a JSON object a line; the one with `"done":true` is the last.
class OllamaCodec : public ChatCodec {
 public:
  Error read_error(const Refusal& refusal) const override;
  std::optional<domain::Usage> usage_of_part(std::string_view body) const override;

 protected:
  protocol::ParamSet supported(const EncodeInput& input) const override;
  Status encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const override;
  Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const override;
  std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view label) const override;
  bool needs_bytes(const protocol::Block& block, const EncodeInput& input) const override;
};

/// The path of one of Ollama's own operations ("/chat", "/embed"); a base for its OpenAI-compatible side counts as its
/// host.
std::string ollama_path(const provider::Target& target, std::string_view operation);

}  // namespace turnpike::codec
