#include <fmt/format.h>

#include <set>
#include <utility>

#include "config/readers.h"

/// What `turnpike:` says of calls that are made twice: beside a slow one, and for comparison.
namespace turnpike::config {
namespace {

/// A percentage above 0; nothing when it is not (which is told).
std::optional<double> take_percent(Reading& reading, const Node& element, std::string_view key, double most) {
  const std::optional<double> percent = take(element, key, &Node::as_double);
  if (percent && *percent > 0 && *percent <= most) return percent;
  const Node* node = element.find(key);
  if (node != nullptr && !percent) return std::nullopt;  // No number: told by the table of keys.
  reading.diagnostics.push_back(
      (node == nullptr ? element : *node).error(fmt::format("{} must lie above 0 and at most at {}", key, most)));
  return std::nullopt;
}

}  // namespace

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
      reading.diagnostics.push_back(element.error("name the model_group, or * for every group"));
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
    const std::optional<double> percent = take_percent(reading, element, "percent", 100);
    if (rule.model_group.empty() || rule.to.empty()) {
      reading.diagnostics.push_back(element.error("name the model_group and the group its calls go `to` as well"));
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
