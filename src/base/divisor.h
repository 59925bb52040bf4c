#pragma once

#include <bit>
#include <cstdint>

namespace turnpike::base {

/// Divides by one number over and over: a multiplication, where the processor's division takes as long as ten of them.
///
/// Units: the divisor is above one, what is divided not below zero.
class Divisor {
 public:
  explicit constexpr Divisor(std::int64_t by)
      : by_(by),
        shift_(static_cast<int>(std::bit_width(static_cast<std::uint64_t>(by) - 1)) - 1),
        factor_(static_cast<std::uint64_t>(((Wide{1} << (64 + shift_)) + static_cast<Wide>(by) - 1) /
                                           static_cast<Wide>(by))) {}

  constexpr std::int64_t by() const { return by_; }
  /// Exact: what `factor_` is too large by adds less than one part of `by` to any quotient.
  constexpr std::int64_t divide(std::int64_t value) const {
    return static_cast<std::int64_t>(
        static_cast<std::uint64_t>(Wide{static_cast<std::uint64_t>(value)} * factor_ >> 64) >> shift_);
  }

 private:
  using Wide = unsigned __int128;
  std::int64_t by_;
  int shift_;
  std::uint64_t factor_;  // 2^(64 + shift) / by, rounded up.
};

}  // namespace turnpike::base
