#include "base/time_zone.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace turnpike::base::time_zone_test {
namespace {

std::int64_t seconds(const char* iso) {
  return *parse_iso_time(iso) / 1'000'000;
}

struct OffsetCase {
  const char* rule;
  const char* utc;
  std::int64_t minutes;
};

TEST(TimeZone, FollowsRulesOfPosix) {
  const OffsetCase cases[] = {
      {"UTC0", "2026-06-01T00:00:00Z", 0},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T00:59:59Z", 60},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 120},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T00:59:59Z", 120},
      {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 60},
      {"AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 660},  // Summer over the new year.
      {"AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-01T00:00:00Z", 600},
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -120},
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -60},
      {"<+0545>-5:45", "2026-03-29T01:00:00Z", 345},
      {"LHST-10:30LHDT-11,M10.1.0,M4.1.0", "2026-01-01T00:00:00Z", 660},
      {"AAA0BBB,J60/0,J300/0", "2024-02-29T12:00:00Z", 0},  // Day 60 is 1 March in leap years too.
      {"AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 60},
      {"AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 60},
  };
  for (const OffsetCase& c : cases) {
    const Result<TimeZone> zone = TimeZone::read_rule(c.rule);
    ASSERT_TRUE(zone) << c.rule;
    EXPECT_EQ(zone->offset_s(seconds(c.utc)), c.minutes * 60) << c.rule << " " << c.utc;
  }
  for (const char* rule : {"", "CE", "CET", "CET-25", "CET-1CEST", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.5.0",
                           "CET-1CEST,M0.5.0,M10.5.0", "<CET-1", "CET-1CEST,M3.5.0,M10.5.0/3x"}) {
    EXPECT_FALSE(TimeZone::read_rule(rule)) << rule;
  }
}

void put(std::string& out, std::int64_t value, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// A zone that lay 30 minutes east, since 1000 one hour, since 2000 two hours, and follows `rule` from then on.
std::string zone_file(std::string_view rule) {
  std::string text = std::string("TZif2") + std::string(15, '\0');
  for (int i = 0; i < 4; ++i) put(text, 0, 4);
  put(text, 1, 4);  // One kind and four letters: the part for old readers.
  put(text, 4, 4);
  text += std::string(6, '\0') + std::string("AAA\0", 4);
  text += std::string("TZif2") + std::string(15, '\0');
  for (const int count : {0, 0, 0, 2, 3, 4}) put(text, count, 4);
  put(text, 1000, 8);
  put(text, 2000, 8);
  text += '\1';
  text += '\2';
  for (const int offset : {1800, 3600, 7200}) {
    put(text, offset, 4);
    text += std::string(2, '\0');
  }
  return text + std::string("AAA\0", 4) + "\n" + std::string(rule) + "\n";
}

TEST(TimeZone, ReadsZoneFiles) {
  const Result<TimeZone> zone = TimeZone::read_file(zone_file("AAA-3"));
  ASSERT_TRUE(zone);
  EXPECT_EQ(zone->offset_s(999), 1800);
  EXPECT_EQ(zone->offset_s(1000), 3600);
  EXPECT_EQ(zone->offset_s(1999), 3600);
  EXPECT_EQ(zone->offset_s(2000), 10800);
  const Result<TimeZone> without = TimeZone::read_file(zone_file(""));
  ASSERT_TRUE(without);
  EXPECT_EQ(without->offset_s(1'000'000), 7200);
  // Cut anywhere, it is no zone and no crash.
  const std::string whole = zone_file("AAA-3");
  for (std::size_t length = 0; length + 7 < whole.size(); ++length) {
    EXPECT_FALSE(TimeZone::read_file(std::string_view(whole).substr(0, length))) << length;
  }
}

TEST(TimeZone, IsFoundByItsName) {
  const auto utc = TimeZone::find("UTC");
  ASSERT_TRUE(utc);
  EXPECT_EQ((*utc)->offset_s(0), 0);
  const auto berlin = TimeZone::find("Europe/Berlin");
  ASSERT_TRUE(berlin) << "the package tzdata is missing";
  EXPECT_EQ((*berlin)->offset_s(seconds("2026-07-01T00:00:00Z")), 7200);
  EXPECT_EQ((*berlin)->offset_s(seconds("2026-12-01T00:00:00Z")), 3600);
  EXPECT_EQ((*berlin)->offset_s(seconds("2100-07-01T00:00:00Z")), 7200);
  EXPECT_EQ(*berlin, *TimeZone::find("Europe/Berlin"));
  for (const char* name : {"", "Europe/Nowhere", "../../../etc/passwd", "/etc/passwd", "Europe", "a b"}) {
    EXPECT_FALSE(TimeZone::find(name)) << name;
  }
}

TEST(TimeZone, FindsTheMomentOfALocalTime) {
  const Result<TimeZone> berlin = TimeZone::read_rule("CET-1CEST,M3.5.0,M10.5.0/3");
  ASSERT_TRUE(berlin);
  const auto utc = [&](const char* local) { return iso_time(berlin->to_utc_s(seconds(local)) * 1'000'000); };
  EXPECT_EQ(utc("2026-01-01T12:00:00Z"), "2026-01-01T11:00:00.000000Z");
  EXPECT_EQ(utc("2026-03-29T02:30:00Z"), "2026-03-29T01:00:00.000000Z");  // Skipped: the skip.
  EXPECT_EQ(utc("2026-03-29T03:00:00Z"), "2026-03-29T01:00:00.000000Z");
  EXPECT_EQ(utc("2026-10-25T02:30:00Z"), "2026-10-25T00:30:00.000000Z");  // Twice: the first.
}

}  // namespace
}  // namespace turnpike::base::time_zone_test
