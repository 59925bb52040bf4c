#pragma once

/// What follows a failed attempt, as pure functions of values: another try, the next group, the end; and whether the
/// deployment rests. The attempt loop of the pipeline does what they say.
///
/// Source: LiteLLM's classes of errors and its router's rules, with the corrections that docs/routing.md lists.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include "base/result.h"
#include "config/settings.h"

namespace turnpike::router {

/// What the attempt loop does after an attempt that failed.
enum class Next : std::uint8_t {
  SameGroup,  // Another attempt in this group (a deployment not yet tried if there is one).
  NextLevel,  // On to the deployments of a higher `order`, as if they were a group of their own.
  NextGroup,  // On to the fallbacks.
  GiveUp,     // The error goes to the caller.
};

/// What the call has been through so far.
struct History {
  int attempts_in_group = 0;  // Including the one that just failed.
  int attempts_total = 0;
  bool content_sent = false;   // The first content byte has reached the caller.
  bool billed = false;         // The failed attempt may be billed: bytes of a 2xx came (AC-RETRY-2).
  bool other_healthy = false;  // The group has a healthy deployment that was not tried yet.
  bool same_healthy = false;   // The deployment that failed is still healthy.
  bool level_left = false;     // A healthy one that was not tried stands on a higher `order` than the one that failed.
  std::size_t group_size = 1;
  int fallbacks_left = 0;  // Further groups that may be entered.
  bool caller_gone = false;
  bool draining = false;  // The process is going down: no new attempts.
};

struct RetryPolicy {
  int num_retries = 2;                       // After the first attempt, in each group.
  int attempts_max = 6;                      // AC-RETRY-1
  std::chrono::milliseconds retry_after{0};  // Least wait.
  config::ErrorCounts by_error = {};         // Retries of single classes of error: they come before num_retries.
  bool own_fallbacks = false;  // A list for just this kind of error is set: it is gone to without a retry.
};

struct Decision {
  Next next = Next::GiveUp;
  std::chrono::milliseconds wait{0};
};

/// Pure. 400, 403, 404, 413, 422, context and content errors are not retried in the group; 401 and an account in
/// trouble (no credit, disabled) only where another deployment is there; 408, 409, 429, 5xx and connection errors are.
/// Every group that is left keeps one of the attempts: the last resort is asked however dark those before it are.
/// A billed attempt is never repeated in its group, but fallbacks may follow it (AC-RETRY-2, AC-FALL-1). What is the
/// caller's own doing or our own limit ends the call. `random` decides the jitter; the caller's deadline is the loop's
/// business.
///
/// What the provider itself says of another try (`should_retry`) comes before the class of its error, within the same
/// numbers: true repeats what else is not repeated, false leaves the group.
///
/// `by_error` sets the number for its class, the most specific first (content policy before bad request), and lets a
/// request that was refused be repeated. A level of a higher `order` is entered when trouble that passes has used up
/// the retries.
///
/// Waits: none while the group has a choice; else the provider's Retry-After up to `kRetryAfterWaitMax` (a longer one
/// is not waited for: the group is left), else 0.5 s doubling up to 8 s; plus up to 0.75 s of jitter.
inline constexpr std::chrono::milliseconds kRetryAfterWaitMax{60'000};
Decision decide(const Error& error, const History& history, const RetryPolicy& policy, std::uint64_t random);

/// The provider says that the account behind the key is the trouble (no credit, quota gone, disabled), whatever status
/// it says it with: cools like a 401 (AC-COOL-2).
bool account_trouble(const Error& error);

/// A 404 that says the model or deployment is not there, or says nothing: the deployment is set up wrongly. One about
/// anything else (a file, an earlier answer) is about the request.
bool missing_model(const Error& error);
/// The 403 with which Gemini answers a request that names a file or a cache it does not have: about the request.
bool missing_file(const Error& error);

/// The number of this kind's class; nothing when the kind has none or it is not set.
std::optional<int> count_of(const config::ErrorCounts& counts, ErrorKind kind);

/// Whether and how the failure cools its deployment (AC-COOL-1, -2).
///
/// At once: 401, 403, 404 (the model is not there), 429, an account in trouble. By counting in the current minute:
/// `allowed_fails` absent, more than half of at least five calls failed and the group has somebody else, or all of a
/// thousand; given, more than `allowed_fails` failed. `allowed_by_error` puts a number for a class in the place of
/// either, for 401 and 429 too. Never: what the request itself is to blame for, and wildcard
/// deployments (one model of many is no sign). How long: of a 429 what Retry-After says (capped); else the deployment's
/// own time (0: it never rests), else Retry-After, else the router's time.
struct CooldownPolicy {
  std::optional<int> allowed_fails = {};  // As written in the config; absent: the ratio rule.
  config::ErrorCounts allowed_by_error = {};
  std::chrono::milliseconds cooldown_time{5'000};
  std::chrono::milliseconds retry_after_max{300'000};
  bool disabled = false;
};
struct CooldownInput {
  ErrorKind kind;
  std::size_t group_size = 1;
  bool wildcard = false;
  bool account_trouble = false;
  std::uint32_t calls_this_minute = 0;
  std::uint32_t fails_this_minute = 0;  // Including this one.
  std::optional<std::chrono::milliseconds> retry_after = {};
  std::optional<std::chrono::milliseconds> deployment_cooldown_time = {};
};
/// How long to cool; zero: not at all.
std::chrono::milliseconds cooldown(const CooldownInput& input, const CooldownPolicy& policy);
/// Whether a failure of this kind counts in the minute's ratio.
bool counts_as_failure(ErrorKind kind);
/// What is said of something that the request names says nothing of the deployment.
bool is_of_request(const Error& error);
/// The deployment is to blame, or the account behind it; not the request, the caller or a limit of ours.
bool is_at_fault(const Error& error);

}  // namespace turnpike::router
