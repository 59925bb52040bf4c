#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "base/time_zone.h"

namespace turnpike::domain {

/// How long a budget lasts: "30s", "15m", "2h", "1d", "2w", "1mo".
struct BudgetDuration {
  enum class Unit : std::uint8_t { Second, Minute, Hour, Day, Week, Month } unit = Unit::Day;
  std::int64_t count = 1;
};

/// Errors: InvalidRequest with `param` "budget_duration" that says how one is written.
Result<BudgetDuration> parse_budget_duration(std::string_view text);

/// The next moment behind `now_us` at which such a budget begins anew, on the clocks of `zone`: "1d" at midnight, "7d"
/// and "1w" where a week starts, "30d" and "1mo" on the first of the month, other days and weeks at a midnight so many
/// days ahead, other months on a first so many months ahead; hours at multiples from midnight on, minutes from the full
/// hour, seconds from the full minute, and where they do not divide it, also at its end.
/// `week_start`: 0 is Sunday, 1 Monday.
std::int64_t next_reset_us(BudgetDuration duration, std::int64_t now_us, const base::TimeZone& zone,
                           int week_start = 1);

/// The first whole second one duration later, whatever the clocks show; a month is 30 days. The end of the first window
/// of a budget object (spec management-api 6).
std::int64_t duration_later_us(BudgetDuration duration, std::int64_t now_us);

/// Whose clocks show when budgets begin anew.
struct BudgetCalendar {
  std::shared_ptr<const base::TimeZone> zone;  // Null: UTC.
  int week_start = 1;
};

constexpr std::int64_t kNeverUs = INT64_MAX;

/// One window of a budget. Its id is the unix second it began at; 0: from the beginning of all time on.
struct BudgetWindow {
  std::int64_t id = 0;
  std::int64_t ends_us = kNeverUs;
  bool operator==(const BudgetWindow&) const = default;
};

/// The window of `at_us`, counted on from `known`, which stays where it has not ended by then. Windows follow each
/// other without gap: a begin is the boundary before, and the end the next one; those of 24 hours, 60 minutes or 60
/// seconds and longer are all as long as that.
BudgetWindow window_at(BudgetWindow known, const std::optional<BudgetDuration>& duration,
                       const BudgetCalendar& calendar, std::int64_t at_us);

}  // namespace turnpike::domain
