#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

void check_duration(Reading& reading, const Node* node, const std::string& duration) {
  if (duration.empty() || base::parse_duration_seconds(duration).value_or(0) > 0) return;
  reading.diagnostics.push_back(node->error("write a number and a unit: \"30d\" (s, m, h, d, w, mo)"));
}

std::optional<Money> take_amount(Reading& reading, const Node& map, std::string_view key) {
  const Node* node = map.find(key);
  if (node == nullptr || node->is_null()) return std::nullopt;
  const Read<std::string> text = node->as_decimal();
  if (!text) {
    reading.diagnostics.push_back(text.error());
    return std::nullopt;
  }
  const Result<Money> amount = Money::parse(*text);
  if (amount) return *amount;
  reading.diagnostics.push_back(node->error("write an amount of dollars like 100"));
  return std::nullopt;
}

}  // namespace

UserSettings read_user_settings(Reading& reading) {
  const Node& section = reading.section("litellm_settings");
  UserSettings settings;
  settings.max_budget = take_amount(reading, section, "max_internal_user_budget");
  take_into(settings.budget_duration, section, "internal_user_budget_duration", &Node::as_text);
  check_duration(reading, section.find("internal_user_budget_duration"), settings.budget_duration);
  const Node* defaults = section.find("default_internal_user_params");
  if (defaults == nullptr || !defaults->is_map()) return settings;
  settings.defaults_json = defaults->to_json(false);
  (void)take_amount(reading, *defaults, "max_budget");
  check_duration(reading, defaults->find("budget_duration"),
                 take(*defaults, "budget_duration", &Node::as_text).value_or(""));
  return settings;
}

}  // namespace turnpike::config
