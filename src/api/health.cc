#include "account/authenticator.h"
#include "api/handlers.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

void write_texts(json::Writer& writer, std::string_view name, const std::vector<std::string>& texts) {
  writer.key(name).begin_array();
  for (const std::string& text : texts) writer.string(text);
  writer.end_array();
}

/// Why no new calls should come here; empty: they may.
std::string unready(const Context& context) {
  if (context.gateway.draining.load()) return "shutting down";
  if (std::string reason = context.gateway.ledger->readiness(); !reason.empty()) return reason;
  if (context.gateway.database != nullptr && !context.gateway.database->reachable()) return "database unreachable";
  return {};
}

bool healthy(const router::Deployment& deployment, std::int64_t now_us) {
  return deployment.health == nullptr || deployment.health->cooling_until_us.load() <= now_us;
}

void write_deployment(json::Writer& writer, const router::Deployment& deployment, const Context& context) {
  writer.begin_object();
  writer.key("model").string(deployment.config_model);
  writer.key("model_name").string(deployment.model_group);
  writer.key("model_id").string(deployment.id);
  if (administers(*context.caller)) writer.key("api_base").string(deployment.target.shown_base);
  if (deployment.health != nullptr) {
    const router::Health& state = *deployment.health;
    const auto minute = static_cast<std::uint32_t>(context.now_us / 60'000'000);
    const bool current = state.minute.load() == minute;
    writer.key("calls_this_minute").number(std::uint64_t{current ? state.calls.load() : 0});
    writer.key("failures_this_minute").number(std::uint64_t{current ? state.fails.load() : 0});
    if (!healthy(deployment, context.now_us)) {
      const std::int64_t left_us = state.cooling_until_us.load() - context.now_us;
      const int status = state.cooling_status.load();
      writer.key("error").string("cooling down after " + (status == 0 ? std::string("a connection failure")
                                                                      : "HTTP " + std::to_string(status)));
      writer.key("cooldown_seconds_left").number((left_us + 999'999) / 1'000'000);
    }
  }
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> liveness(const Context&) {
  co_return json_reply("\"I'm alive!\"");
}

/// Everything here is in memory: no query, no provider (AC-HEALTH-1).
Task<Result<Reply>> readiness(const Context& context) {
  const std::string reason = unready(context);
  const bool has_database = context.gateway.database != nullptr;
  const bool reachable = has_database && context.gateway.database->reachable();
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  if (!reason.empty()) writer.key("detail").string("Service Unhealthy (" + reason + ")");
  writer.key("status").string(!reason.empty() ? "unhealthy" : has_database ? "connected" : "healthy");
  writer.key("db").string(!has_database ? "Not connected" : reachable ? "connected" : "unreachable");
  writer.key("cache").null();
  writer.key("litellm_version").string(context.hooks.version);
  write_texts(writer, "success_callbacks", context.settings().litellm.callbacks);
  writer.key("use_aiohttp_transport").boolean(false);
  writer.key("last_updated").string(base::iso_time(context.now_us));
  writer.key("version").string(context.hooks.version);
  writer.key("price_table").string(context.snapshot->prices->version());
  writer.key("config_generation").number(context.snapshot->generation);
  writer.key("draining").boolean(context.gateway.draining.load());
  write_texts(writer, "problems", context.snapshot->problems);
  write_texts(writer, "unenforced", context.settings().unenforced);
  writer.end_object();
  Reply reply = private_json_reply(std::move(body));
  if (!reason.empty()) reply.status = 503;
  co_return reply;
}

/// What real traffic has shown of each deployment; no probe is sent.
Task<Result<Reply>> health(const Context& context) {
  const std::string model = context.request().query_value("model");
  const std::string id = context.request().query_value("model_id");
  std::vector<const router::Deployment*> well, unwell;
  for (const router::ModelGroupRef& group : context.snapshot->routing->groups()) {
    if (!account::model_allowed(*context.caller, group->name, context.snapshot->access_groups)) continue;
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (!id.empty() && deployment->id != id) continue;
      if (!model.empty() && group->name != model && deployment->config_model != model) continue;
      (healthy(*deployment, context.now_us) ? well : unwell).push_back(deployment.get());
    }
  }
  if (well.empty() && unwell.empty() && (!id.empty() || !model.empty())) {
    Error error;
    error.kind = ErrorKind::NotFound;
    error.param = id.empty() ? "model" : "model_id";
    error.message = "No deployment of yours matches " + error.param + "=" + (id.empty() ? model : id).substr(0, 200) +
                    ". GET /model/info lists them.";
    co_return base::fail(std::move(error));
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("healthy_endpoints").begin_array();
  for (const router::Deployment* deployment : well) write_deployment(writer, *deployment, context);
  writer.end_array().key("unhealthy_endpoints").begin_array();
  for (const router::Deployment* deployment : unwell) write_deployment(writer, *deployment, context);
  writer.end_array();
  writer.key("healthy_count").number(std::uint64_t{well.size()});
  writer.key("unhealthy_count").number(std::uint64_t{unwell.size()});
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> metrics(const Context& context) {
  Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = context.gateway.metrics->render();
  co_return reply;
}

}  // namespace turnpike::api
