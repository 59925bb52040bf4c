#include <algorithm>

#include "account/authenticator.h"
#include "pipeline/call.h"
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

}  // namespace

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
  for (;;) {
    input.now_us = base::unix_now_us();
    input.random = call.worker.thread->random().next();
    Result<router::Pick> pick = router::pick(group, input);
    if (!pick || pick->deployment) co_return pick;
    if (base::monotonic_now() + kLookAgain >= until) {
      co_return base::fail(ErrorKind::Timeout,
                           "litellm.Timeout: timeout expired while the call waited for a place on model=" + group.name +
                               " (max_parallel_requests).");
    }
    if (!co_await call.sleep(kLookAgain)) co_return base::fail(call.cancelled());
  }
}

}  // namespace turnpike::pipeline
