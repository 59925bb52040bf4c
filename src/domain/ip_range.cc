#include "domain/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace turnpike::domain {
namespace {

constexpr unsigned kBits = 128;
constexpr unsigned kMappedBits = 96;  // Before the four bytes of an IPv4 address.
constexpr std::size_t kTextBytesMax = 64;

bool is_mapped(const IpAddress& address) {
  constexpr IpAddress kPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kPrefix.begin(), kPrefix.begin() + kMappedBits / 8, address.begin());
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  if (text.size() > kTextBytesMax) return std::nullopt;
  const std::string terminated(text);
  IpAddress address{};
  if (inet_pton(AF_INET6, terminated.c_str(), address.data()) == 1) return address;
  address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (inet_pton(AF_INET, terminated.c_str(), address.data() + kMappedBits / 8) == 1) return address;
  return std::nullopt;
}

std::optional<IpRange> parse_ip_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::optional<IpAddress> address = parse_ip(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == std::string_view::npos) return IpRange{*address, kBits};
  const std::string_view digits = text.substr(slash + 1);
  unsigned bits = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  const bool four = is_mapped(*address) && text.find(':') == std::string_view::npos;
  if (failure != std::errc() || end != digits.data() + digits.size() || bits > (four ? kBits - kMappedBits : kBits))
    return std::nullopt;
  return IpRange{*address, four ? bits + kMappedBits : bits};
}

bool IpRange::holds(const IpAddress& other) const {
  const std::size_t whole = bits / 8;
  if (!std::equal(address.begin(), address.begin() + whole, other.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((address[whole] ^ other[whole]) >> (8 - rest)) == 0;
}

bool holds(std::span<const IpRange> ranges, const IpAddress& address) {
  return std::ranges::any_of(ranges, [&](const IpRange& range) { return range.holds(address); });
}

}  // namespace turnpike::domain
