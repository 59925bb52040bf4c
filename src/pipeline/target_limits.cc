#include "pipeline/target_limits.h"

#include <algorithm>

#include "pipeline/limits.h"
#include "pipeline/own_call.h"

namespace turnpike::pipeline {
namespace {

using limit::Unit;

std::int64_t monotonic_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now().time_since_epoch()).count();
}

/// Probes find out who is well, whatever is left.
bool is_counted(const Call& call) {
  return call.worker.limiter != nullptr && (call.own == nullptr || !call.own->probe);
}

/// usage-based-routing counts a call when it has ended: its rpm is a share, and may be passed by calls under way.
bool holds_minutes(const router::ModelGroup& group) {
  return !group.precise && group.routing.limits && group.routing.strategy != router::Strategy::UsageBased;
}

/// What the group can take, and behind it what the caller's priority has of that.
void add_shares(Call& call, const router::Capacity& capacity, limit::Limits& limits) {
  const router::Capacity::Share& share = capacity.share_of(call.caller->priority);
  const std::int64_t now_us = monotonic_us();
  const auto add = [&](limit::SubjectView subject, Unit unit, std::int64_t most) -> limit::Limit& {
    return limits.emplace_back(
        limit::Limit{call.worker.meters->find(subject, unit, now_us), most, limit::Held::Always, true});
  };
  const std::pair<Unit, std::optional<std::int64_t>> units[] = {{Unit::Requests, capacity.requests},
                                                                {Unit::Tokens, capacity.tokens}};
  for (const auto& [unit, whole] : units) {
    if (!whole) continue;
    limit::Limit& limit = add({limit::Kind::ModelGroup, capacity.model}, unit, *whole);
    if (!capacity.shares.empty()) limit.crowded_at = capacity.crowded_at(*whole);
  }
  if (capacity.shares.empty()) return;
  for (const auto& [unit, whole] : units) {
    if (whole)
      add({limit::Kind::Priority, share.priority, capacity.model}, unit, share.of(*whole)).held =
          limit::Held::WhenCrowded;
  }
}

limit::Limits limits_of_target(Call& call, const router::ModelGroup& group, const router::Deployment& deployment) {
  limit::Limits limits;
  if (!has_limits(call, group, deployment)) return limits;
  const auto add = [&](Unit unit, std::int64_t most) {
    const limit::SubjectView subject(limit::Kind::Deployment, deployment.id);
    limits.push_back({call.worker.meters->find(subject, unit, monotonic_us()), most, limit::Held::Always, true});
  };
  const bool minutes = holds_minutes(group);
  if (minutes && deployment.rpm) add(Unit::Requests, static_cast<std::int64_t>(*deployment.rpm));
  if (minutes && deployment.tpm) add(Unit::Tokens, static_cast<std::int64_t>(*deployment.tpm));
  if (deployment.parallel_max) add(Unit::Calls, *deployment.parallel_max);
  if (group.capacity) add_shares(call, *group.capacity, limits);
  return limits;
}

}  // namespace

bool has_limits(const Call& call, const router::ModelGroup& group, const router::Deployment& deployment) {
  if (!is_counted(call)) return false;
  return deployment.parallel_max || group.capacity || (holds_minutes(group) && (deployment.rpm || deployment.tpm));
}

tl::expected<limit::Admission, limit::Refusal> take_target(AdmittedCall& admitted, const router::ModelGroup& group,
                                                           const router::Deployment& deployment) {
  Call& call = admitted.call;
  limit::Limits limits = limits_of_target(call, group, deployment);
  if (limits.empty()) return limit::Admission();
  const limit::Terms terms = call.worker.limiter->terms(tokens_to_reserve(call, admitted.expected), shard_of(call));
  auto taken = call.worker.limiter->take(std::move(limits), terms);
  if (!taken) call.gateway.limit_refusals.add(taken.error());
  return taken;
}

Task<tl::expected<void, limit::Refusal>> confirm_target(Call& call, limit::Admission& limits) {
  if (limits.limits().empty()) co_return tl::expected<void, limit::Refusal>();
  auto confirmed = co_await call.worker.limiter->confirm(limits);
  if (!confirmed) call.gateway.limit_refusals.add(confirmed.error());
  co_return confirmed;
}

std::chrono::microseconds room_of_targets_after(AdmittedCall& admitted, const router::ModelGroup& group) {
  std::chrono::microseconds shortest{0};
  Call& call = admitted.call;
  if (!is_counted(call) || !holds_minutes(group)) return shortest;
  const limit::Terms terms = call.worker.limiter->terms(tokens_to_reserve(call, admitted.expected));
  for (const router::DeploymentRef& deployment : group.deployments) {
    const std::optional<limit::Refusal> refusal = limit::look(limits_of_target(call, group, *deployment), terms);
    if (!refusal || refusal->unit == Unit::Calls) continue;
    if (shortest.count() == 0 || refusal->wait < shortest) shortest = refusal->wait;
  }
  return shortest;
}

bool is_of_group(const limit::Refusal& refusal) {
  return refusal.subject.kind == limit::Kind::ModelGroup || refusal.subject.kind == limit::Kind::Priority;
}

void settle_target(const Call& call, limit::Admission& limits, const domain::Attempt& entry, bool sent) {
  if (limits.limits().empty()) return;
  if (!sent) return undo_limits(limits);
  limits.settle(entry.billed ? counted_tokens(call, entry.usage) : 0, monotonic_us());
}

}  // namespace turnpike::pipeline
