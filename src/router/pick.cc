#include <algorithm>
#include <array>
#include <limits>

#include "base/clock.h"
#include "router/standing.h"
#include "router/sticky.h"

namespace turnpike::router {
namespace {

using Weight = std::optional<double> Deployment::*;
constexpr std::array<Weight, 3> kWeights = {&Deployment::weight, &Deployment::rpm, &Deployment::tpm};

/// The shares the candidates are drawn by: their weight if any has one, else rpm, else tpm, else all alike. One that
/// lacks what another has is drawn as 0; when all are 0 they are alike too.
struct Shares {
  Weight by = nullptr;
  double total = 0;

  template <class IsCandidate>
  Shares(const ModelGroup& group, IsCandidate is_candidate) {
    std::array<double, kWeights.size()> totals{};
    std::array<bool, kWeights.size()> present{};
    double candidates = 0;
    for (std::size_t i = 0; i < group.deployments.size(); ++i) {
      if (!is_candidate(i)) continue;
      ++candidates;
      for (std::size_t w = 0; w < kWeights.size(); ++w) {
        const std::optional<double>& value = (*group.deployments[i]).*kWeights[w];
        if (!value) continue;
        present[w] = true;
        totals[w] += std::max(*value, 0.0);
      }
    }
    const auto chosen = static_cast<std::size_t>(std::find(present.begin(), present.end(), true) - present.begin());
    if (chosen < kWeights.size() && totals[chosen] > 0) by = kWeights[chosen];
    total = by != nullptr ? totals[chosen] : candidates;
  }
  double of(const Deployment& member) const { return by == nullptr ? 1.0 : std::max((member.*by).value_or(0), 0.0); }
};

/// Simple shuffle: a draw by the shares.
template <class IsCandidate>
const DeploymentRef* shuffle(const ModelGroup& group, IsCandidate is_candidate, std::uint64_t random) {
  const Shares shares(group, is_candidate);
  double left = static_cast<double>(random >> 11) * 0x1.0p-53 * shares.total;  // [0, total)
  const DeploymentRef* last = nullptr;
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    if (!is_candidate(i)) continue;
    const double share = shares.of(*group.deployments[i]);
    if (share == 0) continue;
    last = &group.deployments[i];
    left -= share;
    if (left < 0) return last;
  }
  return last;  // Rounding ate the rest.
}

/// A draw by the shares as well, and the same one for all calls that stay together.
template <class IsCandidate>
const DeploymentRef* stick(const ModelGroup& group, IsCandidate is_candidate, std::uint64_t sticky) {
  const Shares shares(group, is_candidate);
  const DeploymentRef* best = nullptr;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    if (!is_candidate(i)) continue;
    const double share = shares.of(*group.deployments[i]);
    if (share == 0) continue;
    const double cost = sticky_cost(sticky, group.deployments[i]->seed, share);
    if (best != nullptr && cost >= lowest) continue;
    lowest = cost;
    best = &group.deployments[i];
  }
  return best;
}

/// The least score, or for latency all that are close to it; one of them at random.
template <class IsCandidate>
const DeploymentRef* least(const ModelGroup& group, const Routing& routing, IsCandidate is_candidate,
                           const PickInput& input) {
  const std::size_t count = group.deployments.size();
  bool by_share = false;
  for (std::size_t i = 0; i < count; ++i) {
    by_share = by_share || (is_candidate(i) && (group.deployments[i]->rpm || group.deployments[i]->tpm));
  }
  PerMember<double> scores(count);
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_candidate(i)) continue;
    scores[i] = score(*group.deployments[i], routing, input, by_share);
    lowest = std::min(lowest, scores[i]);
  }
  if (routing.strategy == Strategy::LatencyBased) lowest *= 1 + routing.buffer;
  const DeploymentRef* chosen = nullptr;
  std::uint64_t found = 0;
  std::uint64_t random = input.random;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_candidate(i) || scores[i] > lowest) continue;
    // The n-th takes the place of those before it once in n times: in the end all are equally likely.
    random = random * 6364136223846793005U + 1442695040888963407U;
    if ((random >> 32) * ++found >> 32 == 0) chosen = &group.deployments[i];
  }
  return chosen;
}

tl::unexpected<Error> nobody(const ModelGroup& group, const Deployment* soonest, std::int64_t now_us) {
  Error error;
  error.kind = ErrorKind::NoDeployment;
  std::int64_t wait_us = 0;
  if (soonest != nullptr) {
    wait_us = std::max<std::int64_t>(cooling_until(*soonest) - now_us, 0);
    error.retry_after = std::chrono::milliseconds((wait_us + 999) / 1000);
  }
  const std::int64_t seconds = std::max<std::int64_t>((wait_us + 999'999) / 1'000'000, 1);
  error.message = "No deployments available for selected model, Try again in " + std::to_string(seconds) +
                  " seconds. Passed model=" + group.name + ". pre-call-checks=False, cooldown_list=[" +
                  std::to_string(group.deployments.size()) + " cooling]";
  const int status = soonest == nullptr ? 0 : soonest->health->cooling_status.load(std::memory_order_relaxed);
  if (status > 0) error.message += ". The provider last answered with status " + std::to_string(status);
  if (soonest != nullptr && status == 0) error.message += ". The provider could not be reached";
  return base::fail(std::move(error));
}

/// Why nobody can be asked, where that is not because all rest.
tl::unexpected<Error> refusal(const ModelGroup& group, Standing best, const PickInput& input) {
  Error error;
  switch (best) {
    case Standing::Spent: {
      const std::int64_t wait_us =
          input.room_after_us > 0 ? input.room_after_us : base::kMinuteUs - input.now_us % base::kMinuteUs;
      const std::int64_t seconds = (wait_us + base::kSecondUs - 1) / base::kSecondUs;
      error.kind = ErrorKind::NoDeployment;
      error.retry_after = std::chrono::seconds(seconds);
      error.message = "No deployments available for selected model, Try again in " + std::to_string(seconds) +
                      " seconds. Passed model=" + group.name +
                      ". pre-call-checks=True: the limits of every deployment are used up for now";
      break;
    }
    case Standing::TooLong:
      error.kind = ErrorKind::UpstreamContextWindow;
      error.status = 400;
      error.code = "context_length_exceeded";
      error.message = "litellm.ContextWindowExceededError: the prompt (" + std::to_string(input.prompt_tokens) +
                      " tokens) is longer than any deployment of model=" + group.name + " takes.";
      break;
    case Standing::Hidden:
      error.kind = ErrorKind::PermissionDenied;
      error.type = "key_model_access_denied";
      error.param = "model";
      error.message = "No deployment of model=" + group.name + " is in an access group or the team of this key.";
      break;
    case Standing::Elsewhere:
      error.kind = ErrorKind::InvalidRequest;
      error.param = "allowed_model_region";
      error.message = "No deployment of model=" + group.name + " is in region " + std::string(input.region) + ".";
      break;
    default: {
      error.kind = ErrorKind::Unauthenticated;
      error.message =
          "Not allowed to access model due to tags configuration. Passed model=" + group.name + " and tags=[";
      for (const std::string& tag : input.tags) {
        if (error.message.back() != '[') error.message += ", ";
        error.message += "'" + tag + "'";
      }
      error.message += "]";
    }
  }
  return base::fail(std::move(error));
}

bool is_probing(const Health& health, std::int64_t now_us) {
  return health.probing.load(std::memory_order_acquire) &&
         now_us - health.probing_since_us.load(std::memory_order_relaxed) <=
             std::chrono::microseconds(kProbeMax).count();
}

/// A call that begins whatever rpm and tpm say.
Pick begun(const DeploymentRef& deployment, bool probe, std::int64_t now_us, std::optional<int> parallel_max = {}) {
  std::optional<Slot> slot = Slot::take(deployment->health, parallel_max);
  if (!slot) return Pick{};
  deployment->health->load.requests.add(1, now_us);
  return Pick{deployment, probe, std::move(*slot)};
}

/// One call of the group may look whether the provider is back, on the deployment that would be healthy again first.
Result<Pick> probe(const ModelGroup& group, const Standings& standings, std::int64_t now_us) {
  const DeploymentRef* soonest = nullptr;
  bool probing = false;
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    const DeploymentRef& member = group.deployments[i];
    if (standings.of(i) != Standing::Cooling) continue;
    probing = probing || is_probing(*member->health, now_us);
    if (soonest == nullptr || cooling_until(*member) < cooling_until(**soonest)) soonest = &member;
  }
  if (soonest == nullptr) return nobody(group, nullptr, now_us);
  if (!probing) {
    Health& health = *(*soonest)->health;
    std::int64_t since = health.probing_since_us.load();
    if (!health.probing.load()) {
      health.probing_since_us.store(now_us);  // Before the flag, so that nobody takes a new probe for a lost one.
      if (!health.probing.exchange(true)) return begun(*soonest, true, now_us);
    } else if (now_us - since > std::chrono::microseconds(kProbeMax).count() &&
               health.probing_since_us.compare_exchange_strong(since, now_us)) {
      return begun(*soonest, true, now_us);
    }
  }
  return nobody(group, soonest->get(), now_us);
}

/// Counts the call in the minute; false when its limit has just been reached.
bool take_request(const Deployment& deployment, const Routing& routing, std::int64_t now_us) {
  MinuteCount& requests = deployment.health->load.requests;
  const bool strict = routing.limits && routing.strategy != Strategy::UsageBased && deployment.rpm.has_value();
  if (strict) return requests.take(*deployment.rpm, now_us);
  requests.add(1, now_us);
  return true;
}

const DeploymentRef* choose(const ModelGroup& group, const Routing& routing, const Standings& standings,
                            const PickInput& input) {
  int level = std::numeric_limits<int>::max();
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    if (standings.of(i) == standings.best()) level = std::min(level, level_of(*group.deployments[i]));
  }
  const auto is_candidate = [&](std::size_t i) {
    return standings.of(i) == standings.best() && level_of(*group.deployments[i]) == level;
  };
  if (input.sticky != 0) return stick(group, is_candidate, input.sticky);
  if (routing.strategy == Strategy::SimpleShuffle) return shuffle(group, is_candidate, input.random);
  return least(group, routing, is_candidate, input);
}

}  // namespace

std::optional<Slot> Slot::take(std::shared_ptr<Health> health, std::optional<int> limit) {
  std::atomic<std::int32_t>& count = health->load.in_flight;
  if (!limit) {
    count.fetch_add(1, std::memory_order_relaxed);
    return Slot(std::move(health));
  }
  std::int32_t seen = count.load(std::memory_order_relaxed);
  do {
    if (seen >= *limit) return std::nullopt;
  } while (!count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  return Slot(std::move(health));
}

void Slot::end() {
  if (health_) health_->load.in_flight.fetch_sub(1, std::memory_order_relaxed);
  health_.reset();
}

Result<Pick> pick(const ModelGroup& group, const PickInput& input) {
  if (group.deployments.empty()) return nobody(group, nullptr, input.now_us);
  if (group.precise) {
    const Standing named_stands = Standings(group, input).best();
    if (named_stands == Standing::Elsewhere || named_stands == Standing::Hidden || named_stands == Standing::Spent)
      return refusal(group, named_stands, input);
    if (named_stands == Standing::Full) return Pick{};
    const DeploymentRef& named = group.deployments.front();
    return begun(named, false, input.now_us, named->parallel_max);
  }
  const Routing routing = input.apply_to(group.routing);
  // A place that another thread has just taken is missing at the next look.
  for (;;) {
    const Standings standings(group, input);
    if (standings.best() == Standing::Full) return Pick{};
    if (standings.best() == Standing::Cooling) return probe(group, standings, input.now_us);
    if (standings.best() > Standing::Cooling) return refusal(group, standings.best(), input);
    const DeploymentRef& chosen = *choose(group, routing, standings, input);
    std::optional<Slot> slot = Slot::take(chosen->health, chosen->parallel_max);
    if (slot && take_request(*chosen, routing, input.now_us)) return Pick{chosen, false, std::move(*slot)};
  }
}

}  // namespace turnpike::router
