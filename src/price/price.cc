#include "price/price.h"

#include <optional>

namespace turnpike::price {
namespace {

constexpr Grains kPriceMax = kGrainsPerDollar * 10'000;
constexpr std::size_t kTextMax = 64;

struct Decimal {
  Grains digits = 0;
  int exponent = 0;  // Value is digits * 10^exponent; a digit string without trailing zeros.
};

std::optional<int> read_exponent(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text.empty() || text.size() > 4) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return negative ? -value : value;
}

std::optional<Decimal> read_decimal(std::string_view text) {
  constexpr int kDigitsMax = 36;  // What a Grains surely holds.
  Decimal out;
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  bool seen_digit = false;
  bool seen_point = false;
  int pending_zeros = 0;  // Zeros that matter only if another digit follows.
  int digits = 0;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !seen_point) {
      seen_point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    seen_digit = true;
    if (seen_point) --out.exponent;
    if (c == '0') {
      if (out.digits != 0) ++pending_zeros;
      continue;
    }
    digits += pending_zeros + 1;
    if (digits > kDigitsMax) return std::nullopt;
    for (; pending_zeros > 0; --pending_zeros) out.digits *= 10;
    out.digits = out.digits * 10 + (c - '0');
  }
  if (!seen_digit) return std::nullopt;
  out.exponent += pending_zeros;
  if (at < text.size()) {
    if (text[at] != 'e' && text[at] != 'E') return std::nullopt;
    const std::optional<int> exponent = read_exponent(text.substr(at + 1));
    if (!exponent) return std::nullopt;
    out.exponent += *exponent;
  }
  return out;
}

}  // namespace

Result<Price> Price::parse(std::string_view text) {
  const std::string shown(text.substr(0, kTextMax));
  const std::optional<Decimal> decimal = text.size() <= kTextMax ? read_decimal(text) : std::nullopt;
  if (!decimal) return base::fail(ErrorKind::InvalidRequest, "not a price in dollars: " + shown);
  if (decimal->digits == 0) return Price(0);
  int shift = decimal->exponent + kGrainDecimals;
  if (shift < 0) {
    return base::fail(ErrorKind::InvalidRequest, "a price has at most 24 decimals: " + shown);
  }
  Grains grains = decimal->digits;
  for (; shift > 0 && grains <= kPriceMax; --shift) grains *= 10;
  if (grains > kPriceMax) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.code = "price_absurd";
    error.message = "a price above $10,000 per unit is refused: " + shown;
    return base::fail(std::move(error));
  }
  return Price(grains);
}

std::string Price::to_string() const {
  if (!known()) return "unknown";
  std::string digits;
  for (Grains rest = grains_; rest > 0; rest /= 10) digits.insert(digits.begin(), static_cast<char>('0' + rest % 10));
  if (digits.size() <= kGrainDecimals) digits.insert(0, kGrainDecimals + 1 - digits.size(), '0');
  digits.insert(digits.size() - kGrainDecimals, 1, '.');
  while (digits.back() == '0') digits.pop_back();
  if (digits.back() == '.') digits.pop_back();
  return digits;
}

}  // namespace turnpike::price
