#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "db/database.h"
#include "journal/entry_row.h"
#include "ledger/budget_alerts.h"
#include "ledger/rejected_entries.h"
#include "ledger/replica_rows.h"

namespace turnpike::ledger {

/// The columns of table `entry` as a row fills them, and the values of one.
const std::string& entry_columns();
void entry_values(const journal::EntryRow& row, std::int64_t replica_no, std::vector<db::Value>& values);

/// Entries in dense order, ready to be stored: payloads of ENTRY records.
struct ShipBatch {
  ReplicaRow replica;
  std::uint64_t first_no = 0, last_no = 0;
  std::vector<std::string_view> payloads;
};

struct ShipOutcome {
  enum class Kind {
    Stored,
    Superseded,  // Another instance of this journal has registered.
    Forgotten,   // The database does not know this journal, or under another number.
    Behind,      // The database knows fewer entries than it once did; ship again behind `stored_no`.
  };
  Kind kind = Kind::Stored;
  std::uint64_t stored_no = 0;
  RejectedEntries rejected;
  std::vector<BudgetAlert> alerts;  // Thresholds that the totals have passed with this batch.
};

/// Stores a batch and everything that is summed from it in one transaction. Shipping twice counts once: totals come
/// from the rows that were really inserted, and `replica.shipped_no` moves in the same transaction. A batch that the
/// database cannot take is split in halves, each a transaction of its own, until the one row is alone: that goes to
/// `entry_rejected` with its money booked, and is told of also when the try before had set it aside and its outcome was
/// lost. An empty payload stands for an entry that is lost.
/// Errors: try the same batch again, for ever.
Result<ShipOutcome> ship_batch(db::Database& database, const ShipBatch& batch);

}  // namespace turnpike::ledger
