#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error_counts.h"

namespace turnpike::domain {

/// One entry of somebody's own fallbacks: a group and the parameters that replace the request's. Written as in a
/// configuration, `{"gpt-4o": ["claude"]}`, it names the group it is for.
struct FallbackWish {
  std::string model;
  std::string overrides_json = {};  // An object without `model`; empty: none.
  std::string group = {};           // Empty: whichever the call asks for.
};

/// What a request, or a key for all its calls, says about routing in the place of the configuration. Absent: nothing.
struct RoutingWishes {
  std::optional<std::vector<FallbackWish>> fallbacks, context_window_fallbacks, content_policy_fallbacks;
  std::optional<std::uint64_t> max_fallbacks;
  std::optional<std::uint64_t> num_retries;
  std::optional<double> timeout_seconds;
  std::optional<double> stream_timeout_seconds;

  /// The numbers that this does not say are those of `general`. Lists are looked up where they lead.
  void complete(const RoutingWishes& general) {
    if (!max_fallbacks) max_fallbacks = general.max_fallbacks;
    if (!num_retries) num_retries = general.num_retries;
    if (!timeout_seconds) timeout_seconds = general.timeout_seconds;
    if (!stream_timeout_seconds) stream_timeout_seconds = general.stream_timeout_seconds;
  }
};

/// `router_settings` of a key.
struct KeyRouting : RoutingWishes {
  std::string routing_strategy;  // By the name of the configuration; empty: the group's.
  std::optional<bool> enable_tag_filtering;
  base::ErrorCounts retry_policy;
  std::vector<std::pair<std::string, base::ErrorCounts>> model_group_retry_policy;
};
using KeyRoutingRef = std::shared_ptr<const KeyRouting>;

}  // namespace turnpike::domain
