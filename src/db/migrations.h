#pragma once

#include <functional>
#include <optional>
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

/// Where all steps end on SQLite, with the rows that they leave, their own in `schema_version` among them; statements
/// as in a step. sqlite_schema_test writes it.
extern const std::string_view kSqliteSchema;

/// Applies what is missing, below the highest that is there too, each step in a transaction of its own with its row in
/// `schema_version`. A new SQLite database gets `kSqliteSchema` instead, in one transaction.
/// `last`: the step to end with, for tests of what comes after it; a new database goes through the steps then too.
/// Errors: Unavailable when the schema is more than one version newer than this program.
Status migrate(const std::function<Status(const std::function<Status(Transaction&)>&)>& transact, bool sqlite,
               std::optional<int> last = {});

}  // namespace turnpike::db
