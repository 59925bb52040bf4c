#include "telemetry/budget_metrics.h"

#include <fmt/format.h>

#include <iterator>

#include "telemetry/series.h"

namespace turnpike::telemetry {
namespace {

void append_head(std::string& out, std::string_view name, std::string_view help) {
  fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} gauge\n", name, help, name);
}

void append_line(std::string& out, std::string_view name, std::string_view labels, Money amount) {
  out.append(name).append("{").append(labels).append("} ");
  append_decimal(out, amount.nano(), 9);
  out.push_back('\n');
}

std::string labels_of(const KeyBudget& budget) {
  const MetricRow row{
      "", "", Shape::Money,
      1U << static_cast<unsigned>(Label::HashedApiKey) | 1U << static_cast<unsigned>(Label::ApiKeyAlias)};
  LabelValues values;
  values[static_cast<std::size_t>(Label::HashedApiKey)] = budget.key_hash_hex;
  values[static_cast<std::size_t>(Label::ApiKeyAlias)] = budget.key_alias;
  return label_text(row, values, false);
}

}  // namespace

void append_key_budgets(std::string& out, std::span<const KeyBudget> budgets, std::size_t bytes_max) {
  constexpr std::string_view kLeft = "litellm_remaining_api_key_budget_metric";
  constexpr std::string_view kWhole = "litellm_api_key_max_budget_metric";
  std::string left, whole;
  append_head(left, kLeft, "Dollars left of a key's budget.");
  append_head(whole, kWhole, "Dollars of a key's budget.");
  std::size_t shown = 0;
  for (const KeyBudget& budget : budgets) {
    const std::size_t left_before = left.size(), whole_before = whole.size();
    const std::string labels = labels_of(budget);
    append_line(left, kLeft, labels, budget.max_budget - budget.spent);
    append_line(whole, kWhole, labels, budget.max_budget);
    if (left.size() + whole.size() > bytes_max) {
      left.resize(left_before);
      whole.resize(whole_before);
      break;
    }
    ++shown;
  }
  out.append(left).append(whole);
  append_head(out, "turnpike_key_budgets_omitted", "Keys whose budgets this page has no room for.");
  fmt::format_to(std::back_inserter(out), "turnpike_key_budgets_omitted {}\n", budgets.size() - shown);
}

}  // namespace turnpike::telemetry
