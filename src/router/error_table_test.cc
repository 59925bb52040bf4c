// The one table of errors: docs/routing.md, "What a failure leads to". test/gateway/error_table.test.mjs holds the
// whole gateway to the same rows.

#include <gtest/gtest.h>

#include <memory>

#include "protocol/error_face.h"
#include "protocol/openai_error.h"
#include "router/router.h"
#include "router/test_history.h"

namespace turnpike::router::error_table_test {
namespace {

using Kind = ErrorKind;

constexpr Next kSame = Next::SameGroup, kNext = Next::NextGroup, kGiveUp = Next::GiveUp;

/// One row of docs/routing.md, "What a failure leads to": what a signal of the provider is called, how the caller gets
/// to see it and what follows.
struct Row {
  const char* signal;
  Kind kind;
  int status;  // The provider's; 0: none was said.
  const char* code;
  const char* said;
  const char* name;  // LiteLLM's class.
  int face;          // The status that the caller gets.
  Next crowd;        // First failure in a group of three, all others healthy, a fallback left.
  Next alone;        // First failure of a deployment alone in its group, still healthy, a fallback left.
  bool rests;        // At once, in a group of three and alone.
  bool counts;       // In the ratio of the minute.
};

constexpr bool kRests = true, kStays = false, kCounts = true, kUncounted = false;

const Row kRows[] = {
    // What the request is to blame for.
    {"400, invalid_request_error", Kind::UpstreamBadRequest, 400, "", "bad", "BadRequestError", 400, kNext, kNext,
     kStays, kUncounted},
    {"another 4xx", Kind::UpstreamBadRequest, 418, "", "bad", "BadRequestError", 418, kNext, kNext, kStays, kUncounted},
    {"param unsupported by provider (gateway check)", Kind::InvalidRequest, 0, "unsupported_parameter", "",
     "BadRequestError", 400, kNext, kNext, kStays, kUncounted},
    {"context too long", Kind::UpstreamContextWindow, 400, "context_length_exceeded", "long",
     "ContextWindowExceededError", 400, kNext, kNext, kStays, kUncounted},
    {"content policy", Kind::UpstreamContentPolicy, 400, "content_policy_violation", "no",
     "ContentPolicyViolationError", 400, kNext, kNext, kStays, kUncounted},
    {"200 + finish_reason: content_filter, where a fallback waits for it", Kind::UpstreamContentPolicy, 400,
     "content_filter", "", "ContentPolicyViolationError", 400, kNext, kNext, kStays, kUncounted},
    {"404, a file is not there", Kind::UpstreamNotFound, 404, "", "No such File object: file-1", "NotFoundError", 404,
     kNext, kNext, kStays, kUncounted},
    {"403, a file is not there (Gemini)", Kind::UpstreamForbidden, 403, "",
     "You do not have permission to access the File a1 or it may not exist.", "PermissionDeniedError", 403, kNext,
     kNext, kStays, kUncounted},
    {"413", Kind::UpstreamTooLarge, 413, "", "big", "BadRequestError", 413, kNext, kNext, kStays, kUncounted},
    {"422", Kind::UpstreamUnprocessable, 422, "", "field required", "UnprocessableEntityError", 422, kNext, kNext,
     kStays, kUncounted},
    // What the deployment's account or set-up is to blame for.
    {"401, invalid key", Kind::UpstreamUnauthenticated, 401, "invalid_api_key", "key", "AuthenticationError", 401,
     kSame, kNext, kRests, kCounts},
    {"403, invalid key (AWS)", Kind::UpstreamUnauthenticated, 403, "invalid_api_key", "key", "AuthenticationError", 403,
     kSame, kNext, kRests, kCounts},
    {"402, no credit", Kind::UpstreamRateLimited, 402, "", "pay", "RateLimitError", 402, kSame, kNext, kRests, kCounts},
    {"400, the account is terminated", Kind::UpstreamBadRequest, 400, "access_terminated", "", "BadRequestError", 400,
     kSame, kNext, kRests, kCounts},
    {"400, the account is at its limit", Kind::UpstreamBadRequest, 400, "billing_hard_limit_reached", "",
     "BadRequestError", 400, kSame, kNext, kRests, kCounts},
    {"429, the account has no quota", Kind::UpstreamRateLimited, 429, "insufficient_quota", "", "RateLimitError", 429,
     kSame, kNext, kRests, kCounts},
    {"403", Kind::UpstreamForbidden, 403, "", "no", "PermissionDeniedError", 403, kNext, kNext, kRests, kCounts},
    {"404, model or deployment not found", Kind::UpstreamNotFound, 404, "model_not_found", "The model x",
     "NotFoundError", 404, kNext, kNext, kRests, kCounts},
    {"404, an address that is not there", Kind::UpstreamNotFound, 404, "", "Not Found", "NotFoundError", 404, kNext,
     kNext, kRests, kCounts},
    {"a redirect", Kind::UpstreamMalformed, 302, "", "", "APIError", 502, kNext, kNext, kStays, kCounts},
    // What passes.
    {"408", Kind::UpstreamTimeout, 408, "", "slow", "Timeout", 408, kSame, kSame, kStays, kCounts},
    {"504", Kind::UpstreamTimeout, 504, "", "", "Timeout", 408, kSame, kSame, kStays, kCounts},
    {"our own time limit", Kind::Timeout, 0, "", "", "Timeout", 408, kSame, kSame, kStays, kCounts},
    {"409", Kind::UpstreamConflict, 409, "", "now", "APIError", 409, kSame, kSame, kStays, kUncounted},
    {"429, too many", Kind::UpstreamRateLimited, 429, "rate_limit_exceeded", "", "RateLimitError", 429, kSame, kSame,
     kRests, kCounts},
    {"500", Kind::UpstreamInternal, 500, "", "oops", "InternalServerError", 500, kSame, kSame, kStays, kCounts},
    {"502", Kind::UpstreamBadGateway, 502, "", "", "BadGatewayError", 502, kSame, kSame, kStays, kCounts},
    {"503, overloaded", Kind::UpstreamUnavailable, 503, "", "", "ServiceUnavailableError", 503, kSame, kSame, kStays,
     kCounts},
    {"529, overloaded_error (Anthropic)", Kind::UpstreamInternal, 529, "overloaded_error", "", "InternalServerError",
     500, kSame, kSame, kStays, kCounts},
    {"another 5xx", Kind::UpstreamInternal, 599, "", "", "InternalServerError", 500, kSame, kSame, kStays, kCounts},
    {"connection refused, reset, DNS, TLS", Kind::UpstreamConnection, 0, "", "", "APIConnectionError", 500, kSame,
     kSame, kStays, kCounts},
    {"unparsable answer", Kind::UpstreamMalformed, 200, "", "", "APIError", 502, kSame, kSame, kStays, kCounts},
    {"a stream that ends before its content", Kind::UpstreamTruncated, 200, "", "", "MidStreamFallbackError", 502,
     kSame, kSame, kStays, kCounts},
    // What we say ourselves. A name that nobody serves and tags that match nothing are said before there is an attempt:
    // plan_test, pick_test.
    {"no deployment healthy; rpm or tpm of all used up", Kind::NoDeployment, 0, "", "", "RouterRateLimitError", 429,
     kNext, kNext, kStays, kUncounted},
    {"gateway budget exceeded", Kind::BudgetSpent, 0, "", "", "BudgetExceededError", 429, kGiveUp, kGiveUp, kStays,
     kUncounted},
    {"gateway budget held", Kind::BudgetHeld, 0, "", "", "BudgetExceededError", 429, kGiveUp, kGiveUp, kStays,
     kUncounted},
    {"gateway rate limit of a key", Kind::RateLimited, 0, "", "", "RateLimitError", 429, kGiveUp, kGiveUp, kStays,
     kUncounted},
    {"caller gone", Kind::CallerGone, 0, "", "", "APIError", 499, kGiveUp, kGiveUp, kStays, kUncounted},
    {"bug of ours", Kind::Internal, 0, "", "", "InternalServerError", 500, kGiveUp, kGiveUp, kStays, kUncounted},
};

Error error_of(const Row& row) {
  Error error;
  error.kind = row.kind;
  error.status = row.status;
  error.code = row.code;
  error.detail = row.said;
  return error;
}

TEST(ErrorTable, SaysWhatIsTriedNext) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.signal);
    EXPECT_EQ(decide(error_of(row), crowd(), {}, 0).next, row.crowd);
    EXPECT_EQ(decide(error_of(row), alone(), {}, 0).next, row.alone);
  }
}

TEST(ErrorTable, AfterTheFirstContentEveryErrorEndsTheCall) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.signal);
    History history = crowd();
    history.content_sent = true;
    EXPECT_EQ(decide(error_of(row), history, {}, 0).next, kGiveUp);
  }
}

TEST(ErrorTable, SaysWhatTheCallerIsTold) {
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.signal);
    EXPECT_EQ(protocol::status_of(error_of(row)), row.face);
    EXPECT_EQ(protocol::exception_class(row.kind), row.name);
  }
}

TEST(ErrorTable, SaysWhoRests) {
  constexpr std::int64_t kNow = 1'000'000'000;
  for (const Row& row : kRows) {
    SCOPED_TRACE(row.signal);
    for (const std::size_t group_size : {std::size_t{1}, std::size_t{3}}) {
      Deployment deployment;
      deployment.health = std::make_shared<Health>();
      EXPECT_EQ(note_failure(deployment, error_of(row), group_size, {}, kNow, false), row.rests);
      EXPECT_EQ(deployment.health->cooling_until_us.load() > kNow, row.rests);
      EXPECT_EQ(deployment.health->fails.load(), row.counts ? 1u : 0u);
    }
    Deployment deployment;
    deployment.health = std::make_shared<Health>();
    EXPECT_FALSE(note_failure(deployment, error_of(row), 3, {.disabled = true}, kNow, false));
    deployment.wildcard = true;
    EXPECT_FALSE(note_failure(deployment, error_of(row), 3, {}, kNow, false)) << "one model of a wildcard is no sign";
  }
}

}  // namespace
}  // namespace turnpike::router::error_table_test
