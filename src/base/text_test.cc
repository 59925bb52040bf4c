#include "base/text.h"

#include <gtest/gtest.h>

#include <limits>

namespace turnpike::base::text_test {
namespace {

TEST(Text, WholePartsOfNumbersDoNotOverflow) {
  EXPECT_EQ(whole_of(12.9), 12);
  EXPECT_EQ(whole_of(-12.9), -12);
  EXPECT_EQ(whole_of(7e90), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(whole_of(9'223'372'036'854'775'807.0), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(whole_of(-7e90), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(whole_of(std::numeric_limits<double>::quiet_NaN()), 0);
}

TEST(Text, OffersTheNearestNames) {
  const std::vector<std::string> models = {"gpt-4o", "gpt-4o-mini", "claude-sonnet", "text-embedding-3-small"};
  EXPECT_EQ(nearest("gpt4o", models, 2), (std::vector<std::string>{"gpt-4o", "gpt-4o-mini"}));
  EXPECT_EQ(nearest("claude-sonet", models, 3), (std::vector<std::string>{"claude-sonnet"}));
  EXPECT_TRUE(nearest("zzzzzzzzzz", models, 3).empty());
}

TEST(Text, TimeGoesOutAndComesBack) {
  EXPECT_EQ(iso_time(0), "1970-01-01T00:00:00.000000Z");
  for (const char* text : {"2026-02-16T10:00:00.000000Z", "1999-12-31T23:59:59.999999Z"}) {
    ASSERT_TRUE(parse_iso_time(text).has_value()) << text;
    EXPECT_EQ(iso_time(*parse_iso_time(text)), text);
  }
  EXPECT_EQ(parse_iso_time("2026-02-16T12:00:00+02:00"), parse_iso_time("2026-02-16T10:00:00Z"));
  EXPECT_EQ(parse_iso_time("2026-02-16"), parse_iso_time("2026-02-16T00:00:00Z"));
  for (const char* text : {"", "2026", "2026-13-01", "2026-02-16T25:00:00Z", "2026-02-16Tx", "16.2.2026"}) {
    EXPECT_FALSE(parse_iso_time(text).has_value()) << text;
  }
}

TEST(Text, Durations) {
  EXPECT_EQ(parse_duration_seconds("30s"), 30);
  EXPECT_EQ(parse_duration_seconds("1mo"), 30 * 86'400);
  for (const char* text : {"", "d", "1", "1y", "-1d", "1.5h"}) EXPECT_FALSE(parse_duration_seconds(text)) << text;
}

TEST(Text, HexAndPercent) {
  EXPECT_EQ(to_hex(*from_hex("00ff7f")), "00ff7f");
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_EQ(percent_decode("a%2Fb+c"), "a/b+c");
  EXPECT_FALSE(percent_decode("%2"));
  EXPECT_EQ(percent_encode("a/b c:1~\xC3\xA9?"), "a%2Fb%20c%3A1~%C3%A9%3F");
  EXPECT_FALSE(parse_unsigned("18446744073709551616"));
  EXPECT_EQ(parse_unsigned("18446744073709551615"), UINT64_MAX);
}

TEST(Text, ControlBytesAreFoundWhereverTheyStand) {
  EXPECT_FALSE(has_control(""));
  EXPECT_FALSE(has_control("plain text of some length, \x7f and \xc3\xa9 too"));
  const std::string clean(21, '\xff');
  for (std::size_t at = 0; at < clean.size(); ++at) {
    for (const char control : {'\0', '\n', '\r', '\x1f'}) {
      std::string text = clean;
      text[at] = control;
      EXPECT_TRUE(has_control(text)) << at;
    }
  }
}

TEST(Text, MillisecondsHaveThreeDecimals) {
  const auto shown = [](std::int64_t us) {
    std::string text;
    append_milliseconds(text, us);
    return text;
  };
  EXPECT_EQ(shown(0), "0.000");
  EXPECT_EQ(shown(7), "0.007");
  EXPECT_EQ(shown(12'345'678), "12345.678");
  EXPECT_EQ(shown(-5), "0.000");
}

TEST(Text, NamesAreEqualWhateverTheirCase) {
  EXPECT_TRUE(equals_ignoring_case("Content-Type", "content-tYPE"));
  EXPECT_FALSE(equals_ignoring_case("content-type", "content-typ"));
  EXPECT_FALSE(equals_ignoring_case("a@b", "a`b"));  // They differ in the bit of the case, but are no letters.
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
}

}  // namespace
}  // namespace turnpike::base::text_test
