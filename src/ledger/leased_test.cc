#include <filesystem>
#include <functional>
#include <future>
#include <optional>
#include <thread>

#include "db/account_rows.h"
#include "http/client.h"
#include "ledger/ledger_test_fixture.h"
#include "net/io_threads.h"

namespace turnpike::ledger::leased_test {
namespace {

/// A ledger whose money is leased from PostgreSQL, as a replica's is.
struct LeasedLedger : LedgerFixture {
  void SetUp() override {
    LedgerFixture::SetUp();
    auto opened = db::TestDatabase(db::Engine::Postgres, "").open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    database = std::move(*opened);
    start();
  }
  void start() {
    ledger.reset();
    LedgerOptions made = options();
    made.is_shared = true;
    made.wall = wall;
    made.ship_interval = ship_interval;
    auto opened = Ledger::open(std::move(made), *database);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    ledger = std::move(*opened);
  }
  void TearDown() override {
    threads.reset();
    LedgerFixture::TearDown();
  }

  /// What the account's row says now.
  AccountFacts read(std::int64_t account_id) {
    AccountFacts facts;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto row = db::find_account(t, account_id, 1);
      if (!row) return base::fail(row.error());
      facts = db::facts_of(**row, {6, "key"}, "label");
      return {};
    }));
    return facts;
  }
  AccountFacts make(std::optional<std::int64_t> limit_nano) {
    std::int64_t id = 0;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      id = db::open_account(t, {6, "key"}, terms(limit_nano), 1).value();
      return {};
    }));
    return read(id);
  }
  static db::NewTerms terms(std::optional<std::int64_t> limit_nano) {
    db::NewTerms made;
    if (limit_nano) made.terms.limit = Money::from_nano(*limit_nano);
    return made;
  }
  /// As an administrator on this replica does it.
  AccountFacts set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano) {
    EXPECT_TRUE(database->transact_now(
        [&](db::Transaction& t) { return db::set_account_terms(t, account_id, terms(limit_nano), 1); }));
    ledger->terms_changed(read(account_id));
    return read(account_id);
  }

  Result<Hold> admit(const AccountFacts& account, std::int64_t nano) {
    Admission made = admission({}, nano);
    made.windows = {ledger->window(account, made.started_us)};
    std::promise<void> done;
    std::optional<Result<Hold>> hold;
    http::Cancel cancel;
    net::IoThread& thread = *threads->all().front();
    thread.post([&] { base::spawn(run(made, cancel, hold, done)); });
    done.get_future().wait();
    return std::move(*hold);
  }
  bool extend(Hold& hold, std::int64_t nano) {
    std::promise<bool> done;
    http::Cancel cancel;
    net::IoThread& thread = *threads->all().front();
    thread.post([&] { base::spawn(run_extension(hold, nano, cancel, done)); });
    return done.get_future().get();
  }
  static Task<void> run_extension(Hold& hold, std::int64_t nano, http::Cancel& cancel, std::promise<bool>& done) {
    done.set_value(co_await hold.extend_or_wait({Money::from_nano(nano)}, cancel));
  }
  Task<void> run(Admission wanted, http::Cancel& cancel, std::optional<Result<Hold>>& hold, std::promise<void>& done) {
    hold.emplace(co_await ledger->admit_or_wait(wanted, cancel));
    done.set_value();
  }
  void settle_now(Result<Hold> hold, std::int64_t cost_nano) const {
    ASSERT_TRUE(hold.has_value()) << hold.error().message;
    ASSERT_TRUE(hold->attempt(1, "deployment", "prices"));
    domain::CallRecord made = record(cost_nano);
    std::move(*hold).settle(made);
  }

  /// Waits for what another thread does.
  static bool comes(const std::function<bool()>& holds) {
    const base::Monotonic until = base::monotonic_now() + std::chrono::seconds(10);
    while (!holds() && base::monotonic_now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return holds();
  }

  std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(1);
  LedgerClock::Wall wall = base::unix_now_us;
  std::chrono::milliseconds ship_interval{5};
};

TEST_F(LeasedLedger, ABudgetThatIsSetWhileCallsRunCountsThemBesideTheLeases) {
  AccountFacts account = make(std::nullopt);
  const WindowRef free = ledger->window(account, 1);
  Result<Hold> running = admit(account, 300);
  EXPECT_FALSE(free->leased);
  account = set_limit(account.account_id, 1'000);
  const WindowRef leased = ledger->window(account, 1);
  EXPECT_TRUE(leased->leased) << "later calls get another window of the same name";
  EXPECT_FALSE(free->holds(1));
  settle_now(admit(account, 600), 600);
  settle_now(std::move(running), 300);
  ship();
  EXPECT_EQ(number("SELECT base_nano FROM escrow"), 300);
  EXPECT_EQ(number("SELECT used_nano FROM lease"), 600);
  EXPECT_EQ(number("SELECT spent_nano FROM account_window"), 900);
  settle_now(admit(account, 1'200), 100);  // Crosses the line: it holds more than is left.
  EXPECT_EQ(ledger->counters().crossings.load(), 1U);
  EXPECT_EQ(admit(account, 1).error().kind, ErrorKind::BudgetSpent);

  account = set_limit(account.account_id, std::nullopt);
  EXPECT_FALSE(leased->holds(1));
  settle_now(admit(account, 5'000), 5'000);
  account = set_limit(account.account_id, 6'100);
  settle_now(admit(account, 100), 100);
  ship();
  EXPECT_EQ(number("SELECT base_nano FROM escrow"), 5'300);
  EXPECT_EQ(admit(account, 1).error().kind, ErrorKind::BudgetSpent);
}

TEST_F(LeasedLedger, ARestartKnowsWhatItsLeasesHavePaidAndACleanEndReturnsTheRest) {
  const AccountFacts account = make(1'000);
  settle_now(admit(account, 100), 70);
  EXPECT_GT(number("SELECT granted_nano FROM lease"), 100);
  ledger->close(std::chrono::seconds(10));
  EXPECT_EQ(number("SELECT granted_nano FROM lease"), 70);
  EXPECT_EQ(number("SELECT state FROM replica WHERE replica_no > 0"), 1);
  start();
  settle_now(admit(read(account.account_id), 930), 930);
  EXPECT_EQ(admit(read(account.account_id), 1).error().kind, ErrorKind::BudgetSpent);
  ship();
  EXPECT_EQ(number("SELECT used_nano FROM lease"), 1'000);
}

TEST_F(LeasedLedger, AnotherAttemptGetsMoneyThatIsNotLeasedYet) {
  const AccountFacts account = make(10'000);
  Result<Hold> hold = admit(account, 100);
  ASSERT_TRUE(hold.has_value());
  ASSERT_TRUE(hold->attempt(1, "deployment", "prices"));
  EXPECT_FALSE(hold->extend({Money::from_nano(8'000)})) << "what is here is not enough";
  EXPECT_TRUE(extend(*hold, 8'000));
  EXPECT_EQ(hold->amount().money.nano(), 8'100);
  EXPECT_TRUE(extend(*hold, 5'000)) << "one call may cross the line, later as well as when it came";
  EXPECT_FALSE(extend(*hold, 1));
  EXPECT_EQ(hold->amount().money.nano(), 13'100);
  EXPECT_EQ(ledger->counters().refused_spent.load() + ledger->counters().refused_held.load(), 0U)
      << "no call was refused";
  domain::CallRecord made = record(9'000);
  std::move(*hold).settle(made);
  EXPECT_TRUE(made.marks & domain::kCrossing);
  const lease::AccountWords& left = words(ledger->find_account(account.account_id));
  EXPECT_EQ(left.held.load(), 0);
  settle_now(admit(account, 1'000), 1'000);
  ship();
  EXPECT_EQ(number("SELECT used_nano FROM lease"), 10'000);
}

TEST_F(LeasedLedger, WhatIsNotShippedYetIsSpentAlsoWhenTheAccountIsReadAgain) {
  ship_interval = std::chrono::seconds(60);
  start();
  const AccountFacts account = make(1'000);
  settle_now(admit(account, 600), 600);
  const AccountRef known = ledger->find_account(account.account_id);
  EXPECT_EQ(known->spent().nano(), 600);
  ledger->account_read(read(account.account_id));
  EXPECT_TRUE(comes([&] { return known->spent().nano() == 600; })) << known->spent().nano();
  ship();
  EXPECT_TRUE(comes([&] { return number("SELECT used_nano FROM lease") == 600; }));
  ledger->account_read(read(account.account_id));
  EXPECT_TRUE(comes([&] { return known->spent().nano() == 600; })) << known->spent().nano();
}

TEST_F(LeasedLedger, WindowsGoByTheClockOfTheDatabase) {
  constexpr std::int64_t kHourUs = 3'600'000'000;
  wall = [] { return base::unix_now_us() - kHourUs; };
  start();
  ASSERT_TRUE(comes([&] { return ledger->clock_offset_us() > 0; }));
  constexpr std::int64_t kCloseUs = 1'000'000;
  EXPECT_NEAR(static_cast<double>(ledger->clock_offset_us()), static_cast<double>(kHourUs), kCloseUs);
  AccountFacts account = make(1'000);
  account.duration = domain::BudgetDuration{domain::BudgetDuration::Unit::Minute, 1};
  account.window = {0, wall() + kHourUs / 2};  // By the wall clock it goes on; the next begins half an hour ago.
  EXPECT_EQ(ledger->account(account)->running()->window_id == 0, false);
}

TEST_F(LeasedLedger, WhatACrashLeftOpenEndsByTheClockItBeganBy) {
  constexpr std::int64_t kHourUs = 3'600'000'000;
  wall = [] { return base::unix_now_us() - kHourUs; };
  start();
  EXPECT_GT(ledger->clock_offset_us(), kHourUs / 2) << "it is known from the start";
  const AccountFacts account = make(1'000);
  const std::int64_t began_us = wall() + ledger->clock_offset_us();
  Admission made = admission({}, 300);
  made.windows = {ledger->window(account, began_us)};
  made.started_us = began_us;
  std::promise<void> done;
  std::optional<Result<Hold>> hold;
  http::Cancel cancel;
  threads->all().front()->post([&] { base::spawn(run(made, cancel, hold, done)); });
  done.get_future().wait();
  ASSERT_TRUE((*hold)->attempt(1, "deployment", "prices"));
  // The journal as a kill would leave it.
  const std::string journal = directory + "/journal", killed = directory + "/killed";
  std::filesystem::copy(journal, killed, std::filesystem::copy_options::recursive);
  std::move(**hold).undo();
  ledger.reset();
  std::filesystem::remove_all(journal);
  std::filesystem::rename(killed, journal);
  start();
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE status = 3"), 1);
  EXPECT_GE(number("SELECT ended_us - started_us FROM entry"), 0);
  EXPECT_LT(number("SELECT ended_us - started_us FROM entry"), kHourUs / 2);
}

TEST_F(LeasedLedger, MoneyOfTheNextWindowIsThereBeforeItBegins) {
  AccountFacts account = make(10'000);
  account.duration = domain::BudgetDuration{domain::BudgetDuration::Unit::Month, 1};
  const std::int64_t next_s = base::unix_now_us() / 1'000'000 + 4;
  account.window = {next_s - 60, next_s * 1'000'000};
  const std::int64_t in_window_us = (next_s - 60) * 1'000'000;
  Admission made = admission({}, 100);
  made.windows = {ledger->window(account, in_window_us)};
  ASSERT_EQ(made.windows.front()->window_id, next_s - 60);
  std::promise<void> done;
  std::optional<Result<Hold>> hold;
  http::Cancel cancel;
  net::IoThread& thread = *threads->all().front();
  thread.post([&] { base::spawn(run(made, cancel, hold, done)); });
  done.get_future().wait();
  settle_now(std::move(*hold), 100);
  const std::string of_next = " FROM lease WHERE account_id = " + std::to_string(account.account_id) +
                              " AND window_id = " + std::to_string(next_s);
  EXPECT_TRUE(comes([&] { return number("SELECT granted_nano" + of_next) > 0; }));
  EXPECT_LT(base::unix_now_us(), next_s * 1'000'000) << "the window has not begun";
  const WindowRef next = ledger->window(account, next_s * 1'000'000);
  EXPECT_EQ(next->window_id, next_s);
  EXPECT_GT(next->words->free.load(), 0) << "what was asked for is what the window begins with";
  EXPECT_EQ(ledger->window(account, in_window_us)->window_id, next_s - 60) << "who started before is booked there";
}

TEST_F(LeasedLedger, ACallerWhoGoesWaitsNoLonger) {
  const AccountFacts account = make(100);
  Result<Hold> all = admit(account, 100);
  ASSERT_TRUE(all.has_value());
  Admission made = admission({}, 50);
  made.windows = {ledger->window(account, made.started_us)};
  made.may_cross = false;
  std::promise<void> done;
  std::optional<Result<Hold>> hold;
  http::Cancel cancel;
  net::IoThread& thread = *threads->all().front();
  thread.post([&] {
    base::spawn(run(made, cancel, hold, done));
    cancel.request();
  });
  done.get_future().wait();
  EXPECT_EQ(hold->error().kind, ErrorKind::CallerGone);
  settle_now(std::move(all), 10);
  EXPECT_EQ(words(ledger->find_account(account.account_id)).held.load(), 0);
}

}  // namespace
}  // namespace turnpike::ledger::leased_test
