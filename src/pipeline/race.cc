#include "pipeline/race.h"

#include <algorithm>
#include <exception>

#include "base/log.h"
#include "pipeline/limits.h"
#include "pipeline/mock.h"
#include "pipeline/note.h"
#include "pipeline/target_limits.h"

namespace turnpike::pipeline {
namespace {

using std::chrono::milliseconds;

/// The attempt and what the router learns of it. What was taken of the deployment is given back when it failed.
Task<Result<AnswerRef>> attempt_noted(AdmittedCall& admitted, Chosen& chosen, const router::RoutePlan::Stop& stop,
                                      const AttemptLimits& limits, Try& now) {
  const Call& call = admitted.call;
  router::Pick& pick = chosen.pick;
  const bool mocked = is_mocked(call, *pick.deployment);  // Says nothing of the provider, whatever it says.
  Result<AnswerRef> answer = co_await attempt(admitted, pick, stop, limits, now);
  if (mocked) {
    router::note_unasked(*pick.deployment, pick.probe);
  } else {
    note_outcome(call, pick, *stop.group, answer ? nullptr : &answer.error());
  }
  if (answer) {
    (*answer)->group_size = stop.group->deployments.size();
    (*answer)->slot = std::move(pick.slot);
    (*answer)->limits = std::move(chosen.limits);
  } else {
    pick.slot.end();
    settle_target(call, chosen.limits, call.record.attempts[now.at], now.sent);
  }
  co_return answer;
}

/// Two attempts of one call at the same time; lives in the frame of `attempt_hedged`.
class Race {
 public:
  Race(AdmittedCall& admitted, const router::RoutePlan::Stop& stop, const AttemptLimits& limits, RaceTerms terms)
      : admitted_(admitted), call_(admitted.call), stop_(stop), limits_(limits), terms_(terms) {}

  Task<Outcome> run(Chosen first);

 private:
  struct Runner {
    Runner(Chosen chosen_in, const AttemptLimits& limits_in)
        : chosen(std::move(chosen_in)), limits(limits_in), cancel(std::make_unique<http::Cancel>()), now(*cancel) {}
    Chosen chosen;
    const AttemptLimits limits;
    std::unique_ptr<http::Cancel> cancel;
    Try now;
    std::optional<Result<AnswerRef>> result;
    bool answered() const { return result && result->has_value(); }
    const router::DeploymentRef& deployment() const { return chosen.pick.deployment; }
  };

  void start(Chosen chosen, const AttemptLimits& limits);
  Task<void> carry_out(Runner& runner);
  Task<std::optional<Chosen>> rival();
  std::optional<router::Pick> pick_rival() const;
  Task<std::optional<limit::Admission>> take_limits_of(const router::Deployment& other);
  bool reserve(const router::Deployment& other, bool probe);
  bool settled() const;
  Task<void> end_others(const Runner* winner);
  Task<void> bill_lost(Runner& loser);
  Outcome outcome(Runner* winner);

  AdmittedCall& admitted_;
  Call& call_;
  const router::RoutePlan::Stop& stop_;
  const AttemptLimits& limits_;
  const RaceTerms terms_;
  std::vector<std::unique_ptr<Runner>> runners_;  // In the order of their start, at most two.
  std::vector<Runner*> ended_;                    // In the order of their end.
  Money reserved_;                                // Of the group's extra cost, for the second.
  base::Signal changed_;
  bool late_ = false;
};

void Race::start(Chosen chosen, const AttemptLimits& limits) {
  runners_.push_back(std::make_unique<Runner>(std::move(chosen), limits));
  base::spawn(carry_out(*runners_.back()));
}

Task<void> Race::carry_out(Runner& runner) {
  try {
    runner.result.emplace(co_await attempt_noted(admitted_, runner.chosen, stop_, runner.limits, runner.now));
  } catch (const std::exception& failure) {
    base::log(base::LogLevel::Error, "call {}: {}", call_.record.call_id, failure.what());
    runner.result.emplace(base::fail(ErrorKind::Internal, "Internal error in an attempt.", failure.what()));
  }
  ended_.push_back(&runner);
  changed_.fire();  // Last: the race may be over and gone.
}

bool Race::settled() const {
  const auto answered = [](const auto& runner) { return runner->answered(); };
  const auto over = [](const auto& runner) { return runner->result.has_value(); };
  return std::any_of(runners_.begin(), runners_.end(), answered) || std::all_of(runners_.begin(), runners_.end(), over);
}

/// Another deployment that is well, with its place taken.
std::optional<router::Pick> Race::pick_rival() const {
  const Runner& first = *runners_.front();
  if (!first.now.sent) return std::nullopt;  // What is slow is on our side: a file, a credential.
  std::vector<std::string> tried(terms_.tried.begin(), terms_.tried.end());
  tried.push_back(first.deployment()->id);
  router::PickInput input = pick_input(admitted_, tried);
  if (!router::outlook(*stop_.group, input, nullptr).other_healthy) return std::nullopt;
  input.random = call_.worker.thread->random().next();
  Result<router::Pick> pick = router::pick(*stop_.group, input);
  if (!pick || !pick->deployment) return std::nullopt;
  const router::Deployment& other = *pick->deployment;
  // The others are well, but full; or it is one without a provider, whose wait nobody could end.
  // Nor is there a second one where whom it asks has a budget: a call is booked on those of one deployment.
  const bool budgeted = has_own_budget(call_, other) || has_own_budget(call_, *first.deployment());
  if (budgeted || std::find(tried.begin(), tried.end(), other.id) != tried.end() || is_mocked(call_, other)) {
    router::note_unasked(other, pick->probe);
    return std::nullopt;
  }
  return std::move(*pick);
}

/// What its limits give, unless they refuse or what the wait was for has happened while they were asked.
Task<std::optional<limit::Admission>> Race::take_limits_of(const router::Deployment& other) {
  auto taken = take_target(admitted_, *stop_.group, other);
  if (!taken) co_return std::nullopt;
  const auto confirmed = co_await confirm_target(call_, *taken);
  if (!confirmed) co_return std::nullopt;
  if (!settled() && !call_.cancel->requested()) co_return std::move(*taken);
  undo_limits(*taken);
  co_return std::nullopt;
}

/// Whether the group's share of extra cost and the budget cover it; they have given it then.
bool Race::reserve(const router::Deployment& other, bool probe) {
  router::HedgeState& state = *stop_.group->hedge.state;
  std::optional<Money> extra;
  if (!probe) extra = state.take(stop_.group->hedge.extra_share_ppm);
  if (!extra) return false;
  if (!cover_attempt(admitted_, other, attempt_cost(admitted_, *runners_.front()->deployment()))) {
    state.give_back(*extra);
    return false;
  }
  state.begun();
  reserved_ = *extra;
  return true;
}

/// A second attempt that is affordable, with all it needs taken.
Task<std::optional<Chosen>> Race::rival() {
  std::optional<router::Pick> pick = pick_rival();
  if (!pick) co_return std::nullopt;
  std::optional<limit::Admission> limits = co_await take_limits_of(*pick->deployment);
  if (limits && reserve(*pick->deployment, pick->probe)) co_return Chosen{std::move(*pick), std::move(*limits)};
  if (limits) undo_limits(*limits);
  router::note_unasked(*pick->deployment, pick->probe);
  co_return std::nullopt;
}

Task<Outcome> Race::run(Chosen first) {
  call_.cancel->set_action([this] {
    for (const std::unique_ptr<Runner>& runner : runners_) runner->cancel->request();
  });
  const std::int64_t upstream_us = call_.record.upstream_us;
  start(std::move(first), limits_);
  const std::unique_ptr<net::IoThread::Timer> timer = call_.worker.thread->after(terms_.after, [this] {
    late_ = true;
    changed_.fire();
  });
  while (!settled()) {
    co_await changed_;
    changed_.reset();
    if (!late_ || settled() || call_.cancel->requested()) continue;
    late_ = false;
    if (std::optional<Chosen> second = co_await rival()) {
      ++call_.record.retries;
      call_.record.marks |= domain::kHedged;
      AttemptLimits limits = limits_of(call_, *second->pick.deployment, limits_.share);
      limits.catch_filtered = limits_.catch_filtered;
      start(std::move(*second), limits);
    }
  }
  const auto answered =
      std::find_if(ended_.begin(), ended_.end(), [](const Runner* runner) { return runner->answered(); });
  Runner* winner = answered == ended_.end() ? nullptr : *answered;
  co_await end_others(winner);
  call_.cancel->set_action({});
  // Time in which two were waited for is counted once.
  if (runners_.size() > 1) {
    const auto begun = [&](const Runner& runner) { return call_.record.attempts[runner.now.at].started_us; };
    const std::int64_t until = winner != nullptr ? begun(*winner) : base::unix_now_us();
    call_.record.upstream_us = upstream_us + std::max<std::int64_t>(until - begun(*runners_.front()), 0);
  }
  co_return outcome(winner);
}

/// Ends whoever has not answered, and books what the answer of one that came second has cost.
Task<void> Race::end_others(const Runner* winner) {
  for (const std::unique_ptr<Runner>& runner : runners_) {
    if (!runner->result) runner->cancel->request();
  }
  while (ended_.size() < runners_.size()) {
    changed_.reset();
    if (ended_.size() < runners_.size()) co_await changed_;
  }
  if (runners_.size() < 2) co_return;
  Money lost;
  for (const std::unique_ptr<Runner>& runner : runners_) {
    if (runner.get() == winner) continue;
    if (runner->answered()) co_await bill_lost(*runner);
    const domain::Attempt& entry = call_.record.attempts[runner->now.at];
    // Only of the first is it known that it takes longer than most.
    if (winner != nullptr && runner == runners_.front()) note_outrun(call_, *stop_.group, entry);
    if (entry.billed) lost += entry.cost;
  }
  stop_.group->hedge.state->correct(reserved_, winner != nullptr ? lost : Money());
}

Task<void> Race::bill_lost(Runner& loser) {
  Answer& answer = ***loser.result;
  domain::Attempt& entry = call_.record.attempts[loser.now.at];
  entry.ended_us = base::unix_now_us();
  entry.error_text = "Another attempt answered first.";
  if (answer.stream) {
    co_await bill_attempt(admitted_, loser.now.at, *answer.deployment, answer.stream->usage(),
                          answer.stream->service_tier(), answer.stream->text_for_count(), answer.stream->text_bytes());
  } else {
    co_await bill_attempt(admitted_, loser.now.at, *answer.deployment, answer.facts.usage, answer.facts.service_tier,
                          answer.facts.text_for_count, answer.facts.text_for_count.size());
  }
  journal_billed(admitted_, loser.now.at);
  settle_target(call_, answer.limits, call_.record.attempts[loser.now.at], true);
  loser.result->value().reset();
}

Outcome Race::outcome(Runner* winner) {
  Outcome outcome;
  for (Runner* runner : ended_) {
    const bool lost = winner != nullptr && runner->result && !runner->answered() &&
                      runner->result->error().kind == ErrorKind::CallerGone;
    if (runner->result->has_value() || lost) continue;
    outcome.failures.push_back({runner->deployment(), std::move(runner->result->error())});
  }
  if (winner == nullptr) return outcome;
  outcome.answer = std::move(**winner->result);
  // The attempt that answered stands last, as everywhere.
  auto& attempts = call_.record.attempts;
  std::rotate(attempts.begin() + static_cast<std::ptrdiff_t>(winner->now.at),
              attempts.begin() + static_cast<std::ptrdiff_t>(winner->now.at) + 1, attempts.end());
  outcome.answer->at = attempts.size() - 1;
  if (winner->deployment()->entry) call_.region = winner->deployment()->entry->region_name;
  call_.cancel = std::move(winner->cancel);  // What reads the rest of the answer waits on this one.
  return outcome;
}

}  // namespace

Task<Outcome> attempt_alone(AdmittedCall& admitted, Chosen chosen, const router::RoutePlan::Stop& stop,
                            AttemptLimits limits) {
  Try now(*admitted.call.cancel);
  Result<AnswerRef> answer = co_await attempt_noted(admitted, chosen, stop, limits, now);
  Outcome outcome;
  if (answer) {
    outcome.answer = std::move(*answer);
  } else {
    outcome.failures.push_back({chosen.pick.deployment, std::move(answer.error())});
  }
  co_return outcome;
}

std::optional<RaceTerms> race_terms(const AdmittedCall& admitted, const router::RoutePlan& plan, std::size_t at,
                                    const router::Deployment& first, int attempts_in_group,
                                    std::span<const std::string> tried) {
  const Call& call = admitted.call;
  const router::ModelGroup& group = *plan.stops[at].group;
  if (!group.hedge.state || plan.pinned || group.deployments.size() < 2) return std::nullopt;
  if (!domain::writes_text(call.request.operation) || is_mocked(call, first)) return std::nullopt;
  const router::RetryPolicy policy = router::policy_for(plan, at, first, call.settings().router);
  const std::size_t groups_left = plan.stops.size() - at - 1;
  const std::size_t with_both = call.record.attempts.size() + 2;
  if (attempts_in_group + 2 > policy.num_retries + 1) return std::nullopt;
  if (with_both + groups_left > static_cast<std::size_t>(policy.attempts_max)) return std::nullopt;
  const router::RecentQuantile& recent =
      call.request.flows() ? group.hedge.state->first_content : group.hedge.state->whole;
  const std::optional<double> seconds = recent.at(router::HedgeState::kQuantile);
  if (!seconds) return std::nullopt;
  return RaceTerms{milliseconds(static_cast<std::int64_t>(*seconds * 1000) + 1), tried};
}

Task<Outcome> attempt_hedged(AdmittedCall& admitted, Chosen chosen, const router::RoutePlan::Stop& stop,
                             AttemptLimits limits, RaceTerms terms) {
  Race race(admitted, stop, limits, terms);
  co_return co_await race.run(std::move(chosen));
}

}  // namespace turnpike::pipeline
