#include "proof/reconcile_rows.h"

#include <fmt/format.h>

#include "ledger/ledger_test_fixture.h"

namespace turnpike::proof::reconcile_rows_test {
namespace {

struct ReconcileRows : ledger::LedgerFixture {
  static domain::Attempt attempt(const char* provider, const char* model, const char* deployment, std::int64_t nano,
                                 std::uint64_t input) {
    domain::Attempt made;
    made.provider = provider;
    made.model = model;
    made.deployment_id = deployment;
    made.billed = nano > 0;
    if (!made.billed) made.error = ErrorKind::UpstreamRateLimited;
    made.cost = Money::from_nano(nano);
    made.usage.set(domain::Unit::InputTokens, input);
    made.usage.set(domain::Unit::CachedInputTokens, input / 2);
    made.usage.set(domain::Unit::OutputTokens, 7);
    return made;
  }
  void book(std::vector<domain::Attempt> attempts, std::uint64_t marks = 0) {
    auto hold = ledger->admit(admission({account}, 300));
    ASSERT_TRUE(hold.has_value());
    hold->attempt(1, "d", "p");
    domain::CallRecord made = record(0);
    made.marks = marks;
    for (domain::Attempt& one : attempts) {
      made.cost += one.cost;
      made.usage = one.usage;
      made.attempts.push_back(std::move(one));
    }
    std::move(*hold).settle(made);
  }
  std::string read(const std::string& provider, std::int64_t first, std::int64_t last) {
    const auto days = read_booked(*database, provider, first, last);
    EXPECT_TRUE(days.has_value()) << (days ? "" : days.error().message + days.error().detail);
    std::string text;
    for (const BookedLine& line : days ? days->lines : std::vector<BookedLine>()) {
      text += fmt::format("{} {} {}: {} calls {}/{} in {} out {} nano, {} estimated, {} unpriced\n", line.day,
                          line.model, line.deployment_id, line.figures.requests, line.figures.input_tokens,
                          line.figures.cache_read_tokens, line.figures.output_tokens, line.figures.cost.nano(),
                          line.estimated_calls, line.unpriced_calls);
    }
    for (const std::int64_t day : days ? days->summed : std::vector<std::int64_t>())
      text += fmt::format("summed {}\n", day);
    return text;
  }
  void change(const char* sql, const std::vector<db::Value>& values) {
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto done = t.run(sql, values);
      return done ? Status() : base::fail(done.error());
    })) << sql;
  }
  ledger::AccountRef account;
};

TEST_F(ReconcileRows, EachAttemptCountsWhereItWent) {
  open();
  account = make_account("key", 1'000'000);
  book({attempt("openai", "m", "d1", 10, 100)});
  book({attempt("openai", "m", "d1", 11, 200)}, domain::kEstimated | domain::kCostUnknown);
  book({attempt("openai", "m", "d1", 0, 0), attempt("openai", "m", "d2", 12, 300)});
  book({attempt("openai", "m", "d1", 13, 400), attempt("anthropic", "c", "d3", 14, 500)});
  book({attempt("openai", "m", "d1", 15, 100)}, domain::kMocked);
  book({attempt("openai", "m", "d1", 15, 100)}, domain::kReplayed);
  ship();
  const std::int64_t day = 20'370;
  EXPECT_EQ(read("openai", day, day),
            "20370 m d1: 3 calls 1050/350 in 21 out 34 nano, 1 estimated, 1 unpriced\n"
            "20370 m d2: 1 calls 450/150 in 7 out 12 nano, 0 estimated, 0 unpriced\n");
  EXPECT_EQ(read("", day - 1, day + 1),
            "20370 c d3: 1 calls 750/250 in 7 out 14 nano, 0 estimated, 0 unpriced\n"
            "20370 m d1: 3 calls 1050/350 in 21 out 34 nano, 1 estimated, 1 unpriced\n"
            "20370 m d2: 1 calls 450/150 in 7 out 12 nano, 0 estimated, 0 unpriced\n");
  EXPECT_EQ(read("openai", day + 1, day + 3), "");
  // A call that ended with its process names its deployment only.
  change("UPDATE entry SET provider = NULL, model = NULL WHERE entry_no = 1 AND replica_no = 1", {});
  EXPECT_EQ(read("anthropic", day, day), "20370 c d3: 1 calls 750/250 in 7 out 14 nano, 0 estimated, 0 unpriced\n");
  EXPECT_EQ(read("openai", day, day),
            "20370 m d1: 3 calls 1050/350 in 21 out 34 nano, 1 estimated, 1 unpriced\n"
            "20370 m d2: 1 calls 450/150 in 7 out 12 nano, 0 estimated, 0 unpriced\n");
  change("INSERT INTO dropped_day (day, replica_no, entries, cost_nano) VALUES ($1, 1, 0, 0)", {day});
  EXPECT_EQ(read("anthropic", day, day),
            "20370 c d3: 1 calls 750/0 in 7 out 27 nano, 0 estimated, 0 unpriced\nsummed 20370\n");
}

}  // namespace
}  // namespace turnpike::proof::reconcile_rows_test
