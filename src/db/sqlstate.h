#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

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

/// What errors of databases are counted by: the class of their SQLSTATE, a bounded set. "unavailable": they have none
/// (no connection, or SQLite); "other": one that is not listed.
inline constexpr std::array<std::string_view, 17> kSqlClasses = {
    "unavailable", "08", "0A", "22", "23", "25", "28", "3D", "40", "42", "53", "54", "55", "57", "58", "XX", "other"};
/// The place of the error's class in `kSqlClasses`. An error of PostgreSQL has its SQLSTATE at the head of its detail:
/// "57014: canceling statement".
std::size_t sql_class_of(const Error& error);

}  // namespace turnpike::db
