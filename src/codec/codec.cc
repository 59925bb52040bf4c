#include "codec/codecs.h"
#include "codec/openai_codec.h"

namespace turnpike::codec {

const Codec& openai_codec() {
  static const OpenAiCodec codec;
  return codec;
}

const Codec& codec_of(const provider::Target& target) {
  switch (target.shape) {
    case provider::Shape::AzureOpenAi:
      return azure_codec();
    case provider::Shape::Watsonx:
      return watsonx_codec();
    case provider::Shape::Ollama:
      return ollama_codec();
    case provider::Shape::Cohere:
      return cohere_codec();
    case provider::Shape::Anthropic:
      return anthropic_codec();
    case provider::Shape::AnthropicVertex:
      return anthropic_vertex_codec();
    case provider::Shape::AnthropicBedrock:
      return anthropic_bedrock_codec();
    case provider::Shape::Gemini:
      return gemini_codec();
    case provider::Shape::VertexGemini:
      return vertex_codec();
    case provider::Shape::OpenAiVertex:
      return vertex_raw_codec();
    case provider::Shape::BedrockConverse:
      return bedrock_codec();
    case provider::Shape::OpenAi:
    case provider::Shape::Other:
      break;
  }
  return openai_codec();
}

}  // namespace turnpike::codec
