#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "db/database.h"
#include "journal/entry_row.h"
#include "journal/replay.h"
#include "ledger/budget_alerts.h"

namespace turnpike::ledger {

/// The columns of table `entry` as a row fills them, and the values of one.
const std::string& entry_columns();
void entry_values(const journal::EntryRow& row, std::int64_t replica_no, std::vector<db::Value>& values);

/// Which journal the entries come from, as the database knows it.
struct ReplicaRow {
  std::int64_t replica_no = 0;
  std::uint64_t epoch = 0;
  std::uint64_t shipped_no = 0;
};
/// Finds or makes the journal's row. The epoch in it is the one registered last.
Result<ReplicaRow> find_replica(db::Database& database, const std::string& journal_id, const std::string& host,
                                const std::string& version);
/// Registers a start; told twice by the same instance it is one. Errors: Unavailable with code kSuperseded when a newer
/// instance owns the journal.
inline constexpr std::string_view kSuperseded = "superseded";
Status register_epoch(db::Database& database, const ReplicaRow& replica, const std::string& host,
                      const std::string& version, const std::string& instance = {});

/// A clean end: others do not count it as alive any more.
Status retire_replica(db::Database& database, const ReplicaRow& replica);

/// Entries in dense order, ready to be stored: payloads of ENTRY records.
struct ShipBatch {
  std::int64_t replica_no = 0;
  std::uint64_t epoch = 0;
  std::uint64_t first_no = 0, last_no = 0;
  std::vector<std::string_view> payloads;
};

struct ShipOutcome {
  enum class Kind {
    Stored,
    Superseded,  // Another instance of this journal has registered.
    Behind,      // The database knows fewer entries than it once did; ship again behind `stored_no`.
  };
  Kind kind = Kind::Stored;
  std::uint64_t stored_no = 0;
  std::uint64_t rejected = 0;
  std::vector<BudgetAlert> alerts;  // Thresholds that the totals have passed with this batch.
};

/// Stores a batch and everything that is summed from it in one transaction. Shipping twice counts once: totals come
/// from the rows that were really inserted, and `replica.shipped_no` moves in the same transaction. A row the database
/// cannot take goes to `entry_rejected` with its money booked.
/// Errors: Unavailable: try the same batch again. Nothing else is returned as an error for long.
Result<ShipOutcome> ship_batch(db::Database& database, const ShipBatch& batch);

/// Takes out of `holds` those whose entry stands in the database with a number above `entry_no`.
Status forget_stored(db::Database& database, const ReplicaRow& replica, std::uint64_t entry_no,
                     std::vector<journal::OpenHold>& holds);

}  // namespace turnpike::ledger
