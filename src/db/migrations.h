#pragma once

#include <climits>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "db/database.h"

namespace turnpike::db {

/// One step of the schema; statements are separated by ';' and hold no ';' inside.
/// What only one of them takes stands in `/*sqlite: ... */` or `/*postgres: ... */`, a plain comment to the other.
struct Migration {
  int number;  // Rising; some are missing.
  std::string_view name;
  std::string_view sql;
};

std::span<const Migration> migrations();

/// Applies what is missing, below the highest that is there too, each step in a transaction of its own with its row in
/// `schema_version`.
/// `last`: the step to end with, for tests of what comes after it.
/// Errors: Unavailable when the schema is more than one version newer than this program.
Status migrate(const std::function<Status(const std::function<Status(Transaction&)>&)>& transact, bool sqlite,
               int last = INT_MAX);

}  // namespace turnpike::db
