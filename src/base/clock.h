#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace turnpike::base {

inline constexpr std::int64_t kSecondUs = 1'000'000;
inline constexpr std::int64_t kMinuteUs = 60 * kSecondUs;
inline constexpr std::int64_t kDayUs = 24 * 60 * kMinuteUs;

/// The time of a simulation, in microseconds since 1970: while it is set, both clocks below show it, and the event loop
/// lets it leap from timer to timer (`net::EventLoop`). 0, as ever outside of simulations: the machine's clocks count.
/// To be set before the I/O threads start; there must be only one of them.
inline std::atomic<std::int64_t> simulated_now_us{0};

/// Wall clock in unix microseconds: for what people and ledgers read.
inline std::int64_t unix_now_us() {
  if (const std::int64_t now = simulated_now_us.load(std::memory_order_relaxed); now != 0) [[unlikely]]
    return now;
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

using Monotonic = std::chrono::steady_clock::time_point;
inline Monotonic monotonic_now() {
  if (const std::int64_t now = simulated_now_us.load(std::memory_order_relaxed); now != 0) [[unlikely]]
    return Monotonic(std::chrono::microseconds(now));
  return std::chrono::steady_clock::now();
}

}  // namespace turnpike::base
