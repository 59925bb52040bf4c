#include "base/memory.h"

#include <gtest/gtest.h>

namespace turnpike::base::memory_test {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(MemoryWatch, WaitsForGrowthAndForQuiet) {
  MemoryWatch watch({}, 20 * kMiB);
  struct Row {
    int seconds;
    bool idle;
    std::uint64_t mib;
    bool due;
    const char* what;
  };
  const Row rows[] = {
      {0, true, 20, false, "nothing has happened"}, {60, true, 51, false, "grown by little"},
      {61, false, 170, false, "a burst"},           {62, true, 170, false, "it has just ended"},
      {66, true, 170, false, "not quiet for long"}, {67, true, 170, true, "quiet for five seconds"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(watch.due(Monotonic() + std::chrono::seconds(row.seconds), row.idle, row.mib * kMiB), row.due)
        << row.what;
  }
  watch.given_back(60 * kMiB);
  const Row later[] = {
      {68, true, 60, false, "what is left is needed"},
      {69, true, 91, false, "grown by little since"},
      {70, false, 120, false, "the next burst"},
      {71, true, 120, false, "it has just ended"},
      {73, false, 120, false, "a call in between"},
      {77, true, 120, false, "begins anew"},
      {82, true, 120, true, "quiet again"},
  };
  for (const Row& row : later) {
    EXPECT_EQ(watch.due(Monotonic() + std::chrono::seconds(row.seconds), row.idle, row.mib * kMiB), row.due)
        << row.what;
  }
}

TEST(MemoryWatch, FollowsAProcessThatShrinksByItself) {
  MemoryWatch watch({}, 100 * kMiB);
  EXPECT_FALSE(watch.due(Monotonic(), true, 30 * kMiB));
  EXPECT_TRUE(watch.due(Monotonic() + std::chrono::seconds(9), true, 62 * kMiB));
}

TEST(Memory, IsResident) {
  EXPECT_GT(resident_bytes(), kMiB);
  give_memory_back();
  EXPECT_GT(resident_bytes(), kMiB);
}

}  // namespace
}  // namespace turnpike::base::memory_test
