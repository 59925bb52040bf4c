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

using WishList = std::optional<std::vector<domain::FallbackWish>>;

const WishList& list_of(const domain::RoutingWishes& wishes, FallbackList list) {
  switch (list) {
    case FallbackList::ContextWindow:
      return wishes.context_window_fallbacks;
    case FallbackList::ContentPolicy:
      return wishes.content_policy_fallbacks;
    case FallbackList::General:
      break;
  }
  return wishes.fallbacks;
}

/// How well an entry that names a group fits the stop; the lowest fits best. Nothing: not at all.
std::optional<int> fit(std::string_view group, const RoutePlan::Stop& stop) {
  if (group.empty() && stop.depth > 0) return std::nullopt;
  if (group.empty() || group == stop.requested || group == stop.group->name) return 0;
  const std::size_t slash = stop.requested.find('/');
  if (slash != std::string::npos && group == std::string_view(stop.requested).substr(slash + 1)) return 1;
  if (group == "*") return 2;
  return std::nullopt;
}

/// The entries that fit the stop best.
std::vector<config::FallbackTarget> targets_in(const std::vector<domain::FallbackWish>& entries,
                                               const RoutePlan::Stop& stop) {
  std::optional<int> best;
  for (const domain::FallbackWish& entry : entries) {
    const std::optional<int> fits = fit(entry.group, stop);
    if (fits && (!best || *fits < *best)) best = fits;
  }
  std::vector<config::FallbackTarget> targets;
  for (const domain::FallbackWish& entry : entries) {
    if (best && fit(entry.group, stop) == best) targets.emplace_back(entry.model, entry.overrides_json);
  }
  return targets;
}

/// What a stop's list names: the request's own, else the key's, in the place of the configured ones.
std::vector<config::FallbackTarget> targets_of(const Planning& planning, const RoutePlan::Stop& stop,
                                               FallbackList list) {
  std::vector<config::FallbackTarget> targets;
  if (const WishList& own = list_of(planning.call, list)) {
    if (stop.depth > 0) return targets;  // For the group asked for, not for those it leads to.
    return targets_in(*own, stop);
  }
  if (planning.key != nullptr && list_of(*planning.key, list)) return targets_in(*list_of(*planning.key, list), stop);
  const auto* configured = planning.table.fallbacks_of(stop.requested, list);
  if (configured == nullptr && stop.group->name != stop.requested)
    configured = planning.table.fallbacks_of(stop.group->name, list);
  return configured == nullptr ? targets : *configured;
}

bool is_set(const Planning& planning, FallbackList list) {
  return list_of(planning.call, list) || (planning.key != nullptr && list_of(*planning.key, list)) ||
         planning.table.has(list);
}

FallbackList list_for(const Planning& planning, ErrorKind kind) {
  if (kind == ErrorKind::UpstreamContextWindow && is_set(planning, FallbackList::ContextWindow))
    return FallbackList::ContextWindow;
  if (kind == ErrorKind::UpstreamContentPolicy && is_set(planning, FallbackList::ContentPolicy))
    return FallbackList::ContentPolicy;
  return FallbackList::General;
}

bool no_fallbacks(const Planning& planning) {
  return planning.disable_fallbacks || planning.call.disable_fallbacks;
}

/// Collects stops in the order in which they are entered: a group, then its own fallbacks, then its neighbour.
class Collector {
 public:
  explicit Collector(const Planning& planning) : planning_(planning) {
    const auto configured =
        static_cast<std::uint64_t>(std::max<std::int64_t>(planning.settings.router.max_fallbacks, 0));
    depth_max_ = std::min<std::size_t>(planning.call.max_fallbacks.value_or(configured), kStopsMax);
  }

  /// False when it is there already.
  bool visit(const ModelGroup& group) {
    std::string mark = mark_of(group);
    if (visited_.size() >= kStopsMax || std::find(visited_.begin(), visited_.end(), mark) != visited_.end())
      return false;
    visited_.push_back(std::move(mark));
    return true;
  }

  void follow(const RoutePlan::Stop& from, FallbackList list) {
    if (from.depth >= depth_max_) return;
    for (const config::FallbackTarget& target : targets_of(planning_, from, list)) {
      if (planning_.allowed && !planning_.allowed(target.model)) continue;
      ModelGroupRef group = planning_.table.find_named(target.model, planning_.cache);
      if (!group || !visit(*group)) continue;
      const RoutePlan::Stop stop{target.model, std::move(group), target.overrides_json, from.depth + 1};
      stops.push_back(stop);
      follow(stop, FallbackList::General);
    }
  }

  std::vector<RoutePlan::Stop> stops;

 private:
  const Planning& planning_;
  std::size_t depth_max_ = 0;
  std::vector<std::string> visited_;
};

/// The request's own lists name groups that exist and that the caller may use. Errors: see `plan`.
Status check_requested(const Planning& planning, FallbackList list, std::string_view param) {
  const WishList& own = list_of(planning.call, list);
  if (!own) return {};
  for (const protocol::RequestFallback& fallback : *own) {
    const std::string shown = fallback.model.substr(0, kShownBytesMax);
    Error error;
    error.param = param;
    if (planning.allowed && !planning.allowed(fallback.model)) {
      error.kind = ErrorKind::PermissionDenied;
      error.type = "key_model_access_denied";
      error.message = "key not allowed to access model. Tried to access " + shown + " as a fallback.";
      return base::fail(std::move(error));
    }
    if (!planning.table.find_named(fallback.model, planning.cache)) {
      error.kind = ErrorKind::InvalidRequest;
      error.message = "Invalid model name passed in " + error.param + ": " + shown +
                      ". Call `/v1/models` to view available models for your key.";
      return base::fail(std::move(error));
    }
  }
  return {};
}

Status check_requested(const Planning& planning) {
  if (Status checked = check_requested(planning, FallbackList::General, "fallbacks"); !checked) return checked;
  if (Status checked = check_requested(planning, FallbackList::ContextWindow, "context_window_fallbacks"); !checked)
    return checked;
  return check_requested(planning, FallbackList::ContentPolicy, "content_policy_fallbacks");
}

constexpr int kRetriesMax = 50;  // The total of six attempts binds long before.

/// What `special` sets stands in the place of `general`.
config::ErrorCounts merged(const config::ErrorCounts& special, const config::ErrorCounts& general) {
  const auto first = [](const auto& a, const auto& b) { return a ? a : b; };
  return {first(special.bad_request, general.bad_request),
          first(special.authentication, general.authentication),
          first(special.timeout, general.timeout),
          first(special.rate_limit, general.rate_limit),
          first(special.content_policy, general.content_policy),
          first(special.internal, general.internal)};
}

}  // namespace

Result<RoutePlan> plan(const Planning& planning, std::string_view model) {
  const config::Settings& settings = planning.settings;
  const protocol::CallRequest& call = planning.call;
  ModelGroupRef group = planning.table.find_named(model, planning.cache);
  std::string requested(model);
  if (!group && !model.empty() && !no_fallbacks(planning)) {
    for (const std::string& fallback : planning.table.default_fallbacks()) {
      if (planning.allowed && !planning.allowed(fallback)) continue;
      group = planning.table.find_named(fallback, planning.cache);
      if (!group) continue;
      requested = fallback;
      break;
    }
  }
  if (!group) return unknown_model(planning.table, call, model, planning.allowed);

  RoutePlan plan;
  plan.policy.num_retries = static_cast<int>(std::clamp<std::int64_t>(settings.router.num_retries, 0, kRetriesMax));
  if (call.num_retries)
    plan.policy.num_retries = static_cast<int>(std::min<std::uint64_t>(*call.num_retries, kRetriesMax));
  plan.policy.retry_after = settings.router.retry_after;
  plan.key = planning.key;

  plan.stops.push_back({std::move(requested), std::move(group), ""});
  if (no_fallbacks(planning)) return plan;
  if (Status checked = check_requested(planning); !checked) return base::fail(std::move(checked.error()));
  Collector collector(planning);
  collector.visit(*plan.stops.front().group);
  collector.follow(plan.stops.front(), FallbackList::General);
  plan.stops.insert(plan.stops.end(), std::make_move_iterator(collector.stops.begin()),
                    std::make_move_iterator(collector.stops.end()));
  return plan;
}

void lead_on(RoutePlan& plan, std::size_t at, ErrorKind kind, const Planning& planning) {
  if (no_fallbacks(planning)) return;
  RoutePlan::Stop& stop = plan.stops[at];
  const FallbackList list = list_for(planning, kind);
  if (stop.list == list) return;
  stop.list = list;
  const auto behind = plan.stops.begin() + static_cast<std::ptrdiff_t>(at) + 1;
  const auto neighbour =
      std::find_if(behind, plan.stops.end(), [&](const RoutePlan::Stop& next) { return next.depth <= stop.depth; });
  Collector collector(planning);
  for (std::size_t i = 0; i <= at; ++i) collector.visit(*plan.stops[i].group);
  collector.follow(stop, list);
  // Each group once: a neighbour that comes earlier now does not come again.
  const auto kept = std::remove_if(neighbour, plan.stops.end(),
                                   [&](const RoutePlan::Stop& next) { return !collector.visit(*next.group); });
  plan.stops.erase(kept, plan.stops.end());
  const auto place = plan.stops.erase(behind, neighbour);
  plan.stops.insert(place, std::make_move_iterator(collector.stops.begin()),
                    std::make_move_iterator(collector.stops.end()));
}

bool catches_filtered(const RoutePlan& plan, std::size_t at, const Planning& planning) {
  if (no_fallbacks(planning)) return false;
  if (is_set(planning, FallbackList::ContentPolicy))
    return !targets_of(planning, plan.stops[at], FallbackList::ContentPolicy).empty();
  return !planning.table.default_fallbacks().empty() && at + 1 < plan.stops.size();
}

RetryPolicy policy_for(const RoutePlan& plan, std::size_t at, const Deployment& deployment,
                       const config::RouterSettings& settings) {
  RetryPolicy own = plan.policy;
  own.own_fallbacks = plan.stops[at].list != FallbackList::General;
  if (deployment.num_retries) own.num_retries = std::clamp(*deployment.num_retries, 0, kRetriesMax);
  own.by_error = settings.retry_policy;
  for (const config::GroupRetryPolicy& group : settings.model_group_retry_policy) {
    if (group.model_group == plan.stops[at].group->name) own.by_error = merged(group.retries, settings.retry_policy);
  }
  if (plan.key == nullptr) return own;
  own.by_error = merged(plan.key->retry_policy, own.by_error);
  for (const auto& [group, retries] : plan.key->model_group_retry_policy) {
    if (group == plan.stops[at].group->name) own.by_error = merged(retries, own.by_error);
  }
  return own;
}

}  // namespace turnpike::router
