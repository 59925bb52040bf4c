#include "codec/google_address.h"
#include "codec/op_codec.h"
#include "codec/op_request.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Value;

struct GoogleTexts {
  std::vector<std::string_view> texts;
  std::string_view task, title, dimensions;
};

Result<GoogleTexts> read_google_texts(const EncodeInput& input, Params& params) {
  Result<std::vector<std::string_view>> texts = read_texts(input, params.raw("input"));
  if (!texts) return base::fail(std::move(texts.error()));
  GoogleTexts read;
  read.texts = std::move(*texts);
  for (const char* name : {"taskType", "task_type", "input_type"}) {
    if (read.task.empty()) read.task = params.raw(name);
  }
  read.title = params.raw("title");
  for (const char* name : {"dimensions", "outputDimensionality", "output_dimensionality"}) {
    if (read.dimensions.empty()) read.dimensions = params.raw(name);
  }
  params.drop({"encoding_format"});
  return read;
}

/// Source: npm @google/genai (EmbedContentParameters, batchEmbedContents of the Gemini API): at most 100 a request.
Status encode_gemini(const EncodeInput& input, Encoded& out) {
  constexpr std::size_t kTextsMax = 100;
  Params params(input);
  Result<GoogleTexts> read = read_google_texts(input, params);
  if (!read) return base::fail(std::move(read.error()));
  const std::string model = "models/" + std::string(google_model(input.target.model));
  return split_requests(input, read->texts.size(), kTextsMax, out,
                        [&](std::size_t begin, std::size_t end, Encoded& next) {
                          google_address(input, "batchEmbedContents", next);
                          std::string body;
                          json::Writer writer(body);
                          writer.begin_object().key("requests").begin_array();
                          for (std::size_t i = begin; i < end; ++i) {
                            writer.begin_object().key("model").string(model);
                            writer.key("content").begin_object().key("parts").begin_array().begin_object();
                            writer.key("text").raw(read->texts[i]).end_object().end_array().end_object();
                            if (!read->task.empty()) writer.key("taskType").raw(read->task);
                            if (!read->title.empty()) writer.key("title").raw(read->title);
                            if (!read->dimensions.empty()) writer.key("outputDimensionality").raw(read->dimensions);
                            writer.end_object();
                          }
                          writer.end_array().end_object();
                          next.set_body(std::move(body));
                          return Status();
                        });
}

Result<protocol::ReplyFacts> decode_gemini(const OperationAnswer& answer, std::string& out) {
  EmbeddingList list(answer, out);
  std::uint64_t tokens = 0;
  for (const std::string_view body : answer.bodies) {
    json::Document document;
    if (auto parsed = document.parse(body); !parsed) return unreadable_answer(answer, parsed.error().message);
    for (const Value embedding : document.root().find("embeddings").elements()) {
      if (!list.add(embedding.find("values"))) return unreadable_answer(answer, "a vector is no list of numbers");
    }
    tokens += document.root().find("usageMetadata").find("promptTokenCount").whole().value_or(0);
  }
  domain::Usage usage;
  usage.set(Unit::InputTokens, tokens);
  return list.finish(usage);
}

/// Source: Vertex AI's reference "Text embeddings API"; npm @google/genai (embedContent on Vertex). 250 texts a request
/// for the text-embedding models; models that are asked by embedContent take one.
Status encode_vertex_embedding(const EncodeInput& input, Encoded& out) {
  constexpr std::size_t kTextsMax = 250;
  const bool one_by_one = input.traits.has(domain::Trait::EmbedContent);
  Params params(input);
  Result<GoogleTexts> read = read_google_texts(input, params);
  if (!read) return base::fail(std::move(read.error()));
  std::string_view truncate = params.raw("autoTruncate");
  if (truncate.empty()) truncate = params.raw("auto_truncate");
  const auto write_embed = [&](std::size_t begin, Encoded& next) {
    google_address(input, "embedContent", next);
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("content").begin_object().key("parts").begin_array().begin_object();
    writer.key("text").raw(read->texts[begin]).end_object().end_array().end_object();
    if (!read->task.empty()) writer.key("taskType").raw(read->task);
    if (!read->title.empty()) writer.key("title").raw(read->title);
    if (!read->dimensions.empty()) writer.key("outputDimensionality").raw(read->dimensions);
    if (!truncate.empty()) writer.key("autoTruncate").raw(truncate);
    writer.end_object();
    next.set_body(std::move(body));
  };
  return split_requests(input, read->texts.size(), one_by_one ? 1 : kTextsMax, out,
                        [&](std::size_t begin, std::size_t end, Encoded& next) {
                          if (one_by_one) {
                            write_embed(begin, next);
                            return Status();
                          }
                          google_address(input, "predict", next);
                          std::string body;
                          json::Writer writer(body);
                          writer.begin_object().key("instances").begin_array();
                          for (std::size_t i = begin; i < end; ++i) {
                            writer.begin_object().key("content").raw(read->texts[i]);
                            if (!read->task.empty()) writer.key("task_type").raw(read->task);
                            if (!read->title.empty()) writer.key("title").raw(read->title);
                            writer.end_object();
                          }
                          writer.end_array();
                          if (!read->dimensions.empty() || !truncate.empty()) {
                            writer.key("parameters").begin_object();
                            if (!truncate.empty()) writer.key("autoTruncate").raw(truncate);
                            if (!read->dimensions.empty()) writer.key("outputDimensionality").raw(read->dimensions);
                            writer.end_object();
                          }
                          writer.end_object();
                          next.set_body(std::move(body));
                          return Status();
                        });
}

Result<protocol::ReplyFacts> decode_vertex(const OperationAnswer& answer, std::string& out) {
  EmbeddingList list(answer, out);
  std::uint64_t tokens = 0;
  for (const std::string_view body : answer.bodies) {
    json::Document document;
    if (auto parsed = document.parse(body); !parsed) return unreadable_answer(answer, parsed.error().message);
    const Value root = document.root();
    if (const Value embedding = root.find("embedding")) {
      if (!list.add(embedding.find("values"))) return unreadable_answer(answer, "a vector is no list of numbers");
      tokens += root.find("usageMetadata").find("promptTokenCount").whole().value_or(0);
    }
    for (const Value prediction : root.find("predictions").elements()) {
      const Value embeddings = prediction.find("embeddings");
      if (!list.add(embeddings.find("values"))) return unreadable_answer(answer, "a vector is no list of numbers");
      tokens += embeddings.find("statistics").find("token_count").whole().value_or(0);
    }
  }
  domain::Usage usage;
  usage.set(Unit::InputTokens, tokens);
  return list.finish(usage);
}

}  // namespace

const OperationDialect kGeminiEmbedding{encode_gemini, decode_gemini};
const OperationDialect kVertexEmbedding{encode_vertex_embedding, decode_vertex};

}  // namespace turnpike::codec
