#include "pipeline/mirror.h"

#include <algorithm>

#include "pipeline/own_call.h"

namespace turnpike::pipeline {
namespace {

/// The caller's body, asked for whole.
std::string body_of(const Call& call) {
  const std::string_view bytes = call.request.body;
  std::string body = "{";
  body.reserve(bytes.size());
  for (const json::Member& member : call.request.scan.members) {
    if (member.key == "stream" || member.key == "stream_options") continue;
    if (body.size() > 1) body += ',';
    body.append(member.key_range.in(bytes)).append(":").append(member.value.in(bytes));
  }
  return body += '}';
}

Task<void> carry_out(Gateway& gateway, net::IoThread& thread, OwnCall own) {
  co_await make_own_call(gateway, thread, std::move(own));
  gateway.mirrors.open.fetch_sub(1, std::memory_order_relaxed);
}

void start(const Call& call, const std::string& to) {
  MirrorCounters& counters = call.gateway.mirrors;
  if (counters.open.fetch_add(1, std::memory_order_relaxed) >= call.settings().turnpike.mirror_calls_max) {
    counters.open.fetch_sub(1, std::memory_order_relaxed);
    counters.left_out.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  counters.begun.fetch_add(1, std::memory_order_relaxed);
  OwnCall own;
  own.operation = call.record.operation;
  own.route = call.record.route;
  own.model = to;
  own.body = body_of(call);
  own.caller = call.caller;
  own.tags = {std::string(kMirrorTag)};
  own.call_id = call.record.call_id;
  own.traceparent = call.trace.header();
  base::spawn(carry_out(call.gateway, *call.worker.thread, std::move(own)));
}

/// What the deployment that answered is mirrored to whenever it does.
const std::vector<std::string>* silent_models(const Call& call, const router::RoutePlan& plan) {
  if (call.record.attempts.empty()) return nullptr;
  const std::string& id = call.record.attempts.back().deployment_id;
  for (const router::RoutePlan::Stop& stop : plan.stops) {
    for (const router::DeploymentRef& deployment : stop.group->deployments) {
      if (deployment->id == id && deployment->entry) return &deployment->entry->silent_models;
    }
  }
  return nullptr;
}

}  // namespace

void mirror(const Call& call, const router::RoutePlan& plan) {
  const bool copies = call.own == nullptr && !call.request.form && domain::writes_text(call.record.operation);
  if (!copies || call.gateway.draining.load(std::memory_order_relaxed)) return;
  const router::ModelGroup& group = *plan.stops.front().group;
  for (const router::Mirror& mirror : group.mirrors) {
    const double drawn = static_cast<double>(call.worker.thread->random().next() >> 11) * 0x1.0p-53;  // [0, 1)
    if (drawn < mirror.share) start(call, mirror.to);
  }
  if (const std::vector<std::string>* models = silent_models(call, plan)) {
    for (const std::string& model : *models) start(call, model);
  }
}

}  // namespace turnpike::pipeline
