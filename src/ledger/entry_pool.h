#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "journal/journal.h"

namespace turnpike::ledger {

/// An entry on its way to the database. Its payload may be left to the journal when memory is short.
struct UnshippedEntry {
  UnshippedEntry* next = nullptr;
  std::uint64_t entry_no = 0;
  journal::Segment* segment =
      nullptr;  // Where it stands in the journal, pinned; null: only here, or in a segment of before.
  bool in_journal = false;
  bool doubtful = false;  // The database may know its call already, under whatever number.
  bool lost = false;      // Neither the journal nor the database has it any more.
  std::int64_t queued_us = 0;
  std::string payload;
};

/// Shipped entries go back to the I/O threads with the room of their payloads: memory that one thread takes and another
/// frees costs the C library's long way, for every call.
///
/// Threading: `give` from one thread, `take` from any, no lock.
/// Limits:    `kKeptMax` entries wait here and as many with each thread; payloads above `kKeptBytesMax` are freed.
class EntryPool {
 public:
  static constexpr std::uint32_t kKeptMax = 2048;
  static constexpr std::size_t kKeptBytesMax = 4096;

  EntryPool();
  ~EntryPool();
  EntryPool(const EntryPool&) = delete;
  EntryPool& operator=(const EntryPool&) = delete;

  /// An entry as a new one is, perhaps with room in its payload.
  std::unique_ptr<UnshippedEntry> take();
  void give(std::unique_ptr<UnshippedEntry> entry);

 private:
  const std::uint64_t id_;
  alignas(64) std::atomic<UnshippedEntry*> spent_{nullptr};
  std::atomic<std::uint32_t> kept_{0};
};

}  // namespace turnpike::ledger
