#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/completion.h"
#include "journal/journal.h"
#include "ledger/entry_pool.h"
#include "ledger/ledger.h"
#include "ledger/ship_batch.h"

namespace turnpike::ledger {

/// Takes settled entries to the database in batches, in dense order, for ever: the queue is the journal.
///
/// Threading: `push` from any thread without lock; a wake-up per ship interval, not per entry.
/// Limits:    payloads of `queued_bytes_max` are held in memory; those of later entries are read from the journal
/// again.
class Shipper {
 public:
  struct Options {
    std::chrono::milliseconds interval{100};
    std::size_t batch_rows = 1000;
    std::int64_t queued_bytes_max = 64 * 1024 * 1024;
    /// Makes the journal known to the database: where that was away at start, and where it has forgotten it.
    std::function<Result<ReplicaRow>()> join;
    /// It is, and nothing that is still to be shipped is there under another number. Not after a start that knew it.
    std::function<void(const ReplicaRow&)> joined = {};
    bool joins_later = false;  // The replica given to the constructor is what the journal knew.
    /// On the shipper's thread.
    std::function<void(const BudgetAlert&)> alert = {};
    std::function<void(const RejectedEntries&)> rejected = {};
    std::set<journal::EntryId> moved = {};  // journal::Replay::moved
  };
  Shipper(db::Database& database, Options options, ReplicaRow replica, journal::Journal* journal,
          LedgerCounters& counters);
  ~Shipper();

  /// An empty entry to fill and push.
  std::unique_ptr<UnshippedEntry> new_entry() { return pool_.take(); }
  void push(std::unique_ptr<UnshippedEntry> entry);

  /// Ships all that is queued on this thread, before `start`. Errors: Unavailable.
  Status ship_all_now();
  void start();
  /// Completed when everything pushed before is shipped, or when the next try to ship it has failed.
  base::Completion shipped(base::Executor* executor, std::uint64_t up_to);
  /// The database has said how much it knows (nothing: not even the journal). Less than it did: what it has lost is
  /// shipped again. From any thread.
  void heard(std::optional<std::uint64_t> stored_no);
  /// Waits until everything is shipped; false when `patience` ran out.
  bool drain(std::chrono::milliseconds patience, std::uint64_t up_to);
  void stop();
  /// Tells the database that this process has ended and left nothing behind; after the last shipping.
  void sign_off();

  /// More waits in memory than may: without a journal nothing else bounds it.
  bool overfull() const { return queued_bytes_.load(std::memory_order_relaxed) > options_.queued_bytes_max; }
  bool superseded() const { return superseded_.load(std::memory_order_relaxed); }

 private:
  struct Waiter {
    std::uint64_t up_to;
    base::Completion completion;
  };
  void work();
  void collect();
  Status ship_ready();  // The dense prefix of what is collected, batch by batch.
  Status ship_one_batch(std::size_t rows);
  Status load_payloads(const std::vector<UnshippedEntry*>& entries, std::size_t bytes_max);
  Status load_ready(std::size_t ready);
  std::size_t dense_prefix() const;
  void finish_batch(std::size_t rows, const ShipOutcome& outcome);
  void release(std::unique_ptr<UnshippedEntry> entry);
  void note_shipped();

  // shipper_join.cc: what the journal has is held against what the database has.
  Status join_database();
  Status look();
  Status ship_again(std::uint64_t stored_no);
  void queue_again();
  bool is_doubtful(const UnshippedEntry& entry) const;
  Status compare();
  Status settle_doubt(UnshippedEntry& entry, std::uint64_t known_no, std::uint64_t stored_no);
  void write_again(UnshippedEntry& entry, journal::EntryId moved);
  void note_moved(journal::EntryId moved);

  void wake_waiters(bool failed);
  void note_oldest();

  db::Database& database_;
  const Options options_;
  ReplicaRow replica_;
  journal::Journal* const journal_;
  LedgerCounters& counters_;

  EntryPool pool_;
  std::atomic<UnshippedEntry*> pushed_{nullptr};  // Newest first.
  std::atomic<std::int64_t> queued_bytes_{0};
  std::atomic<std::uint64_t> shipped_no_{0};
  std::atomic<bool> superseded_{false};
  std::atomic<bool> to_look_{false};  // The database may know less than it did.
  bool joined_;
  bool compared_ = false;       // With what the database had at the start.
  bool released_ = false;       // What a late join found at start is shipped.
  std::uint64_t again_to_ = 0;  // Entries up to here are shipped again, as far as they are not collected.
  std::set<journal::EntryId> moved_;
  std::deque<std::unique_ptr<UnshippedEntry>> collected_;  // By entry number; the shipper's thread only.

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiter> waiters_;
  bool wanted_ = false;
  bool hurry_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace turnpike::ledger
