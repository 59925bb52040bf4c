#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "db/account_rows.h"
#include "db/database.h"
#include "db/migrations.h"
#include "db/sqlite_connection.h"
#include "db/test_postgres.h"
#include "net/io_threads.h"

namespace turnpike::db::db_test {
namespace {

struct Directory : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/turnpike_db_test_XXXXXX";
    directory = ::mkdtemp(name);
    path = directory + "/turnpike.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }
  std::string directory, path;
};
using SqliteOnly = Directory;

/// On either database.
struct Db : Directory, testing::WithParamInterface<Engine> {
  void SetUp() override {
    Directory::SetUp();
    place = std::make_unique<TestDatabase>(GetParam(), directory);
  }
  Result<std::unique_ptr<Database>> open() const { return place->open(); }
  std::unique_ptr<TestDatabase> place;
};
INSTANTIATE_TEST_SUITE_P(, Db, kEngines, engine_name);

Rows must_run(Transaction& transaction, std::string_view sql, const std::vector<Value>& values = {}) {
  auto rows = transaction.run(sql, values);
  EXPECT_TRUE(rows.has_value()) << sql << ": " << (rows ? "" : rows.error().message);
  return rows ? *rows : Rows();
}

TEST_P(Db, RunsStatementsWithNumberedPlaceholdersInAnyOrder) {
  const auto database = open();
  ASSERT_TRUE(database.has_value()) << database.error().message;
  const Status status = (*database)->transact_now([](Transaction& t) -> Status {
    const Rows rows = must_run(t, "SELECT $2 AS b, $1 AS a, $2 AS c, $3 AS d", {std::int64_t{1}, "two", Value()});
    EXPECT_EQ(rows.columns, (std::vector<std::string>{"b", "a", "c", "d"}));
    EXPECT_EQ(as_text(rows.rows.at(0).at(0)), "two");
    EXPECT_EQ(as_int(rows.rows.at(0).at(1)), 1);
    EXPECT_EQ(as_text(rows.rows.at(0).at(2)), "two");
    EXPECT_TRUE(is_null(rows.rows.at(0).at(3)));
    return {};
  });
  EXPECT_TRUE(status);
}

TEST_P(Db, SaysWhetherOtherProcessesMayUseIt) {
  const auto database = open();
  ASSERT_TRUE(database.has_value()) << database.error().message;
  const bool is_shared = GetParam() == Engine::Postgres;
  EXPECT_EQ((*database)->is_shared(), is_shared);
  ASSERT_TRUE((*database)->read_now([&](Transaction& t) -> Status {
    EXPECT_EQ(t.is_shared(), is_shared);
    return {};
  }));
}

TEST_P(Db, TextWithQuotesComesBackAsItWentIn) {
  const auto database = open();
  ASSERT_TRUE(database.has_value());
  const std::string odd = "'; DROP TABLE account; -- \\ \xC3\xA9 \x01 x";
  const Status status = (*database)->transact_now([&](Transaction& t) -> Status {
    EXPECT_EQ(as_text(must_run(t, "SELECT $1", {odd}).rows.at(0).at(0)), odd);
    return {};
  });
  EXPECT_TRUE(status);
}

TEST_P(Db, AFailedUnitOfWorkLeavesNothing) {
  const auto database = open();
  ASSERT_TRUE(database.has_value());
  const Status failed = (*database)->transact_now([](Transaction& t) -> Status {
    must_run(t, "INSERT INTO account (account_id, kind, entity) VALUES (7, 6, 'x')");
    return base::fail(ErrorKind::InvalidRequest, "no");
  });
  EXPECT_FALSE(failed);
  const Status thrown = (*database)->transact_now([](Transaction& t) -> Status {
    must_run(t, "INSERT INTO account (account_id, kind, entity) VALUES (7, 6, 'x')");
    throw std::runtime_error("boom");
  });
  ASSERT_FALSE(thrown);
  EXPECT_EQ(thrown.error().kind, ErrorKind::Internal);
  const Status status = (*database)->transact_now([](Transaction& t) -> Status {
    EXPECT_EQ(must_run(t, "SELECT 1 FROM account").rows.size(), 0u);
    return {};
  });
  EXPECT_TRUE(status);
}

TEST_P(Db, AViolatedKeyIsToldApart) {
  const auto database = open();
  ASSERT_TRUE(database.has_value());
  const Status status = (*database)->transact_now([](Transaction& t) -> Status {
    must_run(t, "INSERT INTO account (account_id, kind, entity) VALUES (7, 6, 'x')");
    const auto again = t.run("INSERT INTO account (account_id, kind, entity) VALUES (8, 6, 'x')", {});
    EXPECT_FALSE(again.has_value());
    EXPECT_EQ(again.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(again.error().code, "unique");
    return base::fail(again.error());
  });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, "unique");
  const Status wrong = (*database)->transact_now([](Transaction& t) -> Status {
    EXPECT_EQ(t.run("SELEC", {}).error().kind, ErrorKind::Internal);
    return base::fail(ErrorKind::InvalidRequest, "no");
  });
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "no");
}

TEST_P(Db, KeepsItsDataAndMigratesOnce) {
  for (int round = 0; round < 2; ++round) {
    const auto database = open();
    ASSERT_TRUE(database.has_value());
    const Status status = (*database)->transact_now([&](Transaction& t) -> Status {
      EXPECT_EQ(as_int(must_run(t, "SELECT max(number) FROM schema_version").rows.at(0).at(0)),
                static_cast<std::int64_t>(migrations().back().number));
      EXPECT_EQ(must_run(t, "SELECT 1 FROM account").rows.size(), static_cast<std::size_t>(round));
      if (round == 0) must_run(t, "INSERT INTO account (account_id, kind, entity) VALUES (1, 6, 'x')");
      return {};
    });
    EXPECT_TRUE(status);
  }
  if (GetParam() == Engine::Postgres) return;
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_P(Db, KeysOfTheVersionBeforeAreKeptAndMayBeRoutedFromNowOn) {
  const auto old = [&](const std::function<Status(Transaction&)>& work) {
    if (GetParam() == Engine::Sqlite) {
      return SqliteConnection::open(path, SqliteConnection::Access::ReadWrite).value()->transact(work);
    }
    const std::atomic<bool> stop{false};
    return PostgresConnection::open(read_postgres_url(place->place()).value(), {}, stop)
        .value()
        ->transact(work, Unit::Change);
  };
  ASSERT_TRUE(migrate(old, GetParam() == Engine::Sqlite, 1).has_value());
  ASSERT_TRUE(old([](Transaction& t) -> Status {
    must_run(
        t,
        "INSERT INTO verification_key (hash, key_name, account_id, created_us, updated_us) VALUES ('h', 'n', 1, 1, "
        "1)");
    return {};
  }));
  const auto database = open();
  ASSERT_TRUE(database.has_value()) << database.error().message;
  ASSERT_TRUE((*database)->transact_now([](Transaction& t) -> Status {
    EXPECT_EQ(as_text(must_run(t, "SELECT router_settings FROM verification_key").rows.at(0).at(0)), "{}");
    EXPECT_EQ(must_run(t, "SELECT 1 FROM fallback").rows.size(), 0u);
    return {};
  }));
}

TEST_P(Db, AMigrationThatIsMissingBelowTheHighestIsApplied) {
  const auto undo = [&](bool wholly) {
    const auto database = open();
    ASSERT_TRUE(database.has_value()) << database.error().message;
    ASSERT_TRUE((*database)->transact_now([&](Transaction& t) -> Status {
      EXPECT_EQ(must_run(t, "DELETE FROM schema_version WHERE number = 12").changed, 1);
      if (wholly) must_run(t, "DROP TABLE write_off");
      return {};
    }));
  };
  undo(true);
  undo(false);  // It opens: the table is there again, and its number.
  const auto refused = open();
  ASSERT_FALSE(refused) << "the table is there, and nobody knows of what form";
  EXPECT_NE(refused.error().message.find("migration 12 (what was written off for lost replicas) failed"),
            std::string::npos)
      << refused.error().message;
}

TEST_P(Db, RefusesASchemaTwoVersionsNewer) {
  {
    const auto database = open();
    ASSERT_TRUE(database.has_value());
    ASSERT_TRUE((*database)->transact_now([](Transaction& t) -> Status {
      must_run(t, "INSERT INTO schema_version (number, applied_us) VALUES ($1, 0)",
               {static_cast<std::int64_t>(migrations().back().number) + 2});
      return {};
    }));
  }
  const auto database = open();
  ASSERT_FALSE(database.has_value());
  EXPECT_NE(database.error().message.find("newer program"), std::string::npos) << database.error().message;
}

TEST_F(SqliteOnly, ASecondProcessIsRefusedWithThePidOfTheFirst) {
  const auto first = open_sqlite(path);
  ASSERT_TRUE(first.has_value());
  const auto second = open_sqlite(path);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind, ErrorKind::Unavailable);
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  const auto reader = open_sqlite_to_read(path);
  ASSERT_TRUE(reader.has_value());
  const Status refused = (*reader)->transact_now([](Transaction& t) -> Status {
    const auto made = t.run("INSERT INTO account (account_id, kind, entity) VALUES (1, 6, 'x')", {});
    return made ? Status() : base::fail(made.error());
  });
  EXPECT_FALSE(refused);
}

TEST_F(SqliteOnly, NamesThePathItCannotOpen) {
  const auto database = open_sqlite("/proc/nowhere/turnpike.db");
  ASSERT_FALSE(database.has_value());
  EXPECT_NE(database.error().message.find("/proc/nowhere/turnpike.db"), std::string::npos);
}

Task<void> count_from_io_thread(Database& database, std::atomic<int>& right_thread, base::Executor* thread) {
  const Status status = co_await database.transact([](Transaction& t) -> Status {
    const auto rows = t.run(
        "INSERT INTO account (account_id, kind, entity) SELECT coalesce(max(account_id), 0) + 1, 6, "
        "'e' || coalesce(max(account_id), 0) FROM account",
        {});
    return rows ? Status() : base::fail(rows.error());
  });
  if (status && net::current_io_thread() == thread) ++right_thread;
}

TEST_P(Db, ResumesOnTheIoThreadThatAsked) {
  const auto database = open();
  ASSERT_TRUE(database.has_value());
  std::atomic<int> right_thread{0};
  {
    const auto threads = net::IoThreads::start(2);
    for (int i = 0; i < 50; ++i) {
      for (net::IoThread* thread : threads->all()) {
        thread->post([&, thread] { base::spawn(count_from_io_thread(**database, right_thread, thread)); });
      }
    }
    for (int i = 0; i < 2000 && right_thread < 100; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(right_thread, 100);
}

TEST_P(Db, AnEditedSpendIsAnEntryOfItsOwn) {
  const auto database = open();
  ASSERT_TRUE(database.has_value());
  const std::int64_t now_us = base::unix_now_us();
  const Status status = (*database)->transact_now([now_us](Transaction& t) -> Status {
    NewTerms less, more;
    less.terms.limit = Money::from_nano(100);
    more.terms.limit = Money::from_nano(200);
    const auto id = open_account(t, {6, "hash"}, less, now_us);
    EXPECT_TRUE(id.has_value());
    EXPECT_EQ(open_account(t, {6, "hash"}, more, now_us).value(), *id);
    EXPECT_EQ(set_account_spend(t, *id, Money::from_nano(70), EntryKind::Opening, "admin", now_us)->nano(), 70);
    EXPECT_EQ(set_account_spend(t, *id, Money::from_nano(50), EntryKind::Adjust, "admin", now_us + 1)->nano(), -20);
    EXPECT_EQ(set_account_spend(t, *id, Money::from_nano(50), EntryKind::Adjust, "admin", now_us + 1)->nano(), 0);
    EXPECT_EQ((*find_account(t, *id, now_us))->spent.nano(), 50);
    EXPECT_EQ(account_version(t, *id).value(), 3) << "opened again, two edits";
    EXPECT_TRUE(set_account_terms(t, *id, {}, now_us).has_value());
    EXPECT_EQ(account_version(t, *id).value(), 4);
    const Rows rows = must_run(t, "SELECT entry_no, kind, cost_nano FROM entry WHERE replica_no = 0 ORDER BY entry_no");
    EXPECT_EQ(rows.rows.size(), 2u);
    EXPECT_EQ(as_int(rows.rows.at(1).at(2)), -20);
    return {};
  });
  EXPECT_TRUE(status);
}

}  // namespace
}  // namespace turnpike::db::db_test
