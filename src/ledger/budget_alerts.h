#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/money.h"
#include "db/database.h"

namespace turnpike::ledger {

/// What is booked in a window has passed a threshold; told once per window and threshold, by the replica that moved the
/// total over it.
struct BudgetAlert {
  /// Bits of `account_window.alerts`.
  enum class Threshold : std::uint8_t { Soft = 1, Most = 2, All = 4 } threshold = Threshold::Soft;  // Most: 80 %.
  std::int64_t account_id = 0;
  std::int16_t kind = 6;  // Spec money 4; in tokens: domain/caller_account.h.
  std::string entity, model;
  Money spent, limit;  // The soft budget, else the hard one.
};
/// "Team=red has spent 8.1 of its max_budget of 10 (80 %)."
std::string alert_text(const BudgetAlert& alert);

/// Looks at the totals of these (account, window) pairs in the transaction that has just moved them, and notes what is
/// told of now. Errors: the database's.
Result<std::vector<BudgetAlert>> raise_alerts(db::Transaction& transaction,
                                              const std::vector<std::pair<std::int64_t, std::int64_t>>& windows,
                                              std::int64_t now_us);

}  // namespace turnpike::ledger
