#include "router/decide.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "router/test_history.h"

namespace turnpike::router::decide_test {
namespace {

using std::chrono::milliseconds;
using Kind = ErrorKind;

constexpr int kGiveUp = 0, kSame = 1, kNext = 2, kLevel = 3;

int shown(Next next) {
  switch (next) {
    case Next::NextLevel:
      return kLevel;
    case Next::GiveUp:
      return kGiveUp;
    case Next::SameGroup:
      return kSame;
    case Next::NextGroup:
      return kNext;
  }
  return -1;
}

/// What a history changes for a plain 500.
struct Limit {
  const char* name;
  void (*change)(History&, RetryPolicy&);
  int next;
};

const Limit kLimits[] = {
    {"nothing special", [](History&, RetryPolicy&) {}, kSame},
    {"retries used up", [](History& h, RetryPolicy&) { h.attempts_in_group = h.attempts_total = 3; }, kNext},
    {"last retry left", [](History& h, RetryPolicy&) { h.attempts_in_group = h.attempts_total = 2; }, kSame},
    {"no retries wanted", [](History&, RetryPolicy& p) { p.num_retries = 0; }, kNext},
    {"no retries, no fallback",
     [](History& h, RetryPolicy& p) {
       p.num_retries = 0;
       h.fallbacks_left = 0;
     },
     kGiveUp},
    {"six attempts in all", [](History& h, RetryPolicy&) { h.attempts_total = 6; }, kGiveUp},
    {"each group left keeps an attempt", [](History& h, RetryPolicy&) { h.attempts_total = 5; }, kNext},
    {"of two that are left, both do",
     [](History& h, RetryPolicy&) {
       h.attempts_total = 4;
       h.fallbacks_left = 2;
     },
     kNext},
    {"the last group may use what is left",
     [](History& h, RetryPolicy&) {
       h.attempts_total = 5;
       h.fallbacks_left = 0;
     },
     kSame},
    {"content has reached the caller", [](History& h, RetryPolicy&) { h.content_sent = true; }, kGiveUp},
    {"may be billed", [](History& h, RetryPolicy&) { h.billed = true; }, kNext},
    {"may be billed, no fallback",
     [](History& h, RetryPolicy&) {
       h.billed = true;
       h.fallbacks_left = 0;
     },
     kGiveUp},
    {"caller gone", [](History& h, RetryPolicy&) { h.caller_gone = true; }, kGiveUp},
    {"shutting down", [](History& h, RetryPolicy&) { h.draining = true; }, kGiveUp},
    {"only the failed one is healthy", [](History& h, RetryPolicy&) { h.other_healthy = false; }, kSame},
    {"nobody is healthy", [](History& h, RetryPolicy&) { h.other_healthy = h.same_healthy = false; }, kNext},
    {"nobody is healthy, no fallback",
     [](History& h, RetryPolicy&) {
       h.other_healthy = h.same_healthy = false;
       h.fallbacks_left = 0;
     },
     kGiveUp},
};

TEST(Decide, RespectsEveryLimit) {
  for (const Limit& limit : kLimits) {
    SCOPED_TRACE(limit.name);
    History history = crowd();
    RetryPolicy policy;
    limit.change(history, policy);
    Error error;
    error.kind = Kind::UpstreamInternal;
    EXPECT_EQ(shown(decide(error, history, policy, 0).next), limit.next);
  }
}

struct ByError {
  const char* name;
  Kind kind;
  config::ErrorCounts retries;
  int num_retries;
  int attempts;  // So far.
  int next;
};

const ByError kByError[] = {
    {"timeouts get their own number", Kind::UpstreamTimeout, {.timeout = 4}, 0, 4, kSame},
    {"and no more", Kind::Timeout, {.timeout = 4}, 9, 5, kNext},
    {"none at all", Kind::UpstreamRateLimited, {.rate_limit = 0}, 2, 1, kNext},
    {"other classes keep num_retries", Kind::UpstreamInternal, {.rate_limit = 0}, 2, 1, kSame},
    {"internal: 500", Kind::UpstreamInternal, {.internal = 0}, 2, 1, kNext},
    {"internal: 502", Kind::UpstreamBadGateway, {.internal = 0}, 2, 1, kNext},
    {"internal: 503", Kind::UpstreamUnavailable, {.internal = 0}, 2, 1, kNext},
    {"internal: no connection", Kind::UpstreamConnection, {.internal = 0}, 2, 1, kNext},
    {"internal: cut", Kind::UpstreamTruncated, {.internal = 0}, 2, 1, kNext},
    {"internal: unreadable", Kind::UpstreamMalformed, {.internal = 0}, 2, 1, kNext},
    {"401", Kind::UpstreamUnauthenticated, {.authentication = 0}, 2, 1, kNext},
    {"a bad request, where the policy says so", Kind::UpstreamBadRequest, {.bad_request = 1}, 0, 1, kSame},
    {"as often as it says", Kind::UpstreamBadRequest, {.bad_request = 1}, 5, 2, kNext},
    {"422 is a bad request", Kind::UpstreamUnprocessable, {.bad_request = 1}, 0, 1, kSame},
    {"413 is a bad request", Kind::UpstreamTooLarge, {.bad_request = 1}, 0, 1, kSame},
    {"a context too long is a bad request", Kind::UpstreamContextWindow, {.bad_request = 1}, 0, 1, kSame},
    {"content policy, the more special",
     Kind::UpstreamContentPolicy,
     {.bad_request = 3, .content_policy = 0},
     2,
     1,
     kNext},
    {"content policy, its own", Kind::UpstreamContentPolicy, {.bad_request = 0, .content_policy = 1}, 0, 1, kSame},
    {"content policy is a bad request else", Kind::UpstreamContentPolicy, {.bad_request = 1}, 0, 1, kSame},
    {"403 has no class", Kind::UpstreamForbidden, {.bad_request = 3, .authentication = 3}, 2, 1, kNext},
    {"404 has no class", Kind::UpstreamNotFound, {.bad_request = 3}, 2, 1, kNext},
};

TEST(Decide, RetriesByClassOfError) {
  for (const ByError& row : kByError) {
    SCOPED_TRACE(row.name);
    Error error;
    error.kind = row.kind;
    History history = crowd();
    history.attempts_in_group = row.attempts;
    history.fallbacks_left = 1;
    RetryPolicy policy;
    policy.num_retries = row.num_retries;
    policy.by_error = row.retries;
    policy.attempts_max = 30;
    EXPECT_EQ(shown(decide(error, history, policy, 0).next), row.next);
  }
}

TEST(Decide, GoesToTheListForJustThisErrorWithoutARetry) {
  Error error;
  error.kind = Kind::UpstreamContextWindow;
  RetryPolicy policy;
  policy.by_error.bad_request = 3;
  EXPECT_EQ(decide(error, crowd(), policy, 0).next, Next::SameGroup);
  policy.own_fallbacks = true;
  EXPECT_EQ(decide(error, crowd(), policy, 0).next, Next::NextGroup);
}

TEST(Decide, EntersAHigherOrderBeforeTheFallbacks) {
  struct Case {
    const char* name;
    Kind kind;
    void (*change)(History&);
    Next next;
  };
  const Case cases[] = {
      {"trouble that passes", Kind::UpstreamInternal, [](History&) {}, Next::NextLevel},
      {"an account", Kind::UpstreamUnauthenticated, [](History&) {}, Next::NextLevel},
      {"no higher order", Kind::UpstreamInternal, [](History& h) { h.level_left = false; }, Next::NextGroup},
      {"a bad request is bad there too", Kind::UpstreamBadRequest, [](History&) {}, Next::NextGroup},
      {"may be billed", Kind::UpstreamTruncated, [](History& h) { h.billed = true; }, Next::NextGroup},
      {"the last attempt is the fallback's", Kind::UpstreamInternal, [](History& h) { h.attempts_total = 5; },
       Next::NextGroup},
  };
  for (const Case& row : cases) {
    SCOPED_TRACE(row.name);
    Error error;
    error.kind = row.kind;
    History history = crowd();
    history.level_left = true;
    history.attempts_in_group = 3;
    row.change(history);
    EXPECT_EQ(decide(error, history, {}, 0).next, row.next);
  }
}

TEST(Decide, TheProvidersOwnWordOnAnotherTryComesFirst) {
  struct Row {
    const char* name;
    Kind kind;
    bool word;
    History history;
    Next next;
  };
  History last = crowd();
  last.attempts_in_group = 3;
  History levels = crowd();
  levels.level_left = true;
  const Row rows[] = {
      {"a refusal that may be repeated", Kind::UpstreamBadRequest, true, alone(), Next::SameGroup},
      {"elsewhere too", Kind::UpstreamForbidden, true, crowd(), Next::SameGroup},
      {"not beyond num_retries", Kind::UpstreamBadRequest, true, last, Next::NextGroup},
      {"trouble that does not pass", Kind::UpstreamUnavailable, false, crowd(), Next::NextGroup},
      {"a 429 that does not", Kind::UpstreamRateLimited, false, crowd(), Next::NextGroup},
      {"nor on a higher order", Kind::UpstreamUnavailable, false, levels, Next::NextGroup},
      {"our own limits are not the provider's", Kind::BudgetSpent, true, crowd(), Next::GiveUp},
  };
  for (const Row& row : rows) {
    Error error;
    error.kind = row.kind;
    error.should_retry = row.word;
    EXPECT_EQ(decide(error, row.history, {}, 0).next, row.next) << row.name;
  }
  Error paid;
  paid.kind = Kind::UpstreamTruncated;
  paid.should_retry = true;
  History billed = crowd();
  billed.billed = true;
  EXPECT_EQ(decide(paid, billed, {}, 0).next, Next::NextGroup) << "an answer that may be billed is not asked for twice";
}

TEST(Decide, WaitsOutA429WhenThereIsNowhereElseToGo) {
  Error error;
  error.kind = Kind::UpstreamRateLimited;
  error.retry_after = milliseconds{2'000};
  History history = alone();
  history.same_healthy = false;  // It rests for the two seconds.
  EXPECT_EQ(decide(error, history, {}, 0).next, Next::NextGroup) << "a fallback answers now";
  history.fallbacks_left = 0;
  EXPECT_EQ(decide(error, history, {}, 0).next, Next::SameGroup);
  EXPECT_EQ(decide(error, history, {}, 0).wait, milliseconds{2'000});
  error.retry_after = milliseconds{61'000};
  EXPECT_EQ(decide(error, history, {}, 0).next, Next::GiveUp) << "a minute is the most a call waits";
}

struct Wait {
  const char* name;
  std::size_t group_size;
  int attempts_in_group;
  int retry_after_ms;  // The provider's; 0: none.
  int least_ms;        // router_settings.retry_after
  std::uint64_t random;
  int wait_ms;
};

const Wait kWaits[] = {
    {"a choice needs no wait", 2, 1, 9'000, 0, 749, 0},
    {"alone, first", 1, 1, 0, 0, 0, 500},
    {"alone, second", 1, 2, 0, 0, 0, 1'000},
    {"alone, capped", 1, 9, 0, 0, 0, 8'000},
    {"jitter on top", 1, 1, 0, 0, 750, 1'250},
    {"jitter wraps", 1, 1, 0, 0, 751, 500},
    {"the router's least", 1, 1, 0, 3'000, 0, 3'000},
    {"the router's least is capped", 1, 1, 0, 30'000, 0, 8'000},
    {"the provider's word", 1, 1, 2'500, 0, 10, 2'510},
};

TEST(Decide, WaitsAsLongAsItMust) {
  for (const Wait& row : kWaits) {
    SCOPED_TRACE(row.name);
    History history = alone();
    history.group_size = row.group_size;
    history.attempts_in_group = row.attempts_in_group;
    RetryPolicy policy;
    policy.num_retries = 20;
    policy.attempts_max = 30;
    policy.retry_after = milliseconds{row.least_ms};
    Error error;
    error.kind = Kind::UpstreamUnavailable;
    if (row.retry_after_ms > 0) error.retry_after = milliseconds{row.retry_after_ms};
    const Decision decision = decide(error, history, policy, row.random);
    EXPECT_EQ(decision.next, Next::SameGroup);
    EXPECT_EQ(decision.wait, milliseconds{row.wait_ms});
  }
}

struct Count {
  const char* name;
  std::optional<int> allowed_fails;
  std::size_t group_size;
  std::uint32_t calls, fails;
  bool cools;
};

const Count kCounts[] = {
    {"ratio: four calls say nothing", {}, 2, 4, 4, false},
    {"ratio: three of five", {}, 2, 5, 3, true},
    {"ratio: exactly half", {}, 2, 6, 3, false},
    {"ratio: alone in the group", {}, 1, 5, 5, false},
    {"ratio: alone, a thousand without success", {}, 1, 1'000, 1'000, true},
    {"ratio: alone, one success in a thousand", {}, 1, 1'000, 999, false},
    {"allowed 3: the third", 3, 1, 100, 3, false},
    {"allowed 3: the fourth", 3, 1, 100, 4, true},
    {"allowed 0: the first", 0, 1, 1, 1, true},
    {"allowed 100: the ratio does not matter", 100, 2, 50, 50, false},
};

TEST(Cooldown, CountsInTheMinute) {
  for (const Count& row : kCounts) {
    SCOPED_TRACE(row.name);
    const CooldownInput input{.kind = Kind::UpstreamInternal,
                              .group_size = row.group_size,
                              .calls_this_minute = row.calls,
                              .fails_this_minute = row.fails};
    EXPECT_EQ(cooldown(input, {.allowed_fails = row.allowed_fails}) > milliseconds{0}, row.cools);
  }
}

TEST(Cooldown, TakesTheTimeOfTheDeploymentThenTheProviderThenTheRouter) {
  CooldownInput input{.kind = Kind::UpstreamForbidden, .group_size = 2};
  EXPECT_EQ(cooldown(input, {}), milliseconds{5'000});
  input.retry_after = milliseconds{17'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{17'000});
  input.retry_after = milliseconds{86'400'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{300'000}) << "a day of Retry-After is capped";
  input.deployment_cooldown_time = milliseconds{60'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{60'000});
  input.deployment_cooldown_time = milliseconds{0};
  EXPECT_EQ(cooldown(input, {}), milliseconds{0}) << "0 switches it off";
  input.deployment_cooldown_time.reset();
  input.group_size = 1;
  input.retry_after = milliseconds{1'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{1'000}) << "a time named by the provider holds alone as well";
}

// AC-COOL-2: what the provider says when it is asked too often is the best clock there is.
TEST(Cooldown, A429RestsAsLongAsItSays) {
  CooldownInput input{.kind = Kind::UpstreamRateLimited, .group_size = 2};
  input.deployment_cooldown_time = milliseconds{60'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{60'000}) << "nothing said";
  input.retry_after = milliseconds{7'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{7'000});
  input.retry_after = milliseconds{86'400'000};
  EXPECT_EQ(cooldown(input, {}), milliseconds{300'000});
  input.deployment_cooldown_time = milliseconds{0};
  EXPECT_EQ(cooldown(input, {}), milliseconds{0}) << "0 switches it off";
}

struct Allowed {
  const char* name;
  Kind kind;
  config::ErrorCounts by_error;
  std::optional<int> general;
  bool account;
  std::uint32_t fails;
  bool cools;
};

TEST(Cooldown, AllowsFailsByClassOfError) {
  const Allowed rows[] = {
      {"a number for timeouts", Kind::UpstreamTimeout, {.timeout = 2}, 9, false, 2, false},
      {"one more", Kind::UpstreamTimeout, {.timeout = 2}, 9, false, 3, true},
      {"0 is a number", Kind::UpstreamInternal, {.internal = 0}, 9, false, 1, true},
      {"a connection is internal", Kind::UpstreamConnection, {.internal = 0}, 9, false, 1, true},
      {"other classes: the general one", Kind::UpstreamInternal, {.timeout = 0}, 3, false, 3, false},
      {"and one more", Kind::UpstreamInternal, {.timeout = 0}, 3, false, 4, true},
      {"429 is counted when it has a number", Kind::UpstreamRateLimited, {.rate_limit = 5}, 3, false, 5, false},
      {"429 above it", Kind::UpstreamRateLimited, {.rate_limit = 5}, 3, false, 6, true},
      {"401 is counted when it has a number", Kind::UpstreamUnauthenticated, {.authentication = 1}, 3, false, 1, false},
      {"401 without one", Kind::UpstreamUnauthenticated, {.timeout = 1}, 3, false, 1, true},
      {"a quota that is gone, whatever is allowed", Kind::UpstreamRateLimited, {.rate_limit = 5}, 3, true, 1, true},
      {"a caller's mistake never", Kind::UpstreamBadRequest, {.bad_request = 0}, 0, false, 99, false},
      {"nor a policy's", Kind::UpstreamContentPolicy, {.content_policy = 0}, 0, false, 99, false},
  };
  for (const Allowed& row : rows) {
    SCOPED_TRACE(row.name);
    const CooldownInput input{.kind = row.kind,
                              .group_size = 2,
                              .account_trouble = row.account,
                              .calls_this_minute = 100,
                              .fails_this_minute = row.fails};
    const CooldownPolicy policy{.allowed_fails = row.general, .allowed_by_error = row.by_error};
    EXPECT_EQ(cooldown(input, policy) > milliseconds{0}, row.cools);
  }
}

// AC-COOL-2: some say it in words only.
TEST(AccountTrouble, IsKnownByItsWords) {
  struct Case {
    const char* said;
    bool trouble;
  };
  const Case rows[] = {
      {"Your credit balance is too low to access the Anthropic API.", true},
      {"You have reached your specified API usage limits. You will regain access on 2026-12-01.", true},
      {"This organization has been disabled.", true},
      {"Gemini API free tier is not available in your country. Please enable billing.", true},
      {"User location is not supported for the API use.", true},
      {"Your account is not authorized to invoke this API operation.", true},
      {"messages: text content blocks must be non-empty", false},
      {"max_tokens: the limit of this model is 8192", false},
  };
  for (const Case& row : rows) {
    SCOPED_TRACE(row.said);
    Error error;
    error.kind = Kind::UpstreamBadRequest;
    error.status = 400;
    error.message = row.said;
    EXPECT_EQ(account_trouble(error), row.trouble);
    error.kind = Kind::InvalidRequest;
    EXPECT_FALSE(account_trouble(error)) << "only a provider's word counts";
  }
}

struct NotFound {
  const char* code;
  const char* said;
  bool model;
};

// AC-COOL-1: a 404 is a sign of a broken deployment only when it is about the model.
TEST(MissingModel, TellsTheModelFromWhatTheRequestNames) {
  const NotFound rows[] = {
      {"model_not_found", "The model `gpt-9` does not exist or you do not have access to it.", true},
      {"DeploymentNotFound", "The API deployment for this resource does not exist.", true},
      {"", "model 'llama9' not found", true},
      {"", "", true},
      {"", "<html><body>404 Not Found</body></html>", true},
      {"", "Not Found", true},
      {"", "No such File object: file-abc123", false},
      {"not_found", "Conversation with id 'conv_1' not found.", false},
  };
  for (const NotFound& row : rows) {
    SCOPED_TRACE(row.said);
    Error error;
    error.kind = Kind::UpstreamNotFound;
    error.status = 404;
    error.code = row.code;
    error.detail = row.said;
    EXPECT_EQ(missing_model(error), row.model);
    error.kind = Kind::UpstreamBadRequest;
    EXPECT_FALSE(missing_model(error));
  }
}

// AC-COOL-1: Gemini says 403 of a file that is not there.
TEST(MissingFile, IsKnownByItsWords) {
  const std::pair<const char*, bool> rows[] = {
      {"You do not have permission to access the File abc or it may not exist.", true},
      {"CachedContent not found (or permission denied)", true},
      {"Permission denied: Consumer has been suspended.", false},
      {"", false},
  };
  for (const auto& [said, file] : rows) {
    SCOPED_TRACE(said);
    Error error;
    error.kind = Kind::UpstreamForbidden;
    error.detail = said;
    EXPECT_EQ(missing_file(error), file);
    error.kind = Kind::UpstreamBadRequest;
    EXPECT_FALSE(missing_file(error));
  }
}

}  // namespace
}  // namespace turnpike::router::decide_test
