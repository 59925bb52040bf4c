#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/codec.h"

// What every operation of Bedrock's runtime needs: which model is meant, the path, the region, the proof.
namespace turnpike::codec {

/// The modelId as AWS takes it: `model_id` of the config line (an ARN, mostly), else the model without the gateway's
/// own prefixes ("converse/", "invoke/", "us-east-1/").
std::string_view bedrock_model_id(const provider::Target& target);

/// Who trained the model: the maker's part of the model's own id ("us.anthropic.claude-..." is Anthropic's). It decides
/// how fields beyond Converse are spelled; what a model can do, its traits say.
enum class BedrockMaker : std::uint8_t { Anthropic, Amazon, OpenAi, Other };
BedrockMaker bedrock_maker(const provider::Target& target);

/// "/model/<id>/<operation>" behind the target's base; the id is one percent-encoded segment.
std::string bedrock_path(const provider::Target& target, std::string_view operation);

/// Adds what proves our right to call: "Authorization: Bearer" for a Bedrock key, else a signature over method, path,
/// fields and body. Comes last: nothing of `out` may change behind it. Fields of the config line that bring an
/// authorization of their own are left to it.
void sign_bedrock(const EncodeInput& input, Encoded& out);

}  // namespace turnpike::codec
