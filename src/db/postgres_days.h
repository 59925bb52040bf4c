#pragma once

#include <cstdint>

#include "db/database.h"

/// Table `entry` has a part for each day in PostgreSQL, so that old days leave by dropping a table.
namespace turnpike::db {

/// Makes the day's part when there is none. In a unit of work of its own that changes.
Status make_entry_day(Transaction& transaction, std::int64_t day);
/// Today's and those of the week to come.
Status make_coming_entry_days(Transaction& transaction, std::int64_t now_us);

}  // namespace turnpike::db
