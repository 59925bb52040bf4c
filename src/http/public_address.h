#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/socket.h"

namespace turnpike::http {

/// Whether an address belongs to the public internet: not to this machine, a private network, a link, a group, a
/// cloud's metadata service or a range set aside. An IPv4 address inside of an IPv6 one (mapped, NAT64) is judged as
/// itself.
///
/// Source: IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and successors); of IPv6 only 2000::/3
/// is
///         in public use. 168.63.129.16 is Azure's own host inside of each machine.
bool is_public(const net::Address& address);

/// A range of addresses: "10.0.0.0/8", "fd00::/8", "127.0.0.1".
class AddressRange {
 public:
  /// Nothing when the text is no range.
  static std::optional<AddressRange> parse(std::string_view text);
  bool contains(const net::Address& address) const;

 private:
  std::vector<unsigned char> first_;  // 4 or 16 bytes.
  int bits_ = 0;
};

/// Which addresses a request may be sent to: asked for every address that the host's name stands for, each time it is
/// looked up, and the connection goes to an address that was asked for.
class AddressFilter {
 public:
  virtual ~AddressFilter() = default;
  virtual bool allows(const net::Address& address) const = 0;
};

}  // namespace turnpike::http
