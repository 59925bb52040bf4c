#include "pipeline/hang_watch.h"

#include <algorithm>
#include <future>

#include "pipeline/call.h"
#include "pipeline/own_call.h"
#include "pipeline/sightings.h"

namespace turnpike::pipeline {
namespace {

using std::chrono::milliseconds;

/// A quarter of the threshold: late by no more than that.
milliseconds interval_of(const Worker& worker) {
  constexpr milliseconds kLeast{50};
  constexpr milliseconds kMost{5'000};
  return std::clamp(worker.snapshot->settings->general.alerts.threshold / 4, kLeast, kMost);
}

const router::Deployment* find_deployment(const router::RoutingTable& table, const std::string& id) {
  for (const router::ModelGroupRef& group : table.groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (deployment->id == id) return deployment.get();
    }
  }
  return nullptr;
}

/// A provider has been asked and nothing of its answer has gone to the caller.
bool hangs(const Call& call) {
  return call.own == nullptr && call.record.first_byte_us == 0 && !call.record.attempts.empty() &&
         call.record.attempts.back().ended_us == 0;
}

void look(Worker& worker, const Gateway& gateway) {
  const base::Monotonic now = base::monotonic_now();
  const milliseconds threshold = worker.snapshot->settings->general.alerts.threshold;
  worker.calls.each([&](CallsUnderWay::Place& place) {
    const Call& call = *place.call;
    if (now - call.started < threshold) return false;
    if (place.told || !hangs(call)) return true;
    place.told = true;
    const router::Deployment* deployment =
        find_deployment(*call.snapshot->routing, call.record.attempts.back().deployment_id);
    if (deployment != nullptr)
      tell_hanging(worker, gateway, *deployment,
                   std::chrono::duration_cast<std::chrono::microseconds>(now - call.started).count());
    return true;
  });
}

}  // namespace

HangWatch::HangWatch(Gateway& gateway) : gateway_(gateway), timers_(gateway.workers.size()) {
  for (const std::unique_ptr<Worker>& worker : gateway_.workers)
    worker->thread->post([this, &worker = *worker] { arm(worker); });
}

HangWatch::~HangWatch() {
  stopping_.store(true);
  for (const std::unique_ptr<Worker>& worker : gateway_.workers) {
    std::promise<void> disarmed;
    worker->thread->post([&] {
      timers_[worker->index].reset();
      disarmed.set_value();
    });
    disarmed.get_future().wait();
  }
}

void HangWatch::arm(Worker& worker) {
  if (stopping_.load()) return;
  timers_[worker.index] = worker.thread->after(interval_of(worker), [this, &worker] {
    look(worker, gateway_);
    arm(worker);
  });
}

}  // namespace turnpike::pipeline
