#include "pipeline/sightings.h"

#include <algorithm>
#include <limits>

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

void tell_if_all_rest(const Worker& worker, const Gateway& gateway, const router::ModelGroup& group) {
  if (gateway.events == nullptr || group.deployments.empty() || group.precise) return;
  const std::int64_t now_us = base::unix_now_us();
  std::int64_t soonest_us = std::numeric_limits<std::int64_t>::max();
  for (const router::DeploymentRef& member : group.deployments)
    soonest_us = std::min(soonest_us, member->health->cooling_until_us.load(std::memory_order_relaxed));
  if (soonest_us <= now_us) return;
  Sighting seen = seen_of(*group.deployments.front(), Sighting::What::AllResting);
  seen.deployment_id.clear();
  seen.region.clear();
  seen.seconds = seconds(soonest_us - now_us);
  gateway.events->see(worker.index, std::move(seen));
}

}  // namespace turnpike::pipeline
