#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "db/database.h"

/// Table `entry` has a part for each day in PostgreSQL, so that old days leave by dropping a table.
namespace turnpike::db {

/// The advisory lock that units of `transact` hold, one after the other.
constexpr std::int64_t kPostgresChangeLock = 0x7475726e70696b65;  // "turnpike"

/// Makes the day's part when there is none. In a unit of work of its own that changes.
Status make_entry_day(Transaction& transaction, std::int64_t day);
/// Today's and those of the week to come.
Status make_coming_entry_days(Transaction& transaction, std::int64_t now_us);

/// The days before `day` that have a part, the oldest first.
Result<std::vector<std::int64_t>> entry_days_before(Transaction& transaction, std::int64_t day);
std::string entry_day_table(std::int64_t day);

/// Keeps every other process from dropping days, and everybody from adding to this one, until the unit ends. False:
/// another process is about it. In a unit of `append`.
Result<bool> hold_entry_day(Transaction& transaction, std::int64_t day);
/// Drops the part of a day that is held. From here to the end of the unit everybody else waits who reads or writes
/// `entry`, and who changes anything: what is left to do must be short.
/// Errors: Unavailable when others have used `entry` for all of two seconds.
Status drop_entry_day(Transaction& transaction, std::int64_t day);

}  // namespace turnpike::db
