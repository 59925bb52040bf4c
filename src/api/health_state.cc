#include "api/health_state.h"

#include "account/authenticator.h"

namespace turnpike::api {

Result<std::vector<router::DeploymentRef>> wanted_deployments(const Context& context) {
  const std::string model = context.request().query_value("model");
  const std::string id = context.request().query_value("model_id");
  std::vector<router::DeploymentRef> wanted;
  for (const router::ModelGroupRef& group : context.snapshot->routing->groups()) {
    if (!account::model_allowed(*context.caller, group->name, context.snapshot->access_groups)) continue;
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (!id.empty() && deployment->id != id) continue;
      if (!model.empty() && group->name != model && deployment->config_model != model) continue;
      wanted.push_back(deployment);
    }
  }
  if (!wanted.empty() || (id.empty() && model.empty())) return wanted;
  Error error;
  error.kind = ErrorKind::NotFound;
  error.param = id.empty() ? "model" : "model_id";
  error.message = "No deployment of yours matches " + error.param + "=" + (id.empty() ? model : id).substr(0, 200) +
                  ". GET /model/info lists them.";
  return base::fail(std::move(error));
}

bool is_resting(const router::Deployment& deployment, std::int64_t now_us) {
  return deployment.health != nullptr && deployment.health->cooling_until_us.load() > now_us;
}

bool failed_probe(const Context& context, const router::Deployment& deployment) {
  if (deployment.health == nullptr) return false;
  const router::Checked checked = deployment.health->checked.load();
  if (checked != router::Checked::Unwell && checked != router::Checked::Passing) return false;
  const std::chrono::microseconds believed = context.settings().router.health_check_staleness_threshold;
  return context.now_us - deployment.health->checked_us.load() < believed.count();
}

std::optional<pipeline::ProbeResult> latest_probe(const Context& context, const router::Deployment& deployment) {
  if (context.gateway.probes == nullptr) return std::nullopt;
  return context.gateway.probes->latest_of(deployment.id);
}

std::int64_t whole_seconds(std::int64_t us) {
  return (us + 999'999) / 1'000'000;
}

void write_minute(json::Writer& writer, const router::Deployment& deployment, std::int64_t now_us) {
  const router::Health& state = *deployment.health;
  const bool current = state.minute.load() == static_cast<std::uint32_t>(now_us / 60'000'000);
  writer.key("calls_this_minute").number(std::uint64_t{current ? state.calls.load() : 0});
  writer.key("failures_this_minute").number(std::uint64_t{current ? state.fails.load() : 0});
}

std::string cause_of_rest(const router::Deployment& deployment) {
  const int status = deployment.health->cooling_status.load();
  return status == 0 ? std::string("a connection failure") : "HTTP " + std::to_string(status);
}

}  // namespace turnpike::api
