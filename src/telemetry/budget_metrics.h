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
/// Metrics::observe_text. At most `kBudgetsMax` keys, the first ones.
inline constexpr std::size_t kBudgetsMax = 10'000;
void append_key_budgets(std::string& out, std::span<const KeyBudget> budgets);

}  // namespace turnpike::telemetry
