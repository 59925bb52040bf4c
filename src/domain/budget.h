#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/result.h"
#include "domain/budget_window.h"
#include "domain/caller_account.h"

namespace turnpike::domain {

/// What one account may spend, and in which time, as rows say it. Accounts in tokens: caller_account.h.
struct BudgetTerms {
  std::optional<Money> limit;  // Hard: a call that does not fit is refused. Without `increase`.
  std::optional<Money> soft;   // Tells somebody and refuses nothing.
  bool strict = false;         // Whatever budget_mode says of the others.
  Money increase;              // Part of the limit until `increase_until_us`.
  std::int64_t increase_until_us = 0;
  std::string duration;      // As parse_budget_duration reads it; empty: for life.
  std::string zone = "UTC";  // As find_calendar reads it.

  bool operator==(const BudgetTerms&) const = default;
  /// Of two accounts of one entity, which begin anew together: those of the other one, in tokens.
  BudgetTerms in_tokens(std::optional<std::int64_t> limit_tokens, std::optional<std::int64_t> soft_tokens) const;
  /// The limit in force.
  std::optional<Money> limit_at(std::int64_t now_us) const {
    if (!limit || now_us >= increase_until_us) return limit;
    return *limit + increase;
  }
};

/// Clocks and weeks as accounts keep them: a zone's IANA name, then the weekday on which weeks begin unless that is
/// Monday: "UTC", "Asia/Tokyo sunday".
std::string calendar_text(std::string_view zone, std::string_view weekday);
/// Errors: InvalidRequest for an unknown zone or weekday.
Result<std::shared_ptr<const BudgetCalendar>> find_calendar(std::string_view text);

/// The window of `at_us` by these terms, counted on from `known`. Terms that cannot be read have windows without end.
BudgetWindow window_at(BudgetWindow known, const BudgetTerms& terms, std::int64_t at_us);
/// When a window that is given these terms now ends for the first time; kNeverUs: it does not.
std::int64_t first_end_us(const BudgetTerms& terms, std::int64_t now_us);

/// Puts the terms into an account's facts.
void set_terms(CallerAccount& account, const BudgetTerms& terms);

}  // namespace turnpike::domain
