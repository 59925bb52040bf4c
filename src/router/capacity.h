#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/priority_settings.h"
#include "router/deployment.h"

namespace turnpike::router {

/// What the deployments of one `model_name` can take in a minute, and how priorities divide it.
struct Capacity {
  struct Share {
    std::string priority;  // As metadata.priority names it; of all others together "default_priority".
    double fraction = 1;   // Of requests and tokens.

    std::int64_t of(std::int64_t capacity) const;
  };
  std::string model;                             // The model_name: wildcards have one capacity for all that they match.
  std::optional<std::int64_t> requests, tokens;  // Nothing: no deployment says.
  std::vector<Share> shares;                     // By name; empty: nobody has one.
  Share others;                                  // Of everybody whose priority is not among them.
  double crowded_from = 1;                       // The fraction in use from which shares hold.

  /// The share of callers with this priority; empty: they say none.
  const Share& share_of(std::string_view priority) const;
  std::int64_t crowded_at(std::int64_t capacity) const;
};
using CapacityRef = std::shared_ptr<const Capacity>;

/// The sum of what the deployments say; a deployment that does not say adds nothing. Shares written as rates are
/// fractions of it; if all together are more than it, each gets less in proportion.
Capacity capacity_of(std::string_view model, std::span<const DeploymentRef> deployments,
                     const config::PrioritySettings& settings);

}  // namespace turnpike::router
