#include "base/clock.h"
#include "ledger/ledger_test_fixture.h"

namespace turnpike::ledger::windows_test {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

struct BudgetWindows : LedgerFixture {
  /// An account of 1,000 nanodollars whose window of a minute began at the last full second.
  AccountFacts minute(std::int64_t spent_nano = 0) const {
    AccountFacts made = facts(77, "key", Money::from_nano(1'000), Money::from_nano(spent_nano), 1);
    made.duration = domain::BudgetDuration{domain::BudgetDuration::Unit::Minute, 1};
    made.window = {start_s, (start_s + 60) * kSecondUs};
    return made;
  }
  Admission at(const AccountFacts& account, std::int64_t at_us, std::int64_t nano) const {
    Admission made = admission({}, nano);
    made.may_cross = false;
    made.started_us = at_us;
    made.windows = {ledger->window(account, at_us)};
    return made;
  }
  void settle_now(Hold hold, std::int64_t cost_nano) const {
    ASSERT_TRUE(hold.attempt(1, "deployment", "prices"));
    domain::CallRecord made = record(cost_nano);
    std::move(hold).settle(made);
  }

  const std::int64_t start_s = base::unix_now_us() / kSecondUs;
  const std::int64_t in_first_us = start_s * kSecondUs + 1, in_second_us = (start_s + 60) * kSecondUs;
};

TEST_F(BudgetWindows, BeginAnewAndCallsStayWhereTheyStarted) {
  open();
  const AccountFacts account = minute(100);
  Result<Hold> early = ledger->admit(at(account, in_first_us, 900));
  ASSERT_TRUE(early.has_value());
  const Result<Hold> refused = ledger->admit(at(account, in_second_us - 1, 1));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::BudgetHeld);
  EXPECT_NE(refused.error().message.find("Reset: 20"), std::string::npos) << refused.error().message;

  Result<Hold> late = ledger->admit(at(account, in_second_us, 1'000));
  ASSERT_TRUE(late.has_value()) << "the next window has a budget of its own";
  EXPECT_FALSE(ledger->admit(at(account, in_second_us, 1)).has_value());
  settle_now(std::move(*early), 700);
  settle_now(std::move(*late), 30);
  EXPECT_FALSE(ledger->admit(at(account, in_first_us, 201)).has_value()) << "who started before is counted there";
  EXPECT_EQ(ledger->window(account, in_first_us)->spent().nano(), 800);
  EXPECT_EQ(ledger->window(account, in_second_us)->spent().nano(), 30);
  ship();
  EXPECT_EQ(number("SELECT spent_nano FROM account_window WHERE window_id = " + std::to_string(start_s)), 700);
  EXPECT_EQ(number("SELECT spent_nano FROM account_window WHERE window_id = " + std::to_string(start_s + 60)), 30);
}

TEST_F(BudgetWindows, ThatEndedLongAgoAreFollowedByTheOneThatRuns) {
  open();
  AccountFacts account = minute(900);
  account.window = {0, (start_s - 86'400) * kSecondUs};
  EXPECT_EQ(ledger->account(account)->spent().nano(), 0);
  const std::int64_t now_us = base::unix_now_us();
  const WindowRef window = ledger->window(account, now_us);
  EXPECT_TRUE(window->holds(now_us));
  EXPECT_GT(window->window_id, start_s - 61);
  EXPECT_EQ(window->left_nano(), 1'000);
}

TEST_F(BudgetWindows, ATemporaryIncreaseEndsByItself) {
  open();
  AccountFacts account = minute();
  account.increase = Money::from_nano(500);
  account.increase_until_us = in_first_us + 10 * kSecondUs;
  Result<Hold> hold = ledger->admit(at(account, in_first_us, 1'400));
  ASSERT_TRUE(hold.has_value());
  settle_now(std::move(*hold), 1'200);
  EXPECT_TRUE(ledger->admit(at(account, account.increase_until_us - 1, 300)).has_value());
  const Result<Hold> refused = ledger->admit(at(account, account.increase_until_us, 1));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().kind, ErrorKind::BudgetSpent);
  EXPECT_EQ(ledger->find_account(77)->limit.load(), 1'000);
}

TEST_F(BudgetWindows, AnotherDurationMovesTheEndAndKeepsWhatIsSpent) {
  open();
  AccountFacts account = minute();
  Result<Hold> hold = ledger->admit(at(account, in_first_us, 900));
  ASSERT_TRUE(hold.has_value());
  settle_now(std::move(*hold), 900);
  account.version = 2;
  account.duration.reset();
  account.window.ends_us = domain::kNeverUs;
  ledger->terms_changed(account);
  EXPECT_EQ(ledger->window(account, in_second_us)->spent().nano(), 900);
  account.version = 3;
  account.duration = domain::BudgetDuration{domain::BudgetDuration::Unit::Minute, 1};
  account.window.ends_us = in_second_us;
  ledger->terms_changed(account);
  EXPECT_EQ(ledger->window(account, in_second_us - 1)->spent().nano(), 900);
  EXPECT_EQ(ledger->window(account, in_second_us)->spent().nano(), 0);
}

TEST_F(BudgetWindows, AStrictAccountIsNotCrossed) {
  open();
  AccountFacts account = minute();
  for (const bool strict : {true, false}) {
    account.version += 1;
    account.strict = strict;
    ledger->terms_changed(account);
    Admission larger = at(account, in_first_us, 1'500);
    larger.may_cross = true;
    Result<Hold> hold = ledger->admit(larger);
    EXPECT_EQ(hold.has_value(), !strict);
    if (hold) settle_now(std::move(*hold), 10);
  }
}

}  // namespace
}  // namespace turnpike::ledger::windows_test
