#include "account/model_budgets.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/tables.h"
#include "base/log.h"
#include "config/budget_settings.h"
#include "json/document.h"

namespace turnpike::account {
namespace {

tl::unexpected<Error> refuse(const std::string& model) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.type = "bad_request_error";
  error.param = "model_max_budget";
  error.message = "model_max_budget of " + model +
                  R"( is no budget: write {"gpt-4o": {"budget_limit": 0.5, "time_period": "1d"}}, dollars from 0, )"
                  R"(or max_budget_tokens, a whole number from 0, beside budget_limit or instead of it.)";
  return base::fail(std::move(error));
}

json::Value first_of(const json::Value& budget, std::string_view name, std::string_view other) {
  const json::Value value = budget.find(name);
  return value && !value.is(json::Kind::Null) ? value : budget.find(other);
}

Result<std::optional<ModelBudget>> read_one(std::string model, const json::Value& value) {
  const bool plain = value.is(json::Kind::Number);
  if (!plain && !value.is(json::Kind::Object)) return refuse(model);
  const json::Value amount = plain ? value : first_of(value, "budget_limit", "max_budget");
  const json::Value tokens = plain ? json::Value() : value.find("max_budget_tokens");
  const auto is_given = [](const json::Value& one) { return one && !one.is(json::Kind::Null); };
  if (!is_given(amount) && !is_given(tokens)) return std::optional<ModelBudget>();
  ModelBudget budget{std::move(model), {}, {}, {}};
  if (is_given(amount)) {
    const Result<Money> limit = amount.is(json::Kind::Number) ? Money::parse(amount.raw()) : refuse(budget.model);
    if (!limit || *limit < Money()) return refuse(budget.model);
    budget.limit = *limit;
  }
  if (is_given(tokens)) {
    const std::optional<std::uint64_t> limit = tokens.whole();
    if (!limit || *limit > config::kTokenBudgetMax) return refuse(budget.model);
    budget.limit_tokens = static_cast<std::int64_t>(*limit);
  }
  const json::Value period = plain ? json::Value() : first_of(value, "time_period", "budget_duration");
  if (period && !period.is(json::Kind::Null)) {
    budget.duration = period.text().value_or("");
    if (!domain::parse_budget_duration(budget.duration)) return refuse(budget.model);
  }
  return std::optional(std::move(budget));
}

/// What stands for the row; "{}" where it has no such budgets.
Result<std::string> budgets_of(Records& records, const Record& row) {
  if (&row.table() == &kTeams || &row.table() == &kUsers) return row.text("model_max_budget");
  const std::optional<std::string> budget_id = row.maybe_text("budget_id");
  if (!budget_id) return std::string("{}");
  const Result<std::optional<Record>> budget = records.find(kBudgets, *budget_id);
  if (!budget) return base::fail(budget.error());
  return *budget ? (*budget)->text("model_max_budget") : std::string("{}");
}

}  // namespace

Result<std::vector<ModelBudget>> read_model_budgets(std::string_view json_text) {
  std::vector<ModelBudget> budgets;
  json::Document document;
  if (Status parsed = document.parse(json_text); !parsed) return base::fail(std::move(parsed.error()));
  for (const json::Value::Pair member : document.root().members()) {
    Result<std::optional<ModelBudget>> budget = read_one(member.key.text().value_or(""), member.value);
    if (!budget) return base::fail(std::move(budget.error()));
    if (*budget) budgets.push_back(std::move(**budget));
  }
  return budgets;
}

std::int16_t kind_per_model(std::int16_t kind) {
  switch (kind) {
    case 2:
      return 9;
    case 3:
      return 10;
    case 5:
      return 11;
    case 6:
      return 12;
    default:
      return 0;
  }
}

Status set_model_budgets(Records& records, std::int16_t owner_kind, const std::string& entity,
                         std::string_view json_text) {
  Result<std::vector<ModelBudget>> budgets = read_model_budgets(json_text);
  if (!budgets) {  // Of a row that was imported, or is older than these budgets: routes take none such.
    base::log(base::LogLevel::Warning, "{} has budgets per model that have no effect: {}", entity,
              budgets.error().message);
    budgets = std::vector<ModelBudget>();
  }
  const std::int16_t kind = kind_per_model(owner_kind);
  const auto known = records.transaction().run(
      "SELECT kind, model FROM account WHERE kind IN ($1, $2) AND entity = $3 AND limit_nano IS NOT NULL",
      {std::int64_t{kind}, std::int64_t{domain::kind_in_tokens(kind)}, entity});
  if (!known) return base::fail(known.error());
  for (const db::Row& row : known->rows) {
    const std::string model = db::as_text(row.at(1));
    if (std::ranges::find(*budgets, model, &ModelBudget::model) != budgets->end()) continue;
    const auto its_kind = static_cast<std::int16_t>(db::as_int(row.at(0)));
    if (Status freed = records.set_account({its_kind, entity, model}, {}); !freed) return freed;
  }
  for (const ModelBudget& budget : *budgets) {
    db::NewTerms terms;
    terms.terms.limit = budget.limit;
    terms.terms.duration = budget.duration;
    if (!budget.duration.empty()) terms.terms.zone = records.actor().calendar;
    const db::AccountName name{kind, entity, budget.model};
    if (Status set = records.set_account(name, terms); !set) return set;
    // It ends when the other one does: both by the calendar.
    if (Status set = records.set_token_account(name, terms.terms.in_tokens(budget.limit_tokens, {}), domain::kNeverUs);
        !set)
      return set;
  }
  return {};
}

Status model_budgets_follow(Records& records, const Record& row, const Record* before) {
  const std::int16_t owner_kind = row.table().account_kind;
  if (kind_per_model(owner_kind) == 0) return {};
  const Result<std::string> now = budgets_of(records, row);
  if (!now) return base::fail(now.error());
  const Result<std::string> then = before == nullptr ? Result<std::string>("{}") : budgets_of(records, *before);
  if (!then) return base::fail(then.error());
  if (*now == *then) return {};
  return set_model_budgets(records, owner_kind, row.id(), *now);
}

Status read_model_accounts(Records& records, std::int16_t owner_kind, const std::string& entity,
                           const std::string& label, std::vector<domain::CallerAccount>& into) {
  const std::int16_t kind = kind_per_model(owner_kind);
  const auto rows = records.transaction().run(
      fmt::format(
          "SELECT {}, a.model, a.kind FROM account a{} WHERE a.kind IN ($1, $2) AND a.entity = $3 AND a.limit_nano IS "
          "NOT NULL",
          db::kAccountColumns, db::kJoinWindow),
      {std::int64_t{kind}, std::int64_t{domain::kind_in_tokens(kind)}, entity});
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) {
    std::size_t at = 0;
    const Result<db::AccountRow> account = db::read_account(records.transaction(), row, at, records.actor().now_us);
    if (!account) return base::fail(account.error());
    const auto its_kind = static_cast<std::int16_t>(db::as_int(row.at(at + 1)));
    into.push_back(db::facts_of(*account, {its_kind, entity, db::as_text(row.at(at))}, label));
  }
  return {};
}

}  // namespace turnpike::account
