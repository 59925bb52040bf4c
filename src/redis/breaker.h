#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace turnpike::redis {

/// Decides when the server is left alone: at once when it refuses, breaks off or says that it cannot serve; after two
/// time-outs within a second; until two probes in a row were answered in time. One per process.
///
/// Threading: any; without locks. `probed` by one thread at a time.
class Breaker {
 public:
  enum class Failure : std::uint8_t { Refused, TimedOut };
  static constexpr std::chrono::milliseconds kTimeOutsWithin{1000};
  static constexpr int kGoodProbes = 2;

  bool open() const { return open_.load(std::memory_order_acquire); }
  /// True when this one opens it.
  bool failed(Failure failure, base::Monotonic now);
  /// True when this one closes it.
  bool probed(bool good, base::Monotonic now);

  /// When it last closed; nothing to speak of while it has never been open.
  bool has_closed() const { return closed_us_.load(std::memory_order_relaxed) != 0; }
  std::chrono::microseconds closed_for(base::Monotonic now) const;
  std::uint64_t openings() const { return openings_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> open_{false};
  std::atomic<std::int64_t> timed_out_us_{0};
  std::atomic<std::int64_t> closed_us_{0};
  std::atomic<std::uint64_t> openings_{0};
  int good_ = 0;  // The prober's.
};

}  // namespace turnpike::redis
