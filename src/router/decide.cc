#include "router/decide.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/text.h"

namespace turnpike::router {
namespace {

using std::chrono::milliseconds;

/// How a kind of failure is answered: one row of the table of docs/routing.md.
enum class Retry : std::uint8_t {
  End,         // The caller's doing or our own limit: no fallback helps.
  LeaveGroup,  // Wrong for every deployment of the group; another model may take it.
  Elsewhere,   // This deployment's account: only another deployment helps.
  Anywhere,    // Passing trouble.
};

Retry retry_class(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidRequest:
    case ErrorKind::Unauthenticated:
    case ErrorKind::PermissionDenied:
    case ErrorKind::NotFound:
    case ErrorKind::MethodNotAllowed:
    case ErrorKind::PayloadTooLarge:
    case ErrorKind::HeadersTooLarge:
    case ErrorKind::ExpectationFailed:
    case ErrorKind::CallerGone:
    case ErrorKind::BudgetSpent:
    case ErrorKind::BudgetHeld:
    case ErrorKind::RateLimited:
    case ErrorKind::Unavailable:
    case ErrorKind::Internal:
      return Retry::End;
    case ErrorKind::NoDeployment:
    case ErrorKind::UpstreamBadRequest:
    case ErrorKind::UpstreamContextWindow:
    case ErrorKind::UpstreamContentPolicy:
    case ErrorKind::UpstreamForbidden:
    case ErrorKind::UpstreamNotFound:
    case ErrorKind::UpstreamTooLarge:
    case ErrorKind::UpstreamUnprocessable:
      return Retry::LeaveGroup;
    case ErrorKind::UpstreamUnauthenticated:
      return Retry::Elsewhere;
    case ErrorKind::Timeout:
    case ErrorKind::UpstreamTimeout:
    case ErrorKind::UpstreamConflict:
    case ErrorKind::UpstreamRateLimited:
    case ErrorKind::UpstreamInternal:
    case ErrorKind::UpstreamBadGateway:
    case ErrorKind::UpstreamUnavailable:
    case ErrorKind::UpstreamConnection:
    case ErrorKind::UpstreamMalformed:
    case ErrorKind::UpstreamTruncated:
      return Retry::Anywhere;
  }
  return Retry::End;
}

constexpr milliseconds kFirstDelay{500};
constexpr milliseconds kDelayMax{8'000};
constexpr std::uint64_t kJitterMs = 750;

milliseconds wait_before_retry(const Error& error, const History& history, const RetryPolicy& policy,
                               std::uint64_t random) {
  if (history.group_size > 1 && (history.other_healthy || history.same_healthy)) return milliseconds{0};
  const milliseconds jitter{static_cast<std::int64_t>(random % (kJitterMs + 1))};
  if (error.retry_after && *error.retry_after > milliseconds{0}) return *error.retry_after + jitter;
  const int doublings = std::clamp(history.attempts_in_group - 1, 0, 16);
  return std::min(std::max(kFirstDelay * (1 << doublings), policy.retry_after), kDelayMax) + jitter;
}

/// Redirects are not followed: the address in the config is wrong, for every attempt alike.
bool is_redirect(const Error& error) {
  return error.status >= 300 && error.status < 400;
}

bool may_retry_in_group(const Error& error, const History& history, const RetryPolicy& policy) {
  if (history.billed || history.attempts_in_group > policy.num_retries) return false;
  if (history.attempts_total + history.fallbacks_left >= policy.attempts_max) return false;
  if (is_redirect(error)) return false;
  Retry retry = retry_class(error.kind);
  if (account_trouble(error)) retry = Retry::Elsewhere;
  if (retry == Retry::Elsewhere) return history.other_healthy;
  if (retry != Retry::Anywhere) return false;
  if (history.other_healthy) return true;
  if (error.retry_after && *error.retry_after > kRetryAfterWaitMax) return false;
  if (history.same_healthy) return true;
  // The deployment rests because it said 429. With nowhere else to go, waiting as it asked beats failing.
  return error.kind == ErrorKind::UpstreamRateLimited && history.fallbacks_left == 0;
}

constexpr std::uint32_t kRatioCallsMin = 5;
constexpr std::uint32_t kLoneCallsMin = 1'000;

bool cools_at_once(const CooldownInput& input) {
  if (input.account_trouble) return true;
  switch (input.kind) {
    case ErrorKind::UpstreamUnauthenticated:
    case ErrorKind::UpstreamForbidden:
    case ErrorKind::UpstreamNotFound:
    case ErrorKind::UpstreamRateLimited:
      return true;
    default:
      return false;
  }
}

bool cools_by_count(const CooldownInput& input, const CooldownPolicy& policy) {
  if (!counts_as_failure(input.kind)) return false;
  if (policy.allowed_fails) return static_cast<std::int64_t>(input.fails_this_minute) > *policy.allowed_fails;
  if (input.calls_this_minute >= kLoneCallsMin && input.fails_this_minute >= input.calls_this_minute) return true;
  return input.group_size > 1 && input.calls_this_minute >= kRatioCallsMin &&
         input.fails_this_minute * 2ull > input.calls_this_minute;
}

}  // namespace

bool account_trouble(const Error& error) {
  if (!base::is_upstream(error.kind)) return false;
  if (error.status == 402) return true;
  static constexpr std::array<std::string_view, 7> kCodes = {
      "insufficient_quota",   "billing_hard_limit_reached", "billing_not_active",     "account_deactivated",
      "insufficient_balance", "credits_exhausted",          "organization_restricted"};
  if (std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end()) return true;
  if (std::find(kCodes.begin(), kCodes.end(), error.type) != kCodes.end()) return true;
  // Anthropic says it in words only.
  return error.kind == ErrorKind::UpstreamBadRequest &&
         error.message.find("credit balance is too low") != std::string::npos;
}

bool missing_model(const Error& error) {
  if (error.kind != ErrorKind::UpstreamNotFound) return false;
  if (error.detail.empty() || error.code.find("odel") != std::string::npos) return true;
  const std::string said = base::to_lower(error.detail);
  return said.find("model") != std::string::npos || said.find("deployment") != std::string::npos || said[0] == '<';
}

Decision decide(const Error& error, const History& history, const RetryPolicy& policy, std::uint64_t random) {
  if (history.content_sent || history.caller_gone || history.draining) return {};
  if (history.attempts_total >= policy.attempts_max) return {};
  if (retry_class(error.kind) == Retry::End) return {};
  if (may_retry_in_group(error, history, policy)) {
    return {Next::SameGroup, wait_before_retry(error, history, policy, random)};
  }
  if (history.fallbacks_left > 0) return {Next::NextGroup, milliseconds{0}};
  return {};
}

bool counts_as_failure(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Timeout:
    case ErrorKind::UpstreamUnauthenticated:
    case ErrorKind::UpstreamForbidden:
    case ErrorKind::UpstreamNotFound:
    case ErrorKind::UpstreamTimeout:
    case ErrorKind::UpstreamRateLimited:
    case ErrorKind::UpstreamInternal:
    case ErrorKind::UpstreamBadGateway:
    case ErrorKind::UpstreamUnavailable:
    case ErrorKind::UpstreamConnection:
    case ErrorKind::UpstreamMalformed:
    case ErrorKind::UpstreamTruncated:
      return true;
    default:
      return false;
  }
}

milliseconds cooldown(const CooldownInput& input, const CooldownPolicy& policy) {
  if (policy.disabled || input.wildcard) return milliseconds{0};
  if (!cools_at_once(input) && !cools_by_count(input, policy)) return milliseconds{0};
  milliseconds time = policy.cooldown_time;
  if (input.retry_after && *input.retry_after > milliseconds{0})
    time = std::min(*input.retry_after, policy.retry_after_max);
  if (input.deployment_cooldown_time) time = *input.deployment_cooldown_time;
  return std::max(time, milliseconds{0});
}

}  // namespace turnpike::router
