#include "codec/op_bedrock.h"

#include "codec/bedrock_request.h"
#include "codec/chat_codec.h"
#include "codec/op_codec.h"
#include "codec/op_request.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Value;

Status refuse_family(const EncodeInput& input) {
  return refuse_param("model", "litellm.BadRequestError: Bedrock's " + input.target.model +
                                   " is no model of a family that this operation is known for");
}

/// Source: AWS's model parameters of Titan Text Embeddings G1 and V2: one text a request.
std::string titan_body(Params& params, std::string_view text) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("inputText").raw(text);
  if (const std::string_view dimensions = params.raw("dimensions"); !dimensions.empty()) {
    writer.key("dimensions").raw(dimensions);
  }
  params.write_rest(writer);  // normalize
  writer.end_object();
  return body;
}

/// Titan Multimodal: a text, or an image as base64 in a data URI.
std::string titan_media_body(Params& params, std::string_view text) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  const std::size_t comma = text.find(";base64,");
  if (text.starts_with("\"data:image/") && comma != std::string_view::npos) {
    writer.key("inputImage").raw("\"" + std::string(text.substr(comma + 8)));
  } else {
    writer.key("inputText").raw(text);
  }
  if (const std::string_view dimensions = params.raw("dimensions"); !dimensions.empty()) {
    writer.key("embeddingConfig").begin_object().key("outputEmbeddingLength").raw(dimensions).end_object();
  }
  params.write_rest(writer);
  writer.end_object();
  return body;
}

/// Source: AWS's reference of Nova multimodal embeddings, schema nova-multimodal-embed-v1: one text a request.
std::string nova_body(Params& params, std::string_view text) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object()
      .key("schemaVersion")
      .string("nova-multimodal-embed-v1")
      .key("taskType")
      .string("SINGLE_EMBEDDING");
  writer.key("singleEmbeddingParams").begin_object();
  std::string_view purpose = params.raw("embeddingPurpose");
  if (purpose.empty()) purpose = params.raw("input_type");
  writer.key("embeddingPurpose").raw(purpose.empty() ? "\"GENERIC_INDEX\"" : purpose);
  if (const std::string_view dimensions = params.raw("dimensions"); !dimensions.empty()) {
    writer.key("embeddingDimension").raw(dimensions);
  }
  std::string_view truncation = params.raw("truncationMode");
  if (truncation.empty()) truncation = "\"END\"";
  writer.key("text").begin_object().key("truncationMode").raw(truncation).key("value").raw(text).end_object();
  writer.end_object().end_object();
  return body;
}

/// Source: AWS's model parameters of Cohere Embed v3 and v4.
std::string cohere_body(Params& params, std::span<const std::string_view> texts) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("texts").begin_array();
  for (const std::string_view text : texts) writer.raw(text);
  writer.end_array();
  const std::string_view type = params.raw("input_type");
  writer.key("input_type").raw(type.empty() ? "\"search_document\"" : type);
  std::string_view dimensions = params.raw("output_dimension");
  if (dimensions.empty()) dimensions = params.raw("dimensions");
  if (!dimensions.empty()) writer.key("output_dimension").raw(dimensions);
  params.drop({"embedding_types"});
  params.write_rest(writer);  // truncate
  writer.end_object();
  return body;
}

Status encode_embedding(const EncodeInput& input, Encoded& out) {
  constexpr std::size_t kCohereTextsMax = 96;
  Params params(input);
  Result<std::vector<std::string_view>> texts = read_texts(input, params.raw("input"));
  if (!texts) return base::fail(std::move(texts.error()));
  params.drop({"encoding_format"});
  const BedrockFamily family = bedrock_family(input.target);
  const std::size_t each = family == BedrockFamily::Cohere ? kCohereTextsMax : 1;
  return split_requests(input, texts->size(), each, out, [&](std::size_t begin, std::size_t end, Encoded& next) {
    std::string body;
    if (family == BedrockFamily::TitanText) {
      body = titan_body(params, (*texts)[begin]);
    } else if (family == BedrockFamily::TitanMedia) {
      body = titan_media_body(params, (*texts)[begin]);
    } else if (family == BedrockFamily::Nova) {
      body = nova_body(params, (*texts)[begin]);
    } else if (family == BedrockFamily::Cohere) {
      body = cohere_body(params, std::span(*texts).subspan(begin, end - begin));
    } else {
      return refuse_family(input);
    }
    invoke_model(input, std::move(body), next);
    return Status();
  });
}

/// The families' answers have different members: `embedding` of one text, `embeddings` of several.
bool add_vectors(const Value& root, EmbeddingList& list) {
  if (const Value one = root.find("embedding")) return list.add(one);
  if (const Value one = root.find("embeddingsByType").find("float")) return list.add(one);
  Value several = root.find("embeddings");
  if (several.is(json::Kind::Object)) several = several.find("float");
  for (const Value item : several.elements()) {
    if (!list.add(item.is(json::Kind::Object) ? item.find("embedding") : item)) return false;
  }
  return several.is(json::Kind::Array);
}

Result<protocol::ReplyFacts> decode_embedding(const OperationAnswer& answer, std::string& out) {
  EmbeddingList list(answer, out);
  std::uint64_t tokens = 0;
  for (const std::string_view body : answer.bodies) {
    json::Document document;
    if (auto parsed = document.parse(body); !parsed) return unreadable_answer(answer, parsed.error().message);
    if (!add_vectors(document.root(), list)) return unreadable_answer(answer, "a vector is no list of numbers");
    tokens += document.root().find("inputTextTokenCount").whole().value_or(0);
  }
  domain::Usage usage;
  usage.set(Unit::InputTokens, tokens);
  return list.finish(usage);
}

}  // namespace

BedrockFamily bedrock_family(const provider::Target& target) {
  static constexpr std::pair<std::string_view, BedrockFamily> kFamilies[] = {
      {"amazon.titan-embed-image", BedrockFamily::TitanMedia},
      {"amazon.titan-embed", BedrockFamily::TitanText},
      {"amazon.titan-image", BedrockFamily::TitanImage},
      {"amazon.nova", BedrockFamily::Nova},
      {"cohere.", BedrockFamily::Cohere},
      {"stability.", BedrockFamily::Stability}};
  // Behind a region profile ("us."), or in an ARN.
  const std::string_view model = target.model;
  for (const auto& [name, family] : kFamilies) {
    const std::size_t at = model.find(name);
    if (at == 0 || (at != std::string_view::npos && (model[at - 1] == '.' || model[at - 1] == '/'))) return family;
  }
  return BedrockFamily::Other;
}

void invoke_model(const EncodeInput& input, std::string body, Encoded& out) {
  out.path = bedrock_path(input.target, "invoke");
  out.fields = common_fields(input, false);
  out.set_body(std::move(body));
  sign_bedrock(input, out);
}

const OperationDialect kBedrockEmbedding{encode_embedding, decode_embedding};

}  // namespace turnpike::codec
