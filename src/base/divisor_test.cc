#include "base/divisor.h"

#include <gtest/gtest.h>

#include <limits>

namespace turnpike::base::divisor_test {
namespace {

TEST(Divisor, DividesAsTheProcessorDoes) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  for (const std::int64_t by : {std::int64_t{2}, std::int64_t{3}, std::int64_t{7}, std::int64_t{16'666},
                                std::int64_t{1} << 20, std::int64_t{1'000'000}, std::int64_t{60'000'000},
                                (std::int64_t{1} << 40) + 1, std::int64_t{1} << 62, kMost - 1, kMost}) {
    const Divisor divisor(by);
    EXPECT_EQ(divisor.by(), by);
    // Quotients change at the multiples: those near zero, in the middle and at the end, one less and one more.
    const std::int64_t times = kMost / by;
    for (const std::int64_t time : {std::int64_t{0}, std::int64_t{1}, times / 2, times - 1, times}) {
      for (const std::int64_t beside : {-1, 0, 1}) {
        const std::int64_t multiple = time * by;
        if ((multiple == 0 && beside < 0) || (multiple == kMost && beside > 0)) continue;
        const std::int64_t value = multiple + beside;
        EXPECT_EQ(divisor.divide(value), value / by) << value << " / " << by;
      }
    }
    EXPECT_EQ(divisor.divide(kMost), kMost / by);
  }
}

}  // namespace
}  // namespace turnpike::base::divisor_test
