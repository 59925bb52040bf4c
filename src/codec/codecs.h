#pragma once

#include "codec/codec.h"

namespace turnpike::codec {

// One object per shape; `codec_of` chooses.
const Codec& openai_codec();
const Codec& azure_codec();
const Codec& bedrock_codec();
const Codec& cohere_codec();
const Codec& ollama_codec();
const Codec& watsonx_codec();
const Codec& anthropic_codec();
const Codec& anthropic_vertex_codec();
const Codec& anthropic_bedrock_codec();
const Codec& gemini_codec();
const Codec& vertex_codec();      // Google's models
const Codec& vertex_raw_codec();  // Mistral's and AI21's

}  // namespace turnpike::codec
