#include "base/money.h"

#include <charconv>
#include <limits>

namespace turnpike::base {
namespace {

constexpr int kDecimals = 9;

struct Decimal {
  bool negative = false;
  std::string digits;  // Without leading zeros.
  int exponent = 0;    // Value is digits * 10^exponent.
};

bool read_decimal(std::string_view text, Decimal& out) {
  std::size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out.negative = text[at++] == '-';
  bool seen_digit = false;
  bool seen_point = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c >= '0' && c <= '9') {
      seen_digit = true;
      if (!(out.digits.empty() && c == '0')) out.digits.push_back(c);
      if (seen_point) --out.exponent;
    } else if (c == '.' && !seen_point) {
      seen_point = true;
    } else {
      break;
    }
  }
  if (!seen_digit) return false;
  if (at == text.size()) return true;
  if (text[at] != 'e' && text[at] != 'E') return false;
  ++at;
  bool exponent_negative = false;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) exponent_negative = text[at++] == '-';
  if (at == text.size()) return false;
  int exponent = 0;
  for (; at < text.size(); ++at) {
    if (text[at] < '0' || text[at] > '9' || exponent > 9999) return false;
    exponent = exponent * 10 + (text[at] - '0');
  }
  out.exponent += exponent_negative ? -exponent : exponent;
  return true;
}

}  // namespace

Result<Money> Money::parse(std::string_view text) {
  constexpr std::size_t kTextMax = 64;
  Decimal decimal;
  if (text.size() > kTextMax || !read_decimal(text, decimal)) {
    return fail(ErrorKind::InvalidRequest, "not an amount of money: " + std::string(text.substr(0, kTextMax)));
  }
  // Shift so that the last kept digit is a nanodollar; what is cut off decides the rounding.
  int shift = decimal.exponent + kDecimals;
  std::string digits = decimal.digits;
  bool round_up = false;
  bool exactly_half = false;
  if (shift < 0) {
    const std::size_t cut = static_cast<std::size_t>(-shift);
    const std::string padded = digits.size() < cut ? std::string(cut - digits.size(), '0') + digits : digits;
    const std::string rest = padded.substr(padded.size() - cut);
    digits = padded.substr(0, padded.size() - cut);
    round_up = rest[0] > '5' || (rest[0] == '5' && rest.find_first_not_of('0', 1) != std::string::npos);
    exactly_half = rest[0] == '5' && rest.find_first_not_of('0', 1) == std::string::npos;
    shift = 0;
  }
  __int128 value = 0;
  constexpr __int128 kMax = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < digits.size() + static_cast<std::size_t>(shift); ++i) {
    if (digits.empty()) break;
    value = value * 10 + (i < digits.size() ? digits[i] - '0' : 0);
    if (value > kMax) return fail(ErrorKind::InvalidRequest, "amount of money is too large: " + std::string(text));
  }
  if (round_up || (exactly_half && value % 2 == 1)) ++value;
  if (value > kMax) return fail(ErrorKind::InvalidRequest, "amount of money is too large: " + std::string(text));
  return Money(static_cast<std::int64_t>(decimal.negative ? -value : value));
}

std::string Money::to_string() const {
  constexpr std::uint64_t kNanoPerDollar = 1'000'000'000;
  const bool negative = nano_ < 0;
  const std::uint64_t magnitude = negative ? ~static_cast<std::uint64_t>(nano_) + 1 : static_cast<std::uint64_t>(nano_);
  char text[32];
  char* end = text;
  if (negative) *end++ = '-';
  end = std::to_chars(end, text + sizeof text, magnitude / kNanoPerDollar).ptr;
  std::uint64_t fraction = magnitude % kNanoPerDollar;
  if (fraction == 0) return std::string(text, end);
  int decimals = kDecimals;
  for (; fraction % 10 == 0; fraction /= 10) --decimals;
  *end++ = '.';
  for (int i = decimals - 1; i >= 0; --i, fraction /= 10) end[i] = static_cast<char>('0' + fraction % 10);
  return std::string(text, end + decimals);
}

}  // namespace turnpike::base
