#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "config/settings.h"
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

/// How the deployments of one group are chosen.
struct Routing {
  Strategy strategy = Strategy::SimpleShuffle;
  bool limits = false;   // rpm and tpm are limits, not only shares.
  bool context = false;  // Prompts longer than a model takes are kept from it.
  bool tags = false;
  bool tags_any = true;  // One tag of the request is enough; else the deployment must have all.
  double buffer = 0;     // Latency: 0.5 takes all within half above the best.
  std::int64_t ttl_us = 3'600'000'000;
  std::int64_t checks_us = 0;   // How long the result of a probe keeps a deployment out; 0: probes decide nothing.
  bool checks_passing = false;  // Trouble that passes keeps it out too.
};
Routing routing_of(const config::RouterSettings& settings, std::string_view group);

/// What the strategies look at beside the group.
struct PickInput {
  std::span<const std::string> tried = {};  // Ids of deployments.
  std::int64_t now_us = 0;
  std::uint64_t random = 0;
  std::uint64_t prompt_tokens = 0;
  bool stream = false;
  std::span<const std::string> tags = {};
  std::string_view region = {};  // Empty: any.
};

/// What a strategy that looks for the least sees in a deployment; `by_share`: somebody of the group has an rpm or tpm,
/// so usage is a share of it. Not for SimpleShuffle.
double score(const Deployment& deployment, const Routing& routing, const PickInput& input, bool by_share);

}  // namespace turnpike::router
