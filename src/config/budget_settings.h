#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/money.h"

namespace turnpike::config {

/// What may be spent, and in which time.
struct BudgetEntry {
  Money limit;
  std::string duration;  // "30d"; empty: for life.

  bool operator==(const BudgetEntry&) const = default;
};

/// Budgets that stand in the configuration and not in a row of somebody.
struct BudgetSettings {
  std::optional<BudgetEntry> proxy;              // litellm_settings.max_budget, budget_duration: all calls together.
  std::map<std::string, BudgetEntry> tags;       // litellm_settings.tag_budget_config.
  std::map<std::string, BudgetEntry> providers;  // router_settings.provider_budget_config.
  // Of end users who have none of their own: a budget object, else an amount (max_end_user_budget_id,
  // max_end_user_budget).
  std::string end_user_budget_id;
  std::optional<Money> end_user_budget;

  bool operator==(const BudgetSettings&) const = default;
};

}  // namespace turnpike::config
