#include "proof/verify_bills.h"

#include "ledger/ledger_test_fixture.h"
#include "price/bill.h"
#include "price/price_file.h"

namespace turnpike::proof {
namespace {

using domain::Unit;

price::Prices prices_of(std::string_view json) {
  const Result<price::Prices> prices = price::read_price_entry("m", json);
  EXPECT_TRUE(prices.has_value());
  return prices ? *prices : price::Prices();
}

struct Bills : ledger::LedgerFixture {
  void SetUp() override {
    LedgerFixture::SetUp();
    open();
    account = make_account("key", std::nullopt);
    KnownPrices::Deployment listed{"m", prices_of(kPrices), false};
    KnownPrices::Deployment own = listed;
    own.own = true;
    known = {"table 1", {{"listed", listed}, {"own", own}}};
  }

  static domain::Attempt attempt(const std::string& deployment, std::initializer_list<domain::UnitCount> counts,
                                 std::int64_t cost_nano) {
    domain::Attempt made;
    made.deployment_id = deployment;
    made.model = "m";
    made.billed = true;
    made.cost = Money::from_nano(cost_nano);
    for (const domain::UnitCount& count : counts) made.usage.set(count.unit, count.count);
    return made;
  }
  void book(std::initializer_list<domain::Attempt> attempts, const std::string& table = "table 1",
            std::uint64_t marks = 0) {
    auto hold = ledger->admit(admission({account}, 300));
    ASSERT_TRUE(hold.has_value());
    hold->attempt(1, "listed", table);
    domain::CallRecord made = record(0);
    made.marks = marks;
    made.attempts.assign(attempts.begin(), attempts.end());
    for (const domain::Attempt& each : attempts) made.cost += each.cost;
    made.usage = made.attempts.back().usage;
    std::move(*hold).settle(made);
    ship();
  }
  /// "ok 3 of 4", "FAIL ...", "warn ...": and the first that differs.
  std::string found() {
    const auto check = check_bills(*database, known);
    if (!check) return check.error().message;
    return (check->fails() ? "FAIL " : check->warns ? "warn " : "ok ") + check->detail;
  }

  static constexpr std::string_view kPrices =
      R"({"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
          "output_cost_per_token_priority": 3e-05, "cache_creation_input_token_cost": 3.75e-06,
          "cache_creation_input_token_cost_above_1hr": 6e-06, "output_cost_per_reasoning_token": 2e-05})";
  ledger::AccountRef account;
  KnownPrices known;
};

TEST_F(Bills, AgreeWhateverTheUsageIsWrittenIn) {
  book({attempt("listed", {{Unit::InputTokens, 10}, {Unit::OutputTokens, 2}}, 60'000)});
  book({attempt("listed",
                {{Unit::InputTokens, 10},
                 {Unit::CachedInputTokens, 100},
                 {Unit::CacheWriteTokens, 4},
                 {Unit::OutputTokens, 2},
                 {Unit::ReasoningTokens, 3}},
                30'000 + 30'000 + 15'000 + 30'000 + 60'000)});
  // In columns of its own a write for an hour could not be told.
  book({attempt("listed", {{Unit::InputTokens, 1}, {Unit::CacheWrite1hTokens, 5}, {Unit::OutputTokens, 1}}, 48'000)});
  // Served before others.
  book({attempt("listed", {{Unit::InputTokens, 10}, {Unit::OutputTokens, 2}}, 90'000)});
  book({attempt("listed", {{Unit::InputTokens, 1}}, 3000), attempt("listed", {{Unit::OutputTokens, 1}}, 15'000)});
  EXPECT_EQ(found(), "ok 6 of 6 billed again");
}

TEST_F(Bills, NameWhatWasBookedWrong) {
  book({attempt("listed", {{Unit::InputTokens, 10}, {Unit::OutputTokens, 2}}, 60'001)});
  EXPECT_EQ(found(), "FAIL 1 of 1 billed again; replica 1 entry 1: booked 0.000060001, 0.00006 at these prices");
}

TEST_F(Bills, NameEachAttemptThatIsWrong) {
  book({attempt("listed", {{Unit::InputTokens, 1}}, 4000), attempt("listed", {{Unit::OutputTokens, 1}}, 14'000)});
  EXPECT_EQ(
      found(),
      "FAIL 2 of 2 billed again; replica 1 entry 1: booked 0.000004, 0.000003 at these prices; replica 1 entry 1: "
      "booked 0.000014, 0.000015 at these prices");
}

TEST_F(Bills, OnlyTellWhereTheConfigurationSetsPrices) {
  book({attempt("own", {{Unit::InputTokens, 10}}, 1)});
  EXPECT_EQ(found(),
            "warn 1 of 1 billed again; replica 1 entry 1: booked 0.000000001, 0.00003 at the prices that the "
            "configuration sets now");
}

TEST_F(Bills, LeaveOutWhatNobodyCanBillAgain) {
  const std::initializer_list<domain::UnitCount> tokens = {{Unit::InputTokens, 10}};
  book({attempt("listed", tokens, 1)}, "another table");
  book({attempt("listed", tokens, 1)}, "table 1", domain::kProviderCost);
  book({attempt("listed", tokens, 1)}, "table 1", domain::kMocked);
  EXPECT_EQ(found(), "ok 0 of 0 billed again");
  book({attempt("unheard of", tokens, 1)});
  book({attempt("listed", {{Unit::Images, 1}}, 1)});
  EXPECT_EQ(found(), "ok 0 of 2 billed again");
}

}  // namespace
}  // namespace turnpike::proof
