#pragma once

#include <string>

#include "codec/codec.h"

namespace turnpike::codec {

/// Splices a call's body for an OpenAI-shaped target: `model` replaced, our own fields cut, the provider's rules
/// applied, everything else untouched.
Status encode_openai_body(const EncodeInput& input, Encoded& out);

/// An operation's path behind the target's base; a base that already ends with it is taken as it is.
std::string openai_path(const provider::Target& target, domain::Operation operation);

}  // namespace turnpike::codec
