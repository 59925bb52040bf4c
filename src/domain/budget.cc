#include "domain/budget.h"

#include <algorithm>
#include <iterator>
#include <map>

namespace turnpike::domain {
namespace {

constexpr std::string_view kWeekdays[] = {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};
constexpr std::string_view kFirstWeekday = "monday";

}  // namespace

BudgetTerms BudgetTerms::in_tokens(std::optional<std::int64_t> limit_tokens,
                                   std::optional<std::int64_t> soft_tokens) const {
  const auto amount = [](std::optional<std::int64_t> tokens) {
    return tokens ? std::optional(Money::from_nano(*tokens)) : std::nullopt;
  };
  BudgetTerms terms = *this;
  terms.limit = amount(limit_tokens);
  terms.soft = amount(soft_tokens);
  terms.increase = Money();
  terms.increase_until_us = 0;
  return terms;
}

std::string calendar_text(std::string_view zone, std::string_view weekday) {
  std::string text(zone);
  if (weekday != kFirstWeekday) text.append(" ").append(weekday);
  return text;
}

Result<std::shared_ptr<const BudgetCalendar>> find_calendar(std::string_view text) {
  thread_local std::map<std::string, std::shared_ptr<const BudgetCalendar>, std::less<>> known;
  if (const auto found = known.find(text); found != known.end()) return found->second;
  const std::size_t space = std::min(text.find(' '), text.size());
  const std::string_view weekday = space < text.size() ? text.substr(space + 1) : kFirstWeekday;
  const auto* const day = std::ranges::find(kWeekdays, weekday);
  if (day == std::end(kWeekdays))
    return base::fail(ErrorKind::InvalidRequest, "There is no weekday " + std::string(weekday) + ".");
  Result<std::shared_ptr<const base::TimeZone>> zone = base::TimeZone::find(text.substr(0, space));
  if (!zone) return base::fail(std::move(zone.error()));
  auto calendar = std::make_shared<const BudgetCalendar>(
      BudgetCalendar{std::move(*zone), static_cast<int>(day - std::begin(kWeekdays))});
  return known.emplace(std::string(text), std::move(calendar)).first->second;
}

BudgetWindow window_at(BudgetWindow known, const BudgetTerms& terms, std::int64_t at_us) {
  if (at_us < known.ends_us) return known;
  const Result<BudgetDuration> duration = parse_budget_duration(terms.duration);
  const auto calendar = find_calendar(terms.zone);
  if (!duration || !calendar) return {known.id, kNeverUs};
  return window_at(known, *duration, **calendar, at_us);
}

std::int64_t first_end_us(const BudgetTerms& terms, std::int64_t now_us) {
  const Result<BudgetDuration> duration = parse_budget_duration(terms.duration);
  const auto calendar = find_calendar(terms.zone);
  if (!duration || !calendar) return kNeverUs;
  return next_reset_us(*duration, now_us, *(*calendar)->zone, (*calendar)->week_start);
}

void set_terms(CallerAccount& account, const BudgetTerms& terms) {
  account.limit = terms.limit;
  account.soft = terms.soft;
  account.strict = terms.strict;
  account.increase = terms.increase;
  account.increase_until_us = terms.increase_until_us;
  account.duration.reset();
  account.calendar.reset();
  if (terms.duration.empty()) return;
  const Result<BudgetDuration> duration = parse_budget_duration(terms.duration);
  const auto calendar = find_calendar(terms.zone);
  if (!duration || !calendar) return;
  account.duration = *duration;
  account.calendar = *calendar;
}

}  // namespace turnpike::domain
