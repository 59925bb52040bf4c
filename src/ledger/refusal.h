#pragma once

#include "base/result.h"
#include "ledger/account.h"

namespace turnpike::ledger {

/// Why a call that needs so much, in what the account counts, is refused by it: BudgetSpent, or BudgetHeld when what is
/// missing is held by others (spec: money 3). Says who, spent, limit and when the budget begins anew.
Error budget_refusal(const AccountWindow& window, std::int64_t needed_nano);

}  // namespace turnpike::ledger
