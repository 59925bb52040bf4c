#pragma once

/// When a second attempt may run beside a slow first one, and what that may cost: the state of one model group.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/money.h"

namespace turnpike::router {

/// Quantiles of recent durations, for many threads without a lock: counts in buckets, each a seventh longer than the
/// one before, all halved when they hold `kRecentMax`. What it says is at most a seventh too long.
class RecentQuantile {
 public:
  static constexpr std::uint32_t kSamplesMin = 20;  // Below that it says nothing.
  static constexpr std::uint32_t kRecentMax = 1024;

  void add(double seconds);
  /// Seconds below which the share `q` of the samples lies; absent: too few samples.
  std::optional<double> at(double q) const;

 private:
  static constexpr std::size_t kBuckets = 104;  // From a millisecond to fifteen minutes.
  std::array<std::atomic<std::uint32_t>, kBuckets> counts_{};
  std::atomic<std::uint32_t> total_{0};
};

/// Shared by all threads; outlives a reload while the group keeps its name.
class HedgeState {
 public:
  static constexpr double kQuantile = 0.95;

  RecentQuantile first_content;  // Of streams,
  RecentQuantile whole;          // of answers that come whole.

  /// Takes the expected cost of a second attempt, the mean of the group's calls, out of what is allowed: millionths of
  /// all that the group has cost; for models that cost nothing, of its calls. Absent: not allowed now.
  std::optional<Money> take(std::int64_t share_ppm);
  /// The second attempt is made after all; or it is not, and what was taken for it is there for others.
  void begun() { races_.fetch_add(1, std::memory_order_relaxed); }
  void give_back(Money expected);
  /// The race is over: what the attempt that lost has really cost stands in the place of what was taken.
  void correct(Money expected, Money actual);
  /// A call of the group has been booked.
  void booked(Money cost);

  std::uint64_t races() const { return races_.load(std::memory_order_relaxed); }
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  Money extra() const { return Money::from_nano(extra_nano_.load(std::memory_order_relaxed)); }

 private:
  std::atomic<std::int64_t> cost_nano_{0}, extra_nano_{0};
  std::atomic<std::uint64_t> calls_{0}, taken_{0}, races_{0}, refused_{0};
};

/// How a group is hedged; without a state it is not.
struct Hedge {
  std::shared_ptr<HedgeState> state;
  std::int64_t extra_share_ppm = 0;  // 50,000: at most five hundredths of its cost on top.
};

}  // namespace turnpike::router
