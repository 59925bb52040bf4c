#include <algorithm>
#include <limits>

#include "base/log.h"
#include "pipeline/call.h"
#include "pipeline/mock.h"

namespace turnpike::pipeline {
namespace {

using std::chrono::milliseconds;

router::CooldownPolicy cooldown_policy(const config::Settings& settings, const router::Deployment& deployment) {
  router::CooldownPolicy policy;
  policy.allowed_by_error = settings.router.allowed_fails_policy;
  if (settings.router.allowed_fails_written || policy.allowed_by_error != config::ErrorCounts{})
    policy.allowed_fails = static_cast<int>(settings.router.allowed_fails);
  policy.cooldown_time = deployment.cooldown_time.value_or(settings.router.cooldown_time);
  policy.disabled = settings.router.disable_cooldowns;
  return policy;
}

/// What one attempt may take of the call's time. While other groups wait behind this one, a silent provider gets two
/// thirds of what is left, so that a fallback still ends inside the caller's deadline.
AttemptLimits limits_of(const Call& call, const router::Deployment& deployment, bool fallback_left) {
  const base::Monotonic now = base::monotonic_now();
  AttemptLimits limits{call.deadline, call.total, call.deadline};
  if (fallback_left) limits.deadline = now + (call.deadline - now) * 2 / 3;
  if (call.request.timeout_seconds) return limits;  // The caller's word comes before the deployment's.
  const milliseconds own = deployment.timeout.value_or(call.settings().router.timeout);
  limits.streaming_deadline = std::min(limits.streaming_deadline, now + own);
  if (now + own < limits.deadline) {
    limits.deadline = now + own;
    limits.total = own;
  }
  return limits;
}

/// LiteLLM's suffix on the message of a call that found no answer.
void explain(Error& error, const Call& call, const router::RoutePlan& plan, const Error& last) {
  if (error.message.ends_with('.')) error.message.pop_back();
  error.message += ". Received Model Group=" + plan.stops.front().requested + "\nAvailable Model Group Fallbacks=";
  if (plan.stops.size() == 1) {
    error.message += "None";
  } else {
    error.message += "[";
    for (std::size_t i = 1; i < plan.stops.size(); ++i) {
      error.message += (i > 1 ? ", '" : "'") + plan.stops[i].requested + "'";
    }
    error.message += "]";
  }
  if (call.record.fallbacks > 0) error.message += "\nError doing the fallback: " + last.message;
  if (call.record.retries > 0) {
    error.message += " LiteLLM Retried: " + std::to_string(call.record.retries) +
                     " times, LiteLLM Max Retries: " + std::to_string(call.record.max_retries);
  }
}

int level_of(const router::Deployment& deployment) {
  return deployment.order.value_or(std::numeric_limits<int>::max());
}

/// Where the loop stands.
struct Progress {
  std::size_t stop = 0;
  int attempts_in_group = 0;
  int attempts_total = 0;
  std::vector<std::string> tried;  // Deployment ids in this group.
  std::optional<Error> first_error;
  std::optional<Error> last_error;

  void note(const Error& error) {
    if (!first_error) first_error = error;
    last_error = error;
  }
};

router::History history_of(const Call& call, const router::RoutePlan& plan, const Progress& progress,
                           const router::Deployment* deployment) {
  const router::ModelGroup& group = *plan.stops[progress.stop].group;
  const std::int64_t now_us = base::unix_now_us();
  router::History history;
  history.attempts_in_group = progress.attempts_in_group;
  history.attempts_total = progress.attempts_total;
  history.billed = !call.record.attempts.empty() && call.record.attempts.back().billed;
  history.group_size = group.deployments.size();
  history.fallbacks_left = static_cast<int>(plan.stops.size() - progress.stop) - 1;
  history.caller_gone = call.exchange.caller_gone() || call.cancel->requested();
  history.draining = call.gateway.draining.load(std::memory_order_relaxed);
  for (const router::DeploymentRef& candidate : group.deployments) {
    const bool healthy = candidate->health->cooling_until_us.load(std::memory_order_relaxed) <= now_us;
    if (!healthy) continue;
    if (deployment != nullptr && candidate->id == deployment->id) history.same_healthy = true;
    if (std::find(progress.tried.begin(), progress.tried.end(), candidate->id) != progress.tried.end()) continue;
    history.other_healthy = true;
    if (deployment != nullptr && level_of(*candidate) > level_of(*deployment)) history.level_left = true;
  }
  return history;
}

/// The deployments up to this one's `order` have had their turn; those above begin anew.
void enter_next_level(const router::ModelGroup& group, const router::Deployment& deployment, Progress& progress) {
  for (const router::DeploymentRef& member : group.deployments) {
    if (level_of(*member) <= level_of(deployment)) progress.tried.push_back(member->id);
  }
  progress.attempts_in_group = 0;
}

/// Moves to the next group of the plan; false when there is none.
bool enter_next_group(Call& call, const router::RoutePlan& plan, Progress& progress) {
  if (progress.stop + 1 >= plan.stops.size()) return false;
  ++progress.stop;
  ++call.record.fallbacks;
  call.record.marks |= domain::kFellBack;
  progress.attempts_in_group = 0;
  progress.tried.clear();
  call.record.model_group = plan.stops[progress.stop].group->name;
  call.shown_model = plan.stops[progress.stop].requested;
  return true;
}

/// Sleeps before a retry, but no longer than the call may last; false when there is no point in it.
Task<bool> wait_to_retry(Call& call, milliseconds wait) {
  if (wait <= milliseconds(0)) co_return true;
  if (base::monotonic_now() + wait >= call.deadline) co_return false;
  co_return co_await call.sleep(wait);
}

}  // namespace

void note_broken_stream(const Call& call, const Answer& answer, const Error& error) {
  const router::Deployment& deployment = *answer.deployment;
  if (router::note_broken(deployment, error, answer.group_size, cooldown_policy(call.settings(), deployment),
                          base::unix_now_us())) {
    base::log(base::LogLevel::Warning, "deployment {} of group {} is cooling: {}", deployment.id,
              deployment.model_group, domain::kind_name(error.kind));
  }
}

Task<Result<AnswerRef>> run_plan(AdmittedCall& admitted, router::RoutePlan& plan) {
  Call& call = admitted.call;
  const router::Planning planning = planning_of(call);
  Progress progress;
  for (;;) {
    if (call.cancel->requested()) co_return base::fail(call.cancelled());
    const router::RoutePlan::Stop& stop = plan.stops[progress.stop];
    Result<router::Pick> pick = router::Pick{plan.pinned, false};
    if (!plan.pinned) pick = co_await choose(admitted, *stop.group, progress.tried);
    if (!pick) {
      progress.note(pick.error());
      router::lead_on(plan, progress.stop, pick.error().kind, planning);
      if (!enter_next_group(call, plan, progress)) break;
      continue;
    }
    const router::DeploymentRef deployment = pick->deployment;
    if (!cover_attempt(admitted, *deployment)) {
      router::note_unasked(*deployment, pick->probe);
      call.record.marks |= domain::kRetryUnaffordable;
      break;
    }
    const bool fallback_left = progress.stop + 1 < plan.stops.size();
    AttemptLimits limits = limits_of(call, *deployment, fallback_left);
    limits.catch_filtered = router::catches_filtered(plan, progress.stop, planning);
    const bool mocked = is_mocked(call, *deployment);  // Says nothing of the provider, whatever it says.
    Result<AnswerRef> answer = co_await attempt(admitted, *pick, stop, limits);
    const std::int64_t now_us = base::unix_now_us();
    if (!answer) pick->slot.end();
    ++progress.attempts_in_group;
    progress.attempts_total = static_cast<int>(call.record.attempts.size());
    if (mocked) router::note_unasked(*deployment, pick->probe);
    if (answer) {
      if (!mocked) router::note_success(*deployment, now_us, pick->probe);
      (*answer)->group_size = stop.group->deployments.size();
      (*answer)->slot = std::move(pick->slot);
      if (call.record.retries > 0) call.record.marks |= domain::kRetried;
      co_return std::move(*answer);
    }
    if (answer.error().kind == ErrorKind::CallerGone) {
      if (!mocked)
        router::note_failure(*deployment, answer.error(), stop.group->deployments.size(), {}, now_us, pick->probe);
      co_return base::fail(std::move(answer.error()));
    }
    const Error& error = answer.error();
    progress.tried.push_back(deployment->id);
    progress.note(error);
    if (!mocked && router::note_failure(*deployment, error, stop.group->deployments.size(),
                                        cooldown_policy(call.settings(), *deployment), now_us, pick->probe)) {
      base::log(base::LogLevel::Warning, "deployment {} of group {} is cooling: {}", deployment->id, stop.group->name,
                domain::kind_name(error.kind));
    }
    router::lead_on(plan, progress.stop, error.kind, planning);
    const router::Decision decision =
        router::decide(error, history_of(call, plan, progress, deployment.get()),
                       router::policy_for(plan, progress.stop, *deployment, call.settings().router),
                       call.worker.thread->random().next());
    router::Next next = decision.next;
    // A provider that used up its share of the deadline will not answer a second time: the fallback gets the rest.
    const bool out_of_time = base::monotonic_now() >= limits.deadline;
    if (next == router::Next::SameGroup && out_of_time && error.kind == ErrorKind::Timeout && !deployment->timeout)
      next = router::Next::NextGroup;
    if (base::monotonic_now() >= call.deadline) next = router::Next::GiveUp;
    if (next == router::Next::GiveUp) break;
    if (call.record.attempts.back().billed) call.record.marks |= domain::kRetriedBilled;
    if (next == router::Next::NextGroup) {
      if (!enter_next_group(call, plan, progress)) break;
      continue;
    }
    if (next == router::Next::NextLevel) enter_next_level(*plan.stops[progress.stop].group, *deployment, progress);
    if (!co_await wait_to_retry(call, decision.wait)) {
      if (call.cancel->requested() || !enter_next_group(call, plan, progress)) break;
      continue;
    }
    ++call.record.retries;
  }
  if (call.cancel->requested()) co_return base::fail(call.cancelled());
  Error error = progress.first_error.value_or(Error{});
  if (progress.first_error) {
    explain(error, call, plan, *progress.last_error);
  } else {
    error.message = "The budget does not cover this call on any deployment of its group.";
    error.kind = ErrorKind::BudgetHeld;
  }
  co_return base::fail(std::move(error));
}

}  // namespace turnpike::pipeline
