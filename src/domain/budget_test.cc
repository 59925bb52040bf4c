#include "domain/budget.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/text.h"

namespace turnpike::domain::budget_test {
namespace {

TEST(BudgetTerms, TheIncreaseIsPartOfTheLimitForATime) {
  BudgetTerms terms;
  terms.increase = Money::from_nano(5);
  terms.increase_until_us = 100;
  EXPECT_EQ(terms.limit_at(50), std::nullopt) << "what has no limit is not limited by that";
  terms.limit = Money::from_nano(10);
  EXPECT_EQ(terms.limit_at(99), Money::from_nano(15));
  EXPECT_EQ(terms.limit_at(100), Money::from_nano(10));
}

TEST(BudgetTerms, CalendarsAreAZoneAndADay) {
  EXPECT_EQ(calendar_text("UTC", "monday"), "UTC");
  EXPECT_EQ(calendar_text("Asia/Tokyo", "sunday"), "Asia/Tokyo sunday");
  EXPECT_EQ((*find_calendar("UTC sunday"))->week_start, 0);
  EXPECT_EQ((*find_calendar("UTC"))->week_start, 1);
  EXPECT_EQ((*find_calendar("UTC saturday"))->week_start, 6);
  EXPECT_FALSE(find_calendar("UTC someday"));
  EXPECT_FALSE(find_calendar("Nowhere/At-all"));
}

TEST(BudgetTerms, WhatCannotBeReadNeverEnds) {
  BudgetTerms terms;
  EXPECT_EQ(first_end_us(terms, 5), kNeverUs);
  EXPECT_EQ(window_at({3, 10}, terms, 11), (BudgetWindow{3, kNeverUs}));
  EXPECT_EQ(window_at({3, 10}, terms, 9), (BudgetWindow{3, 10}));
  terms.duration = "1d";
  terms.zone = "Nowhere/At-all";
  EXPECT_EQ(first_end_us(terms, 5), kNeverUs);
}

/// Names of the machine's zones, each one's clocks once: many names are links.
std::vector<std::string> zone_names() {
  const std::filesystem::path folder = "/usr/share/zoneinfo";
  std::vector<std::string> names = {"UTC"};
  std::error_code failed;
  for (const char* region : {"Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Pacific"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / region, failed)) {
      if (entry.is_regular_file() && !entry.is_symlink())
        names.push_back(std::filesystem::relative(entry.path(), folder).string());
    }
  }
  return names;
}

// Spec money 10: every moment of fifty years is in one window, in every zone.
TEST(BudgetTerms, WindowsTileTimeInEveryZone) {
  const std::int64_t begin_us = *base::parse_iso_time("2000-01-01T00:00:00Z");
  const std::int64_t end_us = *base::parse_iso_time("2050-01-01T00:00:00Z");
  const char* durations[] = {"1mo", "1w sunday", "30d", "17d", "5mo", "3w"};
  std::size_t turn = 0;
  for (const std::string& name : zone_names()) {
    const std::string text = durations[turn++ % std::size(durations)];
    BudgetTerms terms;
    terms.duration = text.substr(0, text.find(' '));
    terms.zone = text.find(' ') == std::string::npos ? name : name + " sunday";
    if (!find_calendar(terms.zone)) continue;
    BudgetWindow window{0, first_end_us(terms, begin_us)};
    ASSERT_GT(window.ends_us, begin_us) << name << " " << text;
    while (window.ends_us < end_us) {
      const BudgetWindow next = window_at(window, terms, window.ends_us);
      ASSERT_EQ(next.id * 1'000'000, window.ends_us) << name << " " << text;
      ASSERT_GT(next.ends_us, window.ends_us) << name << " " << text;
      ASSERT_EQ(window_at(window, terms, next.ends_us - 1), next) << name << " " << text;
      window = next;
    }
  }
}

// A day is as long as the clocks make it: 24 hours, and an hour or half of one more or less where they change.
TEST(BudgetTerms, DaysHaveTheLengthThatClocksGiveThem) {
  for (const char* name :
       {"Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kolkata"}) {
    BudgetTerms terms;
    terms.duration = "1d";
    terms.zone = name;
    if (!find_calendar(name)) GTEST_SKIP() << "no zone files";
    BudgetWindow window{0, first_end_us(terms, *base::parse_iso_time("2026-01-01T00:00:00Z"))};
    int odd = 0;
    for (int day = 0; day < 365; ++day) {
      const BudgetWindow next = window_at(window, terms, window.ends_us);
      const std::int64_t minutes = (next.ends_us - window.ends_us) / 60'000'000;
      const std::int64_t offset = std::abs(minutes - 24 * 60);
      ASSERT_TRUE(offset == 0 || offset == 30 || offset == 60) << name << " " << base::iso_time(window.ends_us);
      if (offset != 0) ++odd;
      window = next;
    }
    const std::string_view zone = name;
    EXPECT_EQ(odd, zone.starts_with("Asia") ? 0 : 2) << name;
  }
}

}  // namespace
}  // namespace turnpike::domain::budget_test
