#include "proof/verify_metrics.h"

#include "ledger/ledger_test_fixture.h"

namespace turnpike::proof::verify_metrics_test {
namespace {

struct Case {
  const char* name;
  const char* page;
  const char* spent;  // "-": no page of a gateway.
};

constexpr Case kCases[] = {
    {"all series together, to the nanodollar",
     "# HELP litellm_spend_metric Dollars.\nlitellm_spend_metric_created{model=\"a\"} 5\n"
     "litellm_spend_metric_total{model=\"a b\"} 0.000000001\nlitellm_spend_metric_total{model=\"}\"} 1.5\n"
     "process_start_time_seconds 1760000000.25\n",
     "1.500000001"},
    {"nothing spent yet", "process_start_time_seconds 1760000000.25\n", "0"},
    {"a page of something else", "up 1\n", "-"},
    {"a value that is none", "process_start_time_seconds 1\nlitellm_spend_metric_total x\n", "-"},
};

TEST(VerifyMetrics, ReadsThePage) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const auto metrics = read_spend_metrics(c.page);
    EXPECT_EQ(metrics ? metrics->spent.to_string() : "-", c.spent);
    if (metrics) EXPECT_EQ(metrics->started_us, 1'760'000'000'250'000);
  }
}

TEST(VerifyMetrics, JudgesBetweenTwoReadings) {
  const auto judge = [](std::int64_t before, std::int64_t booked, std::int64_t after, std::int64_t restarted_us = 0) {
    const Check check =
        check_spend({Money::from_nano(before), 0}, Money::from_nano(booked), {Money::from_nano(after), restarted_us});
    return check.agrees ? "agrees" : check.warns ? "warns" : "fails";
  };
  EXPECT_STREQ(judge(5, 5, 5), "agrees");
  EXPECT_STREQ(judge(5, 6, 7), "agrees");
  EXPECT_STREQ(judge(5, 4, 5), "fails");
  EXPECT_STREQ(judge(5, 6, 5), "fails");
  EXPECT_STREQ(judge(5, 0, 0, 1), "warns");
}

struct VerifyMetricsOfEntries : ledger::LedgerFixture {
  std::string cost(std::int64_t since_us) {
    const auto found = cost_since(*database, directory + "/journal", since_us);
    return found ? found->to_string() : found.error().message;
  }
  void run(const char* sql) {
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto done = t.run(sql, {});
      return done ? Status() : base::fail(done.error());
    })) << sql;
  }
};

TEST_F(VerifyMetricsOfEntries, CountsWhatIsStoredAndWhatIsNot) {
  constexpr std::int64_t kStarted = 1'760'000'000'000'000;  // Of every record of the fixture.
  open();
  const ledger::AccountRef account = make_account("key", 1'000'000);
  for (int i = 1; i <= 3; ++i) ASSERT_TRUE(settle(account, 300, i));
  ship();
  EXPECT_EQ(cost(kStarted), "0.000000006");
  EXPECT_EQ(cost(kStarted + 1), "0") << "of the process before";
  // Entries that the database has not yet are read from the journal.
  run("DELETE FROM entry WHERE entry_no = 3 AND replica_no = 1");
  run("UPDATE replica SET shipped_no = 2 WHERE replica_no = 1");
  EXPECT_EQ(cost(kStarted), "0.000000006");
  run("UPDATE entry SET status = 3 WHERE entry_no = 2 AND replica_no = 1");
  EXPECT_EQ(cost(kStarted), "0.000000004") << "closed for a process that had ended";
  run("INSERT INTO dropped_day (day, replica_no, entries, cost_nano) VALUES (20400, 1, 1, 1)");
  EXPECT_EQ(cost(kStarted), "entries of this process have been dropped by retention");
}

}  // namespace
}  // namespace turnpike::proof::verify_metrics_test
