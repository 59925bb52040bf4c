#include "base/money.h"

#include <gtest/gtest.h>

namespace turnpike::base {
namespace {

struct Case {
  const char* text;
  std::int64_t nano;
  const char* printed;
};

const Case kCases[] = {
    {"0", 0, "0"},
    {"25", 25'000'000'000, "25"},
    {"0.054399", 54'399'000, "0.054399"},
    {"5.4399e-2", 54'399'000, "0.054399"},
    {"1e-7", 100, "0.0000001"},
    {"1e-9", 1, "0.000000001"},
    {"-1.5", -1'500'000'000, "-1.5"},
    {"0.0000000005", 0, "0"},            // Half to even: 0.5 -> 0.
    {"0.0000000015", 2, "0.000000002"},  // 1.5 -> 2.
    {"0.0000000025", 2, "0.000000002"},  // 2.5 -> 2.
    {"0.00000000250001", 3, "0.000000003"},
    {"3.0001999999999996e-07", 300, "0.0000003"},
    {"9223372036.854775807", 9223372036854775807, "9223372036.854775807"},
};

TEST(Money, ReadsDecimalTextAndPrintsItBack) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const Result<Money> money = Money::parse(c.text);
    ASSERT_TRUE(money.has_value());
    EXPECT_EQ(money->nano(), c.nano);
    EXPECT_EQ(money->to_string(), c.printed);
    EXPECT_EQ(Money::parse(money->to_string())->nano(), c.nano);
  }
}

TEST(Money, RefusesWhatIsNoAmount) {
  for (const char* text : {"", "-", ".", "abc", "1.2.3", "1e", "1e99", "9223372036.854775808", "NaN", "inf", "1 "}) {
    EXPECT_FALSE(Money::parse(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace turnpike::base
