#include <algorithm>

#include "account/authenticator.h"
#include "pipeline/choose.h"
#include "pipeline/limits.h"
#include "pipeline/own_call.h"
#include "pipeline/sticky.h"
#include "pipeline/target_limits.h"

namespace turnpike::pipeline {
namespace {

/// A wait for a place is bounded like an attempt: while other groups wait behind this one it gets two thirds of what is
/// left, so that a fallback still ends inside the caller's deadline.
base::Monotonic share_of_deadline(const Call& call, bool fallback_left) {
  if (!fallback_left) return call.deadline;
  const base::Monotonic now = base::monotonic_now();
  return now + (call.deadline - now) * 2 / 3;
}

/// Whether the parameter is there and asks for something.
bool asks(const protocol::CallRequest& request, std::string_view param) {
  const json::Member* member = request.scan.find(param);
  if (member == nullptr || member->kind == json::Kind::Null) return false;
  const std::string_view value = member->value.in(request.body);
  if (param == "response_format") return value.find("\"json_schema\"") != std::string_view::npos;
  if (param == "tool_choice") return value != "\"none\"" && value != "\"auto\"";
  if (param == "reasoning_effort") return value != "\"none\"";
  return member->kind == json::Kind::Array && value.find('{') != std::string_view::npos;
}

std::bitset<router::kNeeds.size()> needs_of(const protocol::CallRequest& request) {
  std::bitset<router::kNeeds.size()> needs;
  if (!domain::writes_text(request.operation)) return needs;
  for (std::size_t i = 0; i < needs.size(); ++i) needs[i] = asks(request, router::kNeeds[i].param);
  return needs;
}

/// A caller who may use the group by its name, or by the name he asked for, may have each of its deployments.
std::span<const std::string> access_groups_of(const Call& call) {
  const bool first = call.record.fallbacks == 0;
  if (first && account::deciding_access_groups(*call.caller, call.request.model).empty()) return {};
  return account::deciding_access_groups(*call.caller, call.record.model_group);
}

/// The windows of the budgets that this deployment and its provider have by themselves.
std::vector<ledger::WindowRef> targets_of(const Call& call, const router::Deployment& deployment) {
  std::vector<ledger::WindowRef> targets;
  const account::ConfigAccounts* shared = call.snapshot->accounts.get();
  if (shared == nullptr || (call.own != nullptr && call.own->probe)) return targets;
  const auto add = [&](const auto& accounts, std::string_view name) {
    const auto found = accounts.find(name);
    if (found == accounts.end()) return;
    targets.push_back(call.gateway.ledger->window(found->second.money, call.ledger_us));
    if (found->second.tokens) targets.push_back(call.gateway.ledger->window(*found->second.tokens, call.ledger_us));
  };
  if (deployment.target.provider != nullptr) add(shared->providers, deployment.target.provider->name);
  add(shared->deployments, deployment.id);
  return targets;
}

bool may_have_target(const Call& call) {
  const account::ConfigAccounts* shared = call.snapshot->accounts.get();
  return shared != nullptr && !(shared->providers.empty() && shared->deployments.empty());
}

bool is_budget(const Error& error) {
  return error.kind == ErrorKind::BudgetSpent || error.kind == ErrorKind::BudgetHeld ||
         error.code == "budget_unavailable";
}

/// One choice: asks the router, then what only the call can know of the deployment it names; who refuses is passed
/// over.
class Choice {
 public:
  Choice(AdmittedCall& admitted, const router::ModelGroup& group, std::span<const std::string> tried,
         base::Monotonic until)
      : admitted_(admitted), call_(admitted.call), group_(group), input_(pick_input(admitted, tried)), until_(until) {
    input_.sticky = sticky_of(call_, group);
  }

  Result<router::Pick> pick();
  /// The deployment may be asked without more ado.
  bool is_free(const router::Deployment& deployment) const {
    return !may_have_target(call_) && !has_limits(call_, group_, deployment);
  }
  Task<Result<limit::Admission>> take(const router::Pick& pick);
  /// Whether another deployment may do after `take` has failed.
  bool passed_over() const { return passed_over_; }
  Task<Status> wait_for_place();

 private:
  Result<limit::Admission> pass_over(const router::Pick& pick, const limit::Refusal& refusal);
  bool asks_when_room_comes();

  AdmittedCall& admitted_;
  Call& call_;
  const router::ModelGroup& group_;
  router::PickInput input_;
  const base::Monotonic until_;
  std::vector<std::string> spent_, full_;
  std::optional<Error> refusal_;  // Of the first budget in the way.
  bool passed_over_ = false;      // The latest deployment: another one may do.
};

Result<router::Pick> Choice::pick() {
  passed_over_ = false;
  for (;;) {
    input_.now_us = base::unix_now_us();
    input_.random = call_.worker.thread->random().next();
    input_.spent = spent_;
    input_.full = full_;
    Result<router::Pick> pick = router::pick(group_, input_);
    if (pick || pick.error().kind != ErrorKind::NoDeployment) return pick;
    if (refusal_) return base::fail(std::move(*refusal_));
    if (!asks_when_room_comes()) return pick;
  }
}

/// What a deployment has by itself, in the order of a call's own (spec money 4): limits as counted here, budgets,
/// limits over all replicas.
Task<Result<limit::Admission>> Choice::take(const router::Pick& pick) {
  const router::Deployment& deployment = *pick.deployment;
  tl::expected<limit::Admission, limit::Refusal> limits = take_target(admitted_, group_, deployment);
  if (!limits) co_return pass_over(pick, limits.error());
  if (may_have_target(call_)) {
    if (Status aimed = co_await admitted_.hold.aim(targets_of(call_, deployment), *call_.cancel); !aimed) {
      undo_limits(*limits);
      passed_over_ = is_budget(aimed.error());
      if (passed_over_) spent_.push_back(deployment.id);
      if (passed_over_ && !refusal_) refusal_ = aimed.error();
      co_return base::fail(std::move(aimed.error()));
    }
  }
  if (auto confirmed = co_await confirm_target(call_, *limits); !confirmed) {
    co_return pass_over(pick, confirmed.error());
  }
  if (!call_.cancel->requested()) co_return std::move(*limits);
  undo_limits(*limits);
  co_return base::fail(call_.cancelled());
}

Result<limit::Admission> Choice::pass_over(const router::Pick& pick, const limit::Refusal& refusal) {
  if (is_of_group(refusal)) call_.share_fields = refusal_fields_of(refusal);
  passed_over_ = refusal.why != limit::Refusal::Why::StoreAway && !is_of_group(refusal);
  if (!passed_over_) return base::fail(limit::refusal_error(refusal, {}, base::unix_now_us()));
  // Nobody waits for a place on one that rests.
  if (refusal.unit == limit::Unit::Calls && !pick.probe) {
    full_.push_back(pick.deployment->id);
  } else {
    spent_.push_back(pick.deployment->id);
    if (input_.room_after_us == 0 || refusal.wait.count() < input_.room_after_us)
      input_.room_after_us = refusal.wait.count();
  }
  return base::fail(limit::refusal_error(refusal, {}, base::unix_now_us()));
}

/// The router knows minutes of the wall clock; limits slide. True once: who refuses then says when room really comes.
bool Choice::asks_when_room_comes() {
  if (input_.room_after_us > 0) return false;
  input_.room_after_us = room_of_targets_after(admitted_, group_).count();
  return input_.room_after_us > 0;
}

Task<Status> Choice::wait_for_place() {
  constexpr std::chrono::milliseconds kLookAgain{5};        // For a place that this process counts,
  constexpr std::chrono::milliseconds kLookAgainAfter{25};  // and for one that somebody else may hold.
  const std::chrono::milliseconds pause = full_.empty() ? kLookAgain : kLookAgainAfter;
  if (base::monotonic_now() + pause >= until_) {
    co_return base::fail(ErrorKind::Timeout,
                         "litellm.Timeout: timeout expired while the call waited for a place on model=" + group_.name +
                             " (max_parallel_requests).");
  }
  full_.clear();
  if (!co_await call_.sleep(pause)) co_return base::fail(call_.cancelled());
  co_return Status{};
}

}  // namespace

bool has_own_budget(const Call& call, const router::Deployment& deployment) {
  const account::ConfigAccounts* shared = call.snapshot->accounts.get();
  if (shared == nullptr) return false;
  const bool of_provider =
      deployment.target.provider != nullptr && shared->providers.contains(deployment.target.provider->name);
  return of_provider || shared->deployments.contains(deployment.id);
}

router::PickInput pick_input(const AdmittedCall& admitted, std::span<const std::string> tried) {
  const Call& call = admitted.call;
  router::PickInput input;
  input.tried = tried;
  input.now_us = base::unix_now_us();
  input.prompt_tokens = admitted.expected.prompt_tokens;
  input.stream = call.request.flows();
  input.tags = call.record.tags;
  input.region = call.request.allowed_model_region;
  const config::RouterSettings& router = call.settings().router;
  if (const domain::KeyRouting* key = call.caller->routing.get()) {
    if (!key->routing_strategy.empty()) input.strategy = router::strategy_of(key->routing_strategy);
    input.tag_filtering = key->enable_tag_filtering;
  }
  if (input.tag_filtering.value_or(router.enable_tag_filtering))
    input.user_agent = call.exchange.request().find("user-agent");
  if (router.enable_pre_call_checks) input.needs = needs_of(call.request);
  if (call.own == nullptr) {
    input.access_groups = access_groups_of(call);
    const bool administers = call.caller->is_admin() || call.caller->role == domain::Role::Anonymous;
    if (!administers) input.team = call.caller->team_id;
  }
  return input;
}

Task<Result<Chosen>> choose(AdmittedCall& admitted, const router::ModelGroup& group, std::span<const std::string> tried,
                            bool fallback_left) {
  const Call& call = admitted.call;
  Choice choice(admitted, group, tried, share_of_deadline(call, fallback_left));
  for (;;) {
    Result<router::Pick> pick = choice.pick();
    if (!pick) co_return base::fail(std::move(pick.error()));
    if (pick->deployment == nullptr) {
      if (Status waited = co_await choice.wait_for_place(); !waited) co_return base::fail(std::move(waited.error()));
      continue;
    }
    if (choice.is_free(*pick->deployment)) co_return Chosen{std::move(*pick)};
    Result<limit::Admission> taken = co_await choice.take(*pick);
    if (taken) co_return Chosen{std::move(*pick), std::move(*taken)};
    router::note_unasked(*pick->deployment, pick->probe);
    if (call.cancel->requested()) co_return base::fail(call.cancelled());
    if (!choice.passed_over()) co_return base::fail(std::move(taken.error()));
  }
}

}  // namespace turnpike::pipeline
