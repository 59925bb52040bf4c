#include "account/config_accounts.h"

#include <fmt/format.h>

#include "account/caller_tree.h"
#include "account/model_budgets.h"
#include "account/tables.h"

namespace turnpike::account {
namespace {

constexpr std::string_view kProxyEntity = "litellm-proxy-budget";

db::NewTerms terms_of(const config::BudgetEntry& entry, const std::string& calendar) {
  db::NewTerms terms;
  terms.terms.limit = entry.limit;
  terms.terms.duration = entry.duration;
  if (!entry.duration.empty()) terms.terms.zone = calendar;
  return terms;
}

Result<BudgetAccounts> open_one(Records& records, const db::AccountName& name, const config::BudgetEntry& entry) {
  const db::NewTerms terms = terms_of(entry, records.actor().calendar);
  if (Status set = records.set_account(name, terms); !set) return base::fail(std::move(set.error()));
  if (Status set = records.set_token_account(name, terms.terms.in_tokens(entry.limit_tokens, {}), domain::kNeverUs);
      !set)
    return base::fail(std::move(set.error()));
  const auto rows = records.transaction().run(
      fmt::format("SELECT {} FROM account a{} WHERE a.kind = $1 AND a.entity = $2 AND a.model = ''",
                  db::kAccountColumns, db::kJoinWindow),
      {std::int64_t{name.kind}, name.entity});
  if (!rows) return base::fail(rows.error());
  std::size_t at = 0;
  const auto account = db::read_account(records.transaction(), rows->rows.at(0), at, records.actor().now_us);
  if (!account) return base::fail(account.error());
  BudgetAccounts opened{db::facts_of(*account, name, {}), {}};
  if (const db::AccountState* const tokens = account->budget_in_tokens())
    opened.tokens = db::facts_of(*tokens, {domain::kind_in_tokens(name.kind), name.entity}, {});
  return opened;
}

using Entries = std::map<std::string, config::BudgetEntry>;
using Accounts = std::map<std::string, BudgetAccounts, std::less<>>;

Status open_all(Records& records, std::int16_t kind, const Entries& entries, Accounts& into) {
  for (const auto& [entity, entry] : entries) {
    Result<BudgetAccounts> account = open_one(records, {kind, entity}, entry);
    if (!account) return base::fail(std::move(account.error()));
    into.emplace(entity, std::move(*account));
  }
  return {};
}

/// Accounts of a kind that the configuration made once and names no more.
Status free_others(Records& records, std::int16_t kind, const Entries& named) {
  const auto rows = records.transaction().run(
      fmt::format("SELECT kind, entity FROM account WHERE kind IN ($1, $2) AND limit_nano IS NOT NULL{}",
                  kind == kTagKind
                      ? " AND closed_us IS NULL AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.tag_name = account.entity)"
                      : ""),
      {std::int64_t{kind}, std::int64_t{domain::kind_in_tokens(kind)}});
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) {
    const std::string entity = db::as_text(row.at(1));
    if (named.contains(entity)) continue;
    const auto its_kind = static_cast<std::int16_t>(db::as_int(row.at(0)));
    if (Status freed = records.set_account({its_kind, entity}, {}); !freed) return freed;
  }
  return {};
}

/// Rows that were there before budgets per model had accounts.
Status open_stored_models(Records& records) {
  struct Owners {
    std::int16_t kind;
    std::string_view sql;
  };
  constexpr Owners kOwners[] = {
      {3,
       "SELECT team_id, model_max_budget FROM team WHERE model_max_budget <> '{}' AND NOT EXISTS (SELECT 1 FROM "
       "account a WHERE a.kind = 10 AND a.entity = team.team_id)"},
      {5,
       "SELECT user_id, model_max_budget FROM internal_user WHERE model_max_budget <> '{}' AND NOT EXISTS (SELECT 1 "
       "FROM account a WHERE a.kind = 11 AND a.entity = internal_user.user_id)"},
  };
  for (const Owners& owners : kOwners) {
    const auto rows = records.transaction().run(owners.sql, {});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      const std::string entity = db::as_text(row.at(0));
      if (Status set = set_model_budgets(records, owners.kind, entity, db::as_text(row.at(1))); !set) return set;
    }
  }
  return {};
}

Status open_accounts(Records& records, const ConfigBudgets& budgets, ConfigAccounts& accounts) {
  const auto moved = records.transaction().run(
      "UPDATE account SET zone = $1, version = version + 1 WHERE duration IS NOT NULL AND "
      "zone <> $1",
      {budgets.calendar});
  if (!moved) return base::fail(moved.error());
  Accounts proxy;
  Entries whole;
  if (budgets.settings.proxy) whole.emplace(kProxyEntity, *budgets.settings.proxy);
  struct Kind {
    std::int16_t kind;
    const Entries& entries;
    Accounts& into;
  };
  for (const Kind& one :
       {Kind{kProxyKind, whole, proxy}, Kind{kProviderKind, budgets.settings.providers, accounts.providers},
        Kind{kDeploymentKind, budgets.deployments, accounts.deployments}}) {
    if (Status opened = open_all(records, one.kind, one.entries, one.into); !opened) return opened;
    if (Status freed = free_others(records, one.kind, one.entries); !freed) return freed;
  }
  if (Status freed = free_others(records, kTagKind, budgets.settings.tags); !freed) return freed;
  if (Status opened = open_stored_models(records); !opened) return opened;
  if (!proxy.empty()) accounts.proxy = proxy.begin()->second;
  return {};
}

}  // namespace

bool ConfigBudgets::any() const {
  return settings != config::BudgetSettings() || !deployments.empty();
}

Result<ConfigAccountsRef> open_config_accounts(db::Database& database, const ConfigBudgets& budgets,
                                               std::int64_t now_us, std::vector<AccountNews>& news) {
  Actor actor;
  actor.name = "config";
  actor.now_us = now_us;
  actor.calendar = budgets.calendar;
  std::shared_ptr<ConfigAccounts> accounts;
  const Status done = database.transact_now([&](db::Transaction& transaction) -> Status {
    Records records(transaction, actor);
    accounts = std::make_shared<ConfigAccounts>();
    Status opened = open_accounts(records, budgets, *accounts);
    news = records.account_news();
    return opened;
  });
  if (!done) return base::fail(done.error());
  return ConfigAccountsRef(std::move(accounts));
}

Result<DefaultTerms> default_terms(Records& records, const config::BudgetSettings& settings, std::int16_t kind,
                                   const std::string& name) {
  DefaultTerms terms;
  if (kind == kTagKind) {
    const auto entry = settings.tags.find(name);
    if (entry == settings.tags.end()) return terms;
    terms.money = terms_of(entry->second, records.actor().calendar);
    terms.tokens = terms.money.terms.in_tokens(entry->second.limit_tokens, {});
    return terms;
  }
  terms.money.terms.limit = settings.end_user_budget;
  if (settings.end_user_budget_id.empty()) return terms;
  const auto budget = records.find(kBudgets, settings.end_user_budget_id);
  if (!budget) return base::fail(budget.error());
  if (!*budget) return terms;
  terms.money = records.terms_of_budget(**budget);
  terms.tokens = records.token_terms_of_budget(**budget);
  return terms;
}

}  // namespace turnpike::account
