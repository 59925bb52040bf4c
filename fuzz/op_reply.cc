// Feeds answers to the readers of every operation in every dialect, and calls to their encoders: what is read is JSON
// the caller can read (or the bytes as they came), what is encoded is within its limits.
#include <cstdint>
#include <cstdlib>

#include "codec/op_codec.h"
#include "json/document.h"

namespace {

using namespace turnpike;
using domain::Operation;
using provider::Shape;

void require(bool truth) {
  if (!truth) std::abort();
}

struct Aim {
  Operation operation;
  const char* provider;
  Shape shape;
  const char* model;
};

constexpr Aim kAims[] = {
    {Operation::Embedding, "openai", Shape::OpenAi, "m"},
    {Operation::Embedding, "cohere", Shape::Cohere, "m"},
    {Operation::Embedding, "gemini", Shape::Gemini, "m"},
    {Operation::Embedding, "vertex_ai", Shape::VertexGemini, "m"},
    {Operation::Embedding, "bedrock", Shape::BedrockConverse, "amazon.titan-embed-text-v2:0"},
    {Operation::Embedding, "bedrock", Shape::BedrockConverse, "cohere.embed-v4:0"},
    {Operation::Embedding, "ollama", Shape::Ollama, "m"},
    {Operation::Rerank, "jina_ai", Shape::OpenAi, "m"},
    {Operation::Rerank, "bedrock", Shape::BedrockConverse, "m"},
    {Operation::Moderation, "openai", Shape::OpenAi, "m"},
    {Operation::ImageGeneration, "openai", Shape::OpenAi, "m"},
    {Operation::ImageGeneration, "gemini", Shape::Gemini, "imagen-4"},
    {Operation::ImageGeneration, "gemini", Shape::Gemini, "m"},
    {Operation::ImageGeneration, "bedrock", Shape::BedrockConverse, "amazon.nova-canvas-v1:0"},
    {Operation::ImageGeneration, "bedrock", Shape::BedrockConverse, "stability.sd3-5-large-v1:0"},
    {Operation::Speech, "openai", Shape::OpenAi, "m"},
    {Operation::Transcription, "openai", Shape::OpenAi, "m"},
    {Operation::Transcription, "deepgram", Shape::OpenAi, "m"},
};

void read_answer(const codec::Codec& codec, const Aim& aim, std::string_view body, bool base64) {
  codec::Encoded request;
  request.base64_vectors = base64;
  request.documents = {"\"a\"", "{\"b\":1}"};
  request.answer_format = base64 ? "verbose_json" : "json";
  protocol::ReplyOptions options;
  options.operation = aim.operation;
  options.shown_model = "group";
  options.provider_label = "Provider";
  options.content_type = "application/json";
  const std::string_view bodies[] = {body, body};
  std::string scratch;
  std::vector<std::string_view> pieces;
  const auto facts = codec.read_replies(options, request, bodies, scratch, pieces);
  if (!facts) {
    require(!facts.error().message.empty());
    return;
  }
  std::string got;
  for (const std::string_view piece : pieces) got += piece;
  if (facts->owes_usage) got += ",\"usage\":{}}";
  json::Document document;
  require(document.parse(got).has_value());
}

void encode_call(const Aim& aim, const provider::Target& target, std::string_view body) {
  std::string padded(body);
  padded.append(json::kJsonPadding, '\0');
  const auto call = protocol::parse_call(aim.operation, std::string_view(padded).substr(0, body.size()), "group");
  if (!call) return;
  const credential::Credential credential;
  const codec::EncodeInput input(*call, target, credential, {});
  const auto encoded = codec::codec_of(target, aim.operation).encode(input);
  if (!encoded) {
    require(!encoded.error().message.empty());
    return;
  }
  require(encoded->more.size() < codec::kRequestsMax && !encoded->path.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Aim& aim = kAims[(data[0] & 0x3f) % std::size(kAims)];
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  provider::Target target;
  target.provider = provider::find_provider(aim.provider);
  target.shape = aim.shape;
  target.model = aim.model;
  read_answer(codec::codec_of(target, aim.operation), aim, body, (data[0] & 0x80) != 0);
  encode_call(aim, target, body);
  return 0;
}
