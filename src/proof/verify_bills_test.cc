#include "proof/verify_bills.h"

#include "ledger/ledger_test_fixture.h"
#include "price/bill.h"
#include "price/price_file.h"

namespace turnpike::proof::verify_bills_test {
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

  static domain::Attempt served_as(domain::Attempt made, domain::BilledAs billed_as) {
    made.billed_as = std::move(billed_as);
    return made;
  }
  static domain::Attempt images(const std::string& quality, std::uint32_t side, std::int64_t cost_nano) {
    return served_as(attempt("painter", {{Unit::Images, 2}}, cost_nano), {{}, {}, true, side, side, quality});
  }
  static domain::Attempt searches(std::string_view size, std::int64_t cost_nano) {
    return served_as(attempt("listed", {{Unit::InputTokens, 1}, {Unit::Queries, 2}}, cost_nano),
                     {{}, size, false, 0, 0, {}});
  }

  static constexpr std::string_view kPrices =
      R"({"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_read_input_token_cost": 3e-07,
          "output_cost_per_token_priority": 3e-05, "cache_creation_input_token_cost": 3.75e-06,
          "cache_creation_input_token_cost_above_1hr": 6e-06, "output_cost_per_reasoning_token": 2e-05,
          "search_context_cost_per_query": {"search_context_size_low": 0.03, "search_context_size_medium": 0.035,
          "search_context_size_high": 0.05}})";
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
  const domain::Attempt before = attempt("listed", {{Unit::InputTokens, 10}, {Unit::OutputTokens, 2}}, 90'000);
  book({served_as(before, {"priority", {}, false, 0, 0, {}})});
  book({attempt("listed", {{Unit::InputTokens, 1}}, 3000), attempt("listed", {{Unit::OutputTokens, 1}}, 15'000)});
  EXPECT_EQ(found(), "ok 6 of 6 billed again");
}

TEST_F(Bills, KnowTheTierOfTheAnswer) {
  const domain::Attempt plain = attempt("listed", {{Unit::OutputTokens, 2}}, 30'000);
  const domain::Attempt dear = attempt("listed", {{Unit::OutputTokens, 2}}, 60'000);
  const domain::BilledAs priority{"priority", {}, false, 0, 0, {}};
  book({served_as(dear, priority)});
  book({served_as(plain, priority), served_as(dear, priority)});
  EXPECT_EQ(found(), "FAIL 3 of 3 billed again; replica 1 entry 2: booked 0.00003, 0.00006 at these prices");
}

TEST_F(Bills, OnlyTellWhereAnEarlierVersionDidNotNoteTheTier) {
  book({attempt("listed", {{Unit::OutputTokens, 2}}, 60'000)});
  EXPECT_EQ(found(),
            "warn 1 of 1 billed again; replica 1 entry 1: booked 0.00006, 0.00003 at these prices, and no service tier "
            "is noted");
}

TEST_F(Bills, KnowTheSizeOfImages) {
  price::Prices prices;
  prices.add_image({"", 1024, 1024, price::Price::parse("0.04").value()});
  prices.add_image({"hd", 1024, 1024, price::Price::parse("0.08").value()});
  known.deployments["painter"] = {"m", prices, false};
  book({images("", 0, 80'000'000)});
  book({images("", 1024, 80'000'000)});
  book({images("hd", 1024, 160'000'000)});
  EXPECT_EQ(found(), "ok 3 of 3 billed again");
  book({images("hd", 1024, 80'000'000)});
  EXPECT_EQ(found(), "FAIL 4 of 4 billed again; replica 1 entry 4: booked 0.08, 0.16 at these prices");
}

TEST_F(Bills, KnowTheSizeOfSearches) {
  book({searches("low", 60'003'000)});
  book({searches("medium", 70'003'000)});
  book({searches("high", 100'003'000)});
  EXPECT_EQ(found(), "ok 3 of 3 billed again");
  book({searches("high", 60'003'000)});
  EXPECT_EQ(found(), "FAIL 4 of 4 billed again; replica 1 entry 4: booked 0.060003, 0.100003 at these prices");
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
  book({attempt("listed", {{Unit::InputTokens, 1}, {Unit::Queries, 1}}, 1)});
  EXPECT_EQ(found(), "ok 0 of 3 billed again") << "of which sizes they were is not noted";
}

}  // namespace
}  // namespace turnpike::proof::verify_bills_test
