#include <thread>

#include "base/task.h"
#include "ledger/away_database.h"
#include "ledger/ledger_test_fixture.h"

namespace turnpike::ledger::journal_full_test {
namespace {

/// `journal_full_policy: serve`: calls go on while the journal takes nothing.
struct JournalFull : LedgerFixture {
  void open_serving(const std::string& journal_dir = {}) {
    open();  // The database.
    ledger->close(std::chrono::seconds(1));
    ledger.reset();
    LedgerOptions made = options();
    made.serve_when_full = true;
    made.ship_queue_bytes_max = queue_bytes_max;
    made.durability = durability;
    if (!journal_dir.empty()) made.journal_dir = journal_dir;
    away = std::make_unique<Away>(*database);
    auto opened = Ledger::open(made, *away);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    ledger = std::move(*opened);
  }
  void ship_all() {
    while (ledger->counters().unshipped.load() > 0) ship();
  }
  void TearDown() override {
    fault::arm("");
    if (ledger) ledger->close(std::chrono::seconds(10));
    ledger.reset();
    LedgerFixture::TearDown();
  }
  std::unique_ptr<Away> away;
  std::int64_t queue_bytes_max = 64 << 20;
  Durability durability = Durability::Process;
};

TEST_F(JournalFull, ServedCallsAreBookedThroughMemory) {
  open_serving();
  const AccountRef account = make_account("key", std::nullopt);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(settle(account, 10, 7));
  fault::arm("journal.enospc", 1, true);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(settle(account, 10, 7)) << i;
  EXPECT_EQ(ledger->readiness(), "");
  EXPECT_GT(ledger->counters().journal_full.load(), 0U);
  ship_all();
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE status = 0"), 55);
  EXPECT_EQ(number("SELECT sum(spent_nano) FROM account_window"), 55 * 7);
  fault::arm("");
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(settle(account, 10, 7));
  close();
  open();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 60);
  EXPECT_EQ(number("SELECT max(entry_no) FROM entry"), 60);
}

TEST_F(JournalFull, ItIsSaidThatWhatIsBookedLivesInMemory) {
  segment_bytes = 64 * 1024;
  open_serving();
  const AccountRef account = make_account("key", std::nullopt);
  EXPECT_FALSE(ledger->counters().unsafe.load());
  fault::arm("journal.no_spare", 1, true);
  for (int i = 0; i < 2'000 && !ledger->counters().unsafe.load(); ++i) ASSERT_TRUE(settle(account, 10, 7));
  EXPECT_TRUE(ledger->counters().unsafe.load());
  EXPECT_EQ(ledger->readiness(), "");
  fault::arm("");
  for (int i = 0; i < 2'000 && ledger->counters().unsafe.load(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_FALSE(ledger->counters().unsafe.load()) << "there is room again";
  close();
}

TEST_F(JournalFull, MemoryIsBoundedToo) {
  queue_bytes_max = 10'000;
  segment_bytes = 64 * 1024;
  open_serving();
  const AccountRef account = make_account("key", std::nullopt);
  fault::arm("journal.no_spare", 1, true);
  Status last;
  away->away = true;
  for (int i = 0; last && i < 2'000; ++i) last = settle(account, 10, 7);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, "journal_full");
  EXPECT_NE(ledger->readiness(), "");
  away->away = false;
  ship_all();
  EXPECT_TRUE(settle(account, 10, 7));
  close();
}

/// A call whose HOLD is in the journal and whose ENTRY is not, for lack of room, before other calls and then a crash.
struct JournalWasFull : JournalFull, testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(NextEntryIsIn, JournalWasFull, testing::Values(false, true),
                         [](const auto& test) { return test.param ? "TheJournal" : "Memory"; });

TEST_P(JournalWasFull, ACrashAfterwardsBooksNoCallTwice) {
  open_serving();
  const AccountRef account = make_account("key", std::nullopt);
  Admission made = admission({account}, 10);
  made.record_id.bytes.fill(7);
  auto hold = ledger->admit(made);
  ASSERT_TRUE(hold->attempt(1, "deployment", "prices"));  // Its HOLD is in the journal, its ENTRY will not be.
  fault::arm("journal.enospc", 1, true);
  domain::CallRecord done = record(7);
  done.record_id = made.record_id.to_string();
  std::move(*hold).settle(done);
  ship_all();
  std::int64_t calls = 1;
  const auto one_more = [&] {
    ++calls;
    ASSERT_TRUE(settle(account, 10, 7));
    ASSERT_LT(calls, 10'000);
  };
  if (GetParam()) {  // Once there is room again.
    fault::arm("");
    std::uint64_t lacked = 0;
    do {
      lacked = ledger->counters().journal_full.load();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      one_more();
    } while (ledger->counters().journal_full.load() != lacked);
  } else {
    one_more();
    fault::arm("");
  }
  ship_all();
  ASSERT_EQ(number("SELECT count(*) FROM entry"), calls);
  // What a kill would leave.
  const std::string left = directory + "/left";
  std::filesystem::copy(options().journal_dir, left, std::filesystem::copy_options::recursive);
  close();
  open_serving(left);
  EXPECT_EQ(number("SELECT count(*) FROM entry"), calls);
  EXPECT_EQ(number("SELECT sum(spent_nano) FROM account_window"), 7 * calls);
  EXPECT_EQ(ledger->counters().interrupted_at_start.load(), 0U);
  close();
}

TEST_F(JournalFull, NobodyWaitsForADiskThatDoesNotSync) {
  durability = Durability::Disk;
  open_serving();
  const AccountRef account = make_account("key", std::nullopt);
  fault::arm("journal.eio_sync", 1, true);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(settle(account, 10, 7));
    std::atomic<bool> served = false;
    // Without an executor the thread itself waits.
    std::thread waiter([&] {
      base::spawn([](Ledger& of, std::atomic<bool>& done) -> Task<void> {
        co_await of.durable();
        done = true;
      }(*ledger, served));
    });
    waiter.join();
    EXPECT_TRUE(served) << i;
  }
  fault::arm("");
  close();
}

}  // namespace
}  // namespace turnpike::ledger::journal_full_test
