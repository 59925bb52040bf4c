#pragma once

#include <cstdint>
#include <string_view>

namespace turnpike::db {

/// What an error of PostgreSQL means for the unit of work that met it.
enum class SqlFault : std::uint8_t {
  Again,      // It lost against another unit: it is run again at once.
  Later,      // It passes by itself, or an operator sees to it: the same work later, for ever.
  Reconnect,  // The same, on another connection: the server ends, or is a standby.
  NoDay,      // The part of a table where the row belongs is not made yet.
  Taken,      // A unique key has that value.
  BadRow,     // A constraint forbids the row,
  BadValue,   // or a value of it: it can never be stored.
  Refused,    // The statement does not fit the schema or the rights of the user.
};

/// `state`: five characters of the SQL standard and PostgreSQL. `names_constraint`: the message names one.
SqlFault judge_sqlstate(std::string_view state, bool names_constraint);

}  // namespace turnpike::db
