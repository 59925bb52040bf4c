#include <future>
#include <optional>

#include "db/account_rows.h"
#include "http/client.h"
#include "ledger/ledger_test_fixture.h"
#include "net/io_threads.h"

namespace turnpike::ledger {
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
  Task<void> run(const Admission& wanted, http::Cancel& cancel, std::optional<Result<Hold>>& hold,
                 std::promise<void>& done) {
    hold.emplace(co_await ledger->admit_or_wait(wanted, cancel));
    done.set_value();
  }
  void settle_now(Result<Hold> hold, std::int64_t cost_nano) const {
    ASSERT_TRUE(hold.has_value()) << hold.error().message;
    ASSERT_TRUE(hold->attempt(1, "deployment", "prices"));
    domain::CallRecord made = record(cost_nano);
    std::move(*hold).settle(made);
  }

  std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(1);
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
}  // namespace turnpike::ledger
