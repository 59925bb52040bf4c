#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace turnpike::base {

/// 128 bits, time-ordered (UUID version 7): 48 bits of unix milliseconds, the rest random. Unique without coordination.
struct Id128 {
  std::array<std::uint8_t, 16> bytes{};

  /// The usual text with four dashes, lower case: 36 characters.
  std::string to_string() const;
  bool operator==(const Id128&) const = default;
};

/// Makes a new id. `unix_ms` and `random` (two words) come in so that a test decides them.
Id128 make_id(std::uint64_t unix_ms, std::uint64_t random_high, std::uint64_t random_low);

/// A fast generator for draws that need no secrecy (jitter, weights, ids). One per thread.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();  // splitmix64

 private:
  std::uint64_t state_;
};

/// Fills from the operating system's generator: secrets and seeds.
void fill_random(void* bytes, std::size_t count);

}  // namespace turnpike::base
