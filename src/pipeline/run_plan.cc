#include <algorithm>
#include <limits>

#include "pipeline/limits.h"
#include "pipeline/race.h"
#include "pipeline/sightings.h"

namespace turnpike::pipeline {
namespace {

using std::chrono::milliseconds;

/// What a group may take of the call's time. While other groups wait behind this one, a silent provider gets two thirds
/// of what is left, so that a fallback still ends inside the caller's deadline.
base::Monotonic share_of_group(const Call& call, bool fallback_left) {
  if (!fallback_left) return call.deadline;
  const base::Monotonic now = base::monotonic_now();
  return now + (call.deadline - now) * 2 / 3;
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
  std::vector<std::string> tried;  // Deployment ids in this group.
  std::optional<Error> first_error;
  std::optional<Error> last_error;

  void note(const Error& error) {
    if (!first_error) first_error = error;
    last_error = error;
  }
};

/// `failed`: whose failure is looked at.
router::History history_of(const AdmittedCall& admitted, const router::RoutePlan& plan, const Progress& progress,
                           const router::Deployment& failed, bool billed) {
  const Call& call = admitted.call;
  const router::Outlook outlook =
      router::outlook(*plan.stops[progress.stop].group, pick_input(admitted, progress.tried), &failed);
  router::History history;
  history.attempts_in_group = progress.attempts_in_group;
  history.attempts_total = static_cast<int>(call.record.attempts.size());
  history.billed = billed;
  history.group_size = outlook.members;
  history.other_healthy = outlook.other_healthy;
  history.same_healthy = outlook.same_healthy;
  history.level_left = outlook.level_left;
  history.fallbacks_left = static_cast<int>(plan.stops.size() - progress.stop) - 1;
  history.caller_gone = call.exchange.caller_gone() || call.cancel->requested();
  history.draining = call.exchange.interrupted();  // Until then whoever is still served is served as ever.
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

/// One of the latest attempts may be billed: bytes of an answer came.
bool last_billed(const Call& call, std::size_t count) {
  const auto& attempts = call.record.attempts;
  const auto latest = attempts.end() - static_cast<std::ptrdiff_t>(std::min(count, attempts.size()));
  return std::any_of(latest, attempts.end(), [](const domain::Attempt& entry) { return entry.billed; });
}

/// One attempt in the group, or two where it is hedged.
Task<Outcome> ask(AdmittedCall& admitted, const router::RoutePlan& plan, Chosen chosen, AttemptLimits limits,
                  const Progress& progress) {
  const router::RoutePlan::Stop& stop = plan.stops[progress.stop];
  const std::optional<RaceTerms> terms =
      race_terms(admitted, plan, progress.stop, *chosen.pick.deployment, progress.attempts_in_group, progress.tried);
  if (!terms) co_return co_await attempt_alone(admitted, std::move(chosen), stop, limits);
  co_return co_await attempt_hedged(admitted, std::move(chosen), stop, limits, *terms);
}

/// The error of a call that found no answer: the first one, as callers of LiteLLM know it.
Error final_error(Call& call, const router::RoutePlan& plan, const Progress& progress) {
  Error error;
  if (progress.first_error) {
    error = *progress.first_error;
    if (error.kind == ErrorKind::RateLimited && !call.share_fields.empty()) call.limit_fields = call.share_fields;
    explain(error, call, plan, *progress.last_error);
  } else {
    error.message = "The budget does not cover this call on any deployment of its group.";
    error.kind = ErrorKind::BudgetHeld;
    error.code = "budget_held";
    error.retry_after = std::chrono::seconds(1);
  }
  return error;
}

}  // namespace

Task<Result<AnswerRef>> run_plan(AdmittedCall& admitted, router::RoutePlan& plan) {
  Call& call = admitted.call;
  const router::Planning planning = planning_of(call);
  Progress progress;
  for (;;) {
    if (call.cancel->requested()) co_return base::fail(call.cancelled());
    const router::RoutePlan::Stop& stop = plan.stops[progress.stop];
    const bool fallback_left = progress.stop + 1 < plan.stops.size();
    call.hedge = stop.group->hedge.state;
    Result<Chosen> chosen = Chosen{router::Pick{plan.pinned, false}};
    if (!plan.pinned) chosen = co_await choose(admitted, *stop.group, progress.tried, fallback_left);
    if (!chosen) {
      if (chosen.error().kind == ErrorKind::CallerGone) break;
      if (chosen.error().kind == ErrorKind::NoDeployment) tell_if_all_rest(call.worker, call.gateway, *stop.group);
      progress.note(chosen.error());
      router::lead_on(plan, progress.stop, chosen.error().kind, planning);
      if (base::monotonic_now() >= call.deadline || !enter_next_group(call, plan, progress)) break;
      continue;
    }
    if (!co_await cover_next_attempt(admitted, *chosen->pick.deployment)) {
      router::note_unasked(*chosen->pick.deployment, chosen->pick.probe);
      undo_limits(chosen->limits);
      if (!call.cancel->requested()) call.record.marks |= domain::kRetryUnaffordable;
      break;
    }
    AttemptLimits limits = limits_of(call, *chosen->pick.deployment, share_of_group(call, fallback_left));
    limits.catch_filtered = router::catches_filtered(plan, progress.stop, planning);
    Outcome outcome = co_await ask(admitted, plan, std::move(*chosen), limits, progress);
    if (outcome.answer) {
      if (call.record.retries > 0) call.record.marks |= domain::kRetried;
      co_return std::move(outcome.answer);
    }
    for (const Outcome::Failure& failure : outcome.failures) {
      ++progress.attempts_in_group;
      progress.tried.push_back(failure.deployment->id);
      progress.note(failure.error);
    }
    const auto& [deployment, error] = outcome.failures.back();
    if (error.kind == ErrorKind::CallerGone) co_return base::fail(std::move(outcome.failures.back().error));
    const bool billed = last_billed(call, outcome.failures.size());
    router::lead_on(plan, progress.stop, error.kind, planning);
    const router::Decision decision =
        router::decide(error, history_of(admitted, plan, progress, *deployment, billed),
                       router::policy_for(plan, progress.stop, *deployment, call.settings().router),
                       call.worker.thread->random().next());
    router::Next next = decision.next;
    // A provider that used up its share of the deadline will not answer a second time: the fallback gets the rest.
    // Not so one that has used up a limit of its own.
    const bool used_its_share = base::monotonic_now() >= limits.deadline && limits.total == call.total;
    if (next == router::Next::SameGroup && used_its_share && error.kind == ErrorKind::Timeout)
      next = router::Next::NextGroup;
    if (base::monotonic_now() >= call.deadline) next = router::Next::GiveUp;
    if (next == router::Next::GiveUp) break;
    if (billed) call.record.marks |= domain::kRetriedBilled;
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
  co_return base::fail(final_error(call, plan, progress));
}

}  // namespace turnpike::pipeline
