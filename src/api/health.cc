#include "api/handlers.h"
#include "api/health_state.h"
#include "api/query.h"
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
  const bool away = context.gateway.database != nullptr && !context.gateway.database->reachable();
  if (away && !context.settings().general.allow_requests_on_db_unavailable) return "database unreachable";
  return {};
}

bool healthy(const Context& context, const router::Deployment& deployment) {
  return !is_resting(deployment, context.now_us) && !failed_probe(context, deployment);
}

void write_probe(json::Writer& writer, const pipeline::ProbeResult& probe, bool whole) {
  writer.key("last_check").begin_object();
  writer.key("status").string(pipeline::state_name(probe.state));
  writer.key("asked").string(pipeline::way_name(probe.way));
  writer.key("checked_at").string(base::iso_time(probe.at_us));
  writer.key("response_time_ms").number(probe.took_us / 1000);
  if (whole && !probe.error.empty()) writer.key("error").string(probe.error);
  writer.end_object();
}

/// Why it counts as unwell, in words of ours.
std::string unwell_text(const Context& context, const router::Deployment& deployment) {
  if (is_resting(deployment, context.now_us)) return "cooling down after " + cause_of_rest(deployment);
  return failed_probe(context, deployment) ? "the latest probe failed" : std::string();
}

void write_deployment(json::Writer& writer, const router::Deployment& deployment, const Context& context) {
  const bool admin = administers(*context.caller);
  writer.begin_object();
  writer.key("model").string(deployment.config_model);
  writer.key("model_name").string(deployment.model_group);
  writer.key("model_id").string(deployment.id);
  if (!context.settings().general.health_check_details) {
    writer.end_object();
    return;
  }
  if (admin) writer.key("api_base").string(deployment.target.shown_base);
  if (deployment.health != nullptr) {
    write_minute(writer, deployment, context.now_us);
    if (const std::string error = unwell_text(context, deployment); !error.empty()) writer.key("error").string(error);
    if (is_resting(deployment, context.now_us)) {
      const std::int64_t until_us = deployment.health->cooling_until_us.load();
      writer.key("cooldown_seconds_left").number(whole_seconds(until_us - context.now_us));
    }
  }
  if (const auto probe = latest_probe(context, deployment)) write_probe(writer, *probe, admin);
  writer.end_object();
}

/// Asks the providers now. Errors: PermissionDenied for all but administrators.
Task<Status> probe_now(const Context& context, const std::vector<router::DeploymentRef>& deployments) {
  if (!administers(*context.caller)) {
    co_return base::fail(ErrorKind::PermissionDenied,
                         "Only the master key may have deployments probed: leave probe=true out.");
  }
  if (context.gateway.probes == nullptr) co_return Status{};
  const auto results = co_await context.gateway.probes->probe_now(context.exchange.thread(), deployments, "health");
  if (!results) co_return base::fail(results.error());
  co_return Status{};
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
  writer.key("status").string(!reason.empty() ? "unhealthy" : reachable ? "connected" : "healthy");
  writer.key("db").string(!has_database ? "Not connected" : reachable ? "connected" : "unreachable");
  writer.key("cache").null();
  // What limits are counted with: without it calls go on, held to this replica's share.
  if (context.gateway.redis != nullptr) {
    writer.key("redis").string(context.gateway.redis->breaker().open() ? "unreachable" : "connected");
  }
  writer.key("replicas").number(std::uint64_t{context.gateway.replicas.get().replicas});
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

/// What real traffic and probes have shown of each deployment. Nobody is asked but for an administrator's probe=true.
Task<Result<Reply>> health(const Context& context) {
  const Result<std::vector<router::DeploymentRef>> wanted = wanted_deployments(context);
  if (!wanted) co_return base::fail(wanted.error());
  const Result<std::string> probe = query_word(context, "probe", {"true", "false"});
  if (!probe) co_return base::fail(probe.error());
  if (*probe == "true") {
    if (Status probed = co_await probe_now(context, *wanted); !probed) co_return base::fail(std::move(probed.error()));
  }
  std::vector<const router::Deployment*> well, unwell;
  for (const router::DeploymentRef& deployment : *wanted)
    (healthy(context, *deployment) ? well : unwell).push_back(deployment.get());
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
