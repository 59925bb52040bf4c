#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace turnpike::drill {

/// A port of this machine that never takes a connection: its queue is full and nobody empties it, so that whoever
/// connects waits, as for a host behind a firewall that drops packets. Linux.
class SilentPort {
 public:
  /// Errors: Unavailable when no port can be had.
  static Result<SilentPort> open();
  SilentPort(SilentPort&& other) noexcept;
  SilentPort& operator=(SilentPort&&) = delete;
  ~SilentPort();
  std::uint16_t port() const { return port_; }

 private:
  SilentPort() = default;
  std::vector<int> sockets_;  // The listener, then those that fill its queue.
  std::uint16_t port_ = 0;
};

}  // namespace turnpike::drill
