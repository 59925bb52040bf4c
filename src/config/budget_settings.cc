#include "config/budget_settings.h"

#include <fmt/format.h>

#include "config/node.h"

namespace turnpike::config {

std::string budget_json(const BudgetEntry& budget) {
  const std::string tokens =
      budget.limit_tokens ? fmt::format(R"("max_budget_tokens": {}, )", *budget.limit_tokens) : std::string();
  std::string duration = "null";
  if (!budget.duration.empty()) {
    duration.clear();
    append_json_string(duration, budget.duration);
  }
  return fmt::format(R"({{"max_budget": {}, {}"budget_duration": {}}})",
                     budget.limit ? budget.limit->to_string() : "null", tokens, duration);
}

}  // namespace turnpike::config
