#include "ledger/verify.h"

#include "ledger/ledger_test_fixture.h"

namespace turnpike::ledger {
namespace {

struct Verify : LedgerFixture {
  void fill() {
    open();
    const AccountRef account = make_account("key", 1'000'000);
    const AccountRef other = make_account("other", std::nullopt);
    for (int i = 0; i < 30; ++i) {
      auto hold = ledger->admit(admission({account, other}, 300));
      ASSERT_TRUE(hold.has_value());
      hold->attempt(1, "d", "p");
      domain::CallRecord made = record(100 + i);
      made.attempts.resize(2);
      made.attempts[0].cost = Money::from_nano(100);
      made.attempts[1].cost = Money::from_nano(i);
      std::move(*hold).settle(made);
    }
    ship();
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto edited =
          db::set_account_spend(t, account->account_id, Money::from_nano(5), db::EntryKind::Adjust, "admin", 1);
      return edited ? Status() : base::fail(edited.error());
    }));
  }
  std::string failing() {
    const auto checks = verify_ledger(*database, directory + "/journal");
    EXPECT_TRUE(checks.has_value()) << (checks ? "" : checks.error().message + checks.error().detail);
    std::string names;
    if (checks) {
      for (const Check& check : *checks) {
        if (!check.agrees) names += check.name + " ";
      }
    }
    return names;
  }
  void break_it(const char* sql) {
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto done = t.run(sql, {});
      return done ? Status() : base::fail(done.error());
    })) << sql;
  }
};

TEST_F(Verify, AgreesBesideALiveLedgerAndNamesWhatWasTouched) {
  struct Case {
    const char* breaking;
    const char* mending;
    const char* failing;
  };
  const Case kCases[] = {
      {"UPDATE account_window SET spent_nano = spent_nano + 1 WHERE account_id = 2",
       "UPDATE account_window SET spent_nano = spent_nano - 1 WHERE account_id = 2", "V4 "},
      {"UPDATE account_window SET calls = calls + 1 WHERE account_id = 1",
       "UPDATE account_window SET calls = calls - 1 WHERE account_id = 1", "V4 "},
      {"UPDATE daily SET cost_nano = cost_nano + 1", "UPDATE daily SET cost_nano = cost_nano - 1", "V5 V5 "},
      {"UPDATE replica_day SET entries = entries + 1", "UPDATE replica_day SET entries = entries - 1", "V6 "},
      {"UPDATE replica_day SET cost_nano = cost_nano + 1", "UPDATE replica_day SET cost_nano = cost_nano - 1", "V6 "},
      {"UPDATE replica SET shipped_no = shipped_no + 1 WHERE replica_no = 1",
       "UPDATE replica SET shipped_no = shipped_no - 1 WHERE replica_no = 1", "V1 "},
      {"UPDATE entry SET call_id = 'x' WHERE entry_no = 3 AND replica_no = 1",
       "UPDATE entry SET call_id = 'call' WHERE entry_no = 3 AND replica_no = 1", "V2 "},
      {"UPDATE entry SET cost_nano = cost_nano + 1 WHERE entry_no = 3 AND replica_no = 1",
       "UPDATE entry SET cost_nano = cost_nano - 1 WHERE entry_no = 3 AND replica_no = 1", "V4 V5 V5 V6 V8 V2 "},
  };
  fill();
  EXPECT_EQ(failing(), "");
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.breaking);
    break_it(c.breaking);
    EXPECT_EQ(failing(), c.failing);
    break_it(c.mending);
    EXPECT_EQ(failing(), "");
  }
}

}  // namespace
}  // namespace turnpike::ledger
