#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/money.h"

namespace turnpike::config {

/// The largest budget in tokens that is taken: sums of what is held and spent stay far from the end of their type.
constexpr std::int64_t kTokenBudgetMax = 1'000'000'000'000'000;

/// What may be spent, and in which time.
struct BudgetEntry {
  std::optional<Money> limit;
  std::string duration;  // "30d"; empty: for life.
  std::optional<std::int64_t> limit_tokens = {};

  bool operator==(const BudgetEntry&) const = default;
};

/// As effective settings show it.
std::string budget_json(const BudgetEntry& budget);

/// Budgets that stand in the configuration and not in a row of somebody.
struct BudgetSettings {
  // litellm_settings.max_budget, max_budget_tokens, budget_duration: all calls together.
  std::optional<BudgetEntry> proxy;
  std::map<std::string, BudgetEntry> tags;       // litellm_settings.tag_budget_config.
  std::map<std::string, BudgetEntry> providers;  // router_settings.provider_budget_config.
  // Of end users who have none of their own: a budget object, else an amount (max_end_user_budget_id,
  // max_end_user_budget).
  std::string end_user_budget_id;
  std::optional<Money> end_user_budget;

  bool operator==(const BudgetSettings&) const = default;
};

}  // namespace turnpike::config
