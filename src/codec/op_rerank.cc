#include "base/text.h"
#include "codec/bedrock_request.h"
#include "codec/chat_codec.h"
#include "codec/cohere_codec.h"
#include "codec/op_codec.h"
#include "codec/op_request.h"
#include "codec/openai_request.h"
#include "provider/aws.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Value;

/// A rerank call in the canonical shape, Cohere's.
struct Ranking {
  std::string_view query;
  std::vector<std::string> documents;  // JSON strings, or objects as they came.
  std::string_view top_n;
  std::string_view return_documents;
};

/// Reads it and keeps the documents in `out` when the caller wants them back. Documents that are objects become the
/// text in them, else their JSON, unless the provider may know more of them (Jina's images).
Ranking read_ranking(Params& params, Encoded& out, bool keep_objects = false) {
  Ranking ranking;
  ranking.query = params.raw("query");
  ranking.top_n = params.raw("top_n");
  ranking.return_documents = params.raw("return_documents");
  const std::string_view documents = params.raw("documents");
  json::Document document;
  if (!document.parse(documents)) return ranking;
  for (const Value element : document.root().elements()) {
    const Value text = element.is(json::Kind::Object) ? element.find("text") : element;
    const bool plain = text.is(json::Kind::String);
    const std::string_view raw = plain ? text.raw() : element.raw();
    ranking.documents.push_back(plain || keep_objects ? std::string(raw) : json::quoted(raw));
    if (ranking.return_documents == "true") out.documents.push_back(raw);
  }
  out.results_max = base::parse_unsigned(ranking.top_n).value_or(0);
  return ranking;
}

void write_documents(json::Writer& writer, const Ranking& ranking) {
  writer.begin_array();
  for (const std::string& document : ranking.documents) writer.raw(document);
  writer.end_array();
}

/// {model, query, documents, top_n, ...}: Cohere, Jina, vLLM, Infinity, Together, Fireworks, and Voyage with its word
/// for top_n.
std::string ranking_body(const EncodeInput& input, const Ranking& ranking, std::string_view top_name, bool may_return,
                         Params& params) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(input.target.model).key("query").raw(ranking.query).key("documents");
  write_documents(writer, ranking);
  if (!ranking.top_n.empty()) writer.key(top_name).raw(ranking.top_n);
  if (may_return && !ranking.return_documents.empty()) writer.key("return_documents").raw(ranking.return_documents);
  params.write_rest(writer);
  writer.end_object();
  return body;
}

std::string rerank_path(const provider::Target& target) {
  return openai_path(target, domain::Operation::Rerank);
}

Status encode_cohere(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out);
  params.drop({"max_chunks_per_doc", "rank_fields"});  // Of v1.
  operation_fields(input, out);
  out.path = cohere_path(input.target, "/rerank");
  out.set_body(ranking_body(input, ranking, "top_n", false, params));
  return {};
}

Status encode_plain(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out, true);
  operation_fields(input, out);
  out.path = rerank_path(input.target);
  out.set_body(ranking_body(input, ranking, "top_n", true, params));
  return {};
}

Status encode_voyage(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out);
  operation_fields(input, out);
  out.path = rerank_path(input.target);
  out.set_body(ranking_body(input, ranking, "top_k", true, params));
  return {};
}

/// Cohere's models at Azure's Foundry. Source: spec providers 4.1.
Status encode_foundry(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out);
  params.drop({"max_chunks_per_doc", "rank_fields"});
  out.fields = common_fields(input, false);
  if (input.credential.kind == credential::Credential::Kind::Bearer) {
    add_bearer(out.fields, input);
  } else {
    add_key(out.fields, "api-key", input);
  }
  std::string_view path = input.target.base.path;
  if (const std::size_t at = path.find("/models"); at != std::string_view::npos) path = path.substr(0, at);
  out.path = path.ends_with("/rerank") ? std::string(path) : std::string(path) + "/providers/cohere/v2/rerank";
  out.set_body(ranking_body(input, ranking, "top_n", false, params));
  return {};
}

/// Hugging Face's text-embeddings-inference: {query, texts} and a bare list of {index, score}.
Status encode_tei(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out);
  operation_fields(input, out);
  std::string_view path = input.target.base.path;
  for (const std::string_view tail : {"/rerank", "/v1"}) {
    if (path.ends_with(tail)) path.remove_suffix(tail.size());
  }
  out.path = std::string(path) + "/rerank";
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("query").raw(ranking.query).key("texts");
  write_documents(writer, ranking);
  params.write_rest(writer);  // truncate, raw_scores
  writer.end_object();
  out.set_body(std::move(body));
  return {};
}

/// Amazon's and Cohere's models behind bedrock-agent-runtime.
/// Source: botocore, service bedrock-agent-runtime (Rerank); signed for `bedrock`.
Status encode_bedrock_rerank(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out);
  provider::Target agent = input.target;
  constexpr std::string_view kRuntime = "bedrock-runtime.";
  if (agent.base.origin.host.starts_with(kRuntime)) {
    agent.base.origin.host = "bedrock-agent-runtime." + agent.base.origin.host.substr(kRuntime.size());
    out.origin = agent.base.origin;
  }
  std::string arn(bedrock_model_id(input.target));
  if (!arn.starts_with("arn:")) {
    const std::string region(provider::aws_region(input.target));
    const std::string_view partition = region.starts_with("cn-")       ? "aws-cn"
                                       : region.starts_with("us-gov-") ? "aws-us-gov"
                                                                       : "aws";
    arn = "arn:" + std::string(partition) + ":bedrock:" + region + "::foundation-model/" + arn;
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("queries").begin_array().begin_object().key("type").string("TEXT");
  writer.key("textQuery").begin_object().key("text").raw(ranking.query).end_object().end_object().end_array();
  writer.key("sources").begin_array();
  for (const std::string& document : ranking.documents) {
    writer.begin_object().key("type").string("INLINE").key("inlineDocumentSource").begin_object();
    writer.key("type").string("TEXT").key("textDocument").begin_object().key("text").raw(document).end_object();
    writer.end_object().end_object();
  }
  writer.end_array();
  writer.key("rerankingConfiguration").begin_object().key("type").string("BEDROCK_RERANKING_MODEL");
  writer.key("bedrockRerankingConfiguration").begin_object();
  writer.key("modelConfiguration").begin_object().key("modelArn").string(arn).end_object();
  if (!ranking.top_n.empty()) writer.key("numberOfResults").raw(ranking.top_n);
  writer.end_object().end_object().end_object();
  out.path = agent.base.path + "/rerank";
  EncodeInput signing(input.call, agent, input.credential, input.traits);
  signing.now_s = input.now_s;
  signing.traceparent = input.traceparent;
  signing.forward_fields = input.forward_fields;
  out.fields = common_fields(signing, false);
  out.set_body(std::move(body));
  sign_bedrock(signing, out);
  return {};
}

/// Google's ranking API. Source: discoveryengine.googleapis.com v1, rankingConfigs.rank.
Status encode_vertex_rerank(const EncodeInput& input, Encoded& out) {
  Params params(input);
  const Ranking ranking = read_ranking(params, out);
  const std::string_view project = input.target.param("vertex_project");
  if (project.empty())
    return refuse_param("model", "litellm.BadRequestError: rerank on Vertex AI needs vertex_project");
  if (input.target.base.origin.host.ends_with("aiplatform.googleapis.com")) {
    out.origin = input.target.base.origin;
    out.origin->host = "discoveryengine.googleapis.com";
  }
  operation_fields(input, out);
  out.path =
      "/v1/projects/" + base::percent_encode(project) + "/locations/global/rankingConfigs/default_ranking_config:rank";
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(input.target.model).key("query").raw(ranking.query);
  if (!ranking.top_n.empty()) writer.key("topN").raw(ranking.top_n);
  writer.key("records").begin_array();
  for (std::size_t i = 0; i < ranking.documents.size(); ++i) {
    writer.begin_object().key("id").string(std::to_string(i)).key("content").raw(ranking.documents[i]).end_object();
  }
  writer.end_array().end_object();
  out.set_body(std::move(body));
  return {};
}

/// The document of a result: as the provider gives it back, else from what was sent.
void write_document(json::Writer& writer, const Value& given, std::uint64_t index, const Encoded& request) {
  if (given.is(json::Kind::Object)) {
    writer.key("document").raw(given.raw());
  } else if (given.is(json::Kind::String)) {
    writer.key("document").begin_object().key("text").raw(given.raw()).end_object();
  } else if (index < request.documents.size()) {
    const std::string_view kept = request.documents[index];
    writer.key("document");
    kept.starts_with('{') ? writer.raw(kept) : writer.begin_object().key("text").raw(kept).end_object();
  }
}

struct RankedItem {
  Value index, score, document;
};

/// The members of one result, by any of the names they go by.
RankedItem result_of(const Value& item) {
  const auto first = [&item](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      if (const Value value = item.find(name)) return value;
    }
    return Value();
  };
  return {first({"index", "id"}), first({"relevance_score", "relevanceScore", "score"}), first({"document", "text"})};
}

std::optional<domain::Usage> ranking_usage(const Value& root) {
  domain::Usage usage;
  const Value billed = root.find("meta").find("billed_units");
  if (const auto units = billed.find("search_units").whole(); units && *units > 0) {
    usage.set(Unit::Queries, *units);
    return usage;
  }
  const Value said = root.find("usage");
  for (const Value& tokens : {said.find("total_tokens"), said.find("prompt_tokens"), billed.find("total_tokens"),
                              root.find("meta").find("tokens").find("input_tokens")}) {
    if (usage.empty()) usage.set(Unit::InputTokens, tokens.whole().value_or(0));
  }
  return usage.empty() ? std::nullopt : std::optional(usage);
}

void write_meta(json::Writer& writer, const domain::Usage& usage) {
  writer.key("meta").begin_object().key("billed_units").begin_object();
  if (usage.of(Unit::Queries) > 0) writer.key("search_units").number(usage.of(Unit::Queries));
  if (usage.of(Unit::InputTokens) > 0) writer.key("total_tokens").number(usage.of(Unit::InputTokens));
  writer.end_object();
  if (usage.of(Unit::InputTokens) > 0) {
    writer.key("tokens").begin_object().key("input_tokens").number(usage.of(Unit::InputTokens)).end_object();
  }
  writer.end_object();
}

Result<protocol::ReplyFacts> decode_ranking(const OperationAnswer& answer, std::string& out) {
  json::Document document;
  if (auto parsed = document.parse(answer.bodies.front()); !parsed) {
    return unreadable_answer(answer, parsed.error().message);
  }
  const Value root = document.root();
  Value results = root;
  for (const char* name : {"results", "data", "records"}) {
    if (const Value list = root.find(name); list.is(json::Kind::Array)) results = list;
  }
  if (!results.is(json::Kind::Array)) return unreadable_answer(answer, "it has no 'results'");

  protocol::ReplyFacts facts;
  facts.id = root.find("id").text().value_or(std::string(answer.options.fallback_id));
  facts.usage = ranking_usage(root);
  json::Writer writer(out);
  writer.begin_object().key("id").string(facts.id).key("results").begin_array();
  std::size_t written = 0;
  for (const Value item : results.elements()) {
    if (answer.request.results_max != 0 && written == answer.request.results_max) break;
    const RankedItem result = result_of(item);
    const std::optional<std::uint64_t> index =
        result.index.is(json::Kind::String) ? base::parse_unsigned(result.index.inner()) : result.index.whole();
    if (!index || !result.score.is(json::Kind::Number)) {
      return unreadable_answer(answer, "a result has no index or no score");
    }
    writer.begin_object().key("index").number(*index).key("relevance_score").raw(result.score.raw());
    write_document(writer, result.document, *index, answer.request);
    writer.end_object();
    ++written;
  }
  writer.end_array();
  if (facts.usage) write_meta(writer, *facts.usage);
  writer.end_object();
  return facts;
}

}  // namespace

const OperationDialect kCohereRerank{encode_cohere, decode_ranking};
const OperationDialect kPlainRerank{encode_plain, decode_ranking};
const OperationDialect kVoyageRerank{encode_voyage, decode_ranking};
const OperationDialect kFoundryRerank{encode_foundry, decode_ranking};
const OperationDialect kTeiRerank{encode_tei, decode_ranking};
const OperationDialect kBedrockRerank{encode_bedrock_rerank, decode_ranking};
const OperationDialect kVertexRerank{encode_vertex_rerank, decode_ranking};

}  // namespace turnpike::codec
