#include <algorithm>
#include <array>
#include <limits>

#include "router/router.h"

namespace turnpike::router {
namespace {

constexpr std::int64_t kMinuteUs = 60'000'000;
constexpr int kNoOrder = std::numeric_limits<int>::max();

/// Whether a deployment may be asked, best first. Between full and resting, a call waits for who is well.
enum class Standing : std::uint8_t { Fresh, Tried, Full, Cooling, Spent, TooLong, Elsewhere, Untagged };

std::int64_t cooling_until(const Deployment& deployment) {
  return deployment.health->cooling_until_us.load(std::memory_order_relaxed);
}

bool is_in(std::span<const std::string> ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

/// One value for each member; on the stack for all but huge groups. Not initialized.
template <class T>
class PerMember {
 public:
  explicit PerMember(std::size_t count) {
    if (count > kFew) many_.resize(count);
    data_ = many_.empty() ? few_.data() : many_.data();
  }
  PerMember(const PerMember&) = delete;
  PerMember& operator=(const PerMember&) = delete;
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static constexpr std::size_t kFew = 32;
  std::array<T, kFew> few_;
  std::vector<T> many_;
  T* data_;
};

/// Which deployments the tags of a call leave. Health plays no part: a call does not slip past its tags because those
/// that have them rest.
enum class TagRule : std::uint8_t { Any, Matching, Default, None };

bool has_tags(const Deployment& deployment, std::span<const std::string> tags, bool any) {
  const auto has = [&](const std::string& tag) { return is_in(deployment.tags, tag); };
  return any ? std::any_of(tags.begin(), tags.end(), has) : std::all_of(tags.begin(), tags.end(), has);
}

bool is_default(const Deployment& deployment) {
  static const std::string kDefault = "default";
  return is_in(deployment.tags, kDefault);
}

TagRule tag_rule(const ModelGroup& group, const PickInput& input) {
  if (!group.routing.tags) return TagRule::Any;
  bool defaults = false;
  for (const DeploymentRef& member : group.deployments) {
    if (!input.tags.empty() && has_tags(*member, input.tags, group.routing.tags_any)) return TagRule::Matching;
    defaults = defaults || is_default(*member);
  }
  if (defaults) return TagRule::Default;
  return input.tags.empty() ? TagRule::Any : TagRule::None;
}

bool passes(const Deployment& deployment, TagRule rule, const Routing& routing, const PickInput& input) {
  if (rule == TagRule::Any) return true;
  if (rule == TagRule::None) return false;
  return rule == TagRule::Default ? is_default(deployment) : has_tags(deployment, input.tags, routing.tags_any);
}

/// The minute's rpm or tpm would be exceeded by this call.
bool is_spent(const Deployment& deployment, const Routing& routing, const PickInput& input) {
  const Load& load = deployment.health->load;
  const MinuteCount& requests = routing.strategy == Strategy::UsageBased ? load.answered : load.requests;
  if (deployment.rpm && requests.get(input.now_us) + 1.0 > *deployment.rpm) return true;
  return deployment.tpm && static_cast<double>(load.tokens.get(input.now_us) + input.prompt_tokens) > *deployment.tpm;
}

Standing standing_of(const Deployment& member, TagRule rule, const Routing& routing, const PickInput& input) {
  if (!passes(member, rule, routing, input)) return Standing::Untagged;
  if (!input.region.empty() && member.region != input.region) return Standing::Elsewhere;
  if (routing.context && member.input_tokens_max != 0 && input.prompt_tokens > member.input_tokens_max)
    return Standing::TooLong;
  if (routing.limits && is_spent(member, routing, input)) return Standing::Spent;
  if (cooling_until(member) > input.now_us) return Standing::Cooling;
  if (member.parallel_max && member.health->load.in_flight.load(std::memory_order_relaxed) >= *member.parallel_max)
    return Standing::Full;
  return !input.tried.empty() && is_in(input.tried, member.id) ? Standing::Tried : Standing::Fresh;
}

class Standings {
 public:
  Standings(const ModelGroup& group, TagRule rule, const PickInput& input) : of_(group.deployments.size()) {
    for (std::size_t i = 0; i < group.deployments.size(); ++i) {
      of_[i] = standing_of(*group.deployments[i], rule, group.routing, input);
      best_ = std::min(best_, of_[i]);
    }
  }
  Standing best() const { return best_; }
  Standing of(std::size_t i) const { return of_[i]; }

 private:
  PerMember<Standing> of_;
  Standing best_ = Standing::Untagged;
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

/// The least score, or for latency all that are close to it; one of them at random.
template <class IsCandidate>
const DeploymentRef* least(const ModelGroup& group, IsCandidate is_candidate, const PickInput& input) {
  const std::size_t count = group.deployments.size();
  bool by_share = false;
  for (std::size_t i = 0; i < count; ++i) {
    by_share = by_share || (is_candidate(i) && (group.deployments[i]->rpm || group.deployments[i]->tpm));
  }
  PerMember<double> scores(count);
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_candidate(i)) continue;
    scores[i] = score(*group.deployments[i], group.routing, input, by_share);
    lowest = std::min(lowest, scores[i]);
  }
  if (group.routing.strategy == Strategy::LatencyBased) lowest *= 1 + group.routing.buffer;
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
      constexpr std::int64_t kSecondUs = 1'000'000;
      const std::int64_t seconds = (kMinuteUs - input.now_us % kMinuteUs + kSecondUs - 1) / kSecondUs;
      error.kind = ErrorKind::NoDeployment;
      error.retry_after = std::chrono::seconds(seconds);
      error.message = "No deployments available for selected model, Try again in " + std::to_string(seconds) +
                      " seconds. Passed model=" + group.name +
                      ". pre-call-checks=True: the rpm or tpm of every deployment is used up for this minute";
      break;
    }
    case Standing::TooLong:
      error.kind = ErrorKind::UpstreamContextWindow;
      error.status = 400;
      error.message = "litellm.ContextWindowExceededError: the prompt (" + std::to_string(input.prompt_tokens) +
                      " tokens) is longer than any deployment of model=" + group.name + " takes.";
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

const DeploymentRef* choose(const ModelGroup& group, const Standings& standings, const PickInput& input) {
  int order = kNoOrder;
  for (std::size_t i = 0; i < group.deployments.size(); ++i) {
    if (standings.of(i) == standings.best()) order = std::min(order, group.deployments[i]->order.value_or(kNoOrder));
  }
  const auto is_candidate = [&](std::size_t i) {
    return standings.of(i) == standings.best() && group.deployments[i]->order.value_or(kNoOrder) == order;
  };
  if (group.routing.strategy == Strategy::SimpleShuffle) return shuffle(group, is_candidate, input.random);
  return least(group, is_candidate, input);
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
    const DeploymentRef& named = group.deployments.front();
    return begun(named, false, input.now_us, named->parallel_max);
  }
  const TagRule rule = tag_rule(group, input);
  // A place that another thread has just taken is missing at the next look.
  for (;;) {
    const Standings standings(group, rule, input);
    if (standings.best() == Standing::Full) return Pick{};
    if (standings.best() == Standing::Cooling) return probe(group, standings, input.now_us);
    if (standings.best() > Standing::Cooling) return refusal(group, standings.best(), input);
    const DeploymentRef& chosen = *choose(group, standings, input);
    std::optional<Slot> slot = Slot::take(chosen->health, chosen->parallel_max);
    if (slot && take_request(*chosen, group.routing, input.now_us)) return Pick{chosen, false, std::move(*slot)};
  }
}

void note_answer(const Deployment& deployment, const AnswerFigures& figures, std::int64_t now_us) {
  Load& load = deployment.health->load;
  load.answered.add(1, now_us);
  load.tokens.add(figures.tokens, now_us);
  const double seconds = static_cast<double>(figures.duration_us) / 1e6;
  const double per = figures.tokens_written > 0 ? static_cast<double>(figures.tokens_written) : 1.0;
  load.per_token.add(seconds / per, figures.window, now_us, figures.ttl_us);
}

void note_first_content(const Deployment& deployment, std::int64_t after_us, std::size_t window, std::int64_t ttl_us,
                        std::int64_t now_us) {
  deployment.health->load.first_content.add(static_cast<double>(after_us) / 1e6, window, now_us, ttl_us);
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
  if (error.kind == ErrorKind::Timeout || error.kind == ErrorKind::UpstreamTimeout)
    health.load.timed_out_us.store(now_us, std::memory_order_relaxed);
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
  deployment.health->load.requests.give_back();
  if (probe) deployment.health->probing.store(false);
}

}  // namespace turnpike::router
