#include "ledger/retention.h"

#include <algorithm>
#include <thread>

#include "base/clock.h"
#include "ledger/ledger_test_fixture.h"
#include "ledger/ship_batch.h"
#include "proof/verify.h"
#include "proof/verify_repair.h"

namespace turnpike::proof::retention_test {
namespace {

constexpr std::int64_t kDayUs = 86'400'000'000;
constexpr std::int64_t kFirstDay = 20'000;

struct Retained : ledger::LedgerFixture {
  /// `per_day` entries on each of `days` days, of two accounts, as replica 1 ships them.
  void fill(std::int64_t days, std::int64_t per_day) {
    open();
    make_account("one", std::nullopt);
    make_account("two", std::nullopt);
    const auto replica = ledger::find_replica(*database, "filled", "host", "0");
    ASSERT_TRUE(replica.has_value());
    ASSERT_TRUE(ledger::register_epoch(*database, {replica->replica_no, 1, 0}, "host", "0").has_value());
    const auto count = static_cast<std::size_t>(days * per_day);
    std::vector<std::string> payloads(count);
    for (std::size_t i = 0; i < count; ++i) {
      journal::EntryRow row;
      row.numbers.entry_no = i + 1;
      row.numbers.started_us = row.numbers.ended_us =
          (kFirstDay + static_cast<std::int64_t>(i) / per_day) * kDayUs + static_cast<std::int64_t>(i);
      row.numbers.cost_nano = 7;
      row.text(journal::Text::CallId) = row.text(journal::Text::KeyHash) = "key";
      row.text(journal::Text::DeploymentId) = "deployment";
      row.accounts.count = i % 2 == 0 ? 2 : 1;
      row.accounts.values = {1, 0, 2, 0};
      journal::encode_row(row, payloads[i]);
    }
    for (std::size_t first = 0; first < count; first += 1000) {
      const std::size_t last = std::min(count, first + 1000);
      ledger::ShipBatch batch{{replica->replica_no, 1, 0, replica->journal_id}, first + 1, last, {}};
      batch.payloads.assign(payloads.begin() + static_cast<std::ptrdiff_t>(first),
                            payloads.begin() + static_cast<std::ptrdiff_t>(last));
      const auto shipped = ledger::ship_batch(*database, batch);
      ASSERT_TRUE(shipped.has_value()) << shipped.error().message << shipped.error().detail;
    }
  }
  void change(const std::string& sql) {
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto done = t.run(sql, {});
      return done ? Status() : base::fail(done.error());
    })) << sql;
  }
  void expect_agrees() {
    const auto checks = proof::verify_ledger(*database, "");
    ASSERT_TRUE(checks.has_value()) << checks.error().message << checks.error().detail;
    for (const proof::Check& check : *checks)
      EXPECT_TRUE(check.agrees) << check.name << " " << check.what << check.detail;
  }
};

TEST_F(Retained, DaysLeaveAndTheirSumsStay) {
  fill(4, 1'250);
  const std::int64_t daily = number("SELECT sum(cost_nano) FROM daily");
  const auto dropped = ledger::drop_days_before(*database, kFirstDay + 2);
  ASSERT_TRUE(dropped.has_value()) << dropped.error().message << dropped.error().detail;
  EXPECT_EQ(dropped->entries, 2'500);
  EXPECT_EQ(dropped->days, 2);
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 2'500);
  EXPECT_EQ(number("SELECT min(day) FROM entry"), kFirstDay + 2);
  EXPECT_EQ(number("SELECT spent_nano FROM account_window WHERE account_id = 1"), 5'000 * 7) << "a budget stays spent";
  EXPECT_EQ(number("SELECT dropped_nano FROM account_window WHERE account_id = 1"), 2'500 * 7);
  EXPECT_EQ(number("SELECT dropped_calls FROM account_window WHERE account_id = 2"), 1'250);
  EXPECT_EQ(number("SELECT sum(cost_nano) FROM daily"), daily);
  EXPECT_EQ(number("SELECT sum(entries) FROM dropped_day WHERE cost_nano = 8750"), 2'500);
  expect_agrees();

  const auto again = ledger::drop_days_before(*database, kFirstDay + 2);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->entries, 0);
  // What comes late for a day that is gone goes the same way.
  change("UPDATE replica SET epoch = 1 WHERE replica_no = 1");
  journal::EntryRow late;
  late.numbers.entry_no = 5'001;
  late.numbers.started_us = late.numbers.ended_us = kFirstDay * kDayUs;
  late.numbers.cost_nano = 3;
  late.accounts.count = 1;
  late.accounts.values = {1, 0};
  std::string payload;
  journal::encode_row(late, payload);
  const std::int64_t replica_no = number("SELECT replica_no FROM replica WHERE journal_id = 'filled'");
  ledger::ShipBatch of_dropped_day{{replica_no, 1, 0, "filled"}, 5'001, 5'001, {payload}};
  ASSERT_TRUE(ledger::ship_batch(*database, of_dropped_day).has_value());
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 2'501);
  expect_agrees();
  EXPECT_EQ(ledger::drop_days_before(*database, kFirstDay + 2).value().entries, 1);
  EXPECT_EQ(number("SELECT dropped_nano FROM account_window WHERE account_id = 1"), 2'500 * 7 + 3);
  expect_agrees();
}

TEST_F(Retained, VerifySeesWhatWasTakenAwayBesidesTheDroppedDays) {
  fill(2, 10);
  ASSERT_TRUE(ledger::drop_days_before(*database, kFirstDay + 1).has_value());
  expect_agrees();
  change("DELETE FROM entry WHERE entry_no = 15");
  const auto checks = proof::verify_ledger(*database, "");
  ASSERT_TRUE(checks.has_value());
  EXPECT_TRUE(
      std::ranges::any_of(*checks, [](const proof::Check& check) { return check.name == "V1" && check.fails(); }));
  EXPECT_TRUE(
      std::ranges::any_of(*checks, [](const proof::Check& check) { return check.name == "V4" && check.fails(); }));
}

TEST_F(Retained, AggregatesAreMadeAnewFromTheEntries) {
  fill(3, 10);
  ASSERT_TRUE(ledger::drop_days_before(*database, kFirstDay + 1).has_value());
  // Of the day whose entries are gone nobody knows better than its aggregates.
  for (const char* damage : {"UPDATE daily SET cost_nano = cost_nano + 1 WHERE day = 20001",
                             "DELETE FROM daily WHERE entity_kind = 6 AND day = 20002",
                             "UPDATE account_window SET spent_nano = spent_nano + 5 WHERE account_id = 1",
                             "UPDATE account_window SET calls = 0 WHERE account_id = 2",
                             "UPDATE deployment_day SET failed = 9 WHERE day = 20002",
                             "UPDATE replica_day SET entries = entries + 1 WHERE day = 20001"}) {
    change(damage);
  }
  const auto repaired = proof::repair_aggregates(*database);
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message << repaired.error().detail;
  EXPECT_EQ(repaired->days, 2);
  EXPECT_EQ(repaired->windows, 2);
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 0"), 20);
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 1 AND cost_nano = 0 AND end_reason = 'made_anew' AND "
                   "accounts = '[1,0]' AND error_text = 'spent was 0.000000215, is 0.00000021'"),
            1);
  expect_agrees();
  EXPECT_EQ(proof::repair_aggregates(*database).value().windows, 0);
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 1"), 2) << "nothing was wrong any more";
  // A total that is gone altogether.
  change("DELETE FROM account_window WHERE account_id = 2");
  EXPECT_EQ(proof::repair_aggregates(*database).value().windows, 1);
  expect_agrees();
  change(
      "INSERT INTO entry_rejected (replica_no, entry_no, cost_nano, accounts, body, reason, rejected_us) VALUES (9, "
      "1, 0, '[]', '', '', 0)");
  EXPECT_FALSE(proof::repair_aggregates(*database).has_value());
}

TEST_F(Retained, AThreadDoesItByTheClock) {
  fill(2, 5);
  {
    const ledger::Retention retention(*database, {std::chrono::hours(24), std::chrono::seconds(1)});
    for (int i = 0; i < 500 && number("SELECT count(*) FROM entry") > 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 0) << "all of it is years old";
  expect_agrees();
}

}  // namespace
}  // namespace turnpike::proof::retention_test
