#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace turnpike::protocol {

/// A fixed set of short names that answers "none of mine" after one look at the first letter and the length: most keys
/// of a body are. Names are 1 to 63 bytes.
class KeySet {
 public:
  constexpr explicit KeySet(std::span<const std::string_view> keys) : keys_(keys) {
    for (const std::string_view key : keys) lengths_[slot(key[0])] |= std::uint64_t{1} << key.size();
  }

  constexpr bool has(std::string_view name) const {
    if (name.empty() || name.size() > 63 || ((lengths_[slot(name[0])] >> name.size()) & 1) == 0) return false;
    for (const std::string_view key : keys_) {
      if (key == name) return true;
    }
    return false;
  }

 private:
  static constexpr std::size_t slot(char c) { return static_cast<unsigned char>(c) & 31U; }

  std::span<const std::string_view> keys_;
  std::array<std::uint64_t, 32> lengths_{};
};

}  // namespace turnpike::protocol
