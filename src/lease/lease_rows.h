#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/database.h"
#include "db/escrow_rows.h"
#include "lease/lease.h"

namespace turnpike::lease {

/// The database's side of the escrow protocol on PostgreSQL: one operation of a replica, which is all of a unit of work
/// that may stand beside all others (`Database::append_now`): it is committed with its statements, in one way to the
/// database and back. `lease_book.h` decides the same in memory.
///
/// `now_us`: for tests; else the database's own clock.
/// Locks: replica, account_window (new windows only), escrow in the order of keys, lease.
/// `told`: what was notified, for tests; may be null.
/// Errors: those of `Transaction::run`; Unavailable with code kForgottenReplica when the replica is not known, and when
/// leases it knows are gone (the operation may stand all the same: its outcome is to be asked for).
inline constexpr std::string_view kForgottenReplica = "forgotten_replica";
Result<LeaseAnswer> apply_operation(db::Transaction& transaction, std::int64_t replica_no,
                                    const LeaseOperation& operation, std::optional<std::int64_t> now_us = {},
                                    std::vector<LeaseNotice>* told = nullptr);

/// Takes back what replicas held that have been silent for so long; nothing happens when `by_replica` has been silent
/// itself, and nothing to accounts that are strict by themselves. Never with budget_mode: strict. Those it takes
/// something from are marked `db::kReplicaReclaimed`, until `db::take_replica_back`.
Status reclaim_leases(db::Transaction& transaction, std::int64_t by_replica, std::int64_t dead_after_us,
                      std::optional<std::int64_t> now_us = {});
/// What is leased beyond what is used to replicas that have been silent for so long.
Result<std::int64_t> stuck_nano(db::Transaction& transaction, std::int64_t dead_after_us);
/// Of windows that three others have followed: nothing is granted in them any more.
Status delete_old_leases(db::Transaction& transaction);

}  // namespace turnpike::lease
