#pragma once

#include <cstdint>
#include <optional>

#include "db/database.h"

namespace turnpike::db {

/// What an edit of an account means for the money that replicas have leased from it; a part of the unit of work that
/// edits it. Without rows of the account in `escrow` (on SQLite there are none) nothing happens.

/// The channel on which replicas are told "c ACCOUNT WINDOW NUMBER" (return what is free), "r ACCOUNT WINDOW"
/// (something came back) and "v ACCOUNT WINDOW" (the account was edited).
constexpr std::string_view kMoneyChannel = "turnpike_money";

/// The limit in force of windows from `from_window` on; none: no hard budget. A lower limit calls back what is free.
/// `now_us`: for tests; else the clock of the database as replicas have seen it.
Status set_escrow_limit(Transaction& transaction, std::int64_t account_id, std::optional<std::int64_t> limit_nano,
                        std::int64_t from_window, std::optional<std::int64_t> now_us = {});
/// What was booked beside all leases. More of it calls back what is free.
Status add_escrow_base(Transaction& transaction, std::int64_t account_id, std::int64_t window_id,
                       std::int64_t more_nano, std::optional<std::int64_t> now_us = {});

}  // namespace turnpike::db
