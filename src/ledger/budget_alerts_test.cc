#include "ledger/budget_alerts.h"

#include "db/account_rows.h"
#include "ledger/ledger_test_fixture.h"

namespace turnpike::ledger::budget_alerts_test {
namespace {

struct BudgetAlerts : LedgerFixture {
  void SetUp() override {
    LedgerFixture::SetUp();
    open();
  }
  std::int64_t open_with(std::optional<std::int64_t> hard_nano, std::optional<std::int64_t> soft_nano,
                         std::int64_t increase_nano = 0, std::int16_t kind = 3) {
    std::int64_t id = 0;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      db::NewTerms terms;
      if (hard_nano) terms.terms.limit = Money::from_nano(*hard_nano);
      if (soft_nano) terms.terms.soft = Money::from_nano(*soft_nano);
      terms.terms.increase = Money::from_nano(increase_nano);
      terms.terms.increase_until_us = increase_nano > 0 ? 1'000 : 0;
      id = db::open_account(t, {kind, "red"}, terms, 1).value();
      return {};
    }));
    return id;
  }
  /// What is told of when the account's window has spent so much.
  std::string told(std::int64_t id, std::int64_t spent_nano, std::int64_t now_us = 10) {
    std::string texts;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto moved = t.run("UPDATE account_window SET spent_nano = $2 WHERE account_id = $1", {id, spent_nano});
      if (!moved) return base::fail(moved.error());
      const auto alerts = raise_alerts(t, {{id, 0}, {id + 1, 7}}, now_us);
      if (!alerts) return base::fail(alerts.error());
      for (const BudgetAlert& alert : *alerts) texts += alert_text(alert) + " ";
      return {};
    }));
    return texts;
  }
};

TEST_F(BudgetAlerts, AreRaisedOncePerThreshold) {
  const std::int64_t id = open_with(1'000'000'000, 500'000'000);
  EXPECT_EQ(told(id, 499'999'999), "");
  EXPECT_EQ(told(id, 500'000'000), "Team=red has spent 0.5, its soft_budget is 0.5. ");
  EXPECT_EQ(told(id, 799'999'999), "");
  EXPECT_EQ(told(id, 800'000'000), "Team=red has spent 0.8 of its max_budget of 1 (80 %). ");
  EXPECT_EQ(told(id, 1'200'000'000), "Team=red has spent 1.2 of its max_budget of 1 (100 %). ");
  EXPECT_EQ(told(id, 400'000'000), "") << "an edit tells nobody";
  EXPECT_EQ(told(id, 1'200'000'000), "");
}

TEST_F(BudgetAlerts, SpeakOfTokensWhereTheseAreCounted) {
  const std::int64_t id = open_with(1'000, 500, 0, domain::kind_in_tokens(3));
  EXPECT_EQ(told(id, 600), "Team=red has spent 600 tokens, its soft_budget_tokens is 500 tokens. ");
  EXPECT_EQ(told(id, 1'000),
            "Team=red has spent 1000 tokens of its max_budget_tokens of 1000 tokens (80 %). "
            "Team=red has spent 1000 tokens of its max_budget_tokens of 1000 tokens (100 %). ");
}

TEST_F(BudgetAlerts, CountAnIncreaseWhileItLasts) {
  const std::int64_t id = open_with(100, std::nullopt, 100);
  EXPECT_EQ(told(id, 100), "");
  EXPECT_EQ(told(id, 100, 1'000),
            "Team=red has spent 0.0000001 of its max_budget of 0.0000001 (80 %). "
            "Team=red has spent 0.0000001 of its max_budget of 0.0000001 (100 %). ");
}

TEST_F(BudgetAlerts, SayNothingOfBudgetsOfNothing) {
  EXPECT_EQ(told(open_with(0, std::nullopt), 5), "");
  EXPECT_EQ(told(open_with(std::nullopt, std::nullopt), 5), "");
}

}  // namespace
}  // namespace turnpike::ledger::budget_alerts_test
