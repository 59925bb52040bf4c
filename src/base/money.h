#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::base {

/// An amount in nanodollars (1e-9 $), signed. Prices and bills in progress are finer (`ledger/price.h`); nothing that
/// is an amount is ever a binary float. Range: ± 9.2 thousand million dollars; sums stop at its ends, they never wrap.
class Money {
 public:
  constexpr Money() = default;
  static constexpr Money from_nano(std::int64_t nano) { return Money(nano); }

  /// Reads decimal text as people and JSON write it ("25", "0.054399", "1e-7"), rounded half to even at the ninth
  /// decimal. Errors: InvalidRequest when it is not a number or does not fit.
  static Result<Money> parse(std::string_view text);

  constexpr std::int64_t nano() const { return nano_; }

  /// Dollars without exponent and trailing zeros, at most nine decimals: 54399000 -> "0.054399", 0 -> "0".
  std::string to_string() const;

  constexpr auto operator<=>(const Money&) const = default;
  constexpr Money operator+(Money other) const {
    std::int64_t sum = 0;
    return __builtin_add_overflow(nano_, other.nano_, &sum) ? end_of(nano_ > 0) : Money(sum);
  }
  constexpr Money operator-(Money other) const {
    std::int64_t difference = 0;
    return __builtin_sub_overflow(nano_, other.nano_, &difference) ? end_of(nano_ >= 0) : Money(difference);
  }
  constexpr Money operator-() const { return Money() - *this; }
  constexpr Money& operator+=(Money other) { return *this = *this + other; }
  constexpr Money& operator-=(Money other) { return *this = *this - other; }

 private:
  static constexpr Money end_of(bool positive) {
    return Money(positive ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min());
  }
  constexpr explicit Money(std::int64_t nano) : nano_(nano) {}
  std::int64_t nano_ = 0;
};

}  // namespace turnpike::base

namespace turnpike {
using base::Money;
}
