#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
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

/// How many bytes of `text` are whole characters of strict UTF-8 without NUL, which every database stores.
constexpr std::size_t storable_prefix(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  std::size_t at = 0;
  while (at < text.size()) {
    const unsigned char lead = byte(at);
    if (lead == 0) return at;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + length > text.size()) return at;
    for (std::size_t i = 1; i < length; ++i) {
      if (!continues_character(text[at + i])) return at;
    }
    const unsigned char second = byte(at + 1);
    const bool longer_than_needed = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second >= 0xA0;
    const bool beyond = lead == 0xF4 && second >= 0x90;
    if (longer_than_needed || surrogate || beyond) return at;
    at += length;
  }
  return at;
}

/// `text` with U+FFFD in the place of each byte that no database would store.
inline std::string storable_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t good = storable_prefix(text);
    out += text.substr(0, good);
    if (good == text.size()) break;
    out += "\xEF\xBF\xBD";
    text.remove_prefix(good + 1);
  }
  return out;
}

}  // namespace turnpike::base
