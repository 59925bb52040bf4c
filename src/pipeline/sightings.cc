#include "pipeline/sightings.h"

#include <algorithm>

#include "base/clock.h"
#include "telemetry/events.h"

namespace turnpike::pipeline {
namespace {

using telemetry::Sighting;

Sighting seen_of(const router::Deployment& deployment, Sighting::What what) {
  Sighting seen;
  seen.what = what;
  seen.at_us = base::unix_now_us();
  // As configured: what stands for a "*" was written by a caller.
  seen.model_group = deployment.model_group;
  seen.deployment_id = deployment.id;
  if (deployment.target.provider != nullptr) seen.provider = deployment.target.provider->name;
  seen.region = deployment.region;
  return seen;
}

double seconds(std::int64_t us) {
  return static_cast<double>(std::max<std::int64_t>(us, 0)) / 1e6;
}

}  // namespace

void tell_failed(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment, const Error& error,
                 bool rests) {
  if (gateway.events == nullptr || !router::is_at_fault(error)) return;
  Sighting seen = seen_of(deployment, Sighting::What::Failed);
  seen.error = error.kind;
  seen.status = error.status;
  if (rests) {
    Sighting rest = seen;
    rest.what = Sighting::What::Rests;
    rest.seconds = seconds(deployment.health->cooling_until_us.load(std::memory_order_relaxed) - seen.at_us);
    gateway.events->see(worker.index, std::move(rest));
  }
  gateway.events->see(worker.index, std::move(seen));
}

void tell_answered(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment) {
  if (gateway.events == nullptr || !router::is_back(deployment, base::unix_now_us())) return;
  gateway.events->see(worker.index, seen_of(deployment, Sighting::What::Back));
}

void tell_took(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment,
               std::int64_t took_us) {
  if (gateway.events == nullptr) return;
  const std::chrono::microseconds threshold = worker.snapshot->settings->general.alerts.threshold;
  if (took_us < threshold.count()) return;
  Sighting seen = seen_of(deployment, Sighting::What::Slow);
  seen.seconds = seconds(took_us);
  gateway.events->see(worker.index, std::move(seen));
}

void tell_hanging(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment,
                  std::int64_t waited_us) {
  if (gateway.events == nullptr) return;
  Sighting seen = seen_of(deployment, Sighting::What::Hangs);
  seen.seconds = seconds(waited_us);
  gateway.events->see(worker.index, std::move(seen));
}

void tell_nobody(const Worker& worker, const Gateway& gateway, const router::ModelGroup& group, const Error& error) {
  if (gateway.events == nullptr || error.kind != ErrorKind::NoDeployment || group.deployments.empty()) return;
  const std::int64_t now_us = base::unix_now_us();
  const auto rests = [&](const router::DeploymentRef& member) {
    return member->health->cooling_until_us.load(std::memory_order_relaxed) > now_us;
  };
  if (!std::all_of(group.deployments.begin(), group.deployments.end(), rests)) return;
  Sighting seen = seen_of(*group.deployments.front(), Sighting::What::AllResting);
  seen.deployment_id.clear();
  seen.region.clear();
  if (error.retry_after) seen.seconds = seconds(std::chrono::microseconds(*error.retry_after).count());
  gateway.events->see(worker.index, std::move(seen));
}

}  // namespace turnpike::pipeline
