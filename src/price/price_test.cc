#include "price/price.h"

#include <gtest/gtest.h>

#include "price/price_field.h"

namespace turnpike::price::price_test {
namespace {

struct Case {
  const char* text;
  const char* dollars;  // "" when it is refused.
};

constexpr Case kCases[] = {
    {"0.0000025", "0.0000025"},
    {"2.5e-06", "0.0000025"},
    {"1.3e-10", "0.00000000013"},
    {"3.0001999999999996e-07", "0.00000030001999999999996"},
    {"0", "0"},
    {"0.0", "0"},
    {"0e-99", "0"},
    {"+1", "1"},
    {".5", "0.5"},
    {"1e-24", "0.000000000000000000000001"},
    {"1000e-27", "0.000000000000000000000001"},
    {"1e-25", ""},
    {"0.0000000000000000000000015", ""},
    {"10000", "10000"},
    {"1E4", "10000"},
    {"10000.01", ""},
    {"1e30", ""},
    {"1e9999", ""},
    {"-1", ""},
    {"", ""},
    {".", ""},
    {"1e", ""},
    {"1 ", ""},
    {"0x10", ""},
    {"NaN", ""},
    {"1.2.3", ""},
    {"1234567890123456789012345678901234567890", ""},
};

TEST(Price, ReadsDecimalTextExactly) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const Result<Price> price = Price::parse(c.text);
    EXPECT_EQ(price ? price->to_string() : "", std::string(c.dollars));
  }
}

TEST(Price, UnknownIsNotZero) {
  EXPECT_FALSE(Price().known());
  EXPECT_FALSE(Price().is_zero());
  EXPECT_EQ(Price().to_string(), "unknown");
  EXPECT_TRUE(Price::parse("0")->known());
  EXPECT_TRUE(Price::parse("0")->is_zero());
}

TEST(Price, AboveTenThousandDollarsIsAbsurd) {
  EXPECT_EQ(Price::parse("10001").error().code, "price_absurd");
  EXPECT_EQ(Price::parse("abc").error().code, "");
}

TEST(PriceField, ReadsNamesWithTheirSuffixes) {
  const auto key = [](PriceField field, std::uint32_t above, ServiceTier service) {
    return FieldKey{field, service, above};
  };
  EXPECT_EQ(parse_field("input_cost_per_token"), key(PriceField::Input, 0, ServiceTier::Standard));
  EXPECT_EQ(parse_field("input_cost_per_token_above_272k_tokens_priority"),
            key(PriceField::Input, 272'000, ServiceTier::Priority));
  EXPECT_EQ(parse_field("output_cost_per_token_batches"), key(PriceField::Output, 0, ServiceTier::Batch));
  EXPECT_EQ(parse_field("cache_creation_input_token_cost_above_1hr"),
            key(PriceField::CacheWrite1h, 0, ServiceTier::Standard));
  EXPECT_EQ(parse_field("cache_creation_input_token_cost_above_1hr_above_200k_tokens"),
            key(PriceField::CacheWrite1h, 200'000, ServiceTier::Standard));
  EXPECT_EQ(parse_field("cache_read_input_token_cost_flex"), key(PriceField::CacheRead, 0, ServiceTier::Flex));
  EXPECT_FALSE(parse_field("input_cost_per_token_above_xk_tokens"));
  EXPECT_FALSE(parse_field("output_cost_per_video_per_second"));
  EXPECT_FALSE(parse_field("max_tokens"));
}

}  // namespace
}  // namespace turnpike::price::price_test
