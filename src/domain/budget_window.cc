#include "domain/budget_window.h"

#include <algorithm>
#include <chrono>

#include "base/text.h"

namespace turnpike::domain {
namespace {

using DurationUnit = BudgetDuration::Unit;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86'400;  // In seconds.
constexpr std::uint64_t kSecondsMax = std::uint64_t{100} * 366 * kDay;

struct UnitRow {
  std::string_view text;
  DurationUnit unit;
  std::int64_t seconds;
};
constexpr UnitRow kUnits[] = {{"s", DurationUnit::Second, 1},      {"m", DurationUnit::Minute, kMinute},
                              {"h", DurationUnit::Hour, kHour},    {"d", DurationUnit::Day, kDay},
                              {"w", DurationUnit::Week, 7 * kDay}, {"mo", DurationUnit::Month, 30 * kDay}};

std::int64_t seconds_of(DurationUnit unit) {
  return std::find_if(std::begin(kUnits), std::end(kUnits), [unit](const UnitRow& row) { return row.unit == unit; })
      ->seconds;
}

std::int64_t floor_to(std::int64_t value, std::int64_t step) {
  const std::int64_t rest = value % step;
  return value - (rest < 0 ? rest + step : rest);
}

/// The next of `begin`, `begin + step`, ... behind `now`; `end`, where the counting begins anew, comes first unless the
/// step is longer than the whole.
std::int64_t next_multiple(std::int64_t now, std::int64_t begin, std::int64_t whole, std::int64_t step) {
  const std::int64_t next = begin + ((now - begin) / step + 1) * step;
  return step < whole ? std::min(next, begin + whole) : next;
}

std::int64_t first_of_month(std::int64_t local_s, std::int64_t months_ahead) {
  using namespace std::chrono;
  const year_month_day today(sys_days(floor<days>(seconds(local_s))));
  const year_month_day first = today.year() / today.month() / 1 + months(months_ahead);
  return sys_days(first).time_since_epoch().count() * kDay;
}

std::int64_t next_week(std::int64_t local_s, int week_start) {
  const std::int64_t day = floor_to(local_s, kDay) / kDay;
  const std::int64_t first = 3 + week_start;  // 1970-01-04 was a Sunday.
  return (floor_to(day - first, 7) + 7 + first) * kDay;
}

/// In seconds of the local clock.
std::int64_t next_local(BudgetDuration duration, std::int64_t local_s, int week_start) {
  const std::int64_t midnight = floor_to(local_s, kDay);
  switch (duration.unit) {
    case DurationUnit::Hour:
      return next_multiple(local_s, midnight, kDay, duration.count * kHour);
    case DurationUnit::Month:
      return first_of_month(local_s, duration.count);
    case DurationUnit::Week:
      return duration.count == 1 ? next_week(local_s, week_start) : midnight + duration.count * 7 * kDay;
    default:
      break;
  }
  if (duration.count == 7) return next_week(local_s, week_start);
  if (duration.count == 30) return first_of_month(local_s, 1);
  return midnight + duration.count * kDay;
}

/// The span in which multiples of such a duration are counted; 0: there is none.
std::int64_t whole_s(DurationUnit unit) {
  switch (unit) {
    case DurationUnit::Second:
      return kMinute;
    case DurationUnit::Minute:
      return kHour;
    case DurationUnit::Hour:
      return kDay;
    default:
      return 0;
  }
}

std::int64_t length_s(BudgetDuration duration) {
  return duration.count * seconds_of(duration.unit);
}

/// As long as the span its multiples are counted in: each window is as long as the one before.
bool runs_on(BudgetDuration duration) {
  return whole_s(duration.unit) != 0 && length_s(duration) >= whole_s(duration.unit);
}

/// The end of the window that begins at `begin_us`, which is a boundary itself.
std::int64_t following_us(BudgetDuration duration, std::int64_t begin_us, const base::TimeZone& zone, int week_start) {
  if (!runs_on(duration)) return next_reset_us(duration, begin_us, zone, week_start);
  if (duration.unit != DurationUnit::Hour) return begin_us + length_s(duration) * kSecond;
  const std::int64_t begin_s = floor_to(begin_us, kSecond) / kSecond;
  return zone.to_utc_s(begin_s + zone.offset_s(begin_s) + length_s(duration)) * kSecond;
}

/// A boundary at or behind `ends_us` and before `at_us` from which the same ones follow: for windows that are long
/// past. Of days and longer each rests on the one before.
std::int64_t nearer_boundary(BudgetDuration duration, std::int64_t ends_us, std::int64_t at_us,
                             const base::TimeZone& zone, int week_start) {
  const std::int64_t whole_us = whole_s(duration.unit) * kSecond;
  if (whole_us == 0) return ends_us;
  if (!runs_on(duration)) return std::max(ends_us, next_reset_us(duration, at_us - 2 * whole_us, zone, week_start));
  const std::int64_t length_us = length_s(duration) * kSecond;
  return duration.unit == DurationUnit::Hour ? ends_us : ends_us + (at_us - ends_us) / length_us * length_us;
}

}  // namespace

Result<BudgetDuration> parse_budget_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<std::uint64_t> count = base::parse_unsigned(text.substr(0, digits));
  for (const UnitRow& row : kUnits) {
    if (!count || *count == 0 || text.substr(digits) != row.text) continue;
    if (*count > kSecondsMax / static_cast<std::uint64_t>(row.seconds)) break;
    return BudgetDuration{row.unit, static_cast<std::int64_t>(*count)};
  }
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = "budget_duration";
  error.message =
      "budget_duration must be a number from 1 and a unit: \"30d\" (s, m, h, d, w, mo), of 100 years at most.";
  return base::fail(std::move(error));
}

std::int64_t next_reset_us(BudgetDuration duration, std::int64_t now_us, const base::TimeZone& zone, int week_start) {
  const std::int64_t now_s = floor_to(now_us, kSecond) / kSecond;
  const std::int64_t offset_s = zone.offset_s(now_s);
  const std::int64_t local_s = now_s + offset_s;
  // Below an hour, and for hours one by one, the time that passes counts: when clocks go back, that hour is there
  // twice.
  if (duration.unit == DurationUnit::Second) {
    return (next_multiple(local_s, floor_to(local_s, kMinute), kMinute, duration.count) - offset_s) * kSecond;
  }
  if (duration.unit == DurationUnit::Minute) {
    return (next_multiple(local_s, floor_to(local_s, kHour), kHour, duration.count * kMinute) - offset_s) * kSecond;
  }
  const std::int64_t next = next_local(duration, local_s, week_start);
  if (duration.unit == DurationUnit::Hour && duration.count == 1) return (next - offset_s) * kSecond;
  return zone.to_utc_s(next) * kSecond;
}

std::int64_t duration_later_us(BudgetDuration duration, std::int64_t now_us) {
  return floor_to(now_us + kSecond - 1, kSecond) + length_s(duration) * kSecond;
}

BudgetWindow window_at(BudgetWindow known, const std::optional<BudgetDuration>& duration,
                       const BudgetCalendar& calendar, std::int64_t at_us) {
  static const base::TimeZone utc;
  if (!duration || at_us < known.ends_us) return known;
  const base::TimeZone& zone = calendar.zone ? *calendar.zone : utc;
  std::int64_t begin_us = nearer_boundary(*duration, known.ends_us, at_us, zone, calendar.week_start);
  std::int64_t end_us = following_us(*duration, begin_us, zone, calendar.week_start);
  while (end_us <= at_us) {
    begin_us = end_us;
    end_us = following_us(*duration, begin_us, zone, calendar.week_start);
  }
  return {begin_us / kSecond, end_us};
}

}  // namespace turnpike::domain
