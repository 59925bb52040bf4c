#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "db/sqlite_connection.h"
#include "journal/replay.h"
#include "ledger/away_database.h"
#include "ledger/ledger_test_fixture.h"
#include "proof/verify.h"

namespace turnpike::proof::crash_test {
namespace {

#ifdef TURNPIKE_FAULTS

struct Crash : ledger::LedgerFixture {
  /// Runs `work` in a process of its own, with `point` armed for its n-th time, and waits for its end.
  void run_until_killed(const char* point, int n, const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      open();
      fault::arm(point, n);
      work();
      ::raise(SIGKILL);  // The point may not have been reached: a kill all the same.
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  }
  void calls(int count, std::int64_t cost_nano) {
    const ledger::AccountRef account = make_account("key", 1'000'000);
    for (int i = 0; i < count; ++i) {
      auto hold = ledger->admit(admission({account}, 300));
      if (!hold) continue;
      hold->attempt(1, "deployment", "prices");
      domain::CallRecord made = record(cost_nano);
      std::move(*hold).settle(made);
      // What the caller saw is counted where he sees it: in a file, after `settle`.
      ++answered_;
      if (::write(answers_, "a", 1) != 1) ::abort();
    }
  }
  void SetUp() override {
    ledger::LedgerFixture::SetUp();
    answers_ = ::open((directory + "/answers").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  void TearDown() override {
    ::close(answers_);
    ledger::LedgerFixture::TearDown();
  }
  std::int64_t answers() const { return static_cast<std::int64_t>(std::filesystem::file_size(directory + "/answers")); }

  void expect_sums_agree() {
    EXPECT_EQ(number("SELECT count(*) - max(entry_no) FROM entry WHERE replica_no = 1"), 0);
    EXPECT_EQ(number("SELECT count(*) - coalesce((SELECT shipped_no FROM replica WHERE replica_no = 1), 0) FROM entry"),
              0);
    EXPECT_EQ(number("SELECT (SELECT sum(spent_nano) FROM account_window) - sum(cost_nano) FROM entry"), 0);
    EXPECT_EQ(number("SELECT (SELECT sum(cost_nano) FROM daily WHERE entity_kind = 6) - sum(cost_nano) FROM entry"), 0);
    EXPECT_EQ(number("SELECT (SELECT sum(entries) FROM replica_day) - count(*) FROM entry"), 0);
  }

  int answers_ = -1;
  int answered_ = 0;
};

TEST_F(Crash, WhereverTheKillFallsEveryAnsweredCallHasOneEntryAndSumsAgree) {
  const char* const kPoints[] = {
      "hold.after_accounts",  "hold.before_journal", "hold.after_journal",
      "entry.before_journal", "entry.after_journal", "settle.after_first_account",
      "ship.before_begin",    "ship.before_commit",  "attempt.before_send",
  };
  for (const char* point : kPoints) {
    for (const int n : {1, 7}) {
      SCOPED_TRACE(std::string(point) + ":" + std::to_string(n));
      TearDown();
      SetUp();
      run_until_killed(point, n, [&] {
        calls(10, 100);
        ship();
        calls(10, 100);
        ship();
      });
      open();
      // At most the one call that was between its journal record and its answer is booked without having been seen.
      const std::int64_t booked = number("SELECT count(*) FROM entry WHERE status = 0");
      EXPECT_GE(booked, answers());
      EXPECT_LE(booked, answers() + 1);
      EXPECT_LE(number("SELECT count(*) FROM entry WHERE status <> 0"), 1);
      EXPECT_EQ(number("SELECT coalesce(sum(cost_nano), 0) FROM entry WHERE status <> 0"), 0);
      if (booked > 0) expect_sums_agree();
      const ledger::AccountRef account = make_account("key", 1'000'000);
      EXPECT_EQ(account->spent().nano(), 100 * booked);
      EXPECT_EQ(words(account).free.load(), 1'000'000 - 100 * booked);
    }
  }
}

TEST_F(Crash, AKillWhileSegmentsChangeLosesNothing) {
  segment_bytes = 64 * 1024;  // Some eighty calls.
  for (const char* point : {"journal.rotate", "journal.open_record"}) {
    for (const int n : {2, 3}) {  // The first segment is opened before the point is armed.
      SCOPED_TRACE(std::string(point) + ":" + std::to_string(n));
      TearDown();
      SetUp();
      run_until_killed(point, n, [&] {
        for (int i = 0; i < 10; ++i) calls(100, 100);
      });
      EXPECT_GT(answers(), 50);
      EXPECT_LT(answers(), 1000) << "the point was reached";
      open();
      const std::int64_t booked = number("SELECT count(*) FROM entry WHERE status = 0");
      EXPECT_GE(booked, answers());
      EXPECT_LE(booked, answers() + 1);
      expect_sums_agree();
    }
  }
}

TEST_F(Crash, AnOpenHoldBecomesWhatTheJournalKnowsOfIt) {
  run_until_killed("", 1, [&] {
    const ledger::AccountRef account = make_account("key", 1'000'000);
    std::vector<ledger::Hold> holds;
    for (int i = 0; i < 6; ++i) holds.push_back(std::move(*ledger->admit(admission({account}, 300 + i))));
    for (std::size_t i = 1; i < 6; ++i) holds[i].attempt(1, "deployment", "prices");  // 0: admitted only, no record.
    holds[2].answer(1, 55, Money::from_nano(20));
    holds[3].answer(1, 55);
    holds[3].progress(60, 7, Money::from_nano(90));
    holds[4].progress(60, 7, Money::from_nano(90));  // Billed and failed; the next was sent,
    holds[4].attempt(2, "other", "prices");
    holds[5].progress(60, 7, Money::from_nano(90));
    holds[5].attempt(2, "other", "prices");
    holds[5].answer(2, 60, Money::from_nano(120));  // or had begun to answer.
    ::raise(SIGKILL);
  });
  open();
  EXPECT_EQ(ledger->counters().interrupted_at_start.load(), 5u);
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE status = 3 AND end_reason = 'gateway_crash'"), 5);
  EXPECT_EQ(number("SELECT exposure_nano FROM entry WHERE entry_no = 1"), 301);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 4"), 90);
  EXPECT_EQ(number("SELECT exposure_nano FROM entry WHERE entry_no = 4"), 304 - 90);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 5"), 120);
  EXPECT_EQ(number("SELECT sum(exposure_nano) FROM entry WHERE entry_no IN (2, 3, 5)"), 0);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 1"), 0);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 2"), 20);
  EXPECT_EQ(number("SELECT prompt_tokens FROM entry WHERE entry_no = 2"), 55);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 3"), 90);
  EXPECT_EQ(number("SELECT completion_tokens FROM entry WHERE entry_no = 3"), 7);
  expect_sums_agree();
  close();
  open();  // Closed once and for all.
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 5);
}

TEST_F(Crash, AnOpenHoldOfAStrictAccountCostsAllThatWasHeld) {
  run_until_killed("", 1, [&] {
    const ledger::AccountRef lax = make_account("lax", 1'000'000), stern = make_account("stern", 1'000'000);
    std::vector<ledger::Hold> holds;
    for (const auto& accounts : {std::vector{lax}, std::vector{lax, stern}})
      holds.push_back(std::move(*ledger->admit(admission(accounts, 300))));
    for (ledger::Hold& hold : holds) hold.attempt(1, "deployment", "prices");
    number("UPDATE account SET strict = 1 WHERE entity = 'stern' RETURNING 1");
    ::raise(SIGKILL);
  });
  open();
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE status = 3"), 2);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 1"), 0);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE entry_no = 2"), 300);
  EXPECT_EQ(number("SELECT spent_nano FROM account_window JOIN account USING (account_id) WHERE entity = 'stern'"),
            300);
}

// A power cut may take the journal's last moments, of which the database has some already.
TEST_F(Crash, AnEntryThatOnlyTheDatabaseKeptIsNotBookedAgain) {
  run_until_killed("", 1, [&] {
    const ledger::AccountRef account = make_account("key", 1'000'000);
    ledger::Admission made = admission({account}, 300);
    made.record_id.bytes.fill(7);
    auto hold = ledger->admit(made);
    hold->attempt(1, "deployment", "prices");
    hold->answer(1, 55, Money::from_nano(20));
    domain::CallRecord done = record(100);
    done.record_id = made.record_id.to_string();
    std::move(*hold).settle(done);
    ship();
  });
  const journal::KeptSegment segment = journal::list_segments(directory + "/journal")->back();
  std::ifstream file(segment.path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  std::size_t entry_at = 0;
  journal::scan_records(bytes, segment.header.crc, [&](const journal::RecordView& record) {
    if (record.type == journal::RecordType::Entry)
      entry_at = static_cast<std::size_t>(record.payload.data() - bytes.data()) - journal::kRecordHeaderBytes;
  });
  ASSERT_GT(entry_at, 0u);
  std::filesystem::resize_file(segment.path, entry_at);
  open();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 1);
  EXPECT_EQ(number("SELECT cost_nano FROM entry"), 100);
  expect_sums_agree();
  const ledger::AccountRef account = make_account("key", 1'000'000);
  ASSERT_TRUE(settle(account, 300, 100));
  ship();
  EXPECT_EQ(number("SELECT max(entry_no) FROM entry"), 2);
  expect_sums_agree();
}

TEST_F(Crash, AKillInTheMiddleOfReplayClosesNothingTwice) {
  run_until_killed("", 1, [&] {
    const ledger::AccountRef account = make_account("key", 1'000'000);
    std::vector<ledger::Hold> holds;
    for (int i = 0; i < 5; ++i) holds.push_back(std::move(*ledger->admit(admission({account}, 300))));
    for (ledger::Hold& hold : holds) hold.attempt(1, "deployment", "prices");
    ::raise(SIGKILL);
  });
  const pid_t child = ::fork();
  if (child == 0) {
    fault::arm("replay.mid_close", 3);
    open();
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  open();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 5);
  expect_sums_agree();
}

struct Ship : Crash {};

TEST_F(Ship, AnOutageLosesNothingAndItsOverflowIsReadFromTheJournal) {
  open();
  ledger->close(std::chrono::seconds(1));
  ledger.reset();
  ledger::Away away(*database);
  ledger::LedgerOptions made = options();
  made.ship_queue_bytes_max = 10'000;  // Some twenty entries.
  made.ship_batch_rows = 64;
  made.segment_bytes = 256 * 1024;
  ledger = std::move(*ledger::Ledger::open(made, away));
  const ledger::AccountRef account = make_account("key", 1'000'000'000);
  away.away = true;
  for (int i = 0; i < 1500; ++i) {
    while (!ledger->readiness().empty()) std::this_thread::yield();
    ASSERT_TRUE(settle(account, 300, 100 + i % 7));
  }
  EXPECT_EQ(ledger->counters().unshipped.load(), 1500u);
  away.away = false;
  for (int i = 0; i < 3000 && ledger->counters().unshipped.load() > 0; ++i) ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 1500);
  EXPECT_EQ(number("SELECT count(*) FROM entry_rejected"), 0);
  expect_sums_agree();
  EXPECT_EQ(number("SELECT sum(cost_nano) FROM entry"), account->spent().nano());
  ledger->close(std::chrono::seconds(1));
  ledger.reset();
}

TEST_F(Ship, ACommitWhoseAnswerWasLostCountsOnce) {
  open();
  fault::arm("ship.commit_unknown", 2);
  const ledger::AccountRef account = make_account("key", 1'000'000);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(settle(account, 300, 100));
    ship();
  }
  for (int i = 0; i < 500 && number("SELECT count(*) FROM entry") < 50; ++i) ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 50);
  EXPECT_GE(ledger->counters().ship_retries.load(), 1u);
  expect_sums_agree();
}

// AC-SPEND-4. What PostgreSQL would call 40P01 and 40001 is the same to the shipper: the same batch again.
TEST_F(Ship, ABatchThatTheDatabaseBreaksOffIsShippedAgainAndCountsOnce) {
  for (const char* point : {"ship.deadlock", "ship.serialization", "ship.commit_unknown"}) {
    SCOPED_TRACE(point);
    TearDown();
    SetUp();
    open();
    fault::arm(point, 1);
    const ledger::AccountRef account = make_account("key", 1'000'000);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(settle(account, 300, 100));
    while (ledger->counters().unshipped.load() > 0) ship();
    EXPECT_EQ(ledger->counters().ship_retries.load(), 1u);
    EXPECT_EQ(number("SELECT count(*) FROM entry"), 20);
    expect_sums_agree();
  }
}

TEST_F(Ship, ARejectedRowWhoseCommitWasInDoubtIsSetAsideOnce) {
  if (db::on_postgres()) GTEST_SKIP() << "a trigger of SQLite's";
  open();
  const ledger::AccountRef account = make_account("key", 1'000'000);
  // A row that the database never takes.
  ASSERT_TRUE(database->transact_now([](db::Transaction& t) -> Status {
    const auto done = t.run(
        "CREATE TRIGGER no BEFORE INSERT ON entry WHEN NEW.cost_nano = 13 BEGIN SELECT "
        "RAISE(ABORT, 'no'); END",
        {});
    return done ? Status() : base::fail(done.error());
  }));
  fault::arm("ship.commit_unknown", 2);  // The first is that of the good row before it.
  for (const std::int64_t cost : {100, 13, 100}) ASSERT_TRUE(settle(account, 300, cost));
  while (ledger->counters().unshipped.load() > 0) ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 2);
  EXPECT_EQ(number("SELECT count(*) FROM entry_rejected"), 1);
  EXPECT_EQ(ledger->counters().rejected_rows.load(), 1u) << "it is told of";
  EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 213);
  EXPECT_EQ(number("SELECT sum(cost_nano) FROM daily WHERE entity_kind = 6"), 213);
  EXPECT_EQ(number("SELECT entries FROM replica_day"), 3);
}

TEST_F(Ship, ALockedDatabaseIsWaitedFor) {
  if (db::on_postgres()) GTEST_SKIP() << "a lock of SQLite's";
  open();
  const ledger::AccountRef account = make_account("key", 1'000'000);
  auto other = db::SqliteConnection::open(directory + "/turnpike.db", db::SqliteConnection::Access::ReadWrite);
  ASSERT_TRUE(other.has_value());
  ASSERT_TRUE((*other)->run("BEGIN IMMEDIATE", {}));
  ASSERT_TRUE(settle(account, 300, 100));
  ship();  // Ends when the try has failed.
  EXPECT_EQ(ledger->counters().unshipped.load(), 1u);
  EXPECT_GE(ledger->counters().ship_retries.load(), 1u);
  ASSERT_TRUE((*other)->run("ROLLBACK", {}));
  while (ledger->counters().unshipped.load() > 0) ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM entry_rejected"), 0);
  expect_sums_agree();
}

// AC-SPEND-3, and again with every batch shipped twice.
TEST_F(Ship, FiveThousandCombinationsOfOneFlushAreAllInTheAggregates) {
  open();
  ledger->close(std::chrono::seconds(1));
  ledger.reset();
  ledger::Away away(*database);
  ledger::LedgerOptions made = options();
  made.segment_bytes = 16 * 1024 * 1024;
  ledger = std::move(*ledger::Ledger::open(made, away));
  away.away = true;
  constexpr int kCombinations = 5000;
  for (int i = 0; i < kCombinations; ++i) {
    domain::Caller caller;
    caller.key_hash_hex = "key" + std::to_string(i % 100);
    auto hold = ledger->admit(admission({}, 0));
    ASSERT_TRUE(hold.has_value());
    hold->attempt(1, "deployment", "prices");
    domain::CallRecord done = record(1000 + i);
    done.caller = std::make_shared<const domain::Caller>(caller);
    done.model_group = "group" + std::to_string(i / 100 % 10);
    done.tags = {"tag" + std::to_string(i / 1000), "every", "every"};
    std::move(*hold).settle(done);
  }
  EXPECT_EQ(ledger->counters().unshipped.load(), static_cast<std::uint64_t>(kCombinations));
  away.away = false;
  while (ledger->counters().unshipped.load() > 0) ship();
  EXPECT_LE(ledger->counters().ship_batches.load(), 6u);
  EXPECT_EQ(number("SELECT count(*) FROM daily WHERE entity_kind = 6"), 1000) << "key and model";
  EXPECT_EQ(number("SELECT count(*) FROM daily WHERE entity_kind = 8 AND entity <> 'every'"), kCombinations);
  EXPECT_EQ(number("SELECT count(*) FROM daily WHERE entity = 'every'"), 1000);
  EXPECT_EQ(number("SELECT sum(calls) FROM daily WHERE entity = 'every'"), kCombinations);
  for (const char* kind : {"entity_kind = 6", "entity = 'every'", "entity_kind = 8 AND entity <> 'every'"}) {
    EXPECT_EQ(
        number(std::string("SELECT (SELECT sum(cost_nano) FROM daily WHERE ") + kind + ") - sum(cost_nano) FROM entry"),
        0);
  }
  const auto checks = proof::verify_ledger(*database, directory + "/journal");
  ASSERT_TRUE(checks.has_value());
  for (const proof::Check& check : *checks)
    EXPECT_TRUE(check.agrees) << check.name << " " << check.what << check.detail;
  ledger->close(std::chrono::seconds(1));
  ledger.reset();
}

/// A file system of four MiB over the journal's directory; only root can have one.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& path, const char* flags) : path_(path) {
    std::filesystem::create_directories(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, flags) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount(path_.c_str());
  }
  bool mounted() const { return mounted_; }
  bool read_only() const { return ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0; }

 private:
  std::string path_;
  bool mounted_ = false;
};

TEST_F(Ship, AFullDiskRefusesNewCallsEndsOpenOnesAndComesBack) {
  const SmallDisk disk(directory + "/journal", "size=4m");
  if (!disk.mounted()) GTEST_SKIP() << "no mount here: JournalFiles.AFullDiskRefusesNewCallsAndComesBack stands in";
  open();
  ledger->close(std::chrono::seconds(1));
  ledger.reset();
  ledger::Away away(*database);
  ledger::LedgerOptions made = options();
  made.keep = std::chrono::hours(1);
  ledger = std::move(*ledger::Ledger::open(made, away));
  const ledger::AccountRef account = make_account("key", std::nullopt);
  away.away = true;  // Nothing is shipped, so nothing may be deleted.
  std::vector<ledger::Hold> open_calls;
  for (int i = 0; i < 50; ++i) {
    open_calls.push_back(std::move(*ledger->admit(admission({account}, 10))));
    ASSERT_TRUE(open_calls.back().attempt(1, "deployment", "prices"));
  }
  Error refused;
  int settled = 0;
  for (; settled < 20'000; ++settled) {
    if (const Status status = settle(account, 10, 7); !status) {
      // The next segment may still be on its way; a full disk stays full.
      refused = status.error();
      if (ledger->counters().journal_full.load() > 200) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      --settled;
    }
  }
  EXPECT_EQ(refused.kind, ErrorKind::Unavailable);
  EXPECT_EQ(refused.code, "journal_full");
  EXPECT_EQ(refused.retry_after, std::chrono::seconds(5));
  EXPECT_NE(ledger->readiness().find("journal_full"), std::string::npos);
  for (ledger::Hold& call : open_calls) {
    domain::CallRecord done = record(7);
    std::move(call).settle(done);
  }
  const std::int64_t calls = settled + 50;
  EXPECT_EQ(account->spent().nano(), 7 * calls);
  // All of them are in the journal: what is left always suffices for open calls.
  const auto replay = journal::replay_journal(made.journal_dir, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(static_cast<std::int64_t>(replay->max_entry_no), calls);
  EXPECT_TRUE(replay->missing_entry_nos.empty());
  EXPECT_TRUE(replay->open_holds.empty());
  away.away = false;
  for (int i = 0; i < 2000 && !ledger->readiness().empty(); ++i) {
    ship();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(ledger->readiness(), "");
  EXPECT_TRUE(settle(account, 10, 7));
  while (ledger->counters().unshipped.load() > 0) ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), calls + 1);
  expect_sums_agree();
  close();
}

// The database is away at the start; when it comes it may even have more than the journal knows of: a power cut took
// entries from it whose numbers this run gave again.
TEST_F(Ship, AStartWithoutTheDatabaseJoinsItLaterAndNoNumberIsGivenTwice) {
  for (const bool power_cut : {false, true}) {
    SCOPED_TRACE(power_cut);
    TearDown();
    SetUp();
    open();
    ASSERT_TRUE(settle(make_account("key", std::nullopt), 10, 100));
    ledger->close(std::chrono::seconds(10));
    ledger.reset();
    const std::filesystem::path journal = directory + "/journal", before = directory + "/before";
    std::filesystem::copy(journal, before);
    ASSERT_NO_FATAL_FAILURE(open());
    ledger::AccountRef account = make_account("key", std::nullopt);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(settle(account, 10, 100));
    ledger->close(std::chrono::seconds(10));
    ledger.reset();
    if (power_cut) {  // What was synced stays: the epoch.
      for (const auto& file : std::filesystem::directory_iterator(journal)) {
        if (file.path().extension() == ".tpj") std::filesystem::remove(file.path());
      }
      for (const auto& file : std::filesystem::directory_iterator(before)) {
        if (file.path().extension() == ".tpj") std::filesystem::copy(file.path(), journal / file.path().filename());
      }
    }
    ledger::Away away(*database);
    ledger::LedgerOptions made = options();
    made.database_may_be_away = true;
    away.away = true;
    auto opened = ledger::Ledger::open(made, away);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    ledger = std::move(*opened);
    account = make_account("key", std::nullopt);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(settle(account, 10, 100));
    away.away = false;
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(settle(account, 10, 100));
    while (ledger->counters().unshipped.load() > 0) ship();
    EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 0"), 11);
    EXPECT_EQ(number("SELECT max(entry_no) FROM entry"), 11);
    EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 1100);
    expect_sums_agree();
    ledger->close(std::chrono::seconds(10));
    ledger.reset();
    open();
    EXPECT_EQ(number("SELECT count(*) FROM entry WHERE kind = 0"), 11);
    close();
  }
}

TEST_F(Ship, WithoutAJournalWhatWaitsInMemoryIsBounded) {
  open();
  ledger->close(std::chrono::seconds(1));
  ledger.reset();
  ledger::Away away(*database);
  ledger::LedgerOptions made = options();
  made.journal_off = true;
  made.ship_queue_bytes_max = 10'000;
  ledger = std::move(*ledger::Ledger::open(made, away));
  const ledger::AccountRef account = make_account("key", std::nullopt);
  away.away = true;
  int settled = 0;
  Status last;
  for (; last && settled < 1000; ++settled) last = settle(account, 10, 7);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, "journal_full");
  EXPECT_NE(ledger->readiness(), "");
  EXPECT_LT(settled, 100);
  away.away = false;
  while (ledger->counters().unshipped.load() > 0) ship();
  EXPECT_EQ(ledger->readiness(), "");
  EXPECT_TRUE(settle(account, 10, 7));
  close();
}

TEST_F(Ship, AReadOnlyDirectoryIsRefusedWithTheRemedy) {
  const SmallDisk disk(directory + "/journal", "size=4m");
  if (!disk.mounted() || !disk.read_only()) GTEST_SKIP() << "no mount here";
  auto opened = db::open_test_database(directory + "/turnpike.db");
  const auto refused = ledger::Ledger::open(options(), **opened);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("Read-only file system"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("--no-journal"), std::string::npos) << refused.error().message;
}

// start.twice: a copied directory. The database lets one of the two go on, and the other stops admitting.
TEST_F(Ship, TheSecondOwnerOfACopiedJournalTakesOverAndTheFirstStops) {
  open();
  const ledger::AccountRef account = make_account("key", std::nullopt);
  ASSERT_TRUE(settle(account, 10, 7));
  ship();
  std::filesystem::copy(directory + "/journal", directory + "/copy");
  ledger::LedgerOptions copied = options();
  copied.journal_dir = directory + "/copy";
  auto second = ledger::Ledger::open(copied, *database);
  ASSERT_TRUE(second.has_value()) << second.error().message;
  ASSERT_TRUE(settle(account, 10, 7));
  ship();
  EXPECT_NE(ledger->readiness(), "");
  EXPECT_FALSE(ledger->admit(admission({account}, 1)).has_value());
  EXPECT_EQ((*second)->readiness(), "");
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 1);
  (*second)->close(std::chrono::seconds(1));
}

TEST_F(Ship, ADatabaseSetBackGetsItsEntriesAgainAndCountsThemOnce) {
  open();
  ledger::AccountRef account = make_account("key", 1'000'000);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(settle(account, 300, 100));
  ship();
  account.reset();
  // As if the last 8 commits had been lost in a fail-over.
  ASSERT_TRUE(database->transact_now([](db::Transaction& t) -> Status {
    for (const char* sql :
         {"DELETE FROM entry WHERE entry_no > 12", "UPDATE replica SET shipped_no = 12 WHERE replica_no = 1",
          "UPDATE account_window SET spent_nano = 1200, calls = 12", "UPDATE daily SET cost_nano = 1200, calls = 12",
          "UPDATE replica_day SET entries = 12, cost_nano = 1200"}) {
      if (const auto done = t.run(sql, {}); !done) return base::fail(done.error());
    }
    return {};
  }));
  close();
  open();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 20);
  expect_sums_agree();
}

TEST_F(Ship, ABadRowIsSetAsideWithItsMoneyBooked) {
  open();
  const ledger::AccountRef account = make_account("key", 1'000'000);
  ASSERT_TRUE(settle(account, 300, 100));
  ship();  // A day's first entry may be stored twice, and the fault comes once.
  ASSERT_EQ(number("SELECT count(*) FROM entry"), 1);
  fault::arm("ship.bad_row", 3);
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(settle(account, 300, 100));
  ship();
  EXPECT_EQ(number("SELECT count(*) FROM entry"), 9);
  EXPECT_EQ(number("SELECT count(*) FROM entry_rejected"), 1);
  EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 1000);
  EXPECT_EQ(ledger->counters().rejected_rows.load(), 1u);
}

#endif

}  // namespace
}  // namespace turnpike::proof::crash_test
