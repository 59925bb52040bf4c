#pragma once

#include <string>

#include "codec/codec.h"

namespace turnpike::codec {

/// Which body InvokeModel takes, by the family a model's id names.
enum class BedrockFamily : std::uint8_t { TitanText, TitanMedia, TitanImage, Nova, Cohere, Stability, Other };
BedrockFamily bedrock_family(const provider::Target& target);

/// One InvokeModel call, signed.
void invoke_model(const EncodeInput& input, std::string body, Encoded& out);

}  // namespace turnpike::codec
