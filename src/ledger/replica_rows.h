#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "db/database.h"
#include "ledger/ledger_clock.h"

namespace turnpike::ledger {

/// Which journal entries come from, as the database knows it.
struct ReplicaRow {
  std::int64_t replica_no = 0;
  std::uint64_t epoch = 0;
  std::uint64_t shipped_no = 0;
  std::string journal_id = {};  // A restored database may have given the number to another journal.
};

/// Nothing: the database does not know that journal.
Result<std::optional<ReplicaRow>> read_replica(db::Database& database, const std::string& journal_id);
/// Finds or makes the journal's row. The epoch in it is the one registered last.
Result<ReplicaRow> find_replica(db::Database& database, const std::string& journal_id, const std::string& host,
                                const std::string& version);
/// Registers a start; told twice by the same instance it is one. Errors: Unavailable with code kSuperseded when a newer
/// instance owns the journal.
inline constexpr std::string_view kSuperseded = "superseded";
Status register_epoch(db::Database& database, const ReplicaRow& replica, const std::string& host,
                      const std::string& version, const std::string& instance = {});

/// Sets the clock by that of a database which other processes use too. Errors: those of the database.
Status hear_clock(db::Database& database, LedgerClock& clock);

/// A clean end: others do not count it as alive any more.
Status retire_replica(db::Database& database, const ReplicaRow& replica);

}  // namespace turnpike::ledger
