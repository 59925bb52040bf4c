#include "domain/call_record.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace turnpike::domain::call_record_test {
namespace {

TEST(CallRecord, MarksAreNamedInBitOrder) {
  EXPECT_EQ(mark_names(0), "");
  EXPECT_EQ(mark_names(kTruncated | kEstimated), "estimated,truncated");
  std::set<std::string> names;
  for (int bit = 0; bit < 19; ++bit) names.insert(mark_names(1ULL << bit));
  EXPECT_EQ(names.size(), 19u);
  EXPECT_FALSE(names.contains(""));
  EXPECT_EQ(mark_names(kSelfHosted), "self_hosted");
}

TEST(CallRecord, EveryErrorKindHasANameOfItsOwn) {
  std::set<std::string> names;
  const int last = static_cast<int>(ErrorKind::UpstreamTruncated);
  for (int kind = 0; kind <= last; ++kind) names.emplace(kind_name(static_cast<ErrorKind>(kind)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(last) + 1);
  EXPECT_FALSE(names.contains(""));
}

TEST(CallRecord, OperationsAndStatusesAreCalledAsLiteLlmCallsThem) {
  EXPECT_EQ(operation_call_type(Operation::Chat), "acompletion");
  EXPECT_EQ(operation_call_type(Operation::Completion), "atext_completion");
  EXPECT_EQ(operation_call_type(Operation::Embedding), "aembedding");
  EXPECT_EQ(status_name(EntryStatus::Interrupted), "interrupted");
}

}  // namespace
}  // namespace turnpike::domain::call_record_test
