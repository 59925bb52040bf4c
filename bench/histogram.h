#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace turnpike::bench {

/// Counts durations in nanoseconds with a relative error below 1 %: 128 steps for each power of two.
class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++counts_[place_of(ns)];
    ++total_;
    if (ns > max_) max_ = ns;
  }
  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }

  /// The duration that `share` of all stay at or below; 0 when nothing was counted.
  std::uint64_t quantile(double share) const {
    const auto rank = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return value_of(i);
    }
    return max_;
  }

 private:
  static constexpr unsigned kStepBits = 7;
  static constexpr std::uint64_t kSteps = 1U << kStepBits;

  static std::size_t place_of(std::uint64_t ns) {
    if (ns < kSteps) return static_cast<std::size_t>(ns);
    const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - kStepBits - 1;
    return static_cast<std::size_t>((shift + 1) * kSteps + ((ns >> shift) - kSteps));
  }
  static std::uint64_t value_of(std::size_t place) {
    if (place < kSteps) return place;
    const std::uint64_t shift = place / kSteps - 1;
    return ((place % kSteps) + kSteps) << shift;
  }

  std::array<std::uint64_t, (64 - kStepBits + 1) * kSteps> counts_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace turnpike::bench
