#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/money.h"
#include "domain/budget_window.h"

namespace turnpike::domain {

/// An account of kind 100 + k is one of kind k that counts tokens: wherever amounts of accounts are nanodollars
/// (`limit`, `spent`, columns named *_nano, the words of leases), it has tokens there, one for one. There is such an
/// account only where somebody has, or had, a budget in tokens.
constexpr std::int16_t kTokenKinds = 100;
constexpr bool counts_tokens(std::int16_t kind) {
  return kind >= kTokenKinds;
}
/// The kind of spec money 4, whatever is counted.
constexpr std::int16_t kind_of_entity(std::int16_t kind) {
  return static_cast<std::int16_t>(counts_tokens(kind) ? kind - kTokenKinds : kind);
}
constexpr std::int16_t kind_in_tokens(std::int16_t kind) {
  return static_cast<std::int16_t>(kind + kTokenKinds);
}

/// A ledger account that a caller's calls touch, as the database had it when the caller was read. Every edit of the
/// account raises `version`.
struct CallerAccount {
  std::int64_t account_id = 0;
  std::int16_t kind = 6;      // Spec money 4, or one of those + kTokenKinds.
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
