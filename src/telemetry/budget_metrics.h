#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/money.h"

namespace turnpike::telemetry {

/// One key that has a budget, as the ledger knows it.
struct KeyBudget {
  std::string key_hash_hex;
  std::string key_alias;
  Money max_budget;
  Money spent;  // And held.
};

/// Appends litellm_remaining_api_key_budget_metric and litellm_api_key_max_budget_metric in dollars, exact; for
/// Metrics::observe_text.
///
/// Limits: the first keys whose lines fit into `bytes_max`; turnpike_key_budgets_omitted says how many did not.
inline constexpr std::size_t kBudgetsMax = 10'000;  // More than fit: what a caller need not collect.
inline constexpr std::size_t kBudgetBytesMax = 400'000;
void append_key_budgets(std::string& out, std::span<const KeyBudget> budgets, std::size_t bytes_max = kBudgetBytesMax);

}  // namespace turnpike::telemetry
