#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "account/caller_tree.h"
#include "base/task.h"
#include "config/budget_settings.h"
#include "db/database.h"

namespace turnpike::account {

/// End users and tags that calls name. One per I/O thread, bounded; most have no row, and where a table has none at all
/// nobody is asked for. While the database is away a name that is not known here is one without a row: known keys go
/// on, and so do their callers' names.
/// The configuration gives some a budget who have none of their own (`max_end_user_budget_id`, `tag_budget_config`):
/// their accounts are opened when they are met first, before anybody is admitted.
class Spenders {
 public:
  explicit Spenders(db::Database& database, std::size_t names_max = 50'000);

  using SpenderRef = std::shared_ptr<const Spender>;  // Null: it has neither a row nor a budget.
  /// At once for a name this thread knows; nothing when `find` has to ask the database.
  std::optional<SpenderRef> find_known(std::int16_t kind, std::string_view name);
  Task<SpenderRef> find(std::int16_t kind, std::string name);

  /// `calendar`: by which their budgets begin anew. Forgets everybody.
  void take_defaults(config::BudgetSettings defaults, std::string calendar);
  void forget(std::int16_t kind, std::string_view name);
  void forget_all();

 private:
  struct State;
  std::shared_ptr<State> state_;  // Outlives this when a read is under way.
};

/// One with a row, as the database has it.
Result<std::optional<Spender>> read_spender(db::Transaction& transaction, std::int16_t kind, const std::string& name);

}  // namespace turnpike::account
