#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "domain/model_traits.h"
#include "router/deployment.h"

namespace turnpike::router {

enum class Strategy : std::uint8_t {
  SimpleShuffle,
  LeastBusy,
  LatencyBased,
  UsageBased,    // Counts calls when they have ended.
  UsageBasedV2,  // Counts them before they begin: its rpm holds exactly.
  CostBased,
};
/// By the name of the configuration; an unknown one has refused the start.
Strategy strategy_of(std::string_view name);

/// What keeps calls of a group together: of these the first that says something of a call.
struct Stick {
  std::optional<config::StickyBy> by = {};  // turnpike.sticky
  std::string header = {};                  // For Header.
  config::Affinity affinity = {};           // A session, then a prompt's beginning, then the key.

  bool any() const { return by || affinity != config::Affinity{}; }
};
Stick stick_of(const config::Settings& settings, std::string_view group);

/// How the deployments of one group are chosen.
struct Routing {
  Strategy strategy = Strategy::SimpleShuffle;
  bool limits = false;   // rpm and tpm are limits, not only shares.
  bool context = false;  // Prompts longer than a model takes are kept from it, and what it cannot do.
  bool tags = false;
  bool tags_any = true;  // One tag of the request is enough; else the deployment must have all.
  double buffer = 0;     // Latency: 0.5 takes all within half above the best.
  std::int64_t ttl_us = 3'600'000'000;
  std::int64_t checks_us = 0;   // How long the result of a probe keeps a deployment out; 0: probes decide nothing.
  bool checks_passing = false;  // Trouble that passes keeps it out too.
};
Routing routing_of(const config::RouterSettings& settings, std::string_view group);
/// What a strategy needs rpm and tpm to be.
bool needs_limits(Strategy strategy);

/// A parameter of the request that only a model with this trait can follow.
struct Need {
  std::string_view param;
  domain::Trait trait;
  bool own_shape = false;  // Other dialects are given what stands in for it.
};
inline constexpr std::array<Need, 5> kNeeds = {{
    {"tools", domain::Trait::FunctionCalling},
    {"functions", domain::Trait::FunctionCalling},
    {"tool_choice", domain::Trait::ToolChoice},
    {"response_format", domain::Trait::ResponseSchema, true},
    {"reasoning_effort", domain::Trait::Reasoning, true},
}};

/// What the choice looks at beside the group.
struct PickInput {
  std::span<const std::string> tried = {};  // Ids of deployments.
  std::span<const std::string> spent = {};  // Of those that no money, or nothing of their minute, is left for.
  std::span<const std::string> full = {};   // Of those that have as many calls as they may, as others count them.
  std::int64_t room_after_us = 0;           // Until one of those has something of its minute again; 0: unknown.
  std::int64_t now_us = 0;
  std::uint64_t random = 0;
  std::uint64_t prompt_tokens = 0;
  bool stream = false;
  std::span<const std::string> tags = {};
  std::string_view region = {};      // Empty: any.
  std::string_view user_agent = {};  // Of the caller's program, for tag_regex.
  std::bitset<kNeeds.size()> needs = {};
  /// Only deployments of one of these access groups; empty: the caller may have any.
  std::span<const std::string> access_groups = {};
  std::optional<std::string_view> team = {};  // Deployments of other teams are hidden; absent: none is.
  std::uint64_t sticky = 0;  // sticky_of(...): drawn by that in place of the strategy. 0: the strategy chooses.
  // What the caller's key says in the place of the group's routing.
  std::optional<Strategy> strategy = {};
  std::optional<bool> tag_filtering = {};

  Routing apply_to(Routing routing) const;
};

/// What a strategy that looks for the least sees in a deployment; `by_share`: somebody of the group has an rpm or tpm,
/// so usage is a share of it. Not for SimpleShuffle.
double score(const Deployment& deployment, const Routing& routing, const PickInput& input, bool by_share);

}  // namespace turnpike::router
