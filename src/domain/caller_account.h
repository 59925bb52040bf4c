#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/money.h"
#include "domain/budget_window.h"

namespace turnpike::domain {

/// A ledger account that a caller's calls touch, as the database had it when the caller was read. Every edit of the
/// account raises `version`.
struct CallerAccount {
  std::int64_t account_id = 0;
  std::int16_t kind = 6;      // Spec money 4.
  std::string entity, label;  // Its id; what people call it.
  std::optional<Money> limit;
  Money spent;  // In `window`.
  std::int64_t version = 0;

  std::string model;  // Of budgets for one model.
  std::optional<Money> soft;
  Money increase;  // Part of the limit until `increase_until_us`.
  std::int64_t increase_until_us = 0;
  bool strict = false;  // Whatever budget_mode says.
  BudgetWindow window;
  std::optional<BudgetDuration> duration;          // None: the window never ends.
  std::shared_ptr<const BudgetCalendar> calendar;  // Null: UTC, weeks from Monday on.
};

}  // namespace turnpike::domain
