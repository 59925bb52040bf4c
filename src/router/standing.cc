#include "router/standing.h"

namespace turnpike::router {
namespace {

/// Which deployments the tags of a call leave. Health plays no part: a call does not slip past its tags because those
/// that have them rest.
enum class TagRule : std::uint8_t { Any, Matching, Default, None };

bool has_tags(const Deployment& deployment, std::span<const std::string> tags, bool any) {
  const auto has = [&](const std::string& tag) { return is_in(deployment.tags, tag); };
  return any ? std::any_of(tags.begin(), tags.end(), has) : std::all_of(tags.begin(), tags.end(), has);
}

bool is_default(const Deployment& deployment) {
  static const std::string kDefault = "default";
  return is_in(deployment.tags, kDefault);
}

TagRule tag_rule(const ModelGroup& group, const PickInput& input) {
  if (!group.routing.tags) return TagRule::Any;
  bool defaults = false;
  for (const DeploymentRef& member : group.deployments) {
    if (!input.tags.empty() && has_tags(*member, input.tags, group.routing.tags_any)) return TagRule::Matching;
    defaults = defaults || is_default(*member);
  }
  if (defaults) return TagRule::Default;
  return input.tags.empty() ? TagRule::Any : TagRule::None;
}

bool passes(const Deployment& deployment, TagRule rule, const Routing& routing, const PickInput& input) {
  if (rule == TagRule::Any) return true;
  if (rule == TagRule::None) return false;
  return rule == TagRule::Default ? is_default(deployment) : has_tags(deployment, input.tags, routing.tags_any);
}

/// The minute's rpm or tpm would be exceeded by this call.
bool is_spent(const Deployment& deployment, const Routing& routing, const PickInput& input) {
  const Load& load = deployment.health->load;
  const MinuteCount& requests = routing.strategy == Strategy::UsageBased ? load.answered : load.requests;
  if (deployment.rpm && requests.get(input.now_us) + 1.0 > *deployment.rpm) return true;
  return deployment.tpm && static_cast<double>(load.tokens.get(input.now_us) + input.prompt_tokens) > *deployment.tpm;
}

Standing standing_of(const Deployment& member, TagRule rule, const Routing& routing, const PickInput& input) {
  if (!passes(member, rule, routing, input)) return Standing::Untagged;
  if (!input.region.empty() && member.region != input.region) return Standing::Elsewhere;
  if (routing.context && member.input_tokens_max != 0 && input.prompt_tokens > member.input_tokens_max)
    return Standing::TooLong;
  if (routing.limits && is_spent(member, routing, input)) return Standing::Spent;
  if (cooling_until(member) > input.now_us) return Standing::Cooling;
  if (member.parallel_max && member.health->load.in_flight.load(std::memory_order_relaxed) >= *member.parallel_max)
    return Standing::Full;
  return !input.tried.empty() && is_in(input.tried, member.id) ? Standing::Tried : Standing::Fresh;
}

/// No filter holds for who is asked for by his id.
Standing standing_of_named(const Deployment& member, const PickInput& input) {
  if (cooling_until(member) > input.now_us) return Standing::Cooling;
  return is_in(input.tried, member.id) ? Standing::Tried : Standing::Fresh;
}

/// Its latest probe failed a short time ago.
bool is_unwell(const Deployment& member, const Routing& routing, std::int64_t now_us) {
  const Health& health = *member.health;
  const Checked checked = health.checked.load(std::memory_order_relaxed);
  if (checked != Checked::Unwell && !(checked == Checked::Passing && routing.checks_passing)) return false;
  return now_us - health.checked_us.load(std::memory_order_relaxed) < routing.checks_us;
}

}  // namespace

void Standings::leave_out_unwell(const ModelGroup& group, std::int64_t now_us) {
  const auto may_be_asked = [&](std::size_t i) { return of_[i] <= Standing::Full; };
  const auto unwell = [&](std::size_t i) { return is_unwell(*group.deployments[i], group.routing, now_us); };
  const std::size_t count = group.deployments.size();
  std::size_t well = 0;
  while (well < count && !(may_be_asked(well) && !unwell(well))) ++well;
  if (well == count) return;  // Nobody would be left.
  best_ = Standing::Untagged;
  for (std::size_t i = 0; i < count; ++i) {
    if (may_be_asked(i) && unwell(i)) of_[i] = Standing::Unwell;
    best_ = std::min(best_, of_[i]);
  }
}

Standings::Standings(const ModelGroup& group, const PickInput& input) : of_(group.deployments.size()) {
  const TagRule rule = tag_rule(group, input);
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    const Deployment& member = *group.deployments[i];
    of_[i] = group.precise ? standing_of_named(member, input) : standing_of(member, rule, group.routing, input);
    best_ = std::min(best_, of_[i]);
  }
  if (group.routing.checks_us > 0 && !group.precise) leave_out_unwell(group, input.now_us);
}

Outlook outlook(const ModelGroup& group, const PickInput& input, const Deployment* failed) {
  Outlook outlook;
  const Standings standings(group, input);
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    const Deployment& member = *group.deployments[i];
    if (standings.of(i) <= Standing::Cooling) ++outlook.members;
    if (standings.of(i) > Standing::Full) continue;
    if (failed != nullptr && member.id == failed->id) outlook.same_healthy = true;
    if (is_in(input.tried, member.id)) continue;
    outlook.other_healthy = true;
    if (failed != nullptr && level_of(member) > level_of(*failed)) outlook.level_left = true;
  }
  return outlook;
}

}  // namespace turnpike::router
