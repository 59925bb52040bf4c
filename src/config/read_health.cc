#include "config/readers.h"

namespace turnpike::config {

namespace {

/// LiteLLM takes the keys of routing by health in either section; the router's own wins.
const Node* find_routing_key(const Reading& reading, std::string_view key) {
  const Node* node = reading.section("router_settings").find(key);
  return node != nullptr ? node : reading.section("general_settings").find(key);
}

/// At least `least`, or an error and nothing.
std::optional<std::int64_t> take_at_least(Reading& reading, const Node& map, std::string_view key, std::int64_t least) {
  const auto value = take(map, key, &Node::as_integer);
  if (!value || *value >= least) return value;
  reading.diagnostics.push_back(map.find(key)->error("must be " + std::to_string(least) + " or more"));
  return std::nullopt;
}

/// A time that is waited for again and again.
void take_interval(Reading& reading, const Node& map, std::string_view key, Milliseconds& target) {
  constexpr Milliseconds kLeast{100};
  const auto value = take(map, key, &Node::as_time);
  if (!value) return;
  if (*value < kLeast) {
    reading.diagnostics.push_back(map.find(key)->error("must be 0.1 s or more"));
    return;
  }
  target = *value;
}

AlertSettings read_alerts(Reading& reading) {
  const Node& section = reading.section("general_settings");
  AlertSettings alerts;
  take_interval(reading, section, "alerting_threshold", alerts.threshold);
  const Node* args = section.find("alerting_args");
  if (args == nullptr) return alerts;
  take_interval(reading, *args, "outage_alert_ttl", alerts.outage_ttl);
  take_interval(reading, *args, "region_outage_alert_ttl", alerts.region_outage_ttl);
  if (const auto minor = take_at_least(reading, *args, "minor_outage_alert_threshold", 1))
    alerts.minor_outage_threshold = *minor;
  if (const auto major = take_at_least(reading, *args, "major_outage_alert_threshold", 1))
    alerts.major_outage_threshold = *major;
  return alerts;
}

}  // namespace

void read_health_checks(Reading& reading, GeneralSettings& settings) {
  const Node& section = reading.section("general_settings");
  take_into(settings.background_health_checks, section, "background_health_checks", &Node::as_bool);
  take_interval(reading, section, "health_check_interval", settings.health_check_interval);
  take_into(settings.health_check_details, section, "health_check_details", &Node::as_bool);
  if (const auto most = take_at_least(reading, section, "health_check_concurrency", 1))
    settings.health_check_concurrency = *most;
  settings.alerts = read_alerts(reading);
}

void read_health_check_routing(Reading& reading, RouterSettings& settings) {
  const auto flag = [&](bool& target, std::string_view key) {
    const Node* node = find_routing_key(reading, key);
    if (node == nullptr) return;
    if (const auto value = node->as_bool()) target = *value;
  };
  flag(settings.enable_health_check_routing, "enable_health_check_routing");
  flag(settings.health_check_ignore_transient_errors, "health_check_ignore_transient_errors");
  // A result is believed until the next two should have come.
  GeneralSettings general;
  take_into(general.health_check_interval, reading.section("general_settings"), "health_check_interval",
            &Node::as_time);
  settings.health_check_staleness_threshold = general.health_check_interval * 2;
  if (const Node* node = find_routing_key(reading, "health_check_staleness_threshold")) {
    if (const auto value = node->as_time()) settings.health_check_staleness_threshold = *value;
  }
}

void read_health_check_budget(Reading& reading, TurnpikeSettings& settings) {
  const Node* node = reading.section("turnpike").find("health_check_budget_per_day");
  if (node == nullptr) return;
  const Read<std::string> decimal = node->as_decimal();
  if (!decimal) return;  // Told by the table of keys.
  const Result<Money> amount = Money::parse(*decimal);
  if (!amount || *amount < Money()) {
    reading.diagnostics.push_back(node->error("must be dollars, 0 or more; write for example 0.50"));
    return;
  }
  settings.health_check_budget_per_day = *amount;
}

}  // namespace turnpike::config
