#include <algorithm>

#include "api/handlers.h"
#include "api/health_state.h"
#include "api/query.h"
#include "base/text.h"
#include "json/document.h"

// What probes have shown, and asking for one.
namespace turnpike::api {
namespace {

using pipeline::ProbeResult;

constexpr std::uint64_t kListedMax = pipeline::Probes::kKeptMax;

/// A row of LiteLLM's LiteLLM_HealthCheckTable.
void write_row(json::Writer& writer, const ProbeResult& result) {
  const router::Deployment& deployment = *result.deployment;
  const bool well = result.state == ProbeResult::State::Well;
  const bool unwell = result.state == ProbeResult::State::Unwell;
  writer.begin_object();
  writer.key("health_check_id").string(deployment.id + "-" + std::to_string(result.at_us));
  writer.key("model_name").string(deployment.model_group);
  writer.key("model_id").string(deployment.id);
  writer.key("status").string(pipeline::state_name(result.state));
  writer.key("healthy_count").number(std::int64_t{well});
  writer.key("unhealthy_count").number(std::int64_t{unwell});
  writer.key("error_message");
  result.error.empty() ? writer.null() : writer.string(result.error);
  writer.key("response_time_ms").number(result.took_us / 1000);
  writer.key("details").begin_object();
  writer.key("asked").string(pipeline::way_name(result.way));
  writer.key("status_code").number(std::int64_t{result.status});
  writer.key("cost").raw(result.cost.to_string());
  writer.end_object();
  writer.key("checked_by").string(result.asked_by);
  writer.key("checked_at").string(base::iso_time(result.at_us));
  writer.key("created_at").string(base::iso_time(result.at_us));
  writer.end_object();
}

Error no_probes() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = "This gateway probes no deployments.";
  return error;
}

/// Which deployments a test of the connection means. The body may name what is configured, not where to go: no request
/// decides a host (docs/security.md).
Result<std::string> tested_name(std::string_view body) {
  json::Document document;
  if (const Status parsed = document.parse(body); !parsed || !document.root().is(json::Kind::Object))
    return refuse_field("", "The body must be a JSON object such as {\"model_id\": \"...\"}.");
  const json::Value params = document.root().find("litellm_params");
  for (const auto& [key, value] : params.members()) {
    if (key.text() == "model") continue;
    return refuse_field("litellm_params",
                        "Only configured deployments are tested: name one by model_id or litellm_params.model, without "
                        "other parameters.");
  }
  std::optional<std::string> name = document.root().find("model_id").text();
  if (!name) name = params.find("model").text();
  if (!name || name->empty()) return refuse_field("model_id", "Name a configured deployment by model_id.");
  return std::move(*name);
}

}  // namespace

Task<Result<Reply>> health_history(const Context& context) {
  const std::string model = context.request().query_value("model");
  const Result<std::string> status = query_word(context, "status_filter", {"healthy", "unhealthy", "skipped"});
  if (!status) co_return base::fail(status.error());
  const Result<std::uint64_t> limit = query_count(context, "limit", 100, 1, kListedMax);
  if (!limit) co_return base::fail(limit.error());
  const Result<std::uint64_t> offset = query_count(context, "offset", 0, 0, kListedMax);
  if (!offset) co_return base::fail(offset.error());
  const auto fits = [&](const ProbeResult& result) {
    const router::Deployment& deployment = *result.deployment;
    if (!status->empty() && pipeline::state_name(result.state) != *status) return false;
    return model.empty() || deployment.model_group == model || deployment.config_model == model ||
           deployment.id == model;
  };
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("health_checks").begin_array();
  std::uint64_t seen = 0;
  std::uint64_t listed = 0;
  const std::vector<ProbeResult> history =
      context.gateway.probes == nullptr ? std::vector<ProbeResult>() : context.gateway.probes->history();
  for (const ProbeResult& result : history) {
    if (listed == *limit) break;
    if (!fits(result) || seen++ < *offset) continue;
    write_row(writer, result);
    ++listed;
  }
  writer.end_array();
  writer.key("total_records").number(listed);
  writer.key("limit").number(*limit);
  writer.key("offset").number(*offset);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> health_latest(const Context& context) {
  std::vector<ProbeResult> latest;
  if (context.gateway.probes != nullptr) latest = context.gateway.probes->latest();
  std::ranges::sort(latest, {}, [](const ProbeResult& result) { return result.deployment->id; });
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("latest_health_checks").begin_object();
  for (const ProbeResult& result : latest) {
    writer.key(result.deployment->id);
    write_row(writer, result);
  }
  writer.end_object();
  writer.key("total_models").number(std::uint64_t{latest.size()});
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> test_connection(const Context& context) {
  if (context.gateway.probes == nullptr) co_return base::fail(no_probes());
  const Result<std::string> name = tested_name(context.request().body);
  if (!name) co_return base::fail(name.error());
  router::GroupCache cache;
  const router::ModelGroupRef group = context.snapshot->routing->find_named(*name, cache);
  if (!group) {
    Error error;
    error.kind = ErrorKind::NotFound;
    error.param = "model_id";
    error.message = "No deployment is called " + name->substr(0, 200) + ". GET /model/info lists them.";
    co_return base::fail(std::move(error));
  }
  Result<std::vector<ProbeResult>> results =
      co_await context.gateway.probes->probe_now(context.exchange.thread(), group->deployments, "test_connection");
  if (!results) co_return base::fail(std::move(results.error()));
  const bool well =
      std::ranges::all_of(*results, [](const ProbeResult& result) { return result.state == ProbeResult::State::Well; });
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("status").string(well ? "success" : "error");
  writer.key("result").begin_object();
  const auto failed = std::ranges::find_if(
      *results, [](const ProbeResult& result) { return result.state != ProbeResult::State::Well; });
  if (failed != results->end()) writer.key("error").string(failed->error);
  writer.key("checks").begin_array();
  for (const ProbeResult& result : *results) write_row(writer, result);
  writer.end_array().end_object().end_object();
  co_return private_json_reply(std::move(body));
}

/// LiteLLM sends a test message to a sink here; this version has none yet.
Task<Result<Reply>> health_services(const Context& context) {
  constexpr std::string_view kSinks[] = {"slack_budget_alerts",
                                         "email",
                                         "langfuse",
                                         "langfuse_otel",
                                         "slack",
                                         "openmeter",
                                         "webhook",
                                         "braintrust",
                                         "otel",
                                         "custom_callback_api",
                                         "langsmith",
                                         "datadog",
                                         "datadog_llm_observability",
                                         "generic_api",
                                         "arize",
                                         "sqs"};
  const std::string service = context.request().query_value("service");
  if (service.empty()) co_return refuse_field("service", "Name a service, such as service=slack.");
  if (std::ranges::find(kSinks, service) == std::ranges::end(kSinks))
    co_return refuse_field("service", "No service is called \"" + service.substr(0, 100) + "\".");
  co_return refuse_field("service", service +
                                        " is not served by this version, so nothing can be sent there. Events are "
                                        "on GET /health/events, in the log and in GET /metrics.");
}

}  // namespace turnpike::api
