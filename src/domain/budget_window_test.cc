#include "domain/budget_window.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace turnpike::domain::budget_window_test {
namespace {

constexpr const char* kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3";
constexpr const char* kNewYork = "EST5EDT,M3.2.0,M11.1.0";
constexpr const char* kKolkata = "IST-5:30";
constexpr const char* kCairo = "EET-2EEST,M4.5.5/0,M10.5.4/24";  // Skips a midnight in April.
constexpr const char* kHavana = "CST5CDT,M3.2.0/0,M11.1.0/1";    // Has a midnight twice in November.
constexpr const char* kSydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
constexpr const char* kUtc = "UTC0";

struct ResetCase {
  const char* duration;
  const char* zone;
  const char* now;
  const char* next;
};

// 2026-02-16 is a Monday.
constexpr ResetCase kResets[] = {
    {"1d", kUtc, "2026-02-16T10:00:00Z", "2026-02-17T00:00:00.000000Z"},
    {"1d", kUtc, "2026-02-17T00:00:00Z", "2026-02-18T00:00:00.000000Z"},  // On the stroke: the next.
    {"7d", kUtc, "2026-02-16T00:00:00Z", "2026-02-23T00:00:00.000000Z"},
    {"1w", kUtc, "2026-02-22T23:59:59Z", "2026-02-23T00:00:00.000000Z"},
    {"1w", kUtc, "1969-12-31T12:00:00Z", "1970-01-05T00:00:00.000000Z"},
    {"2w", kUtc, "2026-02-16T10:00:00Z", "2026-03-02T00:00:00.000000Z"},
    {"30d", kUtc, "2026-01-31T10:00:00Z", "2026-02-01T00:00:00.000000Z"},
    {"1mo", kUtc, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00.000000Z"},
    {"3mo", kUtc, "2026-11-30T00:00:00Z", "2027-02-01T00:00:00.000000Z"},
    {"10d", kUtc, "2024-02-25T10:00:00Z", "2024-03-06T00:00:00.000000Z"},  // Over a leap day.
    {"1h", kUtc, "2026-02-16T10:00:00Z", "2026-02-16T11:00:00.000000Z"},
    {"6h", kUtc, "2026-02-16T10:59:00Z", "2026-02-16T12:00:00.000000Z"},
    {"5h", kUtc, "2026-02-16T21:00:00Z", "2026-02-17T00:00:00.000000Z"},  // 20:00, then midnight begins anew.
    {"24h", kUtc, "2026-02-16T21:00:00Z", "2026-02-17T00:00:00.000000Z"},
    {"48h", kUtc, "2026-02-16T21:00:00Z", "2026-02-18T00:00:00.000000Z"},
    {"15m", kUtc, "2026-02-16T10:14:59Z", "2026-02-16T10:15:00.000000Z"},
    {"25m", kUtc, "2026-02-16T10:51:00Z", "2026-02-16T11:00:00.000000Z"},
    {"90m", kUtc, "2026-02-16T10:51:00Z", "2026-02-16T11:30:00.000000Z"},
    {"30s", kUtc, "2026-02-16T10:14:30.5Z", "2026-02-16T10:15:00.000000Z"},
    {"90s", kUtc, "2026-02-16T10:14:31Z", "2026-02-16T10:15:30.000000Z"},
    // Elsewhere.
    {"1d", kKolkata, "2026-02-16T18:29:59Z", "2026-02-16T18:30:00.000000Z"},
    {"1h", kKolkata, "2026-02-16T10:00:00Z", "2026-02-16T10:30:00.000000Z"},
    {"1mo", kNewYork, "2026-03-01T04:59:59Z", "2026-03-01T05:00:00.000000Z"},
    {"1w", kSydney, "2026-02-15T13:00:00Z", "2026-02-22T13:00:00.000000Z"},
    // Berlin goes forward on 2026-03-29 at 02:00 and back on 2026-10-25 at 03:00.
    {"1d", kBerlin, "2026-03-28T12:00:00Z", "2026-03-28T23:00:00.000000Z"},
    {"1d", kBerlin, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00.000000Z"},  // A day of 23 hours,
    {"1d", kBerlin, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00.000000Z"},  // and one of 25.
    {"6h", kBerlin, "2026-03-29T00:30:00Z", "2026-03-29T04:00:00.000000Z"},  // 06:00 on the wall.
    {"6h", kBerlin, "2026-10-24T23:30:00Z", "2026-10-25T05:00:00.000000Z"},
    {"2h", kBerlin, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00.000000Z"},  // 02:00 is skipped: the skip itself.
    {"1h", kBerlin, "2026-03-29T00:30:00Z", "2026-03-29T01:00:00.000000Z"},
    {"1h", kBerlin, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00.000000Z"},  // 02:30, the first time.
    {"15m", kBerlin, "2026-10-25T00:50:00Z", "2026-10-25T01:00:00.000000Z"},
    {"1mo", kBerlin, "2026-03-15T12:00:00Z", "2026-03-31T22:00:00.000000Z"},
    {"1d", kCairo, "2026-04-23T12:00:00Z", "2026-04-23T22:00:00.000000Z"},   // Midnight is skipped.
    {"1d", kHavana, "2026-10-31T12:00:00Z", "2026-11-01T04:00:00.000000Z"},  // The first of the two midnights,
    {"1d", kHavana, "2026-11-01T05:30:00Z", "2026-11-02T05:00:00.000000Z"},  // and not the second on top.
};

TEST(BudgetWindow, BeginsAnewOnTheClocksOfItsZone) {
  for (const ResetCase& c : kResets) {
    SCOPED_TRACE(std::string(c.duration) + " in " + c.zone + " at " + c.now);
    const Result<BudgetDuration> duration = parse_budget_duration(c.duration);
    const Result<base::TimeZone> zone = base::TimeZone::read_rule(c.zone);
    const std::optional<std::int64_t> now_us = base::parse_iso_time(c.now);
    ASSERT_TRUE(duration && zone && now_us);
    const std::int64_t next_us = next_reset_us(*duration, *now_us, *zone);
    EXPECT_EQ(base::iso_time(next_us), c.next);
    EXPECT_GT(next_us, *now_us);
  }
}

// Whatever the moment: later than now, and not further away than the longest window there can be.
TEST(BudgetWindow, AlwaysLiesAhead) {
  const Result<base::TimeZone> zone = base::TimeZone::read_rule(kBerlin);
  ASSERT_TRUE(zone);
  constexpr std::int64_t kHourUs = 3'600'000'000;
  const std::int64_t begin_us = *base::parse_iso_time("2026-01-01T00:00:00Z");
  for (const char* text : {"1s", "7s", "1m", "7m", "1h", "5h", "1d"}) {
    const Result<BudgetDuration> duration = parse_budget_duration(text);
    ASSERT_TRUE(duration);
    const std::int64_t longest_us = duration_later_us(*duration, 0) + kHourUs;
    for (std::int64_t at = 0; at < 366 * 24 * 4; ++at) {
      const std::int64_t now_us = begin_us + at * 900'000'000 + 1'234'567;
      const std::int64_t ahead_us = next_reset_us(*duration, now_us, *zone) - now_us;
      ASSERT_GT(ahead_us, 0) << text << " at " << base::iso_time(now_us);
      ASSERT_LE(ahead_us, longest_us) << text << " at " << base::iso_time(now_us);
    }
  }
}

// From one boundary to the next there is one way, whether each is passed or most of them are skipped.
TEST(BudgetWindow, FollowsTheWindowBefore) {
  const auto zone = base::TimeZone::read_rule(kBerlin);
  ASSERT_TRUE(zone);
  const BudgetCalendar calendar{std::make_shared<const base::TimeZone>(*zone), 0};
  const std::int64_t begin_us = *base::parse_iso_time("2026-03-20T10:00:00Z");
  for (const char* text : {"7s", "90s", "25m", "90m", "5h", "48h", "1d", "3d", "1w", "1mo"}) {
    const auto duration = *parse_budget_duration(text);
    const BudgetWindow first{0, next_reset_us(duration, begin_us, *calendar.zone, 0)};
    BudgetWindow at = first;
    for (int turn = 0; turn < 3'000; ++turn) {
      const BudgetWindow next = window_at(at, duration, calendar, at.ends_us);
      ASSERT_EQ(next.id, at.ends_us / 1'000'000) << text;
      ASSERT_GT(next.ends_us, at.ends_us) << text;
      ASSERT_EQ(window_at(at, duration, calendar, at.ends_us - 1), at) << text;
      at = next;
      if (turn % 97 == 0) ASSERT_EQ(window_at(first, duration, calendar, at.ends_us - 1), at) << text;
    }
  }
  const BudgetWindow whole{5, kNeverUs};
  EXPECT_EQ(window_at(whole, std::nullopt, calendar, begin_us), whole);
}

struct LengthCase {
  const char* duration;
  const char* begin;  // A boundary.
  const char* ends[3];
};
constexpr LengthCase kLengths[] = {
    {"36h",
     "2026-02-16T12:00:00Z",
     {"2026-02-18T00:00:00.000000Z", "2026-02-19T12:00:00.000000Z", "2026-02-21T00:00:00.000000Z"}},
    {"90m",
     "2026-02-16T12:00:00Z",
     {"2026-02-16T13:30:00.000000Z", "2026-02-16T15:00:00.000000Z", "2026-02-16T16:30:00.000000Z"}},
    {"90s",
     "2026-02-16T12:00:00Z",
     {"2026-02-16T12:01:30.000000Z", "2026-02-16T12:03:00.000000Z", "2026-02-16T12:04:30.000000Z"}},
    {"10d",
     "2026-02-16T00:00:00Z",
     {"2026-02-26T00:00:00.000000Z", "2026-03-08T00:00:00.000000Z", "2026-03-18T00:00:00.000000Z"}},
    {"25m",
     "2026-02-16T12:00:00Z",
     {"2026-02-16T12:25:00.000000Z", "2026-02-16T12:50:00.000000Z", "2026-02-16T13:00:00.000000Z"}},
};

TEST(BudgetWindow, LongOnesAreAllAsLong) {
  for (const LengthCase& c : kLengths) {
    BudgetWindow window{0, *base::parse_iso_time(c.begin)};
    for (const char* end : c.ends) {
      window = window_at(window, *parse_budget_duration(c.duration), {}, window.ends_us);
      EXPECT_EQ(base::iso_time(window.ends_us), end) << c.duration;
    }
  }
}

TEST(BudgetWindow, RefusesOtherDurations) {
  for (const char* text : {"", "d", "1", "0d", "-1d", "1.5d", "1 d", "1D", "1y", "1month", "d1", "101000000000s",
                           "99999999999999999999d", "1300mo"}) {
    const Result<BudgetDuration> duration = parse_budget_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().param, "budget_duration");
  }
}

TEST(BudgetWindow, FirstWindowOfABudgetIsItsLength) {
  const std::int64_t now_us = *base::parse_iso_time("2026-02-16T10:00:00.25Z");
  EXPECT_EQ(base::iso_time(duration_later_us(*parse_budget_duration("1mo"), now_us)), "2026-03-18T10:00:01.000000Z");
  EXPECT_EQ(base::iso_time(duration_later_us(*parse_budget_duration("2h"), now_us)), "2026-02-16T12:00:01.000000Z");
}

}  // namespace
}  // namespace turnpike::domain::budget_window_test
