#include <algorithm>

#include "account/authenticator.h"
#include "pipeline/call.h"
#include "pipeline/own_call.h"
#include "pipeline/sticky.h"

namespace turnpike::pipeline {
namespace {

constexpr std::chrono::milliseconds kLookAgain{5};  // For a place on a deployment that has all calls it may have.

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
    if (found != accounts.end()) targets.push_back(call.gateway.ledger->window(found->second, call.record.started_us));
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

Task<Result<router::Pick>> choose(AdmittedCall& admitted, const router::ModelGroup& group,
                                  std::span<const std::string> tried, bool fallback_left) {
  Call& call = admitted.call;
  router::PickInput input = pick_input(admitted, tried);
  input.sticky = sticky_of(call, group);
  const base::Monotonic until = share_of_deadline(call, fallback_left);
  std::vector<std::string> spent;  // Who has no money left of a budget of his own; the error says whose.
  std::optional<Error> refusal;
  for (;;) {
    input.now_us = base::unix_now_us();
    input.random = call.worker.thread->random().next();
    Result<router::Pick> pick = router::pick(group, input);
    if (!pick && refusal && pick.error().kind == ErrorKind::NoDeployment) co_return base::fail(std::move(*refusal));
    if (!pick) co_return pick;
    if (pick->deployment && !may_have_target(call)) co_return pick;
    if (pick->deployment) {
      Status aimed = co_await admitted.hold.aim(targets_of(call, *pick->deployment), *call.cancel);
      if (aimed) co_return pick;
      router::note_unasked(*pick->deployment, pick->probe);
      if (call.cancel->requested()) co_return base::fail(call.cancelled());
      if (!is_budget(aimed.error())) co_return base::fail(std::move(aimed.error()));
      spent.push_back(pick->deployment->id);
      input.spent = spent;
      if (!refusal) refusal = std::move(aimed.error());
      continue;
    }
    if (base::monotonic_now() + kLookAgain >= until) {
      co_return base::fail(ErrorKind::Timeout,
                           "litellm.Timeout: timeout expired while the call waited for a place on model=" + group.name +
                               " (max_parallel_requests).");
    }
    if (!co_await call.sleep(kLookAgain)) co_return base::fail(call.cancelled());
  }
}

}  // namespace turnpike::pipeline
