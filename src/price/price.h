#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::price {

/// 1e-24 $: fine enough that no price of the catalogue is rounded before its bill (the data has 23 decimals).
using Grains = __int128;

constexpr int kGrainDecimals = 24;
constexpr Grains kGrainsPerNano = 1'000'000'000'000'000;
constexpr Grains kGrainsPerDollar = kGrainsPerNano * 1'000'000'000;

/// What one unit (token, image, second, character, query, ...) costs, or that nobody knows it.
///
/// Unknown is a state, not a number: it is never added up as zero. An explicit 0 is known, and free.
/// Units: dollars per unit in grains. Limits: at least 0, at most $10,000 per unit.
class Price {
 public:
  constexpr Price() = default;  // Unknown.
  static constexpr Price from_grains(Grains grains) { return Price(grains); }

  /// Reads decimal text ("0.0000025", "2.5e-06", "3.0001999999999996e-07"), never through a binary float.
  /// Errors: InvalidRequest for anything that is not a number of at least 0, for more than 24 decimals, and with code
  /// `price_absurd` above $10,000.
  static Result<Price> parse(std::string_view text);

  constexpr bool known() const { return grains_ >= 0; }
  constexpr bool is_zero() const { return grains_ == 0; }
  /// 0 when unknown: ask `known()` first.
  constexpr Grains grains() const { return known() ? grains_ : 0; }

  /// Decimal dollars without exponent, or "unknown".
  std::string to_string() const;

  constexpr bool operator==(const Price&) const = default;

 private:
  constexpr explicit Price(Grains grains) : grains_(grains) {}
  Grains grains_ = -1;
};

}  // namespace turnpike::price
