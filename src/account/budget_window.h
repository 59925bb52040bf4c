#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "base/time_zone.h"

namespace turnpike::account {

/// How long a budget lasts: "30s", "15m", "2h", "1d", "2w", "1mo".
struct BudgetDuration {
  enum class Unit : std::uint8_t { Second, Minute, Hour, Day, Week, Month } unit = Unit::Day;
  std::int64_t count = 1;
};

/// Errors: InvalidRequest with `param` "budget_duration" that says how one is written.
Result<BudgetDuration> parse_budget_duration(std::string_view text);

/// The next moment behind `now_us` at which such a budget begins anew, on the clocks of `zone`: "1d" at midnight, "7d"
/// and "1w" on Mondays, "30d" and "1mo" on the first of the month, other days and weeks at a midnight so many days
/// ahead, other months on a first so many months ahead; hours at multiples from midnight on, minutes from the full
/// hour, seconds from the full minute, and where they do not divide it, also at its end.
std::int64_t next_reset_us(BudgetDuration duration, std::int64_t now_us, const base::TimeZone& zone);

/// The moment one duration later, whatever the clocks show; a month is 30 days. The first window of a budget object
/// (spec management-api 6).
std::int64_t duration_later_us(BudgetDuration duration, std::int64_t now_us);

}  // namespace turnpike::account
