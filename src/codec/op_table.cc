#include "codec/op_codec.h"

namespace turnpike::codec {
namespace {

using domain::Operation;
using provider::Shape;

/// Who speaks which dialect in an operation: by the provider's name, or by the shape of the target where none is named.
struct Row {
  Operation operation;
  Shape shape;
  std::string_view provider;
  OperationCodec codec;
};

Row row(Operation operation, Shape shape, const OperationDialect& dialect, std::string_view provider = {}) {
  return {operation, shape, provider, OperationCodec(dialect, shape)};
}

/// What is not here is spoken in OpenAI's dialect where the shape is OpenAI's, and refused elsewhere.
const Row* find_row(const provider::Target& target, Operation operation) {
  static const Row kRows[] = {
      row(Operation::Embedding, Shape::Cohere, kCohereEmbedding),
      row(Operation::Embedding, Shape::Gemini, kGeminiEmbedding),
      row(Operation::Embedding, Shape::VertexGemini, kVertexEmbedding),
      row(Operation::Embedding, Shape::BedrockConverse, kBedrockEmbedding),
      row(Operation::Embedding, Shape::Ollama, kOllamaEmbedding),
      row(Operation::Rerank, Shape::OpenAi, kVoyageRerank, "voyage"),
      row(Operation::Rerank, Shape::OpenAi, kTeiRerank, "huggingface"),
      row(Operation::Rerank, Shape::OpenAi, kPlainRerank),
      row(Operation::Rerank, Shape::AzureOpenAi, kFoundryRerank),
      row(Operation::Rerank, Shape::Cohere, kCohereRerank),
      row(Operation::Rerank, Shape::BedrockConverse, kBedrockRerank),
      row(Operation::Rerank, Shape::VertexGemini, kVertexRerank),
      row(Operation::ImageGeneration, Shape::Gemini, kGoogleImage),
      row(Operation::ImageGeneration, Shape::VertexGemini, kGoogleImage),
      row(Operation::ImageGeneration, Shape::BedrockConverse, kBedrockImage),
      row(Operation::ImageEdit, Shape::Gemini, kGoogleImage),
      row(Operation::ImageEdit, Shape::VertexGemini, kGoogleImage),
      row(Operation::ImageEdit, Shape::BedrockConverse, kBedrockImage),
      row(Operation::Transcription, Shape::OpenAi, kDeepgramTranscription, "deepgram"),
  };
  for (const Row& candidate : kRows) {
    const bool named = candidate.provider.empty() || candidate.provider == target.provider->name;
    if (candidate.operation == operation && candidate.shape == target.shape && named) return &candidate;
  }
  return nullptr;
}

}  // namespace

const Codec& codec_of(const provider::Target& target, domain::Operation operation) {
  if (domain::writes_text(operation)) return codec_of(target);
  const Row* row = find_row(target, operation);
  return row != nullptr ? row->codec : codec_of(target);
}

}  // namespace turnpike::codec
