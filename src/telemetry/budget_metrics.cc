#include "telemetry/budget_metrics.h"

#include <algorithm>

#include "telemetry/series.h"

namespace turnpike::telemetry {
namespace {

template <class Amount>
void append_gauge(std::string& out, std::string_view name, std::string_view help, std::span<const KeyBudget> budgets,
                  Amount amount) {
  const MetricRow row{
      name, help, Shape::Money,
      1U << static_cast<unsigned>(Label::HashedApiKey) | 1U << static_cast<unsigned>(Label::ApiKeyAlias)};
  out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" gauge\n");
  for (const KeyBudget& budget : budgets) {
    LabelValues values;
    values[static_cast<std::size_t>(Label::HashedApiKey)] = budget.key_hash_hex;
    values[static_cast<std::size_t>(Label::ApiKeyAlias)] = budget.key_alias;
    out.append(name).append("{").append(label_text(row, values, false)).append("} ");
    append_decimal(out, amount(budget).nano(), 9);
    out.push_back('\n');
  }
}

}  // namespace

void append_key_budgets(std::string& out, std::span<const KeyBudget> budgets) {
  budgets = budgets.first(std::min(budgets.size(), kBudgetsMax));
  if (budgets.empty()) return;
  append_gauge(out, "litellm_remaining_api_key_budget_metric", "Dollars left of a key's budget.", budgets,
               [](const KeyBudget& budget) { return budget.max_budget - budget.spent; });
  append_gauge(out, "litellm_api_key_max_budget_metric", "Dollars of a key's budget.", budgets,
               [](const KeyBudget& budget) { return budget.max_budget; });
}

}  // namespace turnpike::telemetry
