#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/completion.h"
#include "base/result.h"
#include "journal/journal_dir.h"
#include "journal/journal_format.h"

namespace turnpike::journal {

/// One file of the journal. `pins` counts what still needs it: holds whose HOLD record is in it and entries in it that
/// are not shipped. Replay has to begin at the first pinned segment, and deletion never passes it.
struct Segment {
  std::uint64_t number = 0;
  std::string path;
  int descriptor = -1;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::atomic<std::uint64_t> reserved{0};
  std::atomic<std::int64_t> pins{0};
  std::atomic<bool> dirty{false};  // Written since the last sync began.
  std::atomic<std::int64_t> closed_us{0};
  // The sync thread's own. What was reserved before the last two good syncs is on disk: one sync may miss a record
  // whose writer was still at it.
  std::uint64_t synced_to = 0;
  std::uint64_t reserved_at_sync = 0;
  bool sync_failed = false;  // Final: its unsynced records are written again elsewhere.
};

struct JournalOptions {
  std::string directory;
  std::uint64_t segment_bytes = 64 * 1024 * 1024;
  std::chrono::milliseconds sync_interval{50};
  std::chrono::seconds keep{3600};
  bool disk = false;             // ledger_durability: disk
  bool serve_when_full = false;  // Nobody waits for a disk that does not sync.
  std::string version;
};

/// The local log of holds and entries. The thread that owns a call writes its records itself: one atomic reservation
/// and one `pwrite`; when `append` returns, the record survives SIGKILL. One thread of the journal's own keeps a spare
/// segment ready, calls fdatasync, and deletes what is shipped and old.
///
/// A segment that cannot be synced is left at once and its unsynced records are written again; when that fails too, the
/// journal has no room for new calls until a sync succeeds.
///
/// Source:    spec money, section 5. Instead of listing open holds, OPEN names the first segment that replay needs;
///            a segment that still holds an open hold or an unshipped entry is pinned (docs/decisions/0005-journal.md).
/// Threading: `append` and `unpin` from any thread, without lock except when a segment is full.
class Journal {
 public:
  /// Takes the directory over: its lock, its identity, the numbers to go on from. Errors: Unavailable with the remedy.
  static Result<std::unique_ptr<Journal>> open(JournalOptions options, JournalDirectory directory,
                                               std::uint64_t next_sequence, std::uint64_t next_segment,
                                               std::uint64_t next_entry, std::vector<KeptSegment> kept);
  ~Journal();

  /// Writes the records; null when the journal cannot take them. `keep_pins` pins stay on the returned segment.
  Segment* append(RecordBatch& records, int keep_pins);
  /// Whether a new call may begin: what is open always keeps the room it needs to end. `more` 0: whether one that is
  /// counted as open already may be written.
  bool has_room(std::int64_t more = 1) const;
  static void unpin(Segment* segment, int pins = 1) { segment->pins.fetch_sub(pins, std::memory_order_acq_rel); }

  std::uint64_t next_entry_no() { return entry_no_.fetch_add(1, std::memory_order_relaxed) + 1; }
  std::uint64_t last_entry_no() const { return entry_no_.load(std::memory_order_acquire); }
  /// Which run of the journal has made the hold.
  static std::uint64_t epoch_of_hold(std::uint64_t hold_id) { return hold_id >> kHoldIdEpochShift; }
  std::uint64_t next_hold_id() { return hold_id_.fetch_add(1, std::memory_order_relaxed) + 1; }
  std::uint64_t epoch() const { return directory_.epoch(); }
  const JournalDirectory& directory() const { return directory_; }

  /// The shipper's word, for OPEN records.
  void note_shipped(std::uint64_t entry_no) { shipped_no_.store(entry_no, std::memory_order_release); }
  /// Everything found at start is shipped: the old segments may go when they are old enough.
  void release_kept();

  /// Completed when everything appended before the call is on disk (`disk` only).
  base::Completion synced(base::Executor* executor);

  std::atomic<std::int64_t> open_holds{0};
  std::atomic<std::int64_t> oldest_unsynced_us{0};
  std::atomic<std::uint64_t> bytes_written{0};
  std::atomic<std::uint64_t> sync_errors{0};

  /// Last sync, STOP already written by the caller; the segment is cut to what is used.
  void close();

 private:
  static constexpr unsigned kHoldIdEpochShift = 40;

  Journal(JournalOptions options, JournalDirectory directory);
  Segment* append_numbered(RecordBatch& records, std::optional<std::uint64_t> sequence, int keep_pins);
  bool rotate(Segment* full_segment);
  std::unique_ptr<Segment> make_segment();  // On disk, preallocated; null when there is no room.
  bool start_segment(Segment& segment);     // Header and OPEN.
  void keep_house();
  void sync_segments(std::unique_lock<std::mutex>& lock);
  bool sync_one(Segment& segment);
  void write_again(Segment& segment);  // What may not be on disk, into the current segment.
  void delete_old(bool room_is_short);
  std::uint64_t first_needed_segment() const;
  void mark_dirty(Segment& segment);

  const JournalOptions options_;
  JournalDirectory directory_;
  Uuid instance_{};
  std::atomic<Segment*> current_{nullptr};
  std::atomic<std::uint64_t> sequence_{0};
  std::atomic<std::uint64_t> entry_no_{0};
  std::atomic<std::uint64_t> hold_id_{0};
  std::atomic<std::uint64_t> shipped_no_{0};
  std::atomic<bool> full_{false};
  std::atomic<bool> spare_ready_{false};
  std::atomic<int> sync_failures_{0};  // In a row.

  std::mutex mutex_;  // Segments, spare, waiters: rotation and the journal's own thread.
  std::condition_variable wake_;
  bool wanted_ = false;
  bool stopping_ = false;
  std::deque<std::unique_ptr<Segment>> segments_;  // Oldest first; the last is the current one.
  std::vector<std::unique_ptr<Segment>> retired_;  // Deleted; a late thread may still look at them.
  std::unique_ptr<Segment> spare_;
  std::uint64_t next_segment_ = 1;
  std::vector<base::Completion> waiters_;
  std::thread thread_;
};

}  // namespace turnpike::journal
