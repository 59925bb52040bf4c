#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace turnpike::base {

/// Memory of this process that is in RAM; 0 when it cannot be read.
std::uint64_t resident_bytes();

/// Gives pages that nothing lives on back to the system; the C library keeps what a burst has freed. Holds up every
/// allocation for a moment (some tens of milliseconds for 150 MiB): never on an I/O thread, and while nobody calls.
void give_memory_back();

/// Says when that is worth it: the process has grown by `growth_min` since it was last small and has been idle for
/// `quiet`. What is still needed afterwards counts as its size from then on.
class MemoryWatch {
 public:
  struct Limits {
    std::uint64_t growth_min = 32 * 1024 * 1024;
    std::chrono::milliseconds quiet{5000};
  };
  MemoryWatch(Limits limits, std::uint64_t resident) : limits_(limits), small_(resident) {}

  /// To be asked every moment; the caller who is told true gives memory back and says so with `given_back`.
  bool due(Monotonic now, bool idle, std::uint64_t resident);
  void given_back(std::uint64_t resident) { small_ = resident; }

 private:
  const Limits limits_;
  std::uint64_t small_;
  std::optional<Monotonic> idle_since_;
};

}  // namespace turnpike::base
