#include "account/record.h"
#include "account/tables.h"

// Accounts in tokens, beside those of money (domain/caller_account.h).
namespace turnpike::account {
namespace {

domain::BudgetTerms counted_by(const Record& budget, const domain::BudgetTerms& money) {
  return money.in_tokens(budget.whole("max_budget_tokens"), budget.whole("soft_budget_tokens"));
}

db::AccountName in_tokens(const db::AccountName& name) {
  return {domain::kind_in_tokens(name.kind), name.entity, name.model};
}

}  // namespace

std::optional<domain::CallerAccount> token_facts_of(const Record& row, const std::string& label) {
  if (!row.tokens) return std::nullopt;
  return db::facts_of(*row.tokens, in_tokens({row.table().account_kind, row.id()}), label);
}

Status Records::set_token_account(const db::AccountName& name, const domain::BudgetTerms& terms, std::int64_t ends_us) {
  const db::AccountName counted = in_tokens(name);
  if (!terms.limit && !terms.soft) {
    const auto budgeted = transaction_.run(
        "SELECT 1 FROM account WHERE kind = $1 AND entity = $2 AND model = $3 AND (limit_nano IS NOT NULL OR soft_nano "
        "IS NOT NULL)",
        {std::int64_t{counted.kind}, counted.entity, counted.model});
    if (!budgeted) return base::fail(budgeted.error());
    if (budgeted->rows.empty()) return {};
  }
  return set_account(counted, {terms, ends_us == domain::kNeverUs ? std::nullopt : std::optional(ends_us)});
}

Status Records::close_token_account(const db::AccountName& name, const std::optional<db::AccountState>& tokens) {
  if (!tokens) return {};
  if (Status closed = db::close_account(transaction_, tokens->account_id, actor_.now_us); !closed) return closed;
  db::AccountState state = *tokens;
  ++state.version;
  tell({AccountNews::What::Closed, db::facts_of(state, in_tokens(name), {}), {}});
  return {};
}

Status Records::begin_tokens_anew(const db::AccountName& name, db::AccountState& tokens) {
  const Result<Money> edit = db::set_account_spend(transaction_, tokens.account_id, Money(), db::EntryKind::Opening,
                                                   actor_.name, actor_.now_us);
  if (!edit) return base::fail(edit.error());
  if (*edit == Money()) return {};
  tokens.spent = Money();
  ++tokens.version;
  tell({AccountNews::What::Spend, db::facts_of(tokens, in_tokens(name), {}), *edit});
  return {};
}

domain::BudgetTerms Records::token_terms_of_budget(const Record& budget) const {
  return counted_by(budget, terms_of_budget(budget).terms);
}

/// By the row's own columns, or by the budget it is linked to; the rest as the account of money has it.
Result<domain::BudgetTerms> Records::token_terms_of(const Record& row) {
  if (row.table().has("max_budget_tokens")) return counted_by(row, row.terms);
  const std::optional<std::string> budget_id = row.maybe_text("budget_id");
  if (!budget_id) return row.terms.in_tokens({}, {});
  const Result<std::optional<Record>> budget = find(kBudgets, *budget_id);
  if (!budget) return base::fail(budget.error());
  return *budget ? counted_by(**budget, row.terms) : row.terms.in_tokens({}, {});
}

/// Behind a change of the row, whose account of money has its new terms. `is_new`: whatever was counted for an entity
/// of that name before is not counted on.
Status Records::tokens_follow(Record& row, bool is_new) {
  const db::AccountName name{row.table().account_kind, row.id()};
  const Result<domain::BudgetTerms> terms = token_terms_of(row);
  if (!terms) return base::fail(terms.error());
  if (Status set = set_token_account(name, *terms, row.window.ends_us); !set) return set;
  if (Status read = read_terms(row); !read) return read;
  return is_new && row.tokens ? begin_tokens_anew(name, *row.tokens) : Status();
}

/// Accounts in tokens of all who are linked to this budget.
Status Records::tokens_follow_budget(const Record& before, const Record& budget) {
  const auto counts = [](const Record& one) {
    return !one.is_null("max_budget_tokens") || !one.is_null("soft_budget_tokens");
  };
  if (!counts(before) && !counts(budget)) return {};
  const auto linked = transaction_.run(
      "SELECT a.account_id, a.kind, a.entity, k.max_budget_tokens, k.soft_budget_tokens FROM account a LEFT JOIN "
      "verification_key k ON k.account_id = a.account_id WHERE a.account_id IN (" +
          linked_accounts() + ")",
      {budget.key()});
  if (!linked) return base::fail(linked.error());
  for (const db::Row& row : linked->rows) {
    const auto account = db::find_account(transaction_, db::as_int(row.at(0)), actor_.now_us);
    if (!account) return base::fail(account.error());
    const auto own = [&](std::size_t at, std::string_view column) {
      return db::is_null(row.at(at)) ? budget.whole(column) : std::optional(db::as_int(row.at(at)));
    };
    const domain::BudgetTerms terms =
        (*account)->terms.in_tokens(own(3, "max_budget_tokens"), own(4, "soft_budget_tokens"));
    const db::AccountName name{static_cast<std::int16_t>(db::as_int(row.at(1))), db::as_text(row.at(2))};
    if (Status set = set_token_account(name, terms, (*account)->window.ends_us); !set) return set;
  }
  return {};
}

}  // namespace turnpike::account
