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
#include "db/database.h"

namespace turnpike::account {

/// End users and tags that calls name. One per I/O thread, bounded; most have no row, and where a table has none at all
/// nobody is asked for. While the database is away a name that is not known here is one without a row: known keys go
/// on, and so do their callers' names.
class Spenders {
 public:
  explicit Spenders(db::Database& database, std::size_t names_max = 50'000);

  using SpenderRef = std::shared_ptr<const Spender>;  // Null: no row of that name.
  /// At once for a name this thread knows; nothing when `find` has to ask the database.
  std::optional<SpenderRef> find_known(std::int16_t kind, std::string_view name);
  Task<SpenderRef> find(std::int16_t kind, std::string name);

  void forget(std::int16_t kind, std::string_view name);
  void forget_all();

 private:
  struct State;
  std::shared_ptr<State> state_;  // Outlives this when a read is under way.
};

}  // namespace turnpike::account
