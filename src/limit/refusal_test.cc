#include "limit/refusal.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace turnpike::limit::refusal_test {
namespace {

const std::int64_t kUnixUs = base::parse_iso_time("2026-11-27T05:04:00.250Z").value();

Refusal refusal(Kind kind, Unit unit, std::int64_t limit, std::int64_t used, double wait_s) {
  Refusal made;
  made.subject = {kind, "id-1", kind == Kind::KeyModel ? "gpt-4o" : ""};
  made.unit = unit;
  made.limit = made.whole = limit;
  made.used = used;
  made.amount = 1;
  made.wait = std::chrono::microseconds(static_cast<std::int64_t>(wait_s * 1e6));
  return made;
}

struct Case {
  const char* name;
  Refusal refusal;
  const char* called;
  const char* message;
  int retry_seconds;
};

TEST(Refusal, SaysWhoseLimitOfWhatHowFullAndUntilWhen) {
  Refusal share = refusal(Kind::Team, Unit::Requests, 30, 30, 2);
  share.whole = 60;
  Refusal priority = refusal(Kind::Priority, Unit::Requests, 10, 10, 3);
  priority.subject = {Kind::Priority, "dev", "gpt"};
  priority.share_of = 100;
  Refusal shard = refusal(Kind::Proxy, Unit::Calls, 2, 2, 1);
  shard.whole = 5;
  shard.of_shard = true;
  const Case cases[] = {
      {"a priority's", priority, "",
       "Rate limit exceeded for priority: dev:gpt. Limit type: requests. Current limit: 10, Remaining: 0. Limit resets "
       "at: 2026-11-27 05:04:03 UTC. Current usage: 10. A share of 100 in model gpt, held to while that is in much "
       "use.",
       3},
      {"a shard's part of it", shard, "",
       "Rate limit exceeded for proxy: id-1. Limit type: max_parallel_requests. Current limit: 2, Remaining: 0. Limit "
       "resets at: 2026-11-27 05:04:01 UTC. Current usage: 2. A shard's part of a limit of 5.",
       1},
      {"requests of a key", refusal(Kind::Key, Unit::Requests, 60, 60, 17.2), "sk-...abcd",
       "Rate limit exceeded for api_key: sk-...abcd. Limit type: requests. Current limit: 60, Remaining: 0. Limit "
       "resets at: 2026-11-27 05:04:18 UTC. Current usage: 60.",
       18},
      {"tokens per model", refusal(Kind::KeyModel, Unit::Tokens, 100, 70, 61), "",
       "Rate limit exceeded for model_per_key: id-1:gpt-4o. Limit type: tokens. Current limit: 100, Remaining: 30. "
       "Limit resets at: 2026-11-27 05:05:01 UTC. Current usage: 70.",
       61},
      {"never less than a second", refusal(Kind::User, Unit::Calls, 2, 2, 0), "",
       "Rate limit exceeded for user: id-1. Limit type: max_parallel_requests. Current limit: 2, Remaining: 0. Limit "
       "resets at: 2026-11-27 05:04:01 UTC. Current usage: 2.",
       1},
      {"a share of it", share, "blue",
       "Rate limit exceeded for team: blue. Limit type: requests. Current limit: 30, Remaining: 0. Limit resets at: "
       "2026-11-27 05:04:02 UTC. Current usage: 30. This replica's share of a limit of 60.",
       2},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Error error = refusal_error(c.refusal, c.called, kUnixUs);
    EXPECT_EQ(error.kind, ErrorKind::RateLimited);
    EXPECT_EQ(error.message, c.message);
    EXPECT_EQ(error.retry_after, std::chrono::seconds(c.retry_seconds));
    EXPECT_EQ(error.should_retry, std::nullopt);
  }
}

TEST(Refusal, ACallLargerThanTheLimitIsNotToBeTriedAgain) {
  Refusal large = refusal(Kind::Key, Unit::Tokens, 100, 0, 60);
  large.why = Refusal::Why::TooLarge;
  large.amount = 5'000;
  const Error error = refusal_error(large, "", kUnixUs);
  EXPECT_EQ(error.should_retry, false);
  EXPECT_NE(error.message.find("asks for 5000 at once, more than the limit: it can never pass"), std::string::npos);
}

TEST(Refusal, WithoutTheStoreItIsNoFaultOfTheCaller) {
  Refusal away;
  away.why = Refusal::Why::StoreAway;
  EXPECT_EQ(refusal_error(away, "", kUnixUs).kind, ErrorKind::Unavailable);
}

TEST(Refusal, IsCountedByWhoseAndOfWhat) {
  RefusalCounts counts;
  counts.add(refusal(Kind::Key, Unit::Tokens, 100, 100, 1));
  counts.add(refusal(Kind::Key, Unit::Tokens, 100, 100, 1));
  counts.add(refusal(Kind::TeamModel, Unit::Calls, 1, 1, 1));
  counts.add(refusal(Kind::Deployment, Unit::Requests, 1, 1, 1));
  Refusal away;
  away.why = Refusal::Why::StoreAway;
  counts.add(away);
  std::string page;
  counts.append(page);
  for (const char* const line :
       {"# TYPE turnpike_limit_refusals_total counter\n", "{kind=\"api_key\",limit=\"tokens\"} 2\n",
        "{kind=\"model_per_team\",limit=\"max_parallel_requests\"} 1\n", "{kind=\"deployment\",limit=\"requests\"} 1\n",
        "{kind=\"any\",limit=\"store_away\"} 1\n"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << page;
  }
  EXPECT_EQ(page.find("\"user\""), std::string::npos) << page;
}

TEST(Refusal, HasTheHeadersOfTheLimitThatRefused) {
  Rates rates;
  rates.requests = Rate{100, 40, 12};
  rates.tokens = Rate{1'000, 900, 30};
  const HeaderLines lines = refusal_lines(refusal(Kind::Key, Unit::Requests, 60, 60, 17.2), rates, kUnixUs);
  const HeaderLines expected = {
      {"x-ratelimit-limit-requests", "60"},
      {"x-ratelimit-remaining-requests", "0"},
      {"x-ratelimit-reset-requests", "18s"},
      {"x-ratelimit-limit-tokens", "1000"},
      {"x-ratelimit-remaining-tokens", "900"},
      {"x-ratelimit-reset-tokens", "30s"},
      {"retry-after", "18"},
      {"rate_limit_type", "requests"},
      {"reset_at", "2026-11-27 05:04:18 UTC"},
  };
  EXPECT_EQ(lines, expected);
}

}  // namespace
}  // namespace turnpike::limit::refusal_test
