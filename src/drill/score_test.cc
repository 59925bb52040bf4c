#include "drill/score.h"

#include <gtest/gtest.h>

namespace turnpike::drill::score_test {
namespace {

using std::chrono::milliseconds;

constexpr Clock kClock{milliseconds(5'000), milliseconds(5'000)};

/// A call that met the fault on deployment "a" of group "g" and was answered by "b" of group "h", all being well.
struct Played {
  explicit Played(const char* fault) {
    scenario.fault = find_fault(fault);
    scenario.rescue = true;
    outcome.scenario = &scenario;
    outcome.struck = true;
    Seen& seen = outcome.seen;
    seen.end = End::Answer;
    seen.status = 200;
    seen.call_id = "c";
    seen.group = "h";
    seen.content = true;
    seen.ms = 20;
    Entry entry;
    entry.success = true;
    entry.http_status = 200;
    entry.spend = Money::from_nano(500);
    entry.attempts = {{"g", "a", 500, false, {}}, {"h", "b", 200, true, Money::from_nano(500)}};
    outcome.entry = entry;
    outcome.accounts = {{"a", 1, {}, {}, false}, {"b", 1, Money::from_nano(500), Money::from_nano(500), false}};
  }
  Played(const Played&) = delete;

  /// Nobody else answered: the error is the caller's.
  void fail(int status) {
    outcome.seen.end = End::Error;
    outcome.seen.status = status;
    outcome.seen.content = false;
    outcome.by_struck = true;
    outcome.entry->success = false;
    outcome.entry->spend = {};
    outcome.entry->attempts.pop_back();
    outcome.accounts.pop_back();
  }
  std::string failed() const {
    const Verdict verdict = judge(outcome, kClock, {});
    std::string names;
    constexpr const char* kNames[kCriteria] = {"truthful ", "in_time ", "in_cap ", "booked ", "answered "};
    for (std::size_t i = 0; i < kCriteria; ++i) {
      if (!verdict.met[i]) names += kNames[i];
    }
    EXPECT_EQ(names.empty(), verdict.passed());
    EXPECT_EQ(names.empty(), verdict.why.empty()) << verdict.why;
    return names;
  }

  Scenario scenario;
  Outcome outcome;
};

TEST(Judge, FindsNothingWrongWithAFallbackThatAnswers) {
  EXPECT_EQ(Played("500").failed(), "");
}

TEST(Judge, TellsAnErrorThatAFallbackWouldAvert) {
  Played played("500");
  played.fail(500);
  EXPECT_EQ(played.failed(), "answered ");
  EXPECT_EQ(judge(played.outcome, kClock, {}).why, "others well");
  played.scenario.rescue = false;
  EXPECT_EQ(played.failed(), "answered ");
  EXPECT_EQ(judge(played.outcome, kClock, {}).why, "no fallback");
}

TEST(Judge, HoldsErrorsToTheClassOfTheFault) {
  struct {
    const char* fault;
    int status;
    const char* failed;
  } const cases[] = {
      {"500", 429, "truthful answered "},
      {"429", 429, "answered "},
      {"silent", 408, "answered "},
      {"silent", 500, "truthful answered "},
      {"wrong-key", 401, "answered "},
      {"wrong-key", 500, "truthful answered "},
      {"missing-usage", 500, "truthful answered "},
  };
  for (const auto& c : cases) {
    Played played(c.fault);
    played.fail(c.status);
    EXPECT_EQ(played.failed(), c.failed) << c.fault << " " << c.status;
  }
}

TEST(Judge, WantsRetryAfterPassedOn) {
  Played played("429-retry-after");
  played.fail(429);
  EXPECT_EQ(played.failed(), "truthful answered ");
  played.outcome.seen.retry_after = 6;
  EXPECT_EQ(played.failed(), "answered ");
  played.outcome.seen.retry_after = 600;
  EXPECT_EQ(played.failed(), "truthful answered ");
}

TEST(Judge, WantsABrokenStreamToSaySo) {
  Played played("cut-mid-stream");
  played.fail(200);
  Seen& seen = played.outcome.seen;
  seen.content = true;
  seen.end = End::ErrorEvent;
  seen.error_type = "upstream_stream_error";
  seen.error_code = "502";
  EXPECT_EQ(played.failed(), "") << "past help, and told";
  seen.error_type = "other";
  EXPECT_EQ(played.failed(), "") << "the code is the fault's";
  seen.error_code = "400";
  EXPECT_EQ(played.failed(), "truthful ");
  for (const End end : {End::Cut, End::Foreign}) {
    seen.end = end;
    EXPECT_EQ(played.failed(), "truthful ");
  }
  seen.end = End::ErrorEvent;
  seen.error_code = "502";
  seen.content = false;
  EXPECT_EQ(played.failed(), "answered ") << "nothing had left: somebody else could have answered";

  Played whole("cut-mid-stream");
  EXPECT_EQ(whole.failed(), "") << "a fallback answered before the first word";
  whole.outcome.by_struck = true;
  EXPECT_EQ(whole.failed(), "truthful ") << "half an answer passed for whole";
}

TEST(Judge, LetsARefusedRequestBeRefusedWhereNobodyElseWouldTakeIt) {
  Played played("context-too-long");
  played.fail(400);
  EXPECT_EQ(played.failed(), "answered ");
  played.scenario.rescue = false;
  EXPECT_EQ(played.failed(), "");
  Played filtered("content-refused");
  filtered.outcome.seen.refused = true;
  EXPECT_EQ(filtered.failed(), "answered ");
  filtered.scenario.rescue = false;
  EXPECT_EQ(filtered.failed(), "");
}

TEST(Judge, HoldsTheDeadlineAndTheCap) {
  Played late("500");
  late.outcome.seen.ms = 5'400;
  EXPECT_EQ(late.failed(), "") << "timers and this machine need some time too";
  late.outcome.seen.ms = 6'000;
  EXPECT_EQ(late.failed(), "in_time ");
  Played eager("500");
  eager.outcome.entry->attempts.insert(eager.outcome.entry->attempts.begin(), 3, {"g", "a", 500, false, {}});
  EXPECT_EQ(eager.failed(), "in_cap ") << "four attempts in a group of three";
}

TEST(Judge, FailsWhatTheDrillCouldNotPlay) {
  Played unmet("500");
  unmet.outcome.struck = false;
  EXPECT_EQ(unmet.failed(), "truthful in_time in_cap booked answered ");
  Played broken("500");
  broken.outcome.trouble = "no gateway";
  EXPECT_EQ(broken.failed(), "truthful in_time in_cap booked answered ");
}

TEST(Books, AgreeToTheNanodollarUnlessTheProviderSaidNothing) {
  struct {
    const char* name;
    std::int64_t booked, due, least;
    bool unsaid;
    const char* marks;
    bool agrees;
  } const cases[] = {
      {"equal", 500, 500, 500, false, "fell_back", true},
      {"a nanodollar too much", 501, 500, 500, false, "fell_back", false},
      {"a nanodollar too little", 499, 500, 500, false, "fell_back", false},
      {"an estimate where the provider spoke", 501, 500, 500, false, "estimated", false},
      {"an estimate", 520, 500, 500, true, "estimated,truncated", true},
      {"an estimate that is far too low", 200, 500, 500, true, "estimated", false},
      {"an estimate of a half that was not read to its end", 200, 500, 300, true, "estimated", true},
      {"an estimate that is far too high", 1'100, 500, 500, true, "estimated", false},
      {"an estimate that does not say so", 520, 500, 500, true, "truncated", false},
  };
  for (const auto& c : cases) {
    Played played("500");
    played.outcome.entry->spend = Money::from_nano(c.booked);
    played.outcome.entry->attempts[1].cost = Money::from_nano(c.booked);
    played.outcome.entry->marks = c.marks;
    played.outcome.accounts[1] = {"b", 1, Money::from_nano(c.due), Money::from_nano(c.least), c.unsaid};
    EXPECT_EQ(compare_books(played.outcome).empty(), c.agrees) << c.name << ": " << compare_books(played.outcome);
  }
}

TEST(Books, DisagreeWhenAnEntryIsMissingWrongOrShort) {
  Played played("500");
  EXPECT_EQ(compare_books(played.outcome), "");
  played.outcome.accounts[0].calls = 2;
  EXPECT_EQ(compare_books(played.outcome), "the provider was asked more often than is booked");
  played.outcome.accounts[0].calls = 1;
  played.outcome.entry->spend = Money::from_nano(499);
  EXPECT_EQ(compare_books(played.outcome), "the attempts do not add up to the entry");
  played.outcome.entry->success = false;
  EXPECT_EQ(compare_books(played.outcome), "the entry says failure");
  played.outcome.entry.reset();
  EXPECT_EQ(compare_books(played.outcome), "no entry in the ledger");
}

TEST(Cap, IsWhatTheConfigurationAllows) {
  config::Settings settings;
  EXPECT_EQ(cap_of(settings).per_group, 3);
  settings.router.num_retries = 0;
  EXPECT_EQ(cap_of(settings).per_group, 1);
  settings.router.retry_policy.rate_limit = 3;
  EXPECT_EQ(cap_of(settings).per_group, 4);
  settings.models.resize(2);
  settings.models[0].order = 1;
  EXPECT_EQ(cap_of(settings).per_group, 6) << "each level has its own, and six are the end";
}

TEST(Score, CountsWithoutTheLineWithoutAFault) {
  Played none("none"), good("500"), bad("429");
  bad.fail(429);
  bad.scenario.rescue = false;
  const std::vector<Outcome> outcomes = {none.outcome, good.outcome, bad.outcome};
  std::vector<Verdict> verdicts;
  for (const Outcome& outcome : outcomes) verdicts.push_back(judge(outcome, kClock, {}));
  const Score all = score_of(outcomes, verdicts, false);
  EXPECT_EQ(all.passed.of, 2U);
  EXPECT_EQ(all.passed.met, 1U);
  EXPECT_EQ(all.passed.percent(), 50U);
  EXPECT_TRUE(all.met[static_cast<std::size_t>(Criterion::Truthful)].full());
  const Score rescued = score_of(outcomes, verdicts, true);
  EXPECT_EQ(rescued.passed.of, 1U);
  EXPECT_TRUE(rescued.passed.full());
  Share nearly;
  for (int i = 0; i < 1000; ++i) nearly.count(i != 0);
  EXPECT_EQ(nearly.percent(), 99U) << "100 is all of them";
}

}  // namespace
}  // namespace turnpike::drill::score_test
