#include "ledger/ledger.h"

#include <thread>

#include "journal/replay.h"
#include "ledger/ledger_test_fixture.h"

namespace turnpike::ledger::ledger_test {
namespace {

struct LedgerTest : LedgerFixture {};

TEST_F(LedgerTest, ACallBecomesOneEntryAndItsMoneyIsBookedOnce) {
  open();
  const AccountRef account = make_account("key", 1'000);
  ASSERT_TRUE(settle(account, 300, 120));
  EXPECT_EQ(words(account).free.load(), 880);
  EXPECT_EQ(words(account).held.load(), 0);
  EXPECT_EQ(account->spent().nano(), 120);
  ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 1);
  EXPECT_EQ(number("SELECT cost_nano FROM entry"), 120);
  EXPECT_EQ(number("SELECT held_nano FROM entry"), 300);
  EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 120);
  EXPECT_EQ(number("SELECT calls FROM account_window"), 1);
  EXPECT_EQ(number("SELECT sum(cost_nano) FROM daily WHERE entity_kind = 6"), 120);
  EXPECT_EQ(number("SELECT entries FROM replica_day"), 1);
  EXPECT_EQ(number("SELECT shipped_no FROM replica WHERE replica_no > 0"), 1);
}

TEST_F(LedgerTest, ARefusalSaysSpentOrHeldWithItsNumbers) {
  crossing = false;
  open();
  const AccountRef account = make_account("key", 1'000'000'000);
  auto first = ledger->admit(admission({account}, 800'000'000));
  ASSERT_TRUE(first.has_value());
  const auto held = ledger->admit(admission({account}, 300'000'000));
  ASSERT_FALSE(held.has_value());
  EXPECT_EQ(held.error().kind, ErrorKind::BudgetHeld);
  EXPECT_EQ(held.error().code, "budget_held");
  EXPECT_EQ(held.error().type, "budget_exceeded");
  EXPECT_EQ(
      held.error().message,
      "Budget has been exceeded! Current cost: 0, Max budget: 1 Key=label. Reset: never. Held by calls in flight: "
      "0.8. This call needs: 0.3.");
  EXPECT_EQ(held.error().retry_after, std::chrono::seconds(1));
  domain::CallRecord costly = record(1'200'000'000);
  std::move(*first).settle(costly);
  EXPECT_TRUE(costly.marks & domain::kHoldExceeded);
  const auto spent = ledger->admit(admission({account}, 1));
  ASSERT_FALSE(spent.has_value());
  EXPECT_EQ(spent.error().kind, ErrorKind::BudgetSpent);
  EXPECT_EQ(spent.error().message,
            "Budget has been exceeded! Current cost: 1.2, Max budget: 1 Key=label. Reset: never. POST /key/update with "
            "a larger max_budget raises it.");
  EXPECT_FALSE(spent.error().retry_after.has_value());
}

TEST_F(LedgerTest, ARefusalNamesWhoseBudgetItIs) {
  open();
  const struct {
    std::int16_t kind;
    const char* entity;
    const char* text;
  } rows[] = {
      {2, "acme", "Budget has been exceeded! Organization=acme Current cost: 0, Max budget: 0 "},
      {3, "red", "Budget has been exceeded! Team=red Current cost: 0, Max budget: 0 "},
      {4, "red::anna", "Budget has been exceeded! User=anna in Team=red Current cost: 0, Max budget: 0 "},
      {5, "anna", "ExceededBudget: User=anna over budget. Spend=0, Budget=0 "},
      {7, "buyer", "ExceededBudget: End User=buyer over budget. Spend=0, Budget=0 "},
      {8, "campaign", "Budget has been exceeded! Tag=campaign Current cost: 0, Max budget: 0 "},
      {13, "acme::anna", "Budget has been exceeded! User=anna in Organization=acme Current cost: 0, Max budget: 0 "},
  };
  for (const auto& row : rows) {
    const AccountRef account = ledger->account(facts(1000 + row.kind, row.entity, Money(), {}, 0, row.kind));
    const auto refused = ledger->admit(admission({account}, 1));
    ASSERT_FALSE(refused.has_value());
    EXPECT_TRUE(refused.error().message.starts_with(row.text)) << refused.error().message;
  }
}

TEST_F(LedgerTest, AdmissionIsAllOrNothing) {
  crossing = false;
  open();
  const AccountRef rich = make_account("rich", 1'000'000);
  const AccountRef poor = make_account("poor", 10);
  EXPECT_FALSE(ledger->admit(admission({rich, poor}, 100)).has_value());
  EXPECT_EQ(words(rich).free.load(), 1'000'000);
  EXPECT_EQ(words(rich).held.load(), 0);
  EXPECT_EQ(words(poor).free.load(), 10);
}

// AC-BUDGET-2 in one process: a budget of 10 calls, 60 at once.
TEST_F(LedgerTest, SixtyCallsAtOnceOnABudgetOfTenCalls) {
  for (const bool may_cross : {false, true}) {
    SCOPED_TRACE(may_cross ? "one may cross" : "nobody crosses");
    crossing = may_cross;
    open();
    const AccountRef account = make_account(may_cross ? "a" : "b", 10'500);  // Ten and a half.
    std::atomic<int> started{0};
    std::vector<Hold> holds(60);
    std::vector<std::thread> threads;
    for (Hold& mine : holds) {
      threads.emplace_back([&] {
        for (++started; started < 60;) std::this_thread::yield();
        auto hold = ledger->admit(admission({account}, 1'000));
        if (hold) {
          mine = std::move(*hold);
        } else {
          EXPECT_EQ(hold.error().kind, ErrorKind::BudgetHeld);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    int admitted = 0;
    for (Hold& hold : holds) {
      if (!hold.live()) continue;
      ++admitted;
      hold.attempt(1, "d", "p");
      domain::CallRecord done = record(1'000);
      std::move(hold).settle(done);
    }
    EXPECT_EQ(admitted, may_cross ? 11 : 10);
    EXPECT_EQ(account->spent().nano(), 1'000 * admitted);
    ship();
    EXPECT_EQ(number("SELECT sum(cost_nano) FROM entry"), 1'000 * admitted + (may_cross ? 10'000 : 0));
    close();
  }
}

TEST_F(LedgerTest, OneCallMayCrossTheLineAndNoSecondBesideIt) {
  open();
  const AccountRef account = make_account("key", 100);  // 1e-7 $: exactly one call.
  auto first = ledger->admit(admission({account}, 5'000));
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(ledger->admit(admission({account}, 5'000)).has_value());
  EXPECT_FALSE(ledger->admit(admission({account}, 1)).has_value());
  domain::CallRecord done = record(4'000);
  std::move(*first).settle(done);
  EXPECT_TRUE(done.marks & domain::kCrossing);
  EXPECT_EQ(ledger->admit(admission({account}, 1)).error().kind, ErrorKind::BudgetSpent);
  EXPECT_EQ(ledger->counters().crossings.load(), 1u);
}

TEST_F(LedgerTest, StrictNeverCrosses) {
  strict = true;
  open();
  const AccountRef account = make_account("key", 100);
  EXPECT_FALSE(ledger->admit(admission({account}, 101)).has_value());
  EXPECT_TRUE(settle(account, 100, 100));
}

TEST_F(LedgerTest, ABudgetOfZeroRefusesAndAFreeModelPasses) {
  open();
  const AccountRef account = make_account("key", 0);
  EXPECT_EQ(ledger->admit(admission({account}, 0)).error().kind, ErrorKind::BudgetSpent);
  Admission free = admission({account}, 500);
  free.free_model = true;
  auto hold = ledger->admit(free);
  ASSERT_TRUE(hold.has_value());
  domain::CallRecord done = record(0);
  std::move(*hold).settle(done);
  EXPECT_EQ(words(account).free.load(), 0);
}

TEST_F(LedgerTest, AHoldIsRaisedOnlyWhileMoneyIsThere) {
  open();
  const AccountRef account = make_account("key", 1'000);
  auto hold = ledger->admit(admission({account}, 400));
  ASSERT_TRUE(hold.has_value());
  hold->attempt(1, "d", "p");
  EXPECT_TRUE(hold->extend({Money::from_nano(500)}));
  EXPECT_FALSE(hold->extend({Money::from_nano(200)}));
  EXPECT_EQ(hold->amount().money.nano(), 900);
  hold->enlarge({Money::from_nano(200)});
  EXPECT_EQ(words(account).free.load(), -100);
  domain::CallRecord done = record(50);
  std::move(*hold).settle(done);
  EXPECT_EQ(words(account).free.load(), 950);
}

TEST_F(LedgerTest, ADroppedHoldIsBookedAsInterruptedAndCounted) {
  open();
  const AccountRef account = make_account("key", 1'000);
  {
    auto hold = ledger->admit(admission({account}, 400));
    ASSERT_TRUE(hold.has_value());
    hold->attempt(1, "d", "p");
  }
  EXPECT_EQ(words(account).free.load(), 1'000);
  EXPECT_EQ(ledger->counters().hold_dropped.load(), 1u);
  ship();
  EXPECT_EQ(number("SELECT status FROM entry"), 3);
  EXPECT_EQ(number("SELECT exposure_nano FROM entry"), 400);
}

TEST_F(LedgerTest, EightThreadsNeverSpendMoreThanTheLimit) {
  strict = true;
  open();
  const AccountRef key = make_account("key", 100'000);
  const AccountRef team = make_account("team", 70'000);
  std::atomic<std::int64_t> admitted{0};
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 400; ++i) {
        auto hold = ledger->admit(admission({key, team}, 50 + t));
        if (!hold) continue;
        if (words(team).free.load() < 0 || words(key).free.load() < 0) over = true;
        hold->attempt(1, "d", "p");
        domain::CallRecord done = record(40 + i % 10);
        admitted += done.cost.nano();
        std::move(*hold).settle(done);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(over);
  EXPECT_LE(team->spent().nano(), 70'000);
  EXPECT_GT(team->spent().nano(), 60'000);
  EXPECT_EQ(team->spent().nano(), admitted);
  EXPECT_EQ(words(team).free.load() + team->spent().nano(), 70'000);
  EXPECT_EQ(words(team).held.load(), 0);
  ship();
  EXPECT_EQ(number("SELECT sum(cost_nano) FROM entry"), admitted);
  EXPECT_EQ(number("SELECT min(spent_nano) FROM account_window WHERE account_id > 0"), admitted);
}

TEST_F(LedgerTest, EditsApplyToWhatIsRunning) {
  open();
  const AccountRef account = make_account("key", 1'000);
  auto hold = ledger->admit(admission({account}, 300));
  ASSERT_TRUE(hold.has_value());
  limit_changed(account->account_id, Money::from_nano(2'000), 1);
  EXPECT_EQ(words(account).free.load(), 1'700);
  limit_changed(account->account_id, std::nullopt, 2);
  EXPECT_TRUE(settle(account, 1'000'000, 500));
  limit_changed(account->account_id, Money::from_nano(600), 3);
  EXPECT_EQ(words(account).free.load(), 600 - 500 - 300);
  ship();
  ledger->spend_changed(account->account_id, Money::from_nano(0), Money::from_nano(-500), 4);
  EXPECT_EQ(account->spent().nano(), 0);
  EXPECT_EQ(words(account).free.load(), 600 - 300);
  domain::CallRecord done = record(100);
  std::move(*hold).settle(done);
  EXPECT_EQ(account->spent().nano(), 100);
  EXPECT_EQ(words(account).free.load(), 500);
}

// The edit is a difference: what is settled, in a batch on its way or shipped a moment later can all move beside it.
TEST_F(LedgerTest, ASpendEditedWhileCallsSettleStaysWhatTheDatabaseSays) {
  open();
  const AccountRef account = make_account("key", std::nullopt);
  constexpr std::int64_t kEdits = 40;
  std::atomic<std::int64_t> edits{0};
  std::thread calls([&] {
    while (edits < kEdits) (void)settle(account, 20, 7);  // A full little journal may refuse one.
  });
  while (edits < kEdits) {
    const Money wanted = Money::from_nano(1000 * edits);
    Money difference;
    std::int64_t version = 0;
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto edited = db::set_account_spend(t, account->account_id, wanted, db::EntryKind::Adjust, "admin", 1);
      if (!edited) return base::fail(edited.error());
      difference = *edited;
      version = db::account_version(t, account->account_id).value();
      return {};
    }));
    ledger->spend_changed(account->account_id, wanted, difference, version);
    ++edits;
  }
  calls.join();
  ship();
  EXPECT_EQ(account->spent().nano(), number("SELECT spent_nano FROM account_window WHERE account_id = 1"));
  EXPECT_EQ(words(account).free.load(), -account->spent().nano());
  EXPECT_EQ(words(account).held.load(), 0);
}

TEST_F(LedgerTest, EditsOfAnAccountNobodyHasUsedYetAreNotForgotten) {
  open();
  limit_changed(77, Money::from_nano(900), 3);
  limit_changed(77, Money::from_nano(100), 2);
  ledger->spend_changed(77, Money::from_nano(40), Money::from_nano(-60), 5);
  ledger->spend_changed(77, Money::from_nano(100), Money::from_nano(100), 4);
  // The key's row was read before the edits.
  const AccountRef account = ledger->account(facts(77, "key", Money::from_nano(5), {}, 1));
  EXPECT_EQ(account->limit.load(), 900);
  EXPECT_EQ(account->spent().nano(), 40);
  EXPECT_EQ(words(account).free.load(), 860);
}

TEST_F(LedgerTest, NewsOfEditsMayArriveInAnyOrder) {
  open();
  const AccountRef account = ledger->account(facts(77, "key", Money::from_nano(5), Money::from_nano(3), 4));
  // In the row already when the key was read.
  limit_changed(77, Money::from_nano(1), 3);
  ledger->spend_changed(77, Money::from_nano(3), Money::from_nano(2), 4);
  EXPECT_EQ(account->limit.load(), 5);
  EXPECT_EQ(account->spent().nano(), 3);
  // Two at once: the later one is heard first.
  limit_changed(77, Money::from_nano(900), 6);
  limit_changed(77, std::nullopt, 5);
  ledger->spend_changed(77, Money::from_nano(40), Money::from_nano(30), 8);
  ledger->spend_changed(77, Money::from_nano(10), Money::from_nano(7), 7);
  EXPECT_EQ(account->limit.load(), 900);
  EXPECT_EQ(account->spent().nano(), 40);
  EXPECT_EQ(words(account).free.load(), 860);

  // News that came before the row did, but is older than it.
  limit_changed(78, Money::from_nano(1), 1);
  ledger->spend_changed(78, Money::from_nano(9), Money::from_nano(9), 2);
  const AccountRef newer = ledger->account(facts(78, "other", Money::from_nano(50), Money::from_nano(8), 3));
  EXPECT_EQ(newer->limit.load(), 50);
  EXPECT_EQ(newer->spent().nano(), 8);
}

TEST_F(LedgerTest, ListsTheAccountsThatHaveABudget) {
  open();
  for (std::int64_t id = 9; id > 0; --id) {
    const bool budgeted = id != 2;
    const auto kind = static_cast<std::int16_t>(id == 3 ? 1 : 6);
    ledger->account(facts(id, "e", budgeted ? std::optional(Money::from_nano(5)) : std::nullopt, {}, 0, kind));
  }
  const auto ids = [&](std::size_t count_max) {
    std::vector<std::int64_t> found;
    for (const AccountRef& account : ledger->budgeted_accounts(6, count_max)) found.push_back(account->account_id);
    return found;
  };
  EXPECT_EQ(ids(100), (std::vector<std::int64_t>{1, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(ids(3), (std::vector<std::int64_t>{1, 4, 5}));
  ledger->account_closed(4, 7);
  limit_changed(4, Money::from_nano(9), 6);
  EXPECT_EQ(ids(3), (std::vector<std::int64_t>{1, 5, 6})) << "deleted, whatever is heard late";
  limit_changed(4, Money::from_nano(9), 8);
  ledger->account_closed(4, 7);
  EXPECT_EQ(ids(3), (std::vector<std::int64_t>{1, 4, 5})) << "made again";
}

TEST_F(LedgerTest, TheEndsOfTheRangeDoNotWrap) {
  crossing = false;
  open();
  const AccountRef account = ledger->account(facts(77, "key", Money::from_nano(INT64_MAX), Money::from_nano(-5)));
  EXPECT_EQ(words(account).free.load(), INT64_MAX);
  EXPECT_EQ(ledger->admit(admission({make_account("small", 1'000)}, INT64_MAX)).error().kind, ErrorKind::BudgetHeld);
}

TEST_F(LedgerTest, ARestartGoesOnWhereItStopped) {
  for (int round = 1; round <= 3; ++round) {
    open();
    const AccountRef account = make_account("key", 1'000);
    EXPECT_EQ(account->spent().nano(), 100 * (round - 1));
    ASSERT_TRUE(settle(account, 300, 100));
    close();
  }
  open();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 3);
  EXPECT_EQ(number("SELECT max(entry_no) FROM entry"), 3);
  EXPECT_EQ(number("SELECT epoch FROM replica WHERE replica_no = 1"), 4);
}

TEST_F(LedgerTest, WorksWithoutAJournal) {
  journal_off = true;
  open();
  const AccountRef account = make_account("key", 1'000);
  ASSERT_TRUE(settle(account, 300, 100));
  ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 1);
}

}  // namespace
}  // namespace turnpike::ledger::ledger_test
