#include <fmt/format.h>

#include <algorithm>

#include "config/readers.h"

/// How priorities divide the capacity of models (docs/limits.md).
namespace turnpike::config {
namespace {

constexpr double kRounding = 1e-9;  // 0.1 + 0.2 + 0.7 is no more than a whole.

/// A number in [0, most]; nothing when it is none (which is told).
std::optional<double> take_number(Reading& reading, const Node& node, double most, std::string_view remedy) {
  const Read<double> number = node.as_double();
  if (number && *number >= 0 && *number <= most) return *number;
  reading.diagnostics.push_back(node.error(std::string(remedy)));
  return std::nullopt;
}

std::optional<PriorityShare> read_share(Reading& reading, const Node& node) {
  constexpr double kRateMost = 1e12;
  constexpr std::string_view kFraction = "write a fraction of the model's capacity from 0 to 1, like 0.25";
  PriorityShare share;
  if (!node.is_map()) {
    const std::optional<double> fraction = take_number(reading, node, 1, kFraction);
    if (!fraction) return std::nullopt;
    share.value = *fraction;
    return share;
  }
  for (const Node::Item& item : node.items()) {
    if (item.key == "type" || item.key == "value") continue;
    reading.diagnostics.push_back(item.value.error("is not known here; write {type: rpm, value: 100}"));
    return std::nullopt;
  }
  const Node* const value = node.find("value");
  if (value == nullptr) {
    reading.diagnostics.push_back(node.error("value is missing; write {type: rpm, value: 100}"));
    return std::nullopt;
  }
  const std::size_t before = reading.diagnostics.size();
  take_word(reading, node, "type", share.of, {"percent", "rpm", "tpm"});
  if (reading.diagnostics.size() > before) return std::nullopt;
  const bool is_fraction = share.of == PriorityShare::Of::Capacity;
  const std::optional<double> number = take_number(reading, *value, is_fraction ? 1 : kRateMost,
                                                   is_fraction ? kFraction : "write a number from 0, like 100");
  if (!number) return std::nullopt;
  share.value = *number;
  return share;
}

void read_reserved(Reading& reading, const Node& map, PrioritySettings& settings) {
  if (!map.is_map()) return;  // Told by the table of keys.
  double sum = 0;
  for (const Node::Item& item : map.items()) {
    const std::optional<PriorityShare> share = read_share(reading, item.value);
    if (!share) continue;
    settings.reserved.emplace(item.key, *share);
    if (share->of == PriorityShare::Of::Capacity) sum += share->value;
  }
  if (sum > 1 + kRounding) {
    reading.diagnostics.push_back(
        map.error(fmt::format("gives away {:.4g} of a capacity of 1; lower the fractions", sum)));
  }
}

}  // namespace

PrioritySettings read_priorities(Reading& reading, const std::vector<std::string>& callbacks) {
  const Node& section = reading.section("litellm_settings");
  PrioritySettings settings;
  if (const Node* rules = section.find("priority_reservation_settings"); rules != nullptr && rules->is_map()) {
    for (const auto& [name, target] : {std::pair("default_priority", &settings.default_priority),
                                       std::pair("saturation_threshold", &settings.saturation_threshold)}) {
      const Node* const node = rules->find(name);
      if (node == nullptr || node->is_null()) continue;
      if (const auto number = take_number(reading, *node, 1, "write a fraction from 0 to 1, like 0.5"))
        *target = *number;
    }
  }
  if (const Node* reserved = section.find("priority_reservation"); reserved != nullptr && !reserved->is_null())
    read_reserved(reading, *reserved, settings);
  settings.capacity_holds =
      !settings.reserved.empty() || std::ranges::find(callbacks, "dynamic_rate_limiter_v3") != callbacks.end();
  return settings;
}

std::string shares_json(const PrioritySettings& settings) {
  constexpr std::string_view kTypes[] = {"percent", "rpm", "tpm"};
  std::string out = "{";
  for (const auto& [name, share] : settings.reserved) {
    if (out.size() > 1) out += ", ";
    append_json_string(out, name);
    out +=
        fmt::format(": {{\"type\": \"{}\", \"value\": {}}}", kTypes[static_cast<std::size_t>(share.of)], share.value);
  }
  return out + "}";
}

std::string share_rules_json(const PrioritySettings& settings) {
  return fmt::format("{{\"default_priority\": {}, \"saturation_threshold\": {}}}", settings.default_priority,
                     settings.saturation_threshold);
}

void check_priorities(Reading& reading, const std::vector<ModelEntry>& models, const PrioritySettings& settings) {
  const Node* const reserved = reading.section("litellm_settings").find("priority_reservation");
  if (settings.reserved.empty() || reserved == nullptr || reading.database) return;
  const auto has = [&models](std::optional<std::int64_t> ModelEntry::* unit) {
    return std::ranges::any_of(models, [unit](const ModelEntry& entry) { return (entry.*unit).has_value(); });
  };
  const bool requests = has(&ModelEntry::rpm), tokens = has(&ModelEntry::tpm);
  if (!requests && !tokens) {
    reading.diagnostics.push_back(reserved->error(
        "divides the rpm and tpm of deployments, and none has any; write rpm or tpm under litellm_params"));
    return;
  }
  for (const auto& [name, share] : settings.reserved) {
    const bool of_requests = share.of == PriorityShare::Of::Requests;
    if (share.of == PriorityShare::Of::Capacity || (of_requests ? requests : tokens)) continue;
    reading.diagnostics.push_back(reserved->find(name)->error(
        fmt::format("is a share of {0}, and no deployment has {0}; write a fraction", of_requests ? "rpm" : "tpm")));
  }
}

}  // namespace turnpike::config
