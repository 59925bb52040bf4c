#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "account/record.h"
#include "base/result.h"
#include "config/budget_settings.h"
#include "db/database.h"
#include "domain/caller_account.h"

/// Accounts of budgets that the configuration names: of the whole gateway, providers and deployments; those of tags and
/// end users are opened when they are met.
namespace turnpike::account {

constexpr std::int16_t kProxyKind = 1, kProviderKind = 20, kDeploymentKind = 21;  // Spec money 4.

struct ConfigBudgets {
  config::BudgetSettings settings;
  std::map<std::string, config::BudgetEntry> deployments;  // By id.
  std::string calendar = "UTC";                            // domain/budget.h

  bool operator==(const ConfigBudgets&) const = default;
  bool any() const;
};

/// What a budget in dollars and one in tokens are counted on.
struct BudgetAccounts {
  domain::CallerAccount money;
  std::optional<domain::CallerAccount> tokens;
};

/// An immutable snapshot.
struct ConfigAccounts {
  std::optional<BudgetAccounts> proxy;
  std::map<std::string, BudgetAccounts, std::less<>> providers, deployments;
};
using ConfigAccountsRef = std::shared_ptr<const ConfigAccounts>;

/// Opens the accounts with these terms; budgets that the configuration has no more are limits no more, and accounts
/// everywhere go by the calendar of `budgets`. Blocks. `news`: what the ledger
/// of this process is to be told.
/// Errors: the database's.
Result<ConfigAccountsRef> open_config_accounts(db::Database& database, const ConfigBudgets& budgets,
                                               std::int64_t now_us, std::vector<AccountNews>& news);

/// What the configuration gives an end user or a tag (`kind` 7 or 8) without a budget of its own: nothing where it says
/// nothing. Errors: the database's.
struct DefaultTerms {
  db::NewTerms money;
  domain::BudgetTerms tokens;
};
Result<DefaultTerms> default_terms(Records& records, const config::BudgetSettings& settings, std::int16_t kind,
                                   const std::string& name);

}  // namespace turnpike::account
