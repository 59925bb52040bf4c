#include "router/standing.h"

namespace turnpike::router {
namespace {

bool is_default(const Deployment& deployment) {
  static const std::string kDefault = "default";
  return is_in(deployment.tags, kDefault);
}

/// Which deployments the tags of a call and the program that makes it leave. Health plays no part: a call does not
/// slip past its tags because those that have them rest.
class TagFilter {
 public:
  TagFilter(const ModelGroup& group, const Routing& routing, const PickInput& input)
      : any_(routing.tags_any), tags_(input.tags) {
    if (!routing.tags) return;
    const auto& members = group.deployments;
    const auto looks = [](const DeploymentRef& member) { return !member->tag_regex.empty(); };
    if (!input.user_agent.empty() && std::any_of(members.begin(), members.end(), looks))
      agent_ = "User-Agent: " + std::string(input.user_agent.substr(0, kAgentBytesMax));
    bool defaults = false;
    for (const DeploymentRef& member : members) {
      if (matches(*member)) {
        leaves_ = Leaves::Matching;
        return;
      }
      defaults = defaults || is_default(*member);
    }
    leaves_ = defaults ? Leaves::Default : tags_.empty() ? Leaves::All : Leaves::Nobody;
  }

  bool passes(const Deployment& member) const {
    switch (leaves_) {
      case Leaves::All:
        return true;
      case Leaves::Matching:
        return matches(member);
      case Leaves::Default:
        return is_default(member);
      case Leaves::Nobody:
        break;
    }
    return false;
  }

 private:
  static constexpr std::size_t kAgentBytesMax = 512;
  enum class Leaves : std::uint8_t { All, Matching, Default, Nobody };

  bool matches(const Deployment& member) const {
    const auto has = [&](const std::string& tag) { return is_in(member.tags, tag); };
    const bool tagged = any_ ? std::any_of(tags_.begin(), tags_.end(), has)
                             : !tags_.empty() && std::all_of(tags_.begin(), tags_.end(), has);
    const auto found = [&](const base::Regex& regex) { return regex.found_in(agent_); };
    return tagged || (!agent_.empty() && std::any_of(member.tag_regex.begin(), member.tag_regex.end(), found));
  }

  Leaves leaves_ = Leaves::All;
  bool any_;
  std::span<const std::string> tags_;
  std::string agent_;  // Empty: nobody looks at it.
};

bool is_another_teams(const Deployment& member, const PickInput& input) {
  return input.team && !member.team_id.empty() && member.team_id != *input.team;
}

/// The caller may use the group, but only deployments of his access groups and of his team.
bool is_hidden(const Deployment& member, const PickInput& input) {
  if (is_another_teams(member, input)) return true;
  const auto held = [&](const std::string& group) { return is_in(input.access_groups, group); };
  return !input.access_groups.empty() && std::none_of(member.access_groups.begin(), member.access_groups.end(), held);
}

/// The minute's rpm or tpm would be exceeded by this call.
bool is_spent(const Deployment& deployment, const Routing& routing, const PickInput& input) {
  const Load& load = deployment.health->load;
  const MinuteCount& requests = routing.strategy == Strategy::UsageBased ? load.answered : load.requests;
  if (deployment.rpm && requests.get(input.now_us) + 1.0 > *deployment.rpm) return true;
  return deployment.tpm && static_cast<double>(load.tokens.get(input.now_us) + input.prompt_tokens) > *deployment.tpm;
}

/// The request asks for what the model surely cannot do.
bool is_unable(const Deployment& member, const PickInput& input) {
  const provider::Target& target = member.target;
  if (input.needs.none() || target.drop_unsupported) return false;
  const bool own_shape = target.shape == provider::Shape::OpenAi || target.shape == provider::Shape::AzureOpenAi;
  for (std::size_t i = 0; i < kNeeds.size(); ++i) {
    const Need& need = kNeeds[i];
    if (!input.needs[i] || !member.traits.lacks(need.trait) || (need.own_shape && !own_shape)) continue;
    const std::vector<std::string>& allowed = target.allowed_params;
    if (std::find(allowed.begin(), allowed.end(), need.param) == allowed.end()) return true;
  }
  return false;
}

bool is_elsewhere(const Deployment& member, const PickInput& input) {
  return !input.region.empty() && member.region != input.region;
}

Standing standing_of(const Deployment& member, const TagFilter& tags, const Routing& routing, const PickInput& input) {
  if (is_hidden(member, input)) return Standing::Hidden;
  if (!tags.passes(member)) return Standing::Untagged;
  if (is_elsewhere(member, input)) return Standing::Elsewhere;
  if (routing.context && is_unable(member, input)) return Standing::Unable;
  if (routing.context && member.input_tokens_max != 0 && input.prompt_tokens > member.input_tokens_max)
    return Standing::TooLong;
  if (is_in(input.spent, member.id)) return Standing::Spent;
  if (routing.limits && is_spent(member, routing, input)) return Standing::Spent;
  if (cooling_until(member) > input.now_us) return Standing::Cooling;
  if (is_in(input.full, member.id)) return Standing::Full;
  if (member.parallel_max && member.health->load.in_flight.load(std::memory_order_relaxed) >= *member.parallel_max)
    return Standing::Full;
  return !input.tried.empty() && is_in(input.tried, member.id) ? Standing::Tried : Standing::Fresh;
}

/// Of one that is asked for by its id count only whose it is, and the region: a fallback that names it must not lead
/// out of there.
Standing standing_of_named(const Deployment& member, const PickInput& input) {
  if (is_another_teams(member, input)) return Standing::Hidden;
  if (is_elsewhere(member, input)) return Standing::Elsewhere;
  if (is_in(input.spent, member.id)) return Standing::Spent;
  if (is_in(input.full, member.id)) return Standing::Full;
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
  best_ = Standing::Hidden;
  for (std::size_t i = 0; i < count; ++i) {
    if (may_be_asked(i) && unwell(i)) of_[i] = Standing::Unwell;
    best_ = std::min(best_, of_[i]);
  }
}

void Standings::judge(const ModelGroup& group, const PickInput& input) {
  const Routing routing = input.apply_to(group.routing);
  const TagFilter tags(group, routing, input);
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    const Deployment& member = *group.deployments[i];
    of_[i] = group.precise ? standing_of_named(member, input) : standing_of(member, tags, routing, input);
    best_ = std::min(best_, of_[i]);
  }
}

Standings::Standings(const ModelGroup& group, const PickInput& input) : of_(group.deployments.size()) {
  judge(group, input);
  if (best_ == Standing::Unable) {
    // The catalogue is not always right; where it leaves nobody, the provider has the word.
    PickInput whoever = input;
    whoever.needs.reset();
    best_ = Standing::Hidden;
    judge(group, whoever);
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
