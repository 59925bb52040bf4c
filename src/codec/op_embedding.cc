#include "codec/cohere_codec.h"
#include "codec/ollama_codec.h"
#include "codec/op_codec.h"
#include "codec/op_request.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Value;

/// Writes the texts from `begin` to `end` as a list; they are JSON already.
void write_texts(json::Writer& writer, std::span<const std::string_view> texts) {
  writer.begin_array();
  for (const std::string_view text : texts) writer.raw(text);
  writer.end_array();
}

std::optional<domain::Usage> input_usage(std::uint64_t tokens) {
  domain::Usage usage;
  usage.set(Unit::InputTokens, tokens);
  return usage.empty() ? std::nullopt : std::optional(usage);
}

/// Source: npm `cohere-ai` (V2EmbedRequest, EmbedByTypeResponse); at most 96 texts a request.
Status encode_cohere(const EncodeInput& input, Encoded& out) {
  constexpr std::size_t kTextsMax = 96;
  Params params(input);
  Result<std::vector<std::string_view>> texts = read_texts(input, params.raw("input"));
  if (!texts) return base::fail(std::move(texts.error()));
  const std::string type = params.text("input_type").value_or("search_document");
  const std::string_view dimensions = params.raw("dimensions");
  const std::string_view own_dimension = params.raw("output_dimension");
  params.drop({"encoding_format", "embedding_types"});  // Floats, whatever the caller is given.
  return split_requests(input, texts->size(), kTextsMax, out, [&](std::size_t begin, std::size_t end, Encoded& next) {
    operation_fields(input, next);
    next.path = cohere_path(input.target, "/embed");
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("model").string(input.target.model).key("texts");
    write_texts(writer, std::span(*texts).subspan(begin, end - begin));
    writer.key("input_type").string(type).key("embedding_types").raw(R"(["float"])");
    if (!own_dimension.empty() || !dimensions.empty()) {
      writer.key("output_dimension").raw(own_dimension.empty() ? dimensions : own_dimension);
    }
    params.write_rest(writer);
    writer.end_object();
    next.set_body(std::move(body));
    return Status();
  });
}

Result<protocol::ReplyFacts> decode_cohere(const OperationAnswer& answer, std::string& out) {
  EmbeddingList list(answer, out);
  std::uint64_t tokens = 0;
  std::string id;
  for (const std::string_view body : answer.bodies) {
    json::Document document;
    if (auto parsed = document.parse(body); !parsed) return unreadable_answer(answer, parsed.error().message);
    const Value embeddings = document.root().find("embeddings");
    const Value vectors = embeddings.is(json::Kind::Array) ? embeddings : embeddings.find("float");
    for (const Value vector : vectors.elements()) {
      if (!list.add(vector)) return unreadable_answer(answer, "a vector is no list of numbers");
    }
    tokens += document.root().find("meta").find("billed_units").find("input_tokens").whole().value_or(0);
    if (id.empty()) id = document.root().find("id").text().value_or("");
  }
  Result<protocol::ReplyFacts> facts = list.finish(input_usage(tokens));
  if (facts) facts->id = std::move(id);
  return facts;
}

/// Source: Ollama's docs/api.md, "Generate Embeddings"; npm `ollama` (EmbedRequest).
Status encode_ollama(const EncodeInput& input, Encoded& out) {
  Params params(input);
  Result<std::vector<std::string_view>> texts = read_texts(input, params.raw("input"));
  if (!texts) return base::fail(std::move(texts.error()));
  params.drop({"encoding_format"});
  operation_fields(input, out);
  out.path = ollama_path(input.target, "/embed");
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(input.target.model).key("input");
  write_texts(writer, *texts);
  params.write_rest(writer);  // dimensions, truncate, options, keep_alive.
  writer.end_object();
  out.set_body(std::move(body));
  return {};
}

Result<protocol::ReplyFacts> decode_ollama(const OperationAnswer& answer, std::string& out) {
  json::Document document;
  if (auto parsed = document.parse(answer.bodies.front()); !parsed) {
    return unreadable_answer(answer, parsed.error().message);
  }
  EmbeddingList list(answer, out);
  for (const Value vector : document.root().find("embeddings").elements()) {
    if (!list.add(vector)) return unreadable_answer(answer, "a vector is no list of numbers");
  }
  return list.finish(input_usage(document.root().find("prompt_eval_count").whole().value_or(0)));
}

}  // namespace

const OperationDialect kCohereEmbedding{encode_cohere, decode_cohere};
const OperationDialect kOllamaEmbedding{encode_ollama, decode_ollama};

}  // namespace turnpike::codec
