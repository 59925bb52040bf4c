#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.h"
#include "db/database.h"
#include "ledger/lease.h"

namespace turnpike::ledger {

/// The channel on which PostgreSQL tells "c ACCOUNT WINDOW NUMBER" (return what is free), "r ACCOUNT WINDOW" (something
/// came back) and "v ACCOUNT WINDOW" (the account was edited).
constexpr std::string_view kMoneyChannel = "turnpike_money";

/// The database's side of the escrow protocol on PostgreSQL: one operation of a replica, inside one unit of work that
/// may stand beside all others (`Database::append_now`). `lease_book.h` decides the same in memory.
///
/// `now_us`: for tests; else the database's own clock.
/// Locks: replica, account_window (new windows only), escrow in the order of keys, lease.
/// `told`: what was notified, for tests; may be null.
/// Errors: those of `Transaction::run`; InvalidRequest when the replica is not known.
Result<LeaseAnswer> apply_operation(db::Transaction& transaction, std::int64_t replica_no,
                                    const LeaseOperation& operation, std::optional<std::int64_t> now_us = {},
                                    std::vector<LeaseNotice>* told = nullptr);

/// The other half of an edit of the account's limit (db/account_rows.h), in the same unit: for windows from
/// `from_window` on. A lower limit calls back what is free.
Status set_escrow_limit(db::Transaction& transaction, std::int64_t account_id, std::optional<std::int64_t> limit_nano,
                        std::int64_t from_window, std::optional<std::int64_t> now_us = {});
/// The other half of an edit of what is spent.
Status add_escrow_base(db::Transaction& transaction, LeaseKey key, std::int64_t more_nano,
                       std::optional<std::int64_t> now_us = {});
/// Takes back what replicas held that have been silent for so long; nothing happens when `by_replica` has been silent
/// itself. Never with budget_mode: strict.
Status reclaim_leases(db::Transaction& transaction, std::int64_t by_replica, std::int64_t dead_after_us,
                      std::optional<std::int64_t> now_us = {});

}  // namespace turnpike::ledger
