#pragma once

#include "base/result.h"
#include "ledger/account.h"

namespace turnpike::ledger {

/// Why a call that needs so much is refused by this account: BudgetSpent, or BudgetHeld when what is missing is held by
/// others (spec: money 3). Says who, spent, limit and when the budget begins anew.
Error budget_refusal(const AccountWindow& window, Money needed);

}  // namespace turnpike::ledger
