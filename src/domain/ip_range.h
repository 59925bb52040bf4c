#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace turnpike::domain {

/// An address as 16 bytes; one of IPv4 as its mapped form ::ffff:a.b.c.d, so that both compare alike.
using IpAddress = std::array<std::uint8_t, 16>;
std::optional<IpAddress> parse_ip(std::string_view text);

/// "10.0.0.0/8", "2001:db8::/32", or one address.
struct IpRange {
  IpAddress address{};
  unsigned bits = 128;  // How many leading bits have to be the same.

  bool holds(const IpAddress& other) const;
};
std::optional<IpRange> parse_ip_range(std::string_view text);
bool holds(std::span<const IpRange> ranges, const IpAddress& address);

}  // namespace turnpike::domain
