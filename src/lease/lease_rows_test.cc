#include "lease/lease_rows.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "base/id.h"
#include "db/test_postgres.h"
#include "db/write_off.h"
#include "lease/lease_book.h"

namespace turnpike::lease::lease_rows_test {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kReplicas = 3, kAccounts = 3;

std::string show(const LeaseAnswer& answer) {
  std::string text = fmt::format("result {} op {} shipped {} live {} rank {}", static_cast<int>(answer.result),
                                 answer.op_no, answer.shipped_no, answer.live_replicas, answer.rank);
  for (const LeaseGrant& g : answer.grants) {
    text += fmt::format("\n  grant {}/{}: give {} granted {} room {} short {} last {} recall {} tight {} elsewhere {}",
                        g.key.account_id, g.key.window_id, g.give_nano, g.granted_nano, g.room_nano, g.short_of,
                        g.last_word, g.recall_no, g.tight_us, g.elsewhere_nano);
  }
  text += "\n  groups";
  for (const std::size_t group : answer.granted_groups) text += fmt::format(" {}", group);
  for (const LeaseRecall& r : answer.recalls)
    text += fmt::format("\n  recall {}/{}: {} for {}", r.key.account_id, r.key.window_id, r.recall_no, r.tight_us);
  for (const OwnLease& o : answer.own)
    text += fmt::format("\n  own {}/{}: {} used {}", o.key.account_id, o.key.window_id, o.granted_nano, o.used_nano);
  return text;
}

std::string show(const std::vector<LeaseNotice>& notices) {
  std::string text;
  for (const LeaseNotice& n : notices)
    text += fmt::format(" {}:{}/{}:{}", static_cast<int>(n.kind), n.key.account_id, n.key.window_id, n.recall_no);
  return text;
}

/// How often each thing has come about: a test in which nothing is ever refused would prove little.
struct Seen {
  int granted = 0, refused = 0, recalled = 0, returned = 0, crossed = 0, stale = 0, lost = 0, reclaimed = 0;

  void add(const Seen& other) {
    granted += other.granted;
    refused += other.refused;
    recalled += other.recalled;
    returned += other.returned;
    crossed += other.crossed;
    stale += other.stale;
    lost += other.lost;
    reclaimed += other.reclaimed;
  }
};

/// A book in memory and one in PostgreSQL, to which the same is done.
class TwoBooks {
 public:
  explicit TwoBooks(std::uint64_t seed) : random_(seed) {
    auto opened = db::TestDatabase(db::Engine::Postgres, "").open();
    EXPECT_TRUE(opened.has_value());
    database_ = std::move(*opened);
    for (std::int64_t account = 1; account <= kAccounts; ++account) {
      const std::int64_t limit_nano = account == kAccounts ? -1 : between(50, 400);
      if (limit_nano >= 0) book_.accounts[account].limit_nano = limit_nano;
      book_.accounts[account].strict = account == 1;
      sql(fmt::format(
          "INSERT INTO account (account_id, kind, entity, limit_nano, strict) VALUES ({}, 6, 'k{}', {}, {})", account,
          account, limit_nano < 0 ? "NULL" : std::to_string(limit_nano), account == 1 ? 1 : 0));
    }
    for (std::int64_t replica = 1; replica <= kReplicas; ++replica) {
      EXPECT_TRUE(book_.register_epoch(replica, 1, 1));
      sql(fmt::format("INSERT INTO replica (replica_no, journal_id, epoch) VALUES ({}, 'j{}', 1)", replica, replica));
      op_no_[replica] = 0;
    }
  }

  void step() {
    now_us_ += between(0, 9) == 0 ? between(2, 8) * kSecondUs : between(0, 200'000);
    switch (between(0, 19)) {
      case 0:
        return edit_limit();
      case 1:
        return edit_base();
      case 2:
        return spend();
      case 3:
        return reclaim();
      default:
        return operate();
    }
  }

  void compare_tables() {
    std::string rows, expected;
    const auto read = [&](db::Transaction& t) -> Status {
      rows.clear();
      for (const char* text :
           {"SELECT account_id, window_id, coalesce(limit_nano, -1), base_nano, granted_nano, recall_no, "
            "tight_until_us,"
            " wanted_until_us FROM escrow ORDER BY 1, 2",
            "SELECT account_id, window_id, replica_no, granted_nano, committed_nano, used_nano, recall_seen FROM lease"
            " ORDER BY 1, 2, 3"}) {
        const auto found = t.run(text, {});
        if (!found) return base::fail(found.error());
        for (const db::Row& row : found->rows) {
          for (const db::Value& value : row) rows += fmt::format("{} ", db::as_int(value));
          rows += "\n";
        }
      }
      return {};
    };
    ASSERT_TRUE(database_->read_now(read));
    for (const auto& [key, e] : book_.escrows)
      expected += fmt::format("{} {} {} {} {} {} {} {} \n", key.account_id, key.window_id, e.limit_nano.value_or(-1),
                              e.base_nano, e.granted_nano, e.recall_no, e.tight_until_us, e.wanted_until_us);
    for (const auto& [id, l] : book_.leases)
      expected += fmt::format("{} {} {} {} {} {} {} \n", id.first.account_id, id.first.window_id, id.second,
                              l.granted_nano, l.committed_nano, l.used_nano, l.recall_seen);
    ASSERT_EQ(rows, expected);
  }

  Seen seen;

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_.next() % static_cast<std::uint64_t>(high - low + 1));
  }
  LeaseKey draw_key() { return {between(1, kAccounts), between(0, 5) == 0 ? 20 : 0}; }
  void sql(const std::string& text) {
    unit([&](db::Transaction& t) -> Status {
      const auto done = t.run(text, {});
      return done ? Status() : base::fail(done.error());
    });
  }
  void unit(const std::function<Status(db::Transaction&)>& work) {
    const Status done = database_->append_now(work);
    ASSERT_TRUE(done) << done.error().message << " " << done.error().detail;
  }

  LeaseOperation draw_operation(std::int64_t replica) {
    LeaseOperation operation;
    const std::int64_t kind = between(0, 29);
    operation.verb = kind == 0 ? LeaseVerb::Resync : kind == 1 ? LeaseVerb::Restore : LeaseVerb::Ask;
    operation.epoch = 1;
    operation.acked_no = op_no_[replica];
    operation.op_no = op_no_[replica] + 1;
    if (between(0, 24) == 0) operation.op_no -= between(1, 2);  // Late.
    if (between(0, 39) == 0) operation.acked_no += 1;           // The database has lost one.
    if (operation.verb == LeaseVerb::Resync) return operation;
    std::set<LeaseKey> keys;
    for (std::int64_t left = between(0, 3); left > 0; --left) keys.insert(draw_key());
    for (const LeaseKey& key : keys) operation.lines.push_back(draw_line(replica, key));
    if (operation.verb == LeaseVerb::Restore || operation.lines.empty()) return operation;
    for (std::int64_t left = between(0, 3); left > 0; --left) {
      LeaseGroup group;
      for (std::size_t line = 0; line < operation.lines.size(); ++line) {
        if (between(0, 2) > 0) group.push_back({line, between(1, 60), between(0, 3) > 0});
      }
      if (!group.empty()) operation.groups.push_back(group);
    }
    return operation;
  }

  LeaseLine draw_line(std::int64_t replica, LeaseKey key) {
    const auto known = book_.leases.find({key, replica});
    const LeaseBook::Lease lease = known == book_.leases.end() ? LeaseBook::Lease() : known->second;
    const auto escrow = book_.escrows.find(key);
    LeaseLine line;
    line.key = key;
    line.fresh = known == book_.leases.end() || escrow == book_.escrows.end() || between(0, 9) == 0;
    if (between(0, 2) == 0) line.back_nano = between(0, 1) == 0 ? lease.granted_nano : between(0, lease.granted_nano);
    if (between(0, 9) == 0) line.debt_nano = between(1, 30);
    if (between(0, 2) == 0) line.want_nano = between(1, 200);
    line.committed_nano = between(0, 100);
    line.granted_nano = lease.granted_nano + between(-5, 20);
    if (escrow != book_.escrows.end() && between(0, 1) == 0) line.recall_seen = escrow->second.recall_no;
    return line;
  }

  void operate() {
    const std::int64_t replica = between(1, kReplicas);
    const LeaseOperation operation = draw_operation(replica);
    const LeaseAnswer expected = book_.apply(replica, operation, now_us_);
    const std::vector<LeaseNotice> notices = book_.take_notices();
    std::vector<LeaseNotice> told;
    LeaseAnswer answer;
    unit([&](db::Transaction& t) -> Status {
      told.clear();
      auto applied = apply_operation(t, replica, operation, now_us_, &told);
      if (!applied) return base::fail(applied.error());
      answer = std::move(*applied);
      return {};
    });
    ASSERT_EQ(show(answer), show(expected));
    ASSERT_EQ(show(told), show(notices));
    count(answer, told);
    if (answer.result == LeaseResult::Applied) op_no_[replica] = operation.op_no;
  }

  void count(const LeaseAnswer& answer, const std::vector<LeaseNotice>& told) {
    seen.stale += answer.result == LeaseResult::Stale;
    seen.lost += answer.result == LeaseResult::Lost;
    seen.granted += static_cast<int>(answer.granted_groups.size());
    for (const LeaseGrant& grant : answer.grants) {
      seen.refused += grant.short_of;
      seen.crossed += grant.give_nano > 0 && grant.room_nano < 0;
    }
    for (const LeaseNotice& notice : told)
      ++(notice.kind == LeaseNotice::Kind::Recalled ? seen.recalled : seen.returned);
  }

  void edit_limit() {
    const std::int64_t account = between(1, kAccounts);
    std::optional<std::int64_t> limit_nano;
    if (between(0, 4) > 0) limit_nano = between(0, 500);
    const std::int64_t from_window = between(0, 1) * 20;
    book_.set_limit(account, limit_nano, from_window, now_us_);
    book_.take_notices();
    const db::Value value = limit_nano ? db::Value(*limit_nano) : db::Value();
    unit([&](db::Transaction& t) -> Status {
      const auto moved = t.run("UPDATE account SET limit_nano = $2::bigint WHERE account_id = $1", {account, value});
      return moved ? db::set_escrow_limit(t, account, limit_nano, from_window, now_us_) : base::fail(moved.error());
    });
  }

  void edit_base() {
    const LeaseKey key = draw_key();
    const std::int64_t more_nano = between(-40, 40);
    book_.add_base(key, more_nano, now_us_);
    book_.take_notices();
    unit([&](db::Transaction& t) { return db::add_escrow_base(t, key.account_id, key.window_id, more_nano, now_us_); });
  }

  /// A covered entry is shipped: before the account has an escrow too, where its window was opened without us.
  void spend() {
    const LeaseKey key = draw_key();
    const std::int64_t replica = between(1, kReplicas);
    const std::int64_t cost_nano = between(1, 20);
    book_.spent_nano[key] += cost_nano;
    book_.leases[{key, replica}].used_nano += cost_nano;
    sql(
        fmt::format("INSERT INTO account_window (account_id, window_id, spent_nano) VALUES ({0}, {1}, {2}) ON CONFLICT"
                    " (account_id, window_id) DO UPDATE SET spent_nano = account_window.spent_nano + {2}",
                    key.account_id, key.window_id, cost_nano));
    sql(
        fmt::format("INSERT INTO lease (account_id, window_id, replica_no, used_nano) VALUES ({0}, {1}, {2}, {3})"
                    " ON CONFLICT (account_id, window_id, replica_no) DO UPDATE SET used_nano = lease.used_nano + {3}",
                    key.account_id, key.window_id, replica, cost_nano));
  }

  void reclaim() {
    const std::int64_t by_replica = between(1, kReplicas);
    const std::map<LeaseBook::LeaseId, LeaseBook::Lease> before = book_.leases;
    book_.reclaim(by_replica, 6 * kSecondUs, now_us_);
    for (const auto& [id, lease] : before) seen.reclaimed += book_.leases.at(id).granted_nano < lease.granted_nano;
    unit([&](db::Transaction& t) { return reclaim_leases(t, by_replica, 6 * kSecondUs, now_us_); });
  }

  base::Random random_;
  std::unique_ptr<db::Database> database_;
  LeaseBook book_;
  std::map<std::int64_t, std::int64_t> op_no_;
  std::int64_t now_us_ = 1'700'000'000 * kSecondUs;
};

TEST(LeaseRows, PostgresDecidesAsTheBookInMemory) {
  if (!db::on_postgres()) GTEST_SKIP() << "leases are PostgreSQL's: this runs with TURNPIKE_TEST_DATABASE=postgres";
  Seen seen;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    TwoBooks books(seed);
    for (int i = 0; i < 400; ++i) {
      SCOPED_TRACE(fmt::format("step {}", i));
      books.step();
      if (i % 10 == 0) books.compare_tables();
      if (testing::Test::HasFailure()) return;
    }
    books.compare_tables();
    seen.add(books.seen);
  }
  EXPECT_GT(seen.granted, 100);
  EXPECT_GT(seen.refused, 100);
  EXPECT_GT(seen.recalled, 20);
  EXPECT_GT(seen.returned, 20);
  EXPECT_GT(seen.crossed, 3);
  EXPECT_GT(seen.stale, 20);
  EXPECT_GT(seen.lost, 5);
  EXPECT_GT(seen.reclaimed, 5);
}

/// What one statement finds, as text.
std::string look(db::Database& database, const std::string& sql) {
  std::string text;
  const Status read = database.read_now([&](db::Transaction& t) -> Status {
    text.clear();
    const auto found = t.run(sql, {});
    if (!found) return base::fail(found.error());
    for (const db::Row& row : found->rows)
      for (const db::Value& value : row) text += fmt::format("{} ", db::as_int(value));
    return {};
  });
  EXPECT_TRUE(read) << read.error().message << " " << read.error().detail;
  return text;
}

TEST(LeaseRows, WhoIsTakenFromIsMarkedAndHearsOfItWhenItIsBack) {
  if (!db::on_postgres()) GTEST_SKIP() << "leases are PostgreSQL's: this runs with TURNPIKE_TEST_DATABASE=postgres";
  auto database = db::TestDatabase(db::Engine::Postgres, "").open();
  ASSERT_TRUE(database.has_value());
  const auto unit = [&](const std::function<Status(db::Transaction&)>& work) {
    const Status done = (*database)->append_now(work);
    ASSERT_TRUE(done) << done.error().message << " " << done.error().detail;
  };
  for (const char* sql :
       {"INSERT INTO account (account_id, kind, entity, limit_nano, strict) VALUES (1, 6, 'k', 900, 0), (2, 6, 's', "
        "900, 1)",
        // Who has leases: 1 is alive, 2 and 3 are silent; of 3 only a strict account has something free.
        "INSERT INTO replica (replica_no, journal_id, epoch) VALUES (1, 'j1', 1), (2, 'j2', 1), (3, 'j3', 1)",
        "INSERT INTO replica_lease (replica_no, op_epoch, alive_us, steady_since_us) VALUES (1, 1, 100000000, 0), (2, "
        "1, 80000000, 0), (3, 1, 80000000, 0)",
        "INSERT INTO escrow (account_id, window_id, limit_nano, granted_nano) VALUES (1, 0, 900, 250), (2, 0, 900, 50)",
        "INSERT INTO lease (account_id, window_id, replica_no, granted_nano, committed_nano, used_nano) VALUES (1, 0, "
        "1, 100, 0, 0), (1, 0, 2, 100, 30, 20), (1, 0, 3, 50, 50, 20), (2, 0, 3, 50, 0, 0)"}) {
    unit([&](db::Transaction& t) -> Status {
      const auto done = t.run(sql, {});
      return done ? Status() : base::fail(done.error());
    });
  }
  const std::string states = "SELECT state FROM replica WHERE replica_no > 0 ORDER BY replica_no";
  const std::string granted = "SELECT granted_nano FROM lease ORDER BY replica_no, account_id";
  constexpr std::int64_t kNow = 100 * kSecondUs;
  unit([&](db::Transaction& t) { return reclaim_leases(t, 1, 10 * kSecondUs, kNow); });
  EXPECT_EQ(look(**database, states), "0 2 0 ");
  EXPECT_EQ(look(**database, granted), "100 30 50 50 ");
  EXPECT_EQ(look(**database, "SELECT granted_nano FROM escrow ORDER BY 1"), "50 180 ");

  const auto beat = [&](std::int64_t replica, std::int64_t op_no) {
    LeaseOperation operation;
    operation.epoch = 1;
    operation.op_no = op_no;
    LeaseAnswer answer;
    unit([&](db::Transaction& t) -> Status {
      auto applied = apply_operation(t, replica, operation, kNow);
      if (!applied) return base::fail(applied.error());
      answer = std::move(*applied);
      return {};
    });
    return answer;
  };
  EXPECT_FALSE(beat(1, 1).given_up);
  EXPECT_FALSE(beat(3, 1).given_up);
  EXPECT_TRUE(beat(2, 1).given_up);
  EXPECT_FALSE(beat(2, 1).given_up) << "what is late says nothing";
  unit([&](db::Transaction& t) { return db::take_replica_back(t, 2, kNow); });
  EXPECT_EQ(look(**database, states), "0 0 0 ");
  EXPECT_FALSE(beat(2, 2).given_up);
}

}  // namespace
}  // namespace turnpike::lease::lease_rows_test
