#include <fmt/format.h>

#include <array>
#include <set>

#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

bool is_field_name(std::string_view text) {
  constexpr std::string_view kOf = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
  return !text.empty() && text.find_first_not_of(kOf) == std::string_view::npos;
}

}  // namespace

bool Affinity::* affinity_named(std::string_view name) {
  if (name == "prompt_caching") return &Affinity::prompt_caching;
  if (name == "deployment_affinity") return &Affinity::deployment;
  if (name == "session_affinity") return &Affinity::session;
  return nullptr;
}

std::vector<GroupAffinity> read_group_affinities(Reading& reading, const Node& groups, const Affinity& general) {
  std::vector<GroupAffinity> own;
  for (const Node::Item& item : groups.items()) {
    GroupAffinity group{item.key, {.prompt_caching = general.prompt_caching}};
    for (const std::string& name : item.value.as_text_list().value_or(std::vector<std::string>())) {
      if (bool Affinity::* const affinity = affinity_named(name)) {
        group.affinity.*affinity = true;
      } else {
        reading.diagnostics.push_back(item.value.warning(fmt::format("{} is not honoured yet", name)));
      }
    }
    own.push_back(std::move(group));
  }
  return own;
}

std::vector<Sticky> read_sticky(Reading& reading) {
  constexpr std::array<std::string_view, 3> kBy = {"key", "user", "header"};
  std::vector<Sticky> rules;
  const Node* list = reading.section("turnpike").find("sticky");
  if (list == nullptr) return rules;
  std::set<std::string> groups;
  for (const Node& element : list->elements()) {
    const auto refuse = [&](std::string_view key, std::string what) {
      const Node* node = element.find(key);
      reading.diagnostics.push_back((node == nullptr ? element : *node).error(std::move(what)));
    };
    Sticky rule;
    take_into(rule.model_group, element, "model_group", &Node::as_text);
    take_into(rule.header, element, "header", &Node::as_text);
    const std::string by = base::to_lower(take(element, "by", &Node::as_text).value_or("key"));
    const auto* found = std::find(kBy.begin(), kBy.end(), by);
    if (rule.model_group.empty()) {
      refuse("model_group", "name the group, or * for every group");
    } else if (!groups.insert(rule.model_group).second) {
      refuse("model_group", fmt::format("a second rule for {}; keep one", rule.model_group));
    } else if (found == kBy.end()) {
      refuse("by", fmt::format("write one of {}", fmt::join(kBy, ", ")));
    } else if ((by == "header") != !rule.header.empty()) {
      refuse("header", by == "header" ? "name the header whose value keeps calls together"
                                      : "a header goes with by: header only");
    } else if (!rule.header.empty() && !is_field_name(rule.header)) {
      refuse("header", "write the name of a header, such as x-session");
    } else {
      rule.by = static_cast<StickyBy>(found - kBy.begin());
      rules.push_back(std::move(rule));
    }
  }
  return rules;
}

}  // namespace turnpike::config
