#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "base/id.h"
#include "journal/replay.h"
#include "ledger/away_database.h"
#include "ledger/ledger_test_fixture.h"
#include "proof/verify.h"

// A power cut takes from the journal what was not synced, of which the database may have some already. The next start
// may happen without the database, which is met later, or by the start after that.

namespace turnpike::proof::power_cut_test {
namespace {

using journal::RecordType;
using journal::RecordView;

struct PowerCut : ledger::LedgerFixture {
  static base::Id128 id_of(int call) {
    base::Id128 id;
    id.bytes.fill(static_cast<std::uint8_t>(call));
    return id;
  }
  ledger::Hold begin(const ledger::AccountRef& account, int call) const {
    ledger::Admission made = admission({account}, 300);
    made.record_id = id_of(call);
    ledger::Hold hold = std::move(*ledger->admit(made));
    hold.attempt(1, "deployment", "prices");
    return hold;
  }
  static void end(ledger::Hold hold, int call) {
    domain::CallRecord done = record(100 + call);
    done.record_id = id_of(call).to_string();
    std::move(hold).settle(done);
  }
  void serve(const ledger::AccountRef& account, int call) const { end(begin(account, call), call); }
  void ship_all() {
    while (ledger->counters().unshipped.load() > 0) ship();
  }

  /// `work` in a process of its own that ships when it is told to only, and is killed behind it.
  void run_until_killed(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      database = std::move(*db::open_test_database(directory + "/turnpike.db"));
      ledger::LedgerOptions made = options();
      made.ship_interval = std::chrono::hours(1);
      ledger = std::move(*ledger::Ledger::open(made, *database));
      work();
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
  }

  /// Takes records out of the journal as if they had never reached the disk.
  void lose(const std::function<bool(const RecordView&)>& is_lost) const {
    const auto segments = journal::list_segments(directory + "/journal");
    for (const journal::KeptSegment& segment : *segments) {
      std::ifstream file(segment.path, std::ios::binary);
      std::string bytes((std::istreambuf_iterator<char>(file)), {});
      std::vector<std::pair<std::size_t, std::size_t>> lost;
      journal::scan_records(bytes, segment.header.crc, [&](const RecordView& found) {
        const auto at = static_cast<std::size_t>(found.payload.data() - bytes.data());
        if (is_lost(found)) lost.emplace_back(at - journal::kRecordHeaderBytes, at + found.payload.size());
      });
      for (const auto& [from, to] : lost) std::fill(bytes.begin() + from, bytes.begin() + to, '\0');
      std::ofstream(segment.path, std::ios::binary | std::ios::in).write(bytes.data(), std::ssize(bytes));
    }
  }
  static std::uint64_t number_of(const RecordView& found) {
    return found.type == RecordType::Entry ? journal::entry_id_of(found.payload)->entry_no
                                           : journal::PayloadReader(found.payload).u64();
  }
  static std::function<bool(const RecordView&)> is_entry_or_note(std::uint64_t from_no) {
    return [from_no](const RecordView& found) {
      return (found.type == RecordType::Entry || found.type == RecordType::Shipped) && number_of(found) >= from_no;
    };
  }

  /// A gateway that starts while the database is away.
  void open_away() {
    if (!database) database = std::move(*db::open_test_database(directory + "/turnpike.db"));
    away = std::make_unique<ledger::Away>(*database);
    away->away = true;
    ledger::LedgerOptions made = options();
    made.database_may_be_away = true;
    auto opened = ledger::Ledger::open(made, *away);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    ledger = std::move(*opened);
  }
  void meet_database(bool by_restart) {
    if (!by_restart) {
      away->away = false;
      return ship_all();
    }
    ledger->close(std::chrono::seconds(0));
    ledger.reset();
    away.reset();
    open();
    ship_all();
  }
  void end_ledger() {
    if (ledger) ledger->close(std::chrono::seconds(10));
    ledger.reset();
    away.reset();
  }
  void TearDown() override {
    end_ledger();
    ledger::LedgerFixture::TearDown();
  }

  std::map<std::string, int> stored_calls() {
    std::map<std::string, int> calls;
    EXPECT_TRUE(database->read_now([&](db::Transaction& t) -> Status {
      calls.clear();
      const auto rows = t.run("SELECT coalesce(record_id, '') FROM entry WHERE kind = 0", {});
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) ++calls[db::as_text(row[0])];
      return {};
    }));
    return calls;
  }
  void expect_verified() {
    const auto checks = verify_ledger(*database, directory + "/journal", std::nullopt);
    ASSERT_TRUE(checks.has_value()) << checks.error().message;
    EXPECT_TRUE(std::ranges::none_of(*checks, &Check::fails)) << format_checks(*checks);
  }

  std::unique_ptr<ledger::Away> away;
};

TEST_F(PowerCut, ACallThatOnlyTheDatabaseKeptIsNotClosedUnderAnotherNumber) {
  for (const bool by_restart : {false, true}) {
    SCOPED_TRACE(by_restart);
    TearDown();
    SetUp();
    run_until_killed([&] {
      const ledger::AccountRef account = make_account("key", 1'000'000);
      for (const int call : {1, 2, 3}) serve(account, call);
      ship_all();
    });
    lose(is_entry_or_note(2));
    // Of the second call nothing is left, of the third its hold.
    lose([](const RecordView& found) {
      const bool is_hold = found.type == RecordType::Hold;
      return is_hold && journal::read_hold(found.payload)->record_id == id_of(2);
    });
    open_away();
    serve(make_account("key", 1'000'000), 4);  // Under a number that the database has given.
    meet_database(by_restart);
    EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 0"), 4);
    EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 101 + 102 + 103 + 104);
    for (const auto& [id, count] : stored_calls()) EXPECT_EQ(count, 1) << id;
    expect_verified();
    end_ledger();
    open();  // And once and for all.
    EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 0"), 4);
    expect_verified();
  }
}

TEST_F(PowerCut, TheNumberOfACallThatWasClosedForNothingBelongsToNobody) {
  for (const bool by_restart : {false, true}) {
    SCOPED_TRACE(by_restart);
    TearDown();
    SetUp();
    run_until_killed([&] {
      serve(make_account("key", 1'000'000), 1);
      ship_all();
    });
    lose([](const RecordView& found) { return found.type == RecordType::Entry; });  // The note of shipping stays.
    open_away();
    meet_database(by_restart);
    EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 0"), 2);
    EXPECT_EQ(number("SELECT count(*) FROM entry WHERE end_reason = 'journal_gap' AND entry_no = 2"), 1);
    EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 101);
    expect_verified();
  }
}

TEST_F(PowerCut, WhatNeitherHasAnyMoreIsSetAsideByItsNumber) {
  open();
  for (const int call : {1, 2, 3}) serve(make_account("key", 1'000'000), call);
  ship_all();
  end_ledger();
  ASSERT_TRUE(database->transact_now([](db::Transaction& t) -> Status {  // As from a backup.
    for (const char* sql :
         {"DELETE FROM entry WHERE entry_no > 1", "UPDATE replica SET shipped_no = 1 WHERE shipped_no = 3",
          "UPDATE account_window SET spent_nano = 101, calls = 1", "UPDATE daily SET cost_nano = 101, calls = 1",
          "DELETE FROM deployment_day", "UPDATE replica_day SET entries = 1, cost_nano = 101"}) {
      if (const auto done = t.run(sql, {}); !done) return base::fail(done.error());
    }
    return {};
  }));
  const auto is_of_second = [](const RecordView& found) {
    return found.type == RecordType::Entry && number_of(found) == 2;
  };
  lose(is_of_second);
  open();
  ship_all();
  EXPECT_EQ(number("SELECT entry_no FROM entry_rejected WHERE reason LIKE 'neither%' AND cost_nano = 0"), 2);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 3"), 103);
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE entry_no = 4 AND status = 3"), 1) << "its hold is closed";
  EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 101 + 103);
}

// What is not synced is lost record by record, whatever was shipped of it.
TEST_F(PowerCut, WhateverItTakesEachCallIsBookedOnce) {
  constexpr int kCalls = 9;
  for (std::uint64_t seed = 25; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    TearDown();
    SetUp();
    base::Random random(seed);
    const auto chance = [&] { return random.next() % 2 == 0; };
    run_until_killed([&] {
      const ledger::AccountRef account = make_account("key", 1'000'000);
      std::map<int, ledger::Hold> running;
      for (int call = 1; call <= kCalls; ++call) {
        running.emplace(call, begin(account, call));
        if (chance()) continue;
        const auto ended = std::next(running.begin(), static_cast<std::ptrdiff_t>(random.next() % running.size()));
        end(std::move(ended->second), ended->first);
        running.erase(ended);
        if (chance()) ship_all();
      }
      ::raise(SIGKILL);
    });
    database = std::move(*db::open_test_database(directory + "/turnpike.db"));
    std::set<std::string> known;
    for (const auto& [id, count] : stored_calls()) known.insert(id);
    lose([&](const RecordView& found) {
      const bool is_open = found.type == RecordType::Open || found.type == RecordType::Start;
      return !is_open && chance();
    });
    lose([&](const RecordView& found) {
      const auto row = journal::decode_row(found.payload);
      if (found.type == RecordType::Entry && row && !journal::record_id_of(*row).empty())
        known.insert(std::string(journal::record_id_of(*row)));
      if (found.type == RecordType::Hold) known.insert(journal::read_hold(found.payload)->record_id.to_string());
      return false;
    });
    open_away();
    const ledger::AccountRef account = make_account("key", 1'000'000);
    for (int call = kCalls + 1; call <= kCalls + 3; ++call) {
      serve(account, call);
      known.insert(id_of(call).to_string());
    }
    meet_database(chance());
    serve(make_account("key", 1'000'000), kCalls + 4);
    known.insert(id_of(kCalls + 4).to_string());
    ship_all();
    std::map<std::string, int> stored = stored_calls();
    stored.erase("");  // Numbers of nobody.
    for (const auto& [id, count] : stored) EXPECT_EQ(count, 1) << id;
    for (const std::string& id : known) EXPECT_TRUE(stored.contains(id)) << id;
    EXPECT_EQ(number("SELECT (SELECT spent_nano FROM account_window) - sum(cost_nano) FROM entry"), 0);
    expect_verified();
  }
}

}  // namespace
}  // namespace turnpike::proof::power_cut_test
