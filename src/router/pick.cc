#include <algorithm>
#include <array>
#include <limits>

#include "router/router.h"

namespace turnpike::router {
namespace {

constexpr std::int64_t kMinuteUs = 60'000'000;
constexpr int kNoOrder = std::numeric_limits<int>::max();

enum class Standing : std::uint8_t { Fresh, Tried, Cooling };  // Best first.

std::int64_t cooling_until(const Deployment& deployment) {
  return deployment.health->cooling_until_us.load(std::memory_order_relaxed);
}

bool is_in(std::span<const std::string> ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// The standing of each member; on the stack for all but huge groups.
class Standings {
 public:
  Standings(const ModelGroup& group, std::span<const std::string> tried, std::int64_t now_us) {
    const std::size_t count = group.deployments.size();
    if (count > few_.size()) many_.resize(count);
    Standing* const out = data();
    for (std::size_t i = 0; i < count; ++i) {
      const Deployment& member = *group.deployments[i];
      out[i] = cooling_until(member) > now_us              ? Standing::Cooling
               : !tried.empty() && is_in(tried, member.id) ? Standing::Tried
                                                           : Standing::Fresh;
      best_ = std::min(best_, out[i]);
    }
  }
  Standing best() const { return best_; }
  Standing of(std::size_t i) const { return many_.empty() ? few_[i] : many_[i]; }

 private:
  Standing* data() { return many_.empty() ? few_.data() : many_.data(); }
  std::array<Standing, 32> few_;  // Filled as far as it is read.
  std::vector<Standing> many_;
  Standing best_ = Standing::Cooling;
};

using Weight = std::optional<double> Deployment::*;
constexpr std::array<Weight, 3> kWeights = {&Deployment::weight, &Deployment::rpm, &Deployment::tpm};

/// Simple shuffle: by weight if any candidate has one, else by rpm, else by tpm, else evenly. One that lacks what
/// another has is drawn as 0; when all are 0 the draw is even.
template <class IsCandidate>
const DeploymentRef* shuffle(const ModelGroup& group, IsCandidate is_candidate, std::uint64_t random) {
  const std::size_t count = group.deployments.size();
  std::array<double, kWeights.size()> total{};
  std::array<bool, kWeights.size()> present{};
  std::size_t candidates = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_candidate(i)) continue;
    ++candidates;
    for (std::size_t w = 0; w < kWeights.size(); ++w) {
      const std::optional<double>& value = (*group.deployments[i]).*kWeights[w];
      if (!value) continue;
      present[w] = true;
      total[w] += std::max(*value, 0.0);
    }
  }
  const auto chosen = static_cast<std::size_t>(std::find(present.begin(), present.end(), true) - present.begin());
  const double fraction = static_cast<double>(random >> 11) * 0x1.0p-53;  // [0, 1)
  if (chosen < kWeights.size() && total[chosen] > 0) {
    double left = fraction * total[chosen];
    const DeploymentRef* last = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_candidate(i)) continue;
      const double weight = std::max(((*group.deployments[i]).*kWeights[chosen]).value_or(0), 0.0);
      if (weight == 0) continue;
      last = &group.deployments[i];
      left -= weight;
      if (left < 0) return last;
    }
    return last;  // Rounding ate the rest.
  }
  std::size_t skip = std::min(static_cast<std::size_t>(fraction * static_cast<double>(candidates)), candidates - 1);
  for (std::size_t i = 0; i < count; ++i) {
    if (is_candidate(i) && skip-- == 0) return &group.deployments[i];
  }
  return nullptr;
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

bool is_probing(const Health& health, std::int64_t now_us) {
  return health.probing.load(std::memory_order_acquire) &&
         now_us - health.probing_since_us.load(std::memory_order_relaxed) <=
             std::chrono::microseconds(kProbeMax).count();
}

/// One call of the group may look whether the provider is back, on the deployment that would be healthy again first.
Result<Pick> probe(const ModelGroup& group, std::int64_t now_us) {
  const DeploymentRef* soonest = nullptr;
  bool probing = false;
  for (const DeploymentRef& member : group.deployments) {
    probing = probing || is_probing(*member->health, now_us);
    if (soonest == nullptr || cooling_until(*member) < cooling_until(**soonest)) soonest = &member;
  }
  if (soonest == nullptr) return nobody(group, nullptr, now_us);
  if (!probing) {
    Health& health = *(*soonest)->health;
    std::int64_t since = health.probing_since_us.load();
    if (!health.probing.load()) {
      health.probing_since_us.store(now_us);  // Before the flag, so that nobody takes a new probe for a lost one.
      if (!health.probing.exchange(true)) return Pick{*soonest, true};
    } else if (now_us - since > std::chrono::microseconds(kProbeMax).count() &&
               health.probing_since_us.compare_exchange_strong(since, now_us)) {
      return Pick{*soonest, true};
    }
  }
  return nobody(group, soonest->get(), now_us);
}

struct Count {
  std::uint32_t calls;
  std::uint32_t fails;
};
/// Adds to the minute's counters, emptied when a new minute begins. Two threads that meet at the change may lose a
/// count.
void count(Health& health, std::int64_t now_us, Count more) {
  const auto minute = static_cast<std::uint32_t>(now_us / kMinuteUs);
  std::uint32_t seen = health.minute.load(std::memory_order_relaxed);
  if (seen != minute && health.minute.compare_exchange_strong(seen, minute, std::memory_order_relaxed)) {
    health.calls.store(0, std::memory_order_relaxed);
    health.fails.store(0, std::memory_order_relaxed);
  }
  health.calls.fetch_add(more.calls, std::memory_order_relaxed);
  if (more.fails > 0) health.fails.fetch_add(more.fails, std::memory_order_relaxed);
}

int status_of(const Error& error) {
  if (error.status > 0) return error.status;
  return error.kind == ErrorKind::Timeout || error.kind == ErrorKind::UpstreamTimeout ? 408 : 0;
}

/// Rests for `time`, or longer if it does already.
void cool(Health& health, std::chrono::milliseconds time, int status, std::int64_t now_us) {
  const std::int64_t until = now_us + std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  std::int64_t seen = health.cooling_until_us.load(std::memory_order_relaxed);
  while (seen < until && !health.cooling_until_us.compare_exchange_weak(seen, until, std::memory_order_relaxed)) {
  }
  health.cooling_status.store(status, std::memory_order_relaxed);
  health.cooldowns.fetch_add(1, std::memory_order_relaxed);
}

/// A 404 about something the request names says nothing of the deployment.
bool is_of_request(const Error& error) {
  return error.kind == ErrorKind::UpstreamNotFound && !missing_model(error);
}

bool is_at_fault(const Error& error) {
  return (counts_as_failure(error.kind) && !is_of_request(error)) || account_trouble(error);
}

CooldownInput input_of(const Deployment& deployment, const Error& error, std::size_t group_size) {
  CooldownInput input{.kind = is_of_request(error) ? ErrorKind::UpstreamBadRequest : error.kind,
                      .group_size = group_size,
                      .wildcard = deployment.wildcard};
  input.account_trouble = account_trouble(error);
  input.calls_this_minute = deployment.health->calls.load(std::memory_order_relaxed);
  input.fails_this_minute = deployment.health->fails.load(std::memory_order_relaxed);
  input.retry_after = error.retry_after;
  input.deployment_cooldown_time = deployment.cooldown_time;
  return input;
}

}  // namespace

Result<Pick> pick(const ModelGroup& group, std::span<const std::string> tried, std::int64_t now_us,
                  std::uint64_t random) {
  const std::size_t count = group.deployments.size();
  if (count == 0) return nobody(group, nullptr, now_us);
  if (group.precise) return Pick{group.deployments.front(), false};

  const Standings standings(group, tried, now_us);
  if (standings.best() == Standing::Cooling) return probe(group, now_us);
  int order = kNoOrder;
  for (std::size_t i = 0; i < count; ++i) {
    if (standings.of(i) == standings.best()) order = std::min(order, group.deployments[i]->order.value_or(kNoOrder));
  }
  const auto is_candidate = [&](std::size_t i) {
    return standings.of(i) == standings.best() && group.deployments[i]->order.value_or(kNoOrder) == order;
  };
  return Pick{*shuffle(group, is_candidate, random), false};
}

void note_success(const Deployment& deployment, std::int64_t now_us, bool probe) {
  Health& health = *deployment.health;
  count(health, now_us, {.calls = 1, .fails = 0});
  if (!probe) return;  // Only a probe says that the provider is back: others may have been under way for long.
  health.cooling_until_us.store(0, std::memory_order_relaxed);
  health.probing.store(false);
}

bool note_failure(const Deployment& deployment, const Error& error, std::size_t group_size,
                  const CooldownPolicy& policy, std::int64_t now_us, bool probe) {
  using std::chrono::milliseconds;
  Health& health = *deployment.health;
  const bool at_fault = is_at_fault(error);
  // What says nothing of the provider (the caller went, a limit of ours) is no call in the ratio either.
  if (at_fault || base::is_upstream(error.kind)) count(health, now_us, {.calls = 1, .fails = at_fault ? 1U : 0U});

  milliseconds time = cooldown(input_of(deployment, error, group_size), policy);
  if (probe && at_fault && time == milliseconds{0}) time = policy.cooldown_time;  // Still not back.
  if (time > milliseconds{0}) cool(health, time, status_of(error), now_us);
  if (probe) {
    // An answer that blames the request shows that the provider works.
    if (!at_fault && base::is_upstream(error.kind)) health.cooling_until_us.store(0, std::memory_order_relaxed);
    health.probing.store(false);
  }
  return time > milliseconds{0};
}

bool note_broken(const Deployment& deployment, const Error& error, std::size_t group_size, const CooldownPolicy& policy,
                 std::int64_t now_us) {
  if (!is_at_fault(error)) return false;
  count(*deployment.health, now_us, {.calls = 0, .fails = 1});
  const std::chrono::milliseconds time = cooldown(input_of(deployment, error, group_size), policy);
  if (time > std::chrono::milliseconds{0}) cool(*deployment.health, time, status_of(error), now_us);
  return time > std::chrono::milliseconds{0};
}

void note_unasked(const Deployment& deployment, bool probe) {
  if (probe) deployment.health->probing.store(false);
}

}  // namespace turnpike::router
