#include <algorithm>

#include "base/text.h"
#include "protocol/operation_path.h"
#include "router/router.h"

namespace turnpike::router {
namespace {

constexpr std::size_t kShownBytesMax = 128;  // Of a name that the caller wrote, in an answer.
constexpr std::size_t kOffersMax = 3;

tl::unexpected<Error> unknown_model(const RoutingTable& table, const protocol::CallRequest& call,
                                    std::string_view model, const std::function<bool(std::string_view)>& allowed) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = "model";
  error.code = "model_not_found";
  if (model.empty()) {
    error.message =
        "litellm.BadRequestError: the request names no model. Call `/v1/models` to view available models for your key.";
    return base::fail(std::move(error));
  }
  const std::string shown(model.substr(0, kShownBytesMax));
  error.message = std::string(protocol::operation_path(call.operation)) +
                  ": Invalid model name passed in model=" + shown +
                  ". Call `/v1/models` to view available models for your key.";
  std::vector<std::string> candidates;
  for (const std::string& name : table.public_names()) {
    if (name.find('*') == std::string::npos && (!allowed || allowed(name))) candidates.push_back(name);
  }
  const std::vector<std::string> near = base::nearest(shown, candidates, kOffersMax);
  for (std::size_t i = 0; i < near.size(); ++i) error.message += (i == 0 ? " Did you mean: " : ", ") + near[i];
  if (!near.empty()) error.message += "?";
  return base::fail(std::move(error));
}

/// What tells a group from another in one plan, so that cycles end.
std::string mark_of(const ModelGroup& group) {
  return group.precise ? "id:" + group.deployments.front()->id : group.name;
}

/// Collects the stops behind the first one, in the order in which they are entered: a group, then its own fallbacks,
/// then its neighbour.
struct Collector {
  const RoutingTable& table;
  const std::function<bool(std::string_view)>& allowed;
  GroupCache& cache;
  std::size_t depth_max;
  RoutePlan& plan;
  std::vector<std::string> visited;

  bool enter(const std::string& name, ModelGroupRef group, std::string overrides_json) {
    std::string mark = mark_of(*group);
    if (plan.stops.size() >= kStopsMax || std::find(visited.begin(), visited.end(), mark) != visited.end())
      return false;
    visited.push_back(std::move(mark));
    plan.stops.push_back({name, std::move(group), std::move(overrides_json)});
    return true;
  }

  void follow(std::string_view requested, std::string_view group_name, std::size_t depth) {
    if (depth >= depth_max) return;
    std::vector<std::string> targets = table.fallbacks_of(requested);
    if (targets.empty() && group_name != requested) targets = table.fallbacks_of(group_name);
    for (const std::string& target : targets) {
      if (allowed && !allowed(target)) continue;
      ModelGroupRef group = table.find_named(target, cache);
      if (!group || !enter(target, group, "")) continue;
      follow(target, group->name, depth + 1);
    }
  }
};

/// The request's own list stands in place of the configured ones. Errors: see `plan`.
Status take_requested(Collector& collector, const std::vector<protocol::RequestFallback>& fallbacks) {
  for (const protocol::RequestFallback& fallback : fallbacks) {
    const std::string shown = fallback.model.substr(0, kShownBytesMax);
    Error error;
    if (collector.allowed && !collector.allowed(fallback.model)) {
      error.kind = ErrorKind::PermissionDenied;
      error.type = "key_model_access_denied";
      error.param = "fallbacks";
      error.message = "key not allowed to access model. Tried to access " + shown + " as a fallback.";
      return base::fail(std::move(error));
    }
    ModelGroupRef group = collector.table.find_named(fallback.model, collector.cache);
    if (!group) {
      error.kind = ErrorKind::InvalidRequest;
      error.param = "fallbacks";
      error.message = "Invalid model name passed in fallbacks: " + shown +
                      ". Call `/v1/models` to view available models for your key.";
      return base::fail(std::move(error));
    }
    collector.enter(fallback.model, std::move(group), fallback.overrides_json);
  }
  return {};
}

constexpr int kRetriesMax = 50;  // The total of six attempts binds long before.

}  // namespace

Result<RoutePlan> plan(const RoutingTable& table, const config::Settings& settings, const protocol::CallRequest& call,
                       std::string_view model, bool disable_fallbacks,
                       const std::function<bool(std::string_view)>& allowed, GroupCache& cache) {
  ModelGroupRef group = table.find_named(model, cache);
  std::string requested(model);
  if (!group && !model.empty() && !disable_fallbacks && !call.disable_fallbacks) {
    for (const std::string& fallback : table.default_fallbacks()) {
      if (allowed && !allowed(fallback)) continue;
      group = table.find_named(fallback, cache);
      if (!group) continue;
      requested = fallback;
      break;
    }
  }
  if (!group) return unknown_model(table, call, model, allowed);

  RoutePlan plan;
  plan.policy.num_retries = static_cast<int>(std::clamp<std::int64_t>(settings.router.num_retries, 0, kRetriesMax));
  if (call.num_retries)
    plan.policy.num_retries = static_cast<int>(std::min<std::uint64_t>(*call.num_retries, kRetriesMax));
  plan.policy.retry_after = settings.router.retry_after;

  const auto depth_max =
      call.max_fallbacks.value_or(static_cast<std::uint64_t>(std::max<std::int64_t>(settings.router.max_fallbacks, 0)));
  Collector collector{table, allowed, cache, std::min<std::size_t>(depth_max, kStopsMax), plan, {}};
  const std::string group_name = group->name;
  collector.enter(requested, std::move(group), "");
  if (disable_fallbacks || call.disable_fallbacks) return plan;
  if (call.fallbacks) {
    if (depth_max == 0) return plan;
    if (Status taken = take_requested(collector, *call.fallbacks); !taken) return base::fail(std::move(taken.error()));
  } else {
    collector.follow(requested, group_name, 0);
  }
  return plan;
}

RetryPolicy policy_for(const RetryPolicy& policy, const Deployment& deployment) {
  RetryPolicy own = policy;
  if (deployment.num_retries) own.num_retries = std::clamp(*deployment.num_retries, 0, kRetriesMax);
  return own;
}

}  // namespace turnpike::router
