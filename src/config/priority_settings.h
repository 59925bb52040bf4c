#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace turnpike::config {

/// What `litellm_settings.priority_reservation` gives one priority of every model.
struct PriorityShare {
  enum class Of : std::uint8_t {
    Capacity,  // A fraction from 0 to 1 of what the model can take.
    Requests,  // So many requests a minute,
    Tokens,    // so many tokens: the same fraction of both as that is of the one.
  } of = Of::Capacity;
  double value = 0;
  bool operator==(const PriorityShare&) const = default;
};

/// How priorities divide the capacity of models: `priority_reservation`, `priority_reservation_settings`.
struct PrioritySettings {
  std::map<std::string, PriorityShare> reserved;  // By the name in metadata.priority; empty: nobody has a share.
  double default_priority = 0.5;                  // The fraction of all other callers together.
  double saturation_threshold = 0.5;              // With this fraction in use shares begin to hold.
  bool capacity_holds = false;  // Models take no more than their deployments' rpm and tpm: shares, or the callback
                                // dynamic_rate_limiter_v3, ask for it.
  bool operator==(const PrioritySettings&) const = default;
};

/// As the configuration writes them: `priority_reservation`, `priority_reservation_settings`.
std::string shares_json(const PrioritySettings& settings);
std::string share_rules_json(const PrioritySettings& settings);

}  // namespace turnpike::config
