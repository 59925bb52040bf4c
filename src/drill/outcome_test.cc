#include "drill/outcome.h"

#include <gtest/gtest.h>

namespace turnpike::drill::outcome_test {
namespace {

TEST(Entry, IsReadFromTheRowOfTheLedger) {
  const Result<Entry> entry = read_entry(
      R"([{"status":"failure","spend":0.00125,"prompt_tokens":20,"completion_tokens":3,"turnpike":{"http_status":502,)"
      R"("marks":"estimated,fell_back","attempts":[{"model_group":"g","deployment_id":"a","status":200,"billed":true,)"
      R"("cost_nano":750000},{"model_group":"h","deployment_id":"b","status":200,"billed":true,"cost_nano":500000}]}}])");
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_FALSE(entry->success);
  EXPECT_EQ(entry->http_status, 502);
  EXPECT_EQ(entry->spend.nano(), 1'250'000);
  EXPECT_TRUE(entry->marked("estimated"));
  EXPECT_FALSE(entry->marked("estimate"));
  EXPECT_EQ(entry->prompt_tokens, 20U);
  ASSERT_EQ(entry->attempts.size(), 2U);
  EXPECT_EQ(entry->attempts[1].deployment_id, "b");
  EXPECT_EQ(entry->attempts[0].cost.nano(), 750'000);
}

TEST(Entry, IsOneRow) {
  EXPECT_FALSE(read_entry("[]"));
  EXPECT_FALSE(read_entry("{}"));
  EXPECT_FALSE(read_entry("nothing"));
  EXPECT_FALSE(read_entry(R"([{"turnpike":{}},{"turnpike":{}}])"));
}

}  // namespace
}  // namespace turnpike::drill::outcome_test
