#pragma once

#include <chrono>
#include <cstdint>

namespace turnpike::base {

/// Wall clock in unix microseconds: for what people and ledgers read.
inline std::int64_t unix_now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

using Monotonic = std::chrono::steady_clock::time_point;
inline Monotonic monotonic_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace turnpike::base
