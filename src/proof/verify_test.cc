#include "proof/verify.h"

#include <fstream>
#include <tuple>

#include "journal/replay.h"
#include "ledger/ledger_test_fixture.h"

namespace turnpike::proof::verify_test {
namespace {

struct Verify : ledger::LedgerFixture {
  void fill() {
    open();
    const ledger::AccountRef account = make_account("key", 1'000'000);
    const ledger::AccountRef other = make_account("other", std::nullopt);
    for (int i = 0; i < 30; ++i) {
      auto hold = ledger->admit(admission({account, other}, 300));
      ASSERT_TRUE(hold.has_value());
      hold->attempt(1, "d", "p");
      domain::CallRecord made = record(100 + i);
      made.tags = {"a", "b", "a"};
      made.end_user = "end";
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
        if (!check.agrees) names += check.name + (check.warns ? "(warns) " : " ");
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
      {"UPDATE account_window SET window_id = 5 WHERE account_id = 2",
       "UPDATE account_window SET window_id = 0 WHERE account_id = 2", "V4 V4 V11 "},
      {"UPDATE daily SET cost_nano = cost_nano + 1 WHERE entity_kind = 6",
       "UPDATE daily SET cost_nano = cost_nano - 1 WHERE entity_kind = 6", "V5 V5 "},
      {"UPDATE daily SET cost_nano = cost_nano + 1 WHERE entity = 'b'",
       "UPDATE daily SET cost_nano = cost_nano - 1 WHERE entity = 'b'", "V5 "},
      {"UPDATE daily SET failed = failed + 1 WHERE entity = 'end'",
       "UPDATE daily SET failed = failed - 1 WHERE entity = 'end'", "V5 "},
      {"UPDATE daily SET prompt_tokens = prompt_tokens + 1 WHERE entity_kind = 6",
       "UPDATE daily SET prompt_tokens = prompt_tokens - 1 WHERE entity_kind = 6", "V5 "},
      {"UPDATE daily SET entity_kind = 9 WHERE entity = 'a'", "UPDATE daily SET entity_kind = 8 WHERE entity = 'a'",
       "V5 "},
      {"UPDATE replica_day SET entries = entries + 1", "UPDATE replica_day SET entries = entries - 1", "V6 "},
      {"UPDATE replica_day SET cost_nano = cost_nano + 1", "UPDATE replica_day SET cost_nano = cost_nano - 1", "V6 "},
      {"UPDATE replica_day SET day = day + 1", "UPDATE replica_day SET day = day - 1", "V6 V6 "},
      {"UPDATE replica SET shipped_no = shipped_no + 1 WHERE replica_no = 1",
       "UPDATE replica SET shipped_no = shipped_no - 1 WHERE replica_no = 1", "V1 "},
      {"UPDATE entry SET entry_no = 99 WHERE entry_no = 4 AND replica_no = 1",
       "UPDATE entry SET entry_no = 4 WHERE entry_no = 99 AND replica_no = 1", "V1 V1 V2 "},
      {"UPDATE entry SET entry_no = 5, day = day + 1 WHERE entry_no = 4 AND replica_no = 1",
       "UPDATE entry SET entry_no = 4, day = day - 1 WHERE entry_no = 5 AND replica_no = 1 AND day = 20371",
       "V1 V5 V6 V6 V2 "},
      {"UPDATE entry SET call_id = 'x' WHERE entry_no = 3 AND replica_no = 1",
       "UPDATE entry SET call_id = 'call' WHERE entry_no = 3 AND replica_no = 1", "V2 "},
      {"UPDATE entry SET held_nano = 1 WHERE entry_no = 3 AND replica_no = 1",
       "UPDATE entry SET held_nano = 300 WHERE entry_no = 3 AND replica_no = 1", "V2 "},
      {"UPDATE entry SET cost_nano = cost_nano + 1 WHERE entry_no = 3 AND replica_no = 1",
       "UPDATE entry SET cost_nano = cost_nano - 1 WHERE entry_no = 3 AND replica_no = 1", "V4 V5 V5 V6 V8 V2 "},
      {"UPDATE entry SET accounts = '[1,0]' WHERE entry_no = 3 AND replica_no = 1",
       "UPDATE entry SET accounts = '[1,0,2,0]' WHERE entry_no = 3 AND replica_no = 1", "V4 V4 V2 "},
      {"UPDATE escrow SET granted_nano = granted_nano + 1", "UPDATE escrow SET granted_nano = granted_nano - 1", "V7 "},
      {"UPDATE escrow SET base_nano = base_nano + 1", "UPDATE escrow SET base_nano = base_nano - 1", "V7 "},
      {"UPDATE lease SET used_nano = used_nano + 11, granted_nano = granted_nano + 1",
       "UPDATE lease SET used_nano = used_nano - 11, granted_nano = granted_nano - 1", "V7 V7 V7(warns) "},
      {"UPDATE account SET strict = 1", "UPDATE account SET strict = 0", "V7(warns) "},
      {"UPDATE entry SET marks = 2, attempts = NULL WHERE entry_no = 3 AND replica_no = 1", nullptr, "V8 V2 "},
  };
  fill();
  // Account 1 as replicas would share it: its 5 nanodollars spent through one lease of 10, under a limit lowered to 4.
  break_it(
      "INSERT INTO escrow (account_id, window_id, limit_nano, base_nano, granted_nano) SELECT account_id, window_id, 4,"
      " spent_nano - 5, 10 FROM account_window WHERE account_id = 1");
  break_it(
      "INSERT INTO lease (account_id, window_id, replica_no, granted_nano, used_nano) SELECT account_id, window_id, 1,"
      " 10, 5 FROM account_window WHERE account_id = 1");
  break_it("INSERT INTO replica_lease (replica_no, alive_us) VALUES (1, 9000000000000000)");
  EXPECT_EQ(failing(), "");
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.breaking);
    break_it(c.breaking);
    EXPECT_EQ(failing(), c.failing);
    if (c.mending == nullptr) break;  // The last one.
    break_it(c.mending);
    EXPECT_EQ(failing(), "");
  }
}

TEST_F(Verify, LeasesOfAWindowGoWithItsEscrow) {
  fill();
  break_it(
      "INSERT INTO escrow (account_id, window_id, base_nano, granted_nano) SELECT account_id, window_id, spent_nano - "
      "5,"
      " 10 FROM account_window WHERE account_id = 1");
  break_it(
      "INSERT INTO lease (account_id, window_id, replica_no, granted_nano, used_nano) SELECT account_id, window_id, 1,"
      " 10, 5 FROM account_window WHERE account_id = 1");
  EXPECT_EQ(failing(), "");
  break_it("DELETE FROM escrow");
  EXPECT_EQ(failing(), "V7 ");
  break_it("DELETE FROM lease");
  EXPECT_EQ(failing(), "");
}

TEST_F(Verify, NamesWhatIsWrongInTheJournal) {
  fill();
  const std::string segment = journal::list_segments(directory + "/journal")->front().path;
  const auto flip = [&](std::size_t at) {
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
  };
  EXPECT_EQ(failing(), "");
  flip(20);
  EXPECT_EQ(failing(), "V3 ") << "the header";
  flip(20);
  EXPECT_EQ(failing(), "");
  {
    // A second entry for a hold that has one.
    const auto replay = journal::replay_journal(directory + "/journal", true);
    std::string copy;
    std::ignore = journal::scan_segment(replay->segments.front(), [&](const journal::RecordView& record) {
      if (record.type != journal::RecordType::Entry || !copy.empty()) return;
      journal::RecordBatch again;
      again.begin(journal::RecordType::Entry);
      again.payload().append(record.payload);
      again.end();
      again.seal(replay->segments.front().header.crc, replay->max_sequence + 1, 1);
      copy = again.bytes();
    });
    std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(segment) - 4096));
    file << copy;
  }
  EXPECT_EQ(failing(), "V3 ") << "two entries for one hold";
}

}  // namespace
}  // namespace turnpike::proof::verify_test
