#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/record.h"
#include "base/result.h"
#include "domain/caller_account.h"

/// Budgets of somebody's calls to one model: each has an account and windows of its own.
namespace turnpike::account {

struct ModelBudget {
  std::string model;
  std::optional<Money> limit;
  std::optional<std::int64_t> limit_tokens;
  std::string duration;  // Empty: for life.
};

/// What `model_max_budget` says: {"gpt-4o": {"budget_limit": 0.5, "time_period": "1d"}}, also under the names
/// max_budget and budget_duration, or {"gpt-4o": 0.5}; beside an amount or instead of it `max_budget_tokens`. Models
/// without either are left out.
/// Errors: InvalidRequest with `param` model_max_budget.
Result<std::vector<ModelBudget>> read_model_budgets(std::string_view json_text);

/// The kind of somebody's calls to one model (spec money 4); 0: there are no such budgets of his kind.
std::int16_t kind_per_model(std::int16_t kind);

/// Accounts as `model_max_budget` says; those of models it does not name have no limit any more.
Status set_model_budgets(Records& records, std::int16_t owner_kind, const std::string& entity,
                         std::string_view json_text);
/// The same for a row that was made or changed: by its own column, an organisation's by the budget it is linked to.
Status model_budgets_follow(Records& records, const Record& row, const Record* before);

/// Those with a limit, for the calls of their owner.
Status read_model_accounts(Records& records, std::int16_t owner_kind, const std::string& entity,
                           const std::string& label, std::vector<domain::CallerAccount>& into);

}  // namespace turnpike::account
