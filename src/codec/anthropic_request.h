#pragma once

#include "codec/anthropic_betas.h"
#include "codec/codec.h"
#include "protocol/chat_request.h"

namespace turnpike::codec {

/// Whose frame a Messages call travels in.
enum class AnthropicFrame : std::uint8_t {
  Direct,   // The API itself; Azure's copy of it.
  Vertex,   // rawPredict: the model stands in the path, the version in the body.
  Bedrock,  // InvokeModel: the same, and betas stand in the body.
};

/// The parameters of a chat call that a model takes through this frame.
protocol::ParamSet anthropic_params(const EncodeInput& input, AnthropicFrame frame);

/// Writes the body of a Messages call and collects the betas it needs; `betas` may hold the caller's already.
/// Errors: InvalidRequest.
Status write_anthropic_body(protocol::ChatRequest& request, const EncodeInput& input, AnthropicFrame frame,
                            AnthropicBetas& betas, Encoded& out);

}  // namespace turnpike::codec
