#include "http/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/text.h"

namespace turnpike::http {
namespace {

using Bytes = std::span<const unsigned char>;

/// The 4 or 16 bytes of an address, in network order.
Bytes bytes_of(const net::Address& address) {
  sa_family_t family = AF_UNSPEC;
  std::memcpy(&family, address.bytes + offsetof(sockaddr, sa_family), sizeof family);
  if (family == AF_INET) return {address.bytes + offsetof(sockaddr_in, sin_addr), 4};
  if (family == AF_INET6) return {address.bytes + offsetof(sockaddr_in6, sin6_addr), 16};
  return {};
}

bool same_bits(Bytes a, Bytes b, int bits) {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
  const int rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

template <std::size_t N>
struct Block {
  std::array<unsigned char, N> first;
  int bits;
  bool holds(Bytes address) const { return same_bits(address, first, bits); }
};

constexpr Block<4> kNotPublic4[] = {
    {{0, 0, 0, 0}, 8},         // "this network"
    {{10, 0, 0, 0}, 8},        // private
    {{100, 64, 0, 0}, 10},     // behind a carrier's NAT; Alibaba's metadata service
    {{127, 0, 0, 0}, 8},       // this machine
    {{168, 63, 129, 16}, 32},  // Azure's host
    {{169, 254, 0, 0}, 16},    // link-local; metadata services
    {{172, 16, 0, 0}, 12},     // private
    {{192, 0, 0, 0}, 24},      // protocol assignments; Oracle's metadata service
    {{192, 0, 2, 0}, 24},      // documentation
    {{192, 88, 99, 0}, 24},    // 6to4 relays, withdrawn
    {{192, 168, 0, 0}, 16},    // private
    {{198, 18, 0, 0}, 15},     // benchmarks
    {{198, 51, 100, 0}, 24},   // documentation
    {{203, 0, 113, 0}, 24},    // documentation
    {{224, 0, 0, 0}, 4},       // groups
    {{240, 0, 0, 0}, 4},       // reserved, broadcast
};

constexpr Block<16> kInUse6 = {{0x20}, 3};
constexpr Block<16> kNotPublic6[] = {
    {{0x20, 0x01}, 23},              // 2001::/23, protocol assignments: Teredo, ORCHID, benchmarks
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
    {{0x20, 0x02}, 16},              // 6to4: an IPv4 address inside, which nobody checks on the way
    {{0x3f, 0xff}, 20},              // documentation
};
constexpr Block<16> kMapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
constexpr Block<16> kNat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};

bool is_public4(Bytes address) {
  return std::none_of(std::begin(kNotPublic4), std::end(kNotPublic4),
                      [address](const Block<4>& block) { return block.holds(address); });
}

/// The IPv4 address that an IPv6 one stands for, else the address itself.
Bytes meant(Bytes address) {
  const bool inside = address.size() == 16 && (kMapped.holds(address) || kNat64.holds(address));
  return inside ? address.subspan(12) : address;
}

}  // namespace

bool is_public(const net::Address& address) {
  const Bytes bytes = meant(bytes_of(address));
  if (bytes.size() == 4) return is_public4(bytes);
  if (bytes.size() != 16 || !kInUse6.holds(bytes)) return false;
  return std::none_of(std::begin(kNotPublic6), std::end(kNotPublic6),
                      [bytes](const Block<16>& block) { return block.holds(bytes); });
}

std::optional<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  std::array<unsigned char, 16> bytes{};
  const std::string host(text.substr(0, slash));
  std::size_t size = 0;
  if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) {
    size = 4;
  } else if (::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) {
    size = 16;
  } else {
    return std::nullopt;
  }
  AddressRange range;
  range.first_.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
  range.bits_ = static_cast<int>(size) * 8;
  if (slash != std::string_view::npos) {
    const std::optional<std::uint64_t> bits = base::parse_unsigned(text.substr(slash + 1));
    if (!bits || *bits > size * 8) return std::nullopt;
    range.bits_ = static_cast<int>(*bits);
  }
  return range;
}

bool AddressRange::contains(const net::Address& address) const {
  for (const Bytes bytes : {bytes_of(address), meant(bytes_of(address))}) {
    if (bytes.size() == first_.size() && same_bits(bytes, first_, bits_)) return true;
  }
  return false;
}

}  // namespace turnpike::http
