#include "router/decide.h"

#include <algorithm>
#include <array>
#include <limits>
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
    case ErrorKind::Unauthenticated:
    case ErrorKind::PermissionDenied:
    case ErrorKind::NotFound:
    case ErrorKind::Conflict:
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
    case ErrorKind::InvalidRequest:  // Said by the target's dialect: another may have the parameter.
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

/// Every group that is left keeps one of the attempts.
bool attempts_left(const History& history, const RetryPolicy& policy) {
  return history.attempts_total + history.fallbacks_left < policy.attempts_max;
}

bool may_retry_in_group(const Error& error, const History& history, const RetryPolicy& policy) {
  if (history.billed || policy.own_fallbacks || is_redirect(error) || !attempts_left(history, policy)) return false;
  const std::optional<int> by_error = count_of(policy.by_error, error.kind);
  if (history.attempts_in_group > by_error.value_or(policy.num_retries)) return false;
  if (error.should_retry == false) return false;
  Retry retry = retry_class(error.kind);
  if (retry == Retry::LeaveGroup && by_error) retry = Retry::Anywhere;
  if (account_trouble(error)) retry = Retry::Elsewhere;
  if (error.should_retry == true) retry = Retry::Anywhere;
  if (retry == Retry::Elsewhere) return history.other_healthy;
  if (retry != Retry::Anywhere) return false;
  if (history.other_healthy) return true;
  if (error.retry_after && *error.retry_after > kRetryAfterWaitMax) return false;
  if (history.same_healthy) return true;
  // The deployment rests because it said 429. With nowhere else to go, waiting as it asked beats failing.
  return error.kind == ErrorKind::UpstreamRateLimited && history.fallbacks_left == 0;
}

bool may_enter_level(const Error& error, const History& history, const RetryPolicy& policy) {
  if (!history.level_left || history.billed || error.should_retry == false || is_redirect(error) ||
      !attempts_left(history, policy))
    return false;
  const Retry retry = retry_class(error.kind);
  return retry == Retry::Anywhere || retry == Retry::Elsewhere || account_trouble(error);
}

constexpr std::uint32_t kRatioCallsMin = 5;
constexpr std::uint32_t kLoneCallsMin = 1'000;

bool cools_at_once(const CooldownInput& input) {
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
  if (policy.allowed_fails) return static_cast<std::int64_t>(input.fails_this_minute) > *policy.allowed_fails;
  if (input.calls_this_minute >= kLoneCallsMin && input.fails_this_minute >= input.calls_this_minute) return true;
  return input.group_size > 1 && input.calls_this_minute >= kRatioCallsMin &&
         input.fails_this_minute * 2ull > input.calls_this_minute;
}

bool cools(const CooldownInput& input, const CooldownPolicy& policy) {
  if (input.account_trouble) return true;
  if (!counts_as_failure(input.kind)) return false;
  if (const std::optional<int> allowed = count_of(policy.allowed_by_error, input.kind)) {
    return static_cast<std::int64_t>(input.fails_this_minute) > *allowed;
  }
  return cools_at_once(input) || cools_by_count(input, policy);
}

}  // namespace

std::optional<int> count_of(const config::ErrorCounts& counts, ErrorKind kind) {
  const auto first_of = [](const std::optional<std::int64_t>& special,
                           const std::optional<std::int64_t>& general = {}) -> std::optional<int> {
    const std::optional<std::int64_t>& count = special ? special : general;
    if (!count) return std::nullopt;
    return static_cast<int>(std::min<std::int64_t>(*count, std::numeric_limits<int>::max()));
  };
  switch (kind) {
    case ErrorKind::UpstreamContentPolicy:
      return first_of(counts.content_policy, counts.bad_request);
    case ErrorKind::UpstreamBadRequest:
    case ErrorKind::UpstreamContextWindow:
    case ErrorKind::UpstreamTooLarge:
    case ErrorKind::UpstreamUnprocessable:
      return first_of(counts.bad_request);
    case ErrorKind::UpstreamUnauthenticated:
      return first_of(counts.authentication);
    case ErrorKind::Timeout:
    case ErrorKind::UpstreamTimeout:
      return first_of(counts.timeout);
    case ErrorKind::UpstreamRateLimited:
      return first_of(counts.rate_limit);
    case ErrorKind::UpstreamInternal:
    case ErrorKind::UpstreamBadGateway:
    case ErrorKind::UpstreamUnavailable:
    case ErrorKind::UpstreamConnection:
    case ErrorKind::UpstreamMalformed:
    case ErrorKind::UpstreamTruncated:
      return first_of(counts.internal);
    default:
      return std::nullopt;
  }
}

bool account_trouble(const Error& error) {
  if (!base::is_upstream(error.kind)) return false;
  if (error.status == 402) return true;
  static constexpr std::array<std::string_view, 8> kCodes = {
      "insufficient_quota",   "billing_hard_limit_reached", "billing_not_active",      "account_deactivated",
      "insufficient_balance", "credits_exhausted",          "organization_restricted", "access_terminated"};
  if (std::find(kCodes.begin(), kCodes.end(), error.code) != kCodes.end()) return true;
  if (std::find(kCodes.begin(), kCodes.end(), error.type) != kCodes.end()) return true;
  // Said in words only, in a 400: Anthropic's credit, ceiling and closed organization; Gemini's free tier and place;
  // Bedrock's account.
  static constexpr std::array<std::string_view, 8> kWords = {"credit balance is too low",
                                                             "reached your specified API usage limits",
                                                             "organization has been disabled",
                                                             "free tier is not available in your country",
                                                             "User location is not supported for the API use",
                                                             "account is not authorized to invoke this API",
                                                             "account is currently suspended",
                                                             "INVALID_PAYMENT_INSTRUMENT"};
  if (error.kind != ErrorKind::UpstreamBadRequest) return false;
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view words) { return error.message.find(words) != std::string::npos; });
}

bool missing_model(const Error& error) {
  if (error.kind != ErrorKind::UpstreamNotFound) return false;
  if (error.detail.empty() || error.code.find("odel") != std::string::npos) return true;
  const std::string said = base::to_lower(error.detail);
  if (said == "not found" || said[0] == '<') return true;  // Says nothing.
  return said.find("model") != std::string::npos || said.find("deployment") != std::string::npos;
}

bool missing_file(const Error& error) {
  if (error.kind != ErrorKind::UpstreamForbidden) return false;
  return error.detail.find("or it may not exist") != std::string::npos ||
         error.detail.find("CachedContent not found") != std::string::npos;
}

Decision decide(const Error& error, const History& history, const RetryPolicy& policy, std::uint64_t random) {
  if (history.content_sent || history.caller_gone || history.draining) return {};
  if (history.attempts_total >= policy.attempts_max) return {};
  if (retry_class(error.kind) == Retry::End) return {};
  if (may_retry_in_group(error, history, policy)) {
    return {Next::SameGroup, wait_before_retry(error, history, policy, random)};
  }
  if (may_enter_level(error, history, policy)) return {Next::NextLevel, milliseconds{0}};
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

bool is_of_request(const Error& error) {
  return (error.kind == ErrorKind::UpstreamNotFound && !missing_model(error)) || missing_file(error);
}

bool is_at_fault(const Error& error) {
  return (counts_as_failure(error.kind) && !is_of_request(error)) || account_trouble(error);
}

milliseconds cooldown(const CooldownInput& input, const CooldownPolicy& policy) {
  if (policy.disabled || input.wildcard) return milliseconds{0};
  if (input.deployment_cooldown_time && *input.deployment_cooldown_time <= milliseconds{0}) return milliseconds{0};
  if (!cools(input, policy)) return milliseconds{0};
  std::optional<milliseconds> said;
  if (input.retry_after && *input.retry_after > milliseconds{0})
    said = std::min(*input.retry_after, policy.retry_after_max);
  if (said && input.kind == ErrorKind::UpstreamRateLimited) return *said;
  if (input.deployment_cooldown_time) return *input.deployment_cooldown_time;
  return std::max(said.value_or(policy.cooldown_time), milliseconds{0});
}

}  // namespace turnpike::router
