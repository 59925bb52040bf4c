#include <fmt/format.h>

#include "account/model_budgets.h"
#include "account/record.h"
#include "account/tables.h"
#include "db/escrow_rows.h"
#include "json/document.h"

// What accounts of rows may spend: by the row's own columns, or by the budget object it is linked to.
namespace turnpike::account {
namespace {

domain::BudgetTerms written_terms(const Record& row, const std::string& calendar) {
  domain::BudgetTerms terms;
  terms.limit = row.amount("max_budget");
  terms.soft = row.amount("soft_budget");
  terms.duration = row.maybe_text("budget_duration").value_or("");
  if (!terms.duration.empty()) terms.zone = calendar;
  terms.strict =
      row.table().has("metadata") ? is_strict(row.text("metadata")) : row.maybe_text("budget_mode") == "strict";
  return terms;
}

db::Value amount_value(std::optional<Money> amount) {
  return amount ? db::Value(amount->nano()) : db::Value();
}

std::int64_t end_of(const Record& budget, const domain::BudgetTerms& terms, std::int64_t now_us) {
  const std::optional<std::int64_t> told_us = budget.whole("budget_reset_at");
  return told_us && *told_us > now_us ? *told_us : domain::first_end_us(terms, now_us);
}

// Whose accounts go by the budget object $1; keys where they do not say it themselves.
constexpr std::string_view kLinked =
    "SELECT account_id FROM organization WHERE budget_id = $1 UNION ALL "
    "SELECT account_id FROM organization_member WHERE budget_id = $1 UNION ALL "
    "SELECT account_id FROM team_member WHERE budget_id = $1 UNION ALL "
    "SELECT account_id FROM end_user WHERE budget_id = $1 UNION ALL "
    "SELECT account_id FROM tag WHERE budget_id = $1";
constexpr std::string_view kLinkedKeys = "SELECT account_id FROM verification_key WHERE budget_id = $1";

}  // namespace

bool is_strict(std::string_view metadata_json) {
  if (metadata_json.find("budget_mode") == std::string_view::npos) return false;
  json::Document metadata;
  return metadata.parse(metadata_json) && metadata.root().find("budget_mode").text() == "strict";
}

void Record::take(db::AccountRow account) {
  account_id = account.account_id;
  account_version = account.version;
  terms = std::move(account.terms);
  window = account.window;
  spend = account.spent;
  const db::AccountState* const counted = account.budget_in_tokens();
  tokens = counted != nullptr ? std::optional(*counted) : std::nullopt;
}

domain::CallerAccount facts_of(const Record& row, std::string label) {
  return db::facts_of(db::AccountState{row.account_id, row.account_version, row.terms, row.window, row.spend},
                      {row.table().account_kind, row.id()}, std::move(label));
}

/// `budget_reset_at` is when the running window ends, whatever stands in the row.
void Records::show_reset(Record& row) const {
  if (!row.table().has("budget_reset_at")) return;
  domain::BudgetWindow window = row.window;
  if (row.table().account_kind == 0) {
    const std::optional<std::int64_t> stored = row.whole("budget_reset_at");
    if (!stored || actor_.now_us == 0) return;
    window = domain::window_at({0, *stored}, written_terms(row, actor_.calendar), actor_.now_us);
  }
  row.set("budget_reset_at", window.ends_us == domain::kNeverUs ? db::Value() : db::Value(window.ends_us));
}

/// `before`: the row as it stands; null: it is new.
Result<db::NewTerms> Records::terms_of(const Record& row, const Record* before) {
  const auto is_new = [&](std::string_view column) { return before == nullptr || row[column] != (*before)[column]; };
  db::NewTerms terms;
  if (row.table().has("max_budget")) {
    terms.terms = written_terms(row, actor_.calendar);
    if (is_new("budget_reset_at")) terms.ends_us = row.whole("budget_reset_at");
    return terms;
  }
  const std::optional<std::string> budget_id = row.maybe_text("budget_id");
  if (!budget_id) return terms;
  const Result<std::optional<Record>> budget = find(kBudgets, *budget_id);
  if (!budget) return base::fail(budget.error());
  if (!*budget) return terms;
  terms = terms_of_budget(**budget);
  if (!is_new("budget_id")) terms.ends_us.reset();
  return terms;
}

db::NewTerms Records::terms_of_budget(const Record& budget) const {
  return {written_terms(budget, actor_.calendar), budget.whole("budget_reset_at")};
}

Status Records::read_terms(Record& row) {
  Result<std::optional<db::AccountRow>> account = db::find_account(transaction_, row.account_id, actor_.now_us);
  if (!account) return base::fail(std::move(account.error()));
  if (*account) row.take(std::move(**account));
  show_reset(row);
  return {};
}

Status Records::set_account(const db::AccountName& name, const db::NewTerms& terms) {
  const auto known = transaction_.run(
      fmt::format("SELECT {}, a.closed_us FROM account a{} WHERE a.kind = $1 AND a.entity = $2 AND a.model = $3",
                  db::kAccountColumns, db::kJoinWindow),
      {std::int64_t{name.kind}, name.entity, name.model});
  if (!known) return base::fail(known.error());
  if (!known->rows.empty()) {
    std::size_t at = 0;
    const auto before = db::read_account(transaction_, known->rows[0], at, actor_.now_us);
    if (!before) return base::fail(before.error());
    const bool closed = !db::is_null(known->rows[0].at(at));
    const bool same_end = !terms.ends_us || *terms.ends_us == before->window.ends_us;
    if (!closed && before->terms == terms.terms && same_end) return {};
  }
  const Result<std::int64_t> account_id = db::open_account(transaction_, name, terms, actor_.now_us);
  if (!account_id) return base::fail(account_id.error());
  const auto account = db::find_account(transaction_, *account_id, actor_.now_us);
  if (!account) return base::fail(account.error());
  tell({AccountNews::What::Terms, db::facts_of(**account, name, {}), {}});
  return {};
}

/// Accounts of rows that are linked to this budget, for what they do not say themselves.
Status Records::terms_follow(const Record& before, const Record& budget) {
  const domain::BudgetTerms terms = written_terms(budget, actor_.calendar);
  const bool other_end =
      budget["budget_reset_at"] != before["budget_reset_at"] || budget["budget_duration"] != before["budget_duration"];
  const bool other_models = budget["model_max_budget"] != before["model_max_budget"];
  const bool other_tokens = token_terms_of_budget(budget) != token_terms_of_budget(before);
  if (!other_end && !other_models && !other_tokens && terms == written_terms(before, actor_.calendar)) return {};
  if (const auto turned = db::turn_windows(transaction_, actor_.now_us); !turned) return base::fail(turned.error());
  const std::vector<db::Value> values = {
      budget.key(),
      amount_value(terms.limit),
      amount_value(terms.soft),
      std::int64_t{terms.strict},
      terms.duration.empty() ? db::Value() : db::Value(terms.duration),
      terms.zone,
      terms.duration.empty() ? db::Value() : db::Value(end_of(budget, terms, actor_.now_us)),
      std::int64_t{other_end},
  };
  const auto moved = transaction_.run(
      fmt::format("UPDATE account SET limit_nano = $2, soft_nano = $3, strict = $4, duration = $5, zone = $6, "
                  "window_ends_us = CASE WHEN $8 = 1 THEN $7 ELSE window_ends_us END, version = version + 1 "
                  "WHERE account_id IN ({})",
                  kLinked),
      values);
  if (!moved) return base::fail(moved.error());
  const auto keys = transaction_.run(
      "UPDATE account SET limit_nano = CASE WHEN k.max_budget_nano IS NULL THEN $2 ELSE account.limit_nano END, "
      "soft_nano = CASE WHEN k.soft_budget_nano IS NULL THEN $3 ELSE account.soft_nano END, "
      "strict = CASE WHEN k.metadata LIKE '%\"budget_mode\"%' THEN account.strict ELSE $4 END, "
      "duration = CASE WHEN k.budget_duration IS NULL THEN $5 ELSE account.duration END, "
      "zone = CASE WHEN k.budget_duration IS NULL THEN $6 ELSE account.zone END, "
      "window_ends_us = CASE WHEN $8 = 1 AND k.budget_duration IS NULL THEN $7 ELSE account.window_ends_us END, "
      "version = account.version + 1 FROM verification_key k WHERE k.account_id = account.account_id AND k.budget_id = "
      "$1",
      values);
  if (!keys) return base::fail(keys.error());
  if (other_models) {
    if (Status followed = models_follow(budget); !followed) return followed;
  }
  if (Status followed = tokens_follow_budget(before, budget); !followed) return followed;
  return tell_linked(budget);
}

std::string Records::linked_accounts() {
  return fmt::format("{} UNION ALL {}", kLinked, kLinkedKeys);
}

Status Records::models_follow(const Record& budget) {
  const std::string models = budget.text("model_max_budget");
  struct Owners {
    std::int16_t kind;
    std::string_view sql;
  };
  constexpr Owners kOwners[] = {
      {2, "SELECT organization_id FROM organization WHERE budget_id = $1"},
      {6, "SELECT hash FROM verification_key WHERE budget_id = $1 AND model_max_budget = '{}'"},
  };
  for (const Owners& owners : kOwners) {
    const auto rows = transaction_.run(owners.sql, {budget.key()});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      if (Status set = set_model_budgets(*this, owners.kind, db::as_text(row.at(0)), models); !set) return set;
    }
  }
  return {};
}

Status Records::tell_linked(const Record& budget) {
  const auto rows = transaction_.run(
      fmt::format("SELECT {}, a.kind, a.entity, (SELECT count(*) FROM escrow e WHERE e.account_id = a.account_id) FROM "
                  "account a{} WHERE a.account_id IN ({})",
                  db::kAccountColumns, db::kJoinWindow, linked_accounts()),
      {budget.key()});
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) {
    std::size_t at = 0;
    const Result<db::AccountRow> account = db::read_account(transaction_, row, at, actor_.now_us);
    if (!account) return base::fail(account.error());
    if (db::as_int(row.at(at + 2)) > 0) {
      const std::optional<Money> limit = account->terms.limit_at(actor_.now_us);
      if (Status set = db::set_escrow_limit(transaction_, account->account_id,
                                            limit ? std::optional(limit->nano()) : std::nullopt, account->window.id);
          !set)
        return set;
    }
    const auto kind = static_cast<std::int16_t>(db::as_int(row.at(at)));
    tell({AccountNews::What::Terms, db::facts_of(*account, {kind, db::as_text(row.at(at + 1))}, {}), {}});
  }
  return {};
}

}  // namespace turnpike::account
