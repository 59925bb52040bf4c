#include <algorithm>

#include "base/clock.h"
#include "router/router.h"

namespace turnpike::router {
namespace {

struct Count {
  std::uint32_t calls;
  std::uint32_t fails;
};
/// Adds to the minute's counters, emptied when a new minute begins. Two threads that meet at the change may lose a
/// count.
void count(Health& health, std::int64_t now_us, Count more) {
  const auto minute = static_cast<std::uint32_t>(now_us / base::kMinuteUs);
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
void rest(Health& health, std::chrono::milliseconds time, const Error& error, std::int64_t now_us) {
  const std::int64_t until = now_us + std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  std::int64_t seen = health.cooling_until_us.load(std::memory_order_relaxed);
  if (seen <= now_us) health.cooling_since_us.store(now_us, std::memory_order_relaxed);
  while (seen < until && !health.cooling_until_us.compare_exchange_weak(seen, until, std::memory_order_relaxed)) {
  }
  health.cooling_status.store(status_of(error), std::memory_order_relaxed);
  health.cooling_kind.store(error.kind, std::memory_order_relaxed);
}

void cool(Health& health, std::chrono::milliseconds time, const Error& error, std::int64_t now_us) {
  rest(health, time, error, now_us);
  health.troubled.store(true, std::memory_order_relaxed);
  health.cooldowns.fetch_add(1, std::memory_order_relaxed);
}

/// The strategies that look at latency learn of a time-out, also of one in the middle of a stream.
void note_time_out(Health& health, const Error& error, std::int64_t now_us) {
  if (error.kind == ErrorKind::Timeout || error.kind == ErrorKind::UpstreamTimeout)
    health.load.timed_out_us.store(now_us, std::memory_order_relaxed);
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

CooldownPolicy cooldown_policy(const config::RouterSettings& settings, const Deployment& deployment) {
  CooldownPolicy policy;
  policy.allowed_by_error = settings.allowed_fails_policy;
  if (settings.allowed_fails_written || policy.allowed_by_error != config::ErrorCounts{})
    policy.allowed_fails = static_cast<int>(settings.allowed_fails);
  policy.cooldown_time = deployment.cooldown_time.value_or(settings.cooldown_time);
  policy.disabled = settings.disable_cooldowns;
  return policy;
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

void rest_as_told(const Deployment& deployment, std::chrono::milliseconds time, ErrorKind kind, int status,
                  std::int64_t now_us) {
  Error error;
  error.kind = kind;
  error.status = status;
  rest(*deployment.health, time, error, now_us);
}

bool note_failure(const Deployment& deployment, const Error& error, std::size_t group_size,
                  const CooldownPolicy& policy, std::int64_t now_us, bool probe) {
  using std::chrono::milliseconds;
  Health& health = *deployment.health;
  const bool at_fault = is_at_fault(error);
  note_time_out(health, error, now_us);
  // What says nothing of the provider (the caller went, a limit of ours) is no call in the ratio either.
  if (at_fault || base::is_upstream(error.kind)) count(health, now_us, {.calls = 1, .fails = at_fault ? 1U : 0U});

  milliseconds time = cooldown(input_of(deployment, error, group_size), policy);
  if (probe && at_fault && time == milliseconds{0}) time = policy.cooldown_time;  // Still not back.
  if (time > milliseconds{0}) cool(health, time, error, now_us);
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
  note_time_out(*deployment.health, error, now_us);
  count(*deployment.health, now_us, {.calls = 0, .fails = 1});
  const std::chrono::milliseconds time = cooldown(input_of(deployment, error, group_size), policy);
  if (time > std::chrono::milliseconds{0}) cool(*deployment.health, time, error, now_us);
  return time > std::chrono::milliseconds{0};
}

void note_check(const Deployment& deployment, const Error* error, std::int64_t now_us) {
  Health& health = *deployment.health;
  Checked checked = Checked::Well;
  if (error != nullptr) {
    const bool passing = error->kind == ErrorKind::Timeout || error->kind == ErrorKind::UpstreamTimeout ||
                         (error->kind == ErrorKind::UpstreamRateLimited && !account_trouble(*error));
    checked = passing ? Checked::Passing : Checked::Unwell;
  }
  health.checked_us.store(now_us, std::memory_order_relaxed);
  health.checked.store(checked, std::memory_order_relaxed);
}

bool is_back(const Deployment& deployment, std::int64_t now_us) {
  Health& health = *deployment.health;
  if (!health.troubled.load(std::memory_order_relaxed)) return false;
  if (health.cooling_until_us.load(std::memory_order_relaxed) > now_us) return false;
  return health.troubled.exchange(false, std::memory_order_relaxed);
}

bool has_trouble(const ModelGroup& group, std::int64_t now_us) {
  const auto minute = static_cast<std::uint32_t>(now_us / base::kMinuteUs);
  return std::ranges::any_of(group.deployments, [&](const DeploymentRef& deployment) {
    const Health& health = *deployment->health;
    if (health.cooling_until_us.load(std::memory_order_relaxed) > now_us) return true;
    return health.minute.load(std::memory_order_relaxed) == minute && health.fails.load(std::memory_order_relaxed) > 0;
  });
}

void note_unasked(const Deployment& deployment, bool probe) {
  deployment.health->load.requests.give_back();
  if (probe) deployment.health->probing.store(false);
}

}  // namespace turnpike::router
