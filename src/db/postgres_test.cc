#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "base/clock.h"
#include "db/account_rows.h"
#include "db/change_rows.h"
#include "db/migrations.h"
#include "db/postgres_url.h"
#include "db/test_postgres.h"

namespace turnpike::db::postgres_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Within what is far more than it takes.
template <class Probe>
bool soon(Probe probe, milliseconds patience = seconds(15)) {
  const base::Monotonic end = base::monotonic_now() + patience;
  while (base::monotonic_now() < end) {
    if (probe()) return true;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return false;
}

Status one(Transaction& transaction) {
  const auto rows = transaction.run("SELECT 1", {});
  return rows ? Status() : base::fail(rows.error());
}

std::unique_ptr<Database> must_open(const std::string& url, PostgresOptions options = {}) {
  auto database = open_postgres(url, options);
  EXPECT_TRUE(database.has_value());
  const Status opened = (*database)->opened();
  EXPECT_TRUE(opened.has_value()) << opened.error().message << opened.error().detail;
  return std::move(*database);
}

std::int64_t whole(Database& database, const std::string& sql) {
  std::int64_t number = -1;
  const Status read = database.read_now([&](Transaction& t) -> Status {
    const auto rows = t.run(sql, {});
    if (!rows) return base::fail(rows.error());
    number = as_int(rows->rows.at(0).at(0));
    return {};
  });
  EXPECT_TRUE(read.has_value()) << read.error().message;
  return number;
}

TEST(PostgresUrl, TakesLiteLlmsUrlsAndHidesWhatIsInThem) {
  struct Case {
    std::string_view url;
    std::string_view shown;  // Empty: refused.
    bool pooler = false;
  };
  for (const Case& c : {
           Case{"postgresql://u:p%40ss@db.example:6432/llm?sslmode=require", "db.example:6432/llm"},
           Case{"postgres://u@db/llm?connection_limit=5&pool_timeout=10&schema=public", "db:5432/llm"},
           Case{"postgresql://u:secret@db/llm?pgbouncer=true&schema=llm", "db:5432/llm", true},
           Case{"postgresql://u@/llm?host=/run/postgresql", "/run/postgresql:5432/llm"},
           Case{"postgresql://u:secret@a:1,b:2/llm?target_session_attrs=read-write", "a,b:1,2/llm"},
           Case{"mysql://u:secret@db/llm", ""},
           Case{"postgresql://u:secret@db:port/llm", ""},
           Case{"postgresql://u:%zsecret@db/llm", ""},
           Case{"postgresql://u:secret@db/llm?secret=1", ""},
           Case{"secret", ""},
       }) {
    const Result<PostgresUrl> read = read_postgres_url(c.url);
    if (c.shown.empty()) {
      ASSERT_FALSE(read.has_value()) << c.url;
      EXPECT_EQ(read.error().message.find("secret"), std::string::npos) << read.error().message;
      continue;
    }
    ASSERT_TRUE(read.has_value()) << c.url;
    EXPECT_EQ(read->shown, c.shown);
    EXPECT_EQ(read->pooler, c.pooler);
  }
}

TEST(Postgres, TypesComeBackAsTheyAreCounted) {
  const auto database = must_open(TestPostgres::get().fresh());
  ASSERT_TRUE(database->read_now([](Transaction& t) -> Status {
    const auto rows = t.run(
        "SELECT 1::smallint, 2::int, 3::bigint, sum(x), 0.5::float8, true, NULL, 'a', 2.5::numeric FROM (VALUES "
        "(9000000000000000000::bigint), (-1)) v(x)",
        {});
    EXPECT_TRUE(rows.has_value()) << rows.error().message;
    const Row expected = {std::int64_t{1},
                          std::int64_t{2},
                          std::int64_t{3},
                          std::int64_t{8'999'999'999'999'999'999},
                          0.5,
                          std::int64_t{1},
                          Value(),
                          std::string("a"),
                          2.5};
    EXPECT_EQ(rows->rows.at(0), expected);
    return {};
  }));
}

TEST(Postgres, ANulIsRefusedInsteadOfCuttingTheText) {
  const auto database = must_open(TestPostgres::get().fresh());
  for (const std::string& text : {std::string("a\0b", 3), std::string("\xFF")}) {
    const Status status = database->read_now([&](Transaction& t) -> Status {
      const auto rows = t.run("SELECT $1", {text});
      return rows ? Status() : base::fail(rows.error());
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(status.error().code, "value");
  }
}

TEST(Postgres, OfManyRowsThoseThatAreNewAreInserted) {
  const auto database = must_open(TestPostgres::get().fresh());
  NewRows rows{"account", {"account_id", "kind", "entity"}, 1, {}};
  constexpr std::int64_t kCount = 7000;  // More than one statement.
  for (std::int64_t id = 1; id <= kCount; ++id) rows.rows.push_back({id, std::int64_t{6}, "e" + std::to_string(id)});
  ASSERT_TRUE(database->append_now([&](Transaction& t) -> Status {
    const auto made = t.run("INSERT INTO account (account_id, kind, entity) VALUES (2, 1, 'x'), (6999, 1, 'y')", {});
    EXPECT_TRUE(made.has_value());
    const auto inserted = t.insert_new(rows);
    EXPECT_TRUE(inserted.has_value()) << inserted.error().message;
    for (std::size_t i = 0; i < rows.rows.size(); ++i) EXPECT_EQ((*inserted)[i], i != 1 && i != 6998) << i;
    return {};
  }));
  EXPECT_EQ(whole(*database, "SELECT count(*) FROM account"), kCount);
}

TEST(Postgres, AUnitThatGoesOnAfterAFailureIsNotTakenForDone) {
  const auto database = must_open(TestPostgres::get().fresh());
  const Status status = database->transact_now([](Transaction& t) -> Status {
    (void)t.run("SELECT nothing", {});
    return {};
  });
  EXPECT_FALSE(status);
  EXPECT_FALSE(database->read_now([](Transaction& t) -> Status {
    const auto made = t.run("INSERT INTO account (account_id, kind, entity) VALUES (1, 6, 'x')", {});
    return made ? Status() : base::fail(made.error());
  })) << "a unit that reads only changes nothing";
}

TEST(Postgres, ChangesOfSeveralProcessesGoOneAfterTheOther) {
  const std::string url = TestPostgres::get().fresh();
  const auto first = must_open(url), second = must_open(url);
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 25; ++k) {
        const Status status = (i % 2 == 0 ? first : second)->transact_now([&](Transaction& t) -> Status {
          const auto id = open_account(t, {6, std::to_string(100 * i + k)}, {}, 1);
          return id ? Status() : base::fail(id.error());
        });
        if (status) ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 100);
  EXPECT_EQ(whole(*first, "SELECT max(account_id) FROM account"), 100);
}

TEST(Postgres, ADeadlockIsTriedAgain) {
  const auto database = must_open(TestPostgres::get().fresh());
  ASSERT_TRUE(database->transact_now([](Transaction& t) -> Status {
    const auto made = t.run("INSERT INTO account (account_id, kind, entity) VALUES (1, 6, 'a'), (2, 6, 'b')", {});
    return made ? Status() : base::fail(made.error());
  }));
  std::atomic<int> met{0};
  const auto move = [&](std::int64_t from, std::int64_t to) {
    return database->append_now([&, from, to](Transaction& t) -> Status {
      const std::string sql = "UPDATE account SET version = version + 1 WHERE account_id = $1";
      if (const auto done = t.run(sql, {from}); !done) return base::fail(done.error());
      ++met;
      soon([&] { return met >= 2; });
      const auto done = t.run(sql, {to});
      return done ? Status() : base::fail(done.error());
    });
  };
  std::thread other([&] { EXPECT_TRUE(move(2, 1).has_value()); });
  EXPECT_TRUE(move(1, 2).has_value());
  other.join();
  EXPECT_GE(met, 3) << "one of them had to begin again";
  EXPECT_EQ(whole(*database, "SELECT sum(version) FROM account"), 4);
}

TEST(Postgres, ADayWithoutAPartIsMade) {
  const auto database = must_open(TestPostgres::get().fresh());
  for (const std::int64_t day : {std::int64_t{0}, std::int64_t{-3}, std::int64_t{40'000}}) {
    const Status status = database->append_now([&](Transaction& t) -> Status {
      const auto made = t.run(
          "INSERT INTO entry (day, replica_no, entry_no, kind, started_us, ended_us, status, cost_nano) VALUES ($1, 1, "
          "1, 0, 0, 0, 0, 5)",
          {day});
      return made ? Status() : base::fail(made.error());
    });
    EXPECT_TRUE(status.has_value()) << status.error().message << status.error().detail;
  }
  EXPECT_EQ(whole(*database, "SELECT sum(cost_nano) FROM entry"), 15);
  EXPECT_EQ(whole(*database, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'entry'::regclass"), 3 + 8)
      << "today's and a week's are made ahead";
}

TEST(Postgres, ManyProcessesMigrateAtOnce) {
  const std::string url = TestPostgres::get().fresh();
  std::vector<std::unique_ptr<Database>> databases;
  for (int i = 0; i < 4; ++i) databases.push_back(open_postgres(url, {}).value());
  for (const auto& database : databases) EXPECT_TRUE(database->opened().has_value());
  EXPECT_EQ(whole(*databases[0], "SELECT count(*) FROM schema_version"),
            static_cast<std::int64_t>(migrations().size()));
}

TEST(Postgres, AMigrationThatFailsIsNamed) {
  const std::string url = TestPostgres::get().fresh();
  const std::size_t begin = url.find("@/") + 2;
  const std::string name = url.substr(begin, url.find('?') - begin);
  TestPostgres::get().run("CREATE TABLE budget (x int)", name);
  const auto database = open_postgres(url, {});
  ASSERT_TRUE(database.has_value());
  const Status opened = (*database)->opened();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("migration 3"), std::string::npos) << opened.error().message;
  EXPECT_FALSE((*database)->usable());
  EXPECT_FALSE((*database)->transact_now(one));
}

TEST(Postgres, WaitsForAMigrationOfAnotherProcess) {
  const std::string url = TestPostgres::get().fresh();
  const auto first = must_open(url);
  std::atomic<bool> holding{false}, release{false};
  std::thread holder([&] {
    EXPECT_TRUE(first->transact_now([&](Transaction& t) {
      const Status done = one(t);
      holding = true;
      soon([&] { return release.load(); });
      return done;
    }));
  });
  ASSERT_TRUE(soon([&] { return holding.load(); }));
  PostgresOptions impatient;
  impatient.statement_timeout = milliseconds(100);
  const auto second = open_postgres(url, impatient).value();
  EXPECT_TRUE(second->opened().has_value()) << "the lock was not to be had in time, which is no failure";
  EXPECT_FALSE(second->reachable());
  release = true;
  holder.join();
  EXPECT_TRUE(soon([&] { return second->reachable(); }));
}

TEST(Postgres, UsesNoMoreConnectionsThanItMay) {
  const std::string url = TestPostgres::get().fresh();
  PostgresOptions options;
  options.connections_max = 3;
  const auto database = must_open(url, options);
  std::atomic<int> woken{0};
  const auto listening = database->listen("x", [&](std::string_view) { ++woken; });
  ASSERT_TRUE(soon([&] { return woken == 1; }));
  std::vector<std::thread> threads;
  std::atomic<std::int64_t> most{0};
  for (int i = 0; i < 12; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(database
                      ->read_now([&](Transaction& t) -> Status {
                        const auto rows = t.run(
                            "SELECT count(*), pg_sleep(0.05) FROM pg_stat_activity WHERE datname = current_database()",
                            {});
                        if (!rows) return base::fail(rows.error());
                        for (std::int64_t seen = most; seen < as_int(rows->rows[0][0]) &&
                                                       !most.compare_exchange_weak(seen, as_int(rows->rows[0][0]));) {
                        }
                        return {};
                      })
                      .has_value());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 3);
}

TEST(Postgres, NewsWakesWhoListens) {
  const std::string url = TestPostgres::get().fresh();
  const auto speaker = must_open(url), listener = must_open(url);
  std::atomic<int> woken{0};
  std::string text;
  const auto listening = listener->listen(std::string(kChangeChannel), [&](std::string_view told) {
    text = told;
    ++woken;
  });
  ASSERT_NE(listening, nullptr);
  ASSERT_TRUE(soon([&] { return woken == 1; })) << "once when it begins";
  EXPECT_TRUE(soon([&] { return listening->hears(); }));
  ASSERT_TRUE(speaker->transact_now([](Transaction& t) { return note_change(t, "team", "a", 1); }));
  ASSERT_TRUE(soon([&] { return woken == 2; }));
  EXPECT_EQ(text, "");
  ASSERT_TRUE(speaker->transact_now([](Transaction& t) { return t.notify(kChangeChannel, "c 4 0 7"); }));
  ASSERT_TRUE(soon([&] { return woken == 3; }));
  EXPECT_EQ(text, "c 4 0 7");
}

TEST(Postgres, ConnectionsBesideDoNotStandInTheQueue) {
  const std::string url = TestPostgres::get().fresh();
  PostgresOptions options;
  options.connections_max = 2;
  options.listen = false;
  const auto database = must_open(url, options);
  const auto beside = database->beside(2, milliseconds(2000));
  ASSERT_NE(beside, nullptr);
  EXPECT_EQ(database->beside(1, milliseconds(2000)), nullptr) << "the last one stays";
  std::atomic<bool> release{false};
  std::thread holder([&] {
    EXPECT_TRUE(database->append_now([&](Transaction& t) {
      const Status done = one(t);
      soon([&] { return release.load(); });
      return done;
    }));
  });
  EXPECT_TRUE(beside->append_now(one));
  release = true;
  holder.join();
}

// Two replicas had five connections each where four were allowed: those of work at the start stayed open.
TEST(Postgres, ConnectionsThatAreGivenAwayAreClosedFirst) {
  const std::string url = TestPostgres::get().fresh();
  PostgresOptions options;
  options.connections_max = 3;
  options.listen = false;
  const auto database = must_open(url, options);
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(database->read_now([&](Transaction& t) {
        ++inside;
        const Status done = one(t);
        soon([&] { return inside == 3; });
        return done;
      }));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(inside, 3) << "all three are open";
  const auto beside = database->beside(2, milliseconds(2000));
  std::int64_t open = 0;
  EXPECT_TRUE(beside->read_now([&](Transaction& t) -> Status {
    const auto rows = t.run("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()", {});
    if (rows) open = as_int(rows->rows[0][0]);
    return rows ? Status() : base::fail(rows.error());
  }));
  EXPECT_EQ(open, 3);
}

TEST(Postgres, AServerThatIsAwayIsRefusedAtOnceAndFoundAgain) {
  TestPostgres& server = TestPostgres::get();
  const std::string url = server.fresh();
  const auto database = must_open(url);
  ASSERT_TRUE(database->transact_now(one));
  server.stop();
  EXPECT_TRUE(soon([&] { return !database->transact_now(one) && !database->reachable(); }));
  const base::Monotonic begun = base::monotonic_now();
  for (int i = 0; i < 100; ++i) {
    const Status status = database->transact_now(one);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::Unavailable);
    EXPECT_TRUE(status.error().retry_after.has_value());
  }
  EXPECT_LT(base::monotonic_now() - begun, seconds(2));
  // Opened while it is away: there at once, and good when the server comes.
  const auto late = open_postgres(url, {}).value();
  EXPECT_TRUE(late->opened().has_value());
  EXPECT_FALSE(late->reachable());
  server.start();
  const base::Monotonic back = base::monotonic_now();
  EXPECT_TRUE(soon([&] { return database->transact_now(one).has_value() && late->transact_now(one).has_value(); }));
  EXPECT_LT(base::monotonic_now() - back, seconds(2));
  EXPECT_TRUE(database->reachable());
}

TEST(Postgres, AConnectionThatDiedUnusedCostsNothing) {
  const auto database = must_open(TestPostgres::get().fresh());
  ASSERT_TRUE(database->transact_now(one));
  TestPostgres::get().run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname LIKE 't%'");
  for (int i = 0; i < 5; ++i) {
    const Status status = database->transact_now(one);
    EXPECT_TRUE(status.has_value()) << status.error().message << " " << status.error().detail;
  }
}

}  // namespace
}  // namespace turnpike::db::postgres_test
