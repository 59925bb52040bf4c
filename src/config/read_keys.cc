#include <fmt/format.h>

#include "base/text.h"
#include "config/keys.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

/// The members of the map that are in force, as a JSON object; the others check_keys has named.
std::string json_in_force(const Node& map) {
  std::string json = "{";
  for (const Node::Item& item : map.items()) {
    const Key* key = find_key(item.value.path());
    if (item.value.is_null() || (key != nullptr && key->standing != Standing::Honoured)) continue;
    if (json.size() > 1) json += ",";
    append_json_string(json, item.key);
    json += ":" + item.value.to_json(false);
  }
  return json + "}";
}

KeyRule read_rule(const Node& settings, std::string_view kind, std::string_view roles) {
  KeyRule rule;
  const Node* section = settings.find(kind);
  if (section == nullptr) return rule;
  rule.roles = take(*section, roles, &Node::as_text_list);
  take_into(rule.required_params, *section, "required_params", &Node::as_text_list);
  return rule;
}

}  // namespace

KeySettings read_key_settings(Reading& reading) {
  const Node& section = reading.section("litellm_settings");
  KeySettings settings;
  if (const Node* defaults = section.find("default_key_generate_params"))
    settings.defaults_json = json_in_force(*defaults);
  if (const Node* ceilings = section.find("upperbound_key_generate_params")) {
    if (const auto amount = take(*ceilings, "max_budget", &Node::as_decimal)) {
      const Result<Money> money = Money::parse(*amount);
      if (money) {
        settings.max_budget_ceiling = *money;
      } else {
        reading.diagnostics.push_back(ceilings->find("max_budget")->error("write an amount of dollars like 100"));
      }
    }
    settings.limit_ceilings = {take_count(reading, *ceilings, "rpm_limit"), take_count(reading, *ceilings, "tpm_limit"),
                               take_count(reading, *ceilings, "max_parallel_requests")};
    take_into(settings.duration_ceiling, *ceilings, "duration", &Node::as_text);
    take_into(settings.budget_duration_ceiling, *ceilings, "budget_duration", &Node::as_text);
    if (!settings.budget_duration_ceiling.empty() &&
        base::parse_duration_seconds(settings.budget_duration_ceiling).value_or(0) <= 0) {
      reading.diagnostics.push_back(
          ceilings->find("budget_duration")->error("write a number and a unit: \"30d\" (s, m, h, d, w, mo)"));
    }
    if (!settings.duration_ceiling.empty() &&
        base::parse_duration_seconds(settings.duration_ceiling).value_or(0) <= 0) {
      reading.diagnostics.push_back(
          ceilings->find("duration")->error("write a number and a unit: \"30d\" (s, m, h, d, w, mo)"));
    }
  }
  if (const Node* rules = section.find("key_generation_settings")) {
    settings.team = read_rule(*rules, "team_key_generation", "allowed_team_member_roles");
    settings.personal = read_rule(*rules, "personal_key_generation", "allowed_user_roles");
  }
  return settings;
}

void read_key_issuance(Reading& reading, TurnpikeSettings& settings) {
  const Node& section = reading.section("turnpike");
  take_into(settings.rotated_keys_dir, section, "rotated_keys_dir", &Node::as_text);
  const Node* issuance = section.find("key_issuance");
  if (issuance == nullptr) return;
  const std::string word = issuance->as_text().value_or("");
  if (word == "central") {
    settings.key_issuance = KeyIssuance::Central;
  } else if (word != "federated") {
    reading.diagnostics.push_back(issuance->error("write federated or central"));
  }
}

}  // namespace turnpike::config
