#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/text.h"
#include "config/readers.h"

/// What `turnpike:` says of calls that are made twice: beside a slow one, and for comparison.
namespace turnpike::config {
namespace {

/// A percentage above 0; nothing when it is not (which is told).
std::optional<double> take_percent(Reading& reading, const Node& element, std::string_view key, double most) {
  const Node* node = element.find(key);
  if (node == nullptr) {
    reading.diagnostics.push_back(element.error(fmt::format("{} is missing; write for example {}: 10", key, key)));
    return std::nullopt;
  }
  const std::optional<double> percent = take(element, key, &Node::as_double);
  if (!percent) return std::nullopt;  // No number: told by the table of keys.
  if (*percent > 0 && *percent <= most) return percent;
  reading.diagnostics.push_back(node->error(fmt::format("must lie above 0 and be at most {}{}", most,
                                                        *percent == 0 ? "; to switch it off, remove the rule" : "")));
  return std::nullopt;
}

/// What is wrong with the group that a rule is for; empty: nothing.
std::string doubt_of(const Reading& reading, const std::vector<ModelEntry>& models, std::string_view list,
                     const std::string& name) {
  if (name == "*" && list != "mirroring") return "";
  const auto is_of_it = [&](const ModelEntry& entry) { return entry.model_name == name; };
  const auto deployments = std::ranges::count_if(models, is_of_it);
  if (deployments == 1 && list == "hedging" && name.find('*') == std::string::npos)
    return fmt::format("{} has one deployment, so nobody can be asked beside it; add another", name);
  // Of a group without deployments it has been said why.
  if (deployments > 0 || std::ranges::find(reading.left_out_groups, name) != reading.left_out_groups.end()) return "";
  if (name == "*") return "* stands for no group here; write a rule for each model_name";
  std::vector<std::string> groups;
  for (const ModelEntry& entry : models) groups.push_back(entry.model_name);
  const std::vector<std::string> near = base::nearest(name, groups, 1);
  return fmt::format("no model_name is \"{}\", so no call is meant; {}", name,
                     near.empty() ? "write one of model_list" : fmt::format("did you mean {}?", near[0]));
}

}  // namespace

void check_rules(Reading& reading, const std::vector<ModelEntry>& models) {
  for (const std::string_view name : {"sticky", "hedging", "mirroring"}) {
    const Node* list = reading.section("turnpike").find(name);
    if (list == nullptr) continue;
    for (const Node& element : list->elements()) {
      const std::optional<std::string> group = take(element, "model_group", &Node::as_text);
      if (!group || group->empty()) continue;
      const std::string doubt = doubt_of(reading, models, name, *group);
      if (!doubt.empty()) reading.diagnostics.push_back(element.find("model_group")->warning(doubt));
    }
  }
}

std::vector<GroupHedging> read_hedging(Reading& reading) {
  constexpr double kDefaultPercent = 5;
  std::vector<GroupHedging> rules;
  const Node* list = reading.section("turnpike").find("hedging");
  if (list == nullptr) return rules;
  std::set<std::string> groups;
  for (const Node& element : list->elements()) {
    GroupHedging rule;
    take_into(rule.model_group, element, "model_group", &Node::as_text);
    const std::optional<double> percent = element.find("extra_spend_percent") == nullptr
                                              ? kDefaultPercent
                                              : take_percent(reading, element, "extra_spend_percent", 100);
    if (rule.model_group.empty()) {
      if (element.is_map()) reading.diagnostics.push_back(element.error("name the model_group, or * for every group"));
    } else if (!groups.insert(rule.model_group).second) {
      reading.diagnostics.push_back(element.error(fmt::format("a second rule for {}; keep one", rule.model_group)));
    } else if (percent) {
      rule.extra_spend_percent = *percent;
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

std::vector<GroupMirroring> read_mirroring(Reading& reading) {
  std::vector<GroupMirroring> rules;
  const Node* list = reading.section("turnpike").find("mirroring");
  if (list == nullptr) return rules;
  std::set<std::pair<std::string, std::string>> pairs;
  for (const Node& element : list->elements()) {
    GroupMirroring rule;
    take_into(rule.model_group, element, "model_group", &Node::as_text);
    take_into(rule.to, element, "to", &Node::as_text);
    if (!element.is_map()) continue;  // Told by the table of keys.
    const std::optional<double> percent = take_percent(reading, element, "percent", 100);
    if (rule.model_group.empty() || rule.to.empty()) {
      reading.diagnostics.push_back(
          element.error("name the model_group, and in `to` the group that gets its calls as well"));
    } else if (rule.model_group == rule.to) {
      reading.diagnostics.push_back(element.error("a group cannot be mirrored to itself"));
    } else if (!pairs.emplace(rule.model_group, rule.to).second) {
      reading.diagnostics.push_back(
          element.error(fmt::format("a second rule for {} and {}; keep one", rule.model_group, rule.to)));
    } else if (percent) {
      rule.percent = *percent;
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

}  // namespace turnpike::config
