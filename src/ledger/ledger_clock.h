#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace turnpike::ledger {

/// Ledger time, by which budgets begin anew (spec money 4): this machine's wall clock, set right by the database's, so
/// that all replicas turn their windows at the same moment. With a database of its own a process goes by its own clock.
///
/// Threading: `heard` from one thread; the rest from any. Microseconds.
class LedgerClock {
 public:
  using Wall = std::int64_t (*)();
  explicit LedgerClock(Wall wall = base::unix_now_us) : wall_(wall) {}

  std::int64_t wall_us() const { return wall_(); }
  std::int64_t now_us() const { return wall_() + offset_us(); }
  /// What is to be added to the wall clock.
  std::int64_t offset_us() const { return offset_us_.load(std::memory_order_relaxed); }

  /// The database's clock showed `database_us` at some moment between two of the wall clock. One that was slow to
  /// answer says nothing. The median of the last few counts.
  void heard(std::int64_t database_us, std::int64_t sent_us, std::int64_t answered_us);

 private:
  static constexpr std::size_t kSamples = 5;
  const Wall wall_;
  std::array<std::int64_t, kSamples> samples_us_{};
  std::size_t count_ = 0;
  std::atomic<std::int64_t> offset_us_{0};
};

}  // namespace turnpike::ledger
