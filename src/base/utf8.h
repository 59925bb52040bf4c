#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace turnpike::base {

/// Whether a byte of a UTF-8 text goes on with a character instead of beginning one.
constexpr bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U;
}

/// Characters (code points) of a UTF-8 text.
constexpr std::uint64_t count_characters(std::string_view text) {
  return static_cast<std::uint64_t>(
      std::count_if(text.begin(), text.end(), [](char byte) { return !continues_character(byte); }));
}

}  // namespace turnpike::base
