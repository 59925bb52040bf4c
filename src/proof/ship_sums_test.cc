#include "ledger/ship_sums.h"

#include "ledger/ledger_test_fixture.h"
#include "ledger/ship_batch.h"
#include "proof/verify.h"

namespace turnpike::proof::ship_sums_test {
namespace {

using Sums = ledger::LedgerFixture;

TEST_F(Sums, AcSpend3EveryCombinationOfOneFlushIsInTheAggregates) {
  constexpr std::uint64_t kCombinations = 5'000;
  open();
  const auto replica = ledger::find_replica(*database, "flush", "host", "0");
  ASSERT_TRUE(replica.has_value());
  ASSERT_TRUE(ledger::register_epoch(*database, {replica->replica_no, 1, 0}, "host", "0").has_value());

  std::vector<std::string> payloads(kCombinations);
  for (std::uint64_t i = 0; i < kCombinations; ++i) {
    const std::string key = "key" + std::to_string(i % 50), model = "model" + std::to_string(i / 50 % 10);
    const std::string tags = "[\"tag" + std::to_string(i / 500) + "\",\"all\",\"all\"]";
    journal::EntryRow row;
    row.numbers.entry_no = i + 1;
    row.numbers.started_us = row.numbers.ended_us = 1'760'000'000'000'000;
    row.numbers.cost_nano = static_cast<std::int64_t>(i);
    row.numbers.prompt_tokens = 2;
    row.numbers.http_status = i % 5 == 0 ? 429 : 200;
    row.numbers.status = i % 5 == 0 ? 1 : 0;
    row.text(journal::Text::CallId) = key;
    row.text(journal::Text::KeyHash) = key;
    row.text(journal::Text::Model) = row.text(journal::Text::DeploymentId) = model;
    row.text(journal::Text::Tags) = tags;
    journal::encode_row(row, payloads[i]);
  }
  ledger::ShipBatch batch{
      {replica->replica_no, 1, 0, replica->journal_id}, 1, kCombinations, {payloads.begin(), payloads.end()}};
  const auto outcome = ledger::ship_batch(*database, batch);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message << outcome.error().detail;
  EXPECT_EQ(outcome->stored_no, kCombinations);

  EXPECT_EQ(number("SELECT count(*) FROM daily WHERE entity_kind = 8 AND entity <> 'all' AND calls = 1"), 5'000);
  EXPECT_EQ(number("SELECT count(*) FROM daily WHERE entity_kind = 8 AND entity = 'all' AND calls = 10"), 500)
      << "a tag that stands twice counts once";
  EXPECT_EQ(number("SELECT count(*) FROM daily WHERE entity_kind = 6 AND calls = 10"), 500);
  EXPECT_EQ(number("SELECT sum(cost_nano) FROM daily WHERE entity_kind = 8 AND entity <> 'all'"), 5'000 * 4'999 / 2);
  EXPECT_EQ(number("SELECT sum(rate_limited) FROM deployment_day"), 1'000);
  EXPECT_EQ(number("SELECT count(*) FROM deployment_day WHERE calls = 500 AND failed = 100 AND prompt_tokens = 1000"),
            10);
  const auto again = ledger::ship_batch(*database, batch);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(number("SELECT sum(calls) FROM daily WHERE entity_kind = 6"), 5'000) << "twice counts once";
  const auto checks = proof::verify_ledger(*database, "");
  ASSERT_TRUE(checks.has_value());
  for (const proof::Check& check : *checks)
    EXPECT_TRUE(check.agrees) << check.name << " " << check.what << check.detail;
}

}  // namespace
}  // namespace turnpike::proof::ship_sums_test
