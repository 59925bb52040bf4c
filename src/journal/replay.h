#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "journal/entry_row.h"
#include "journal/hold_record.h"
#include "journal/journal_dir.h"

namespace turnpike::journal {

/// A hold that a crash left open, with what the journal knows of its call.
struct OpenHold {
  HoldFacts facts;   // Views into `hold`.
  std::string hold;  // The HOLD payload.
  Money extended;
  std::int64_t extended_tokens = 0;
  bool attempted = false;
  bool answered = false;  // A byte of a 2xx came, to this attempt or one before.
  bool awaited = false;   // The last attempt was sent and nothing had come.
  std::string deployment_id, price_version;
  std::uint64_t prompt_tokens = 0, completion_tokens = 0;
  Money cost;  // Of all attempts, as of the last PROGRESS, else of the ANSWER.
};

struct Replay {
  std::vector<KeptSegment> segments;       // All on disk.
  std::vector<std::string> unused_files;   // Spares that were never used.
  std::vector<std::string> damaged_files;  // Header damaged (read by its records) or nothing readable (left alone).
  std::uint64_t last_number = 0;           // Of all files, whatever their state.
  std::uint64_t last_epoch = 0;
  std::uint64_t max_sequence = 0;
  std::uint64_t max_entry_no = 0;
  std::uint64_t shipped_no = 0;  // As the journal knows it; the database decides.
  /// The smallest entry number that is missing below one that is here; of numbers that segments which are gone were
  /// for, nothing is known. 0: none is missing.
  std::uint64_t first_hole_no = 0;
  std::uint64_t first_needed_segment = 0;
  std::vector<OpenHold> open_holds;
  /// ENTRY records that count no more: at a late join the database was found to know that number, or that call, as
  /// another entry. What counts instead stands behind them.
  std::set<EntryId> moved;
  std::vector<std::uint64_t> interrupted_nos;    // Entries with which a start has closed holds, not noted as shipped.
  std::vector<std::uint64_t> doubled_holds;      // With more than one ENTRY: never by our own doing.
  std::vector<std::uint64_t> missing_entry_nos;  // Below the largest and above what was shipped.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;  // Sequence numbers that are gone, both ends inclusive.
  std::uint64_t bytes_skipped = 0;
  bool torn_tail = false;  // The damage is only at the end of the last segment: what a kill leaves.
  bool clean_stop = false;
};

/// Reads what the segments from the first needed one say (`everything`: from the oldest). Changes nothing.
Result<Replay> replay_journal(const std::string& directory, bool everything = false);

/// Calls `found` with each ENTRY payload whose number is in [from, to] and which is not in `moved`, in file order,
/// until it returns false.
Status read_entries(const std::vector<KeptSegment>& segments, std::uint64_t from, std::uint64_t to,
                    const std::set<EntryId>& moved,
                    const std::function<bool(std::uint64_t number, std::string_view payload)>& found);
/// The records that say so. All segments are read.
Result<std::set<EntryId>> read_moved(const std::vector<KeptSegment>& segments);
void put_moved(std::string& out, EntryId id);

/// The row of a number that belongs to no call: reason journal_gap.
EntryRow nobodys_row(std::uint64_t entry_no, std::int64_t now_us);

/// How an open hold ends (spec money 2, rows 23 to 25): status interrupted, reason gateway_crash.
EntryRow closing_row(const OpenHold& hold, std::uint64_t entry_no, std::int64_t now_us, bool strict,
                     std::string& record_id);

}  // namespace turnpike::journal
