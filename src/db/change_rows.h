#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "db/database.h"

namespace turnpike::db {

/// How long the list of changes goes back.
constexpr std::chrono::hours kChangesKept{1};

/// Who listens here is woken when a change is committed (db::Database::listen).
constexpr std::string_view kChangeChannel = "turnpike_changes";

/// Tells the replicas on this database that a row has changed, inside the transaction that changes it. `kind`: "key",
/// or the table's name. The number it takes comes from one counter whose row stays locked until the commit, so that
/// numbers become visible in their order: make it the last statement, others wait for it.
Status note_change(Transaction& transaction, std::string_view kind, std::string_view entity, std::int64_t now_us);

}  // namespace turnpike::db
