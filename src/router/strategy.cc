#include "router/strategy.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace turnpike::router {
namespace {

constexpr double kPenaltySeconds = 1000;
constexpr double kPenaltyHalvesUs = 10e6;
constexpr double kPenaltyForgottenUs = 600e6;  // Less than any clock tells.
// Five dollars for each token of input and output: dearer than anything known.
constexpr std::int64_t kUnknownCostFemto = 10'000'000'000'000'000;

/// What a time-out adds: no choice while others answer, then less and less.
double penalty(const Load& load, std::int64_t now_us) {
  const auto age = static_cast<double>(now_us - load.timed_out_us.load(std::memory_order_relaxed));
  if (age > kPenaltyForgottenUs) return 0;
  return kPenaltySeconds * std::exp2(-std::max(age, 0.0) / kPenaltyHalvesUs);
}

/// Unseen comes first, but one call is enough to see it: while that is under way the others are taken.
double latency(const Load& load, const Routing& routing, const PickInput& input) {
  const Recent& recent = input.stream ? load.first_content : load.per_token;
  const float middle = recent.middle(input.now_us, routing.ttl_us);
  const double extra = penalty(load, input.now_us);
  if (middle >= 0) return static_cast<double>(middle) + extra;
  if (load.in_flight.load(std::memory_order_relaxed) > 0) return std::numeric_limits<double>::max();
  return extra;
}

double usage(const Deployment& deployment, const MinuteCount& requests, std::int64_t now_us, bool by_share) {
  const auto tokens = static_cast<double>(deployment.health->load.tokens.get(now_us));
  if (!by_share) return tokens;
  double share = 0;
  if (deployment.tpm) share = tokens / std::max(*deployment.tpm, 1.0);
  if (deployment.rpm) share = std::max(share, requests.get(now_us) / std::max(*deployment.rpm, 1.0));
  return share;
}

}  // namespace

Strategy strategy_of(std::string_view name) {
  if (name == "least-busy") return Strategy::LeastBusy;
  if (name == "latency-based-routing") return Strategy::LatencyBased;
  if (name == "usage-based-routing") return Strategy::UsageBased;
  if (name == "usage-based-routing-v2") return Strategy::UsageBasedV2;
  if (name == "cost-based-routing") return Strategy::CostBased;
  return Strategy::SimpleShuffle;
}

bool needs_limits(Strategy strategy) {
  return strategy != Strategy::SimpleShuffle && strategy != Strategy::LeastBusy;
}

Routing PickInput::apply_to(Routing routing) const {
  if (strategy) {
    routing.strategy = *strategy;
    routing.limits = routing.limits || needs_limits(*strategy);  // A key takes no limit off that the group has.
  }
  if (tag_filtering) routing.tags = *tag_filtering;
  return routing;
}

Routing routing_of(const config::RouterSettings& settings, std::string_view group) {
  Routing routing;
  routing.strategy = strategy_of(settings.routing_strategy);
  for (const config::GroupStrategy& own : settings.model_group_routing_strategy) {
    if (own.model_group == group) routing.strategy = strategy_of(own.strategy);
  }
  routing.limits =
      settings.enforce_model_rate_limits || settings.enable_pre_call_checks || needs_limits(routing.strategy);
  routing.context = settings.enable_pre_call_checks;
  routing.tags = settings.enable_tag_filtering;
  routing.tags_any = settings.tag_filtering_match_any;
  routing.buffer = settings.lowest_latency_buffer;
  routing.ttl_us = std::chrono::microseconds(settings.latency_ttl).count();
  // Where classes of error have numbers of their own, failed probes count among the failures instead.
  if (settings.enable_health_check_routing && settings.allowed_fails_policy == config::ErrorCounts{})
    routing.checks_us = std::chrono::microseconds(settings.health_check_staleness_threshold).count();
  routing.checks_passing = !settings.health_check_ignore_transient_errors;
  return routing;
}

Stick stick_of(const config::Settings& settings, std::string_view group) {
  Stick stick;
  stick.affinity = settings.router.affinity;
  for (const config::GroupAffinity& own : settings.router.model_group_affinity_config) {
    if (own.model_group == group) stick.affinity = own.affinity;
  }
  for (const config::Sticky& rule : settings.turnpike.sticky) {
    const bool own = rule.model_group == group;
    if (!own && (rule.model_group != "*" || stick.by)) continue;
    stick.by = rule.by;
    stick.header = rule.header;
    if (own) break;
  }
  return stick;
}

double score(const Deployment& deployment, const Routing& routing, const PickInput& input, bool by_share) {
  const Load& load = deployment.health->load;
  switch (routing.strategy) {
    case Strategy::SimpleShuffle:
      break;
    case Strategy::LeastBusy:
      return load.in_flight.load(std::memory_order_relaxed);
    case Strategy::LatencyBased:
      return latency(load, routing, input);
    case Strategy::UsageBased:
      return usage(deployment, load.answered, input.now_us, by_share);
    case Strategy::UsageBasedV2:
      return usage(deployment, load.requests, input.now_us, by_share);
    case Strategy::CostBased:
      return static_cast<double>(deployment.token_cost_femto.value_or(kUnknownCostFemto));
  }
  return 0;
}

}  // namespace turnpike::router
