#include "ledger/budget_alerts.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "domain/budget.h"

namespace turnpike::ledger {
namespace {

using Threshold = BudgetAlert::Threshold;

constexpr std::size_t kPairsMax = 400;  // In one statement.
constexpr std::int64_t kMostPercent = 80;

std::string_view name_of_kind(std::int16_t kind) {
  constexpr std::string_view kNames[] = {
      "",         "Proxy", "Organization", "Team", "Team member", "User", "Key",
      "End user", "Tag",   "Organization", "Team", "User",        "Key",  "Organization member"};
  if (kind == 20) return "Provider";
  if (kind == 21) return "Deployment";
  return kind > 0 && static_cast<std::size_t>(kind) < std::size(kNames) ? kNames[kind] : "Account";
}

/// A limit of nothing is reached from the start: that says nothing.
bool passes(Money spent, Money limit, std::int64_t percent) {
  const std::int64_t threshold = limit.nano() / 100 * percent + limit.nano() % 100 * percent / 100;
  return limit > Money() && spent.nano() >= threshold;
}

struct Window {
  BudgetAlert alert;
  std::int64_t window_id = 0, alerts = 0;
  domain::BudgetTerms terms;
};

std::optional<Money> amount_of(const db::Value& value) {
  return db::is_null(value) ? std::optional<Money>() : Money::from_nano(db::as_int(value));
}

Window read_window(const db::Row& row) {
  Window window;
  window.alert.account_id = db::as_int(row.at(0));
  window.window_id = db::as_int(row.at(1));
  window.alert.spent = Money::from_nano(db::as_int(row.at(2)));
  window.alerts = db::as_int(row.at(3));
  window.terms.limit = amount_of(row.at(4));
  window.terms.soft = amount_of(row.at(5));
  window.terms.increase = Money::from_nano(db::as_int(row.at(6)));
  window.terms.increase_until_us = db::as_int(row.at(7));
  window.alert.kind = static_cast<std::int16_t>(db::as_int(row.at(8)));
  window.alert.entity = db::as_text(row.at(9));
  window.alert.model = db::as_text(row.at(10));
  return window;
}

/// What this window is to be told of for the first time.
std::vector<BudgetAlert> due(const Window& window, std::int64_t now_us) {
  std::vector<BudgetAlert> alerts;
  const std::optional<Money> hard = window.terms.limit_at(now_us);
  struct Rule {
    Threshold threshold;
    std::optional<Money> limit;
    std::int64_t percent;
  };
  for (const Rule& rule : {Rule{Threshold::Soft, window.terms.soft, 100}, Rule{Threshold::Most, hard, kMostPercent},
                           Rule{Threshold::All, hard, 100}}) {
    if (!rule.limit || (window.alerts & static_cast<std::int64_t>(rule.threshold)) != 0) continue;
    if (!passes(window.alert.spent, *rule.limit, rule.percent)) continue;
    BudgetAlert alert = window.alert;
    alert.threshold = rule.threshold;
    alert.limit = *rule.limit;
    alerts.push_back(std::move(alert));
  }
  return alerts;
}

Status note(db::Transaction& transaction, const Window& window, const std::vector<BudgetAlert>& alerts) {
  std::int64_t bits = window.alerts;
  for (const BudgetAlert& alert : alerts) bits |= static_cast<std::int64_t>(alert.threshold);
  const auto noted = transaction.run("UPDATE account_window SET alerts = $3 WHERE account_id = $1 AND window_id = $2",
                                     {window.alert.account_id, window.window_id, bits});
  return noted ? Status() : base::fail(noted.error());
}

}  // namespace

std::string alert_text(const BudgetAlert& alert) {
  const bool in_tokens = domain::counts_tokens(alert.kind);
  const auto shown = [in_tokens](Money amount) {
    return in_tokens ? fmt::format("{} tokens", amount.nano()) : amount.to_string();
  };
  const std::string_view suffix = in_tokens ? "_tokens" : "";
  const std::string whose = fmt::format("{}={}{}{}", name_of_kind(domain::kind_of_entity(alert.kind)), alert.entity,
                                        alert.model.empty() ? "" : " Model=", alert.model);
  if (alert.threshold == Threshold::Soft)
    return fmt::format("{} has spent {}, its soft_budget{} is {}.", whose, shown(alert.spent), suffix,
                       shown(alert.limit));
  return fmt::format("{} has spent {} of its max_budget{} of {} ({} %).", whose, shown(alert.spent), suffix,
                     shown(alert.limit), alert.threshold == Threshold::All ? 100 : kMostPercent);
}

Result<std::vector<BudgetAlert>> raise_alerts(db::Transaction& transaction,
                                              const std::vector<std::pair<std::int64_t, std::int64_t>>& windows,
                                              std::int64_t now_us) {
  std::vector<BudgetAlert> raised;
  for (std::size_t begin = 0; begin < windows.size(); begin += kPairsMax) {
    std::string pairs;
    std::vector<db::Value> values;
    for (std::size_t i = begin; i < std::min(begin + kPairsMax, windows.size()); ++i) {
      values.emplace_back(windows[i].first);
      values.emplace_back(windows[i].second);
      pairs += fmt::format("{}(CAST(${} AS BIGINT), CAST(${} AS BIGINT))", i == begin ? "" : ", ", values.size() - 1,
                           values.size());
    }
    const auto rows = transaction.run(
        fmt::format("SELECT w.account_id, w.window_id, w.spent_nano, w.alerts, a.limit_nano, a.soft_nano, "
                    "a.increase_nano, a.increase_until_us, a.kind, a.entity, a.model FROM (VALUES {}) AS q JOIN "
                    "account_window w ON w.account_id = q.column1 AND w.window_id = q.column2 JOIN account a ON "
                    "a.account_id = w.account_id WHERE a.limit_nano IS NOT NULL OR a.soft_nano IS NOT NULL",
                    pairs),
        values);
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      const Window window = read_window(row);
      std::vector<BudgetAlert> alerts = due(window, now_us);
      if (alerts.empty()) continue;
      if (Status noted = note(transaction, window, alerts); !noted) return base::fail(std::move(noted.error()));
      std::ranges::move(alerts, std::back_inserter(raised));
    }
  }
  return raised;
}

}  // namespace turnpike::ledger
