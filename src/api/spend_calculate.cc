#include "api/handlers.h"
#include "api/record_fields.h"
#include "json/document.h"
#include "pipeline/call.h"
#include "price/bill.h"
#include "price/prompt_tokens.h"
#include "protocol/openai_reply.h"

// POST /spend/calculate (spec management-api 10.1): what an answer cost, or what its prompt alone would.
namespace turnpike::api {
namespace {

/// The prices of a model as callers name it; else those of the list.
Result<price::Prices> prices_of_model(const Context& context, const std::string& model) {
  router::GroupCache cache;
  if (const router::ModelGroupRef group = context.snapshot->routing->find_named(model, cache)) {
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (deployment->prices) return pipeline::prices_of(*deployment);
    }
  }
  if (const std::optional<price::Prices> listed = context.snapshot->prices->find(model)) return *listed;
  return refuse_field("model",
                      "There is no price of \"" + model + "\": it is no model of this gateway, nor in its list.");
}

Result<domain::Usage> usage_of(const json::Value& answer) {
  const std::optional<domain::Usage> usage = protocol::read_usage(answer.find("usage"));
  if (!usage) return refuse_field("completion_response", "completion_response needs a usage, as answers have it.");
  return *usage;
}

Result<Money> cost_of(const Context& context, const json::Value& body) {
  const json::Value answer = body.find("completion_response");
  Result<std::optional<std::string>> model = text_member(body, "model");
  if (!model) return base::fail(std::move(model.error()));
  if (!*model && answer.is(json::Kind::Object)) {
    if (model = text_member(answer, "model"); !model) return base::fail(std::move(model.error()));
  }
  if (!*model) return refuse_field("model", "Send a model with messages, or a completion_response.");
  const Result<price::Prices> prices = prices_of_model(context, **model);
  if (!prices) return base::fail(prices.error());
  domain::Usage usage;
  if (answer.is(json::Kind::Object)) {
    Result<domain::Usage> told = usage_of(answer);
    if (!told) return base::fail(std::move(told.error()));
    usage = std::move(*told);
  } else if (body.find("messages").is(json::Kind::Array)) {
    const Result<price::PromptCount> prompt =
        price::count_prompt_tokens(price::encoding_of(**model), context.request().body);
    if (!prompt) return base::fail(prompt.error());
    usage.set(domain::Unit::InputTokens, prompt->tokens);
  } else {
    return refuse_field("messages", "Send a model with messages, or a completion_response.");
  }
  const price::Bill bill = price::bill(*prices, usage);
  if (bill.unknown) return refuse_field("model", "The prices of \"" + **model + "\" do not say what this costs.");
  return bill.cost;
}

}  // namespace

Task<Result<Reply>> spend_calculate(const Context& context) {
  json::Document document;
  if (Status parsed = document.parse(context.request().body); !parsed) co_return base::fail(std::move(parsed.error()));
  const Result<Money> cost = cost_of(context, document.root());
  if (!cost) co_return base::fail(cost.error());
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("cost").raw(cost->to_string()).end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
