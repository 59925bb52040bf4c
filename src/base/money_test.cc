#include "base/money.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace turnpike::base::money_test {
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

// money.md section 10: decimal text -> Money -> text is identity.
TEST(Money, EveryAmountSurvivesItsText) {
  std::mt19937_64 random(9);
  for (int round = 0; round < 20'000; ++round) {
    const Money money = Money::from_nano(static_cast<std::int64_t>(random() >> (random() % 64)) * (round % 2 ? 1 : -1));
    const std::string text = money.to_string();
    const Result<Money> read = Money::parse(text);
    ASSERT_TRUE(read) << text;
    ASSERT_EQ(*read, money) << text;
    ASSERT_EQ(read->to_string(), text);
    ASSERT_EQ(text.find_first_of("eE"), std::string::npos);
  }
}

TEST(Money, SumsStopAtTheEndsOfTheRange) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  const Money most = Money::from_nano(kMost), least = Money::from_nano(kLeast), one = Money::from_nano(1);
  EXPECT_EQ(most + one, most);
  EXPECT_EQ(least - one, least);
  EXPECT_EQ(least + -one, least);
  EXPECT_EQ(most - -one, most);
  EXPECT_EQ(-least, most);
  EXPECT_EQ(Money() - least, most);
  EXPECT_EQ(most - most, Money());
  EXPECT_EQ(most + least, -one);
  EXPECT_EQ(least.to_string(), "-9223372036.854775808");
}

}  // namespace
}  // namespace turnpike::base::money_test
