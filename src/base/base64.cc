#include "base/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace turnpike::base {

std::string to_base64(std::string_view bytes) {
  constexpr std::size_t kStep = 3 << 20;  // OpenSSL counts in `int`; whole groups of three need no padding between.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  std::size_t written = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kStep) {
    const std::string_view piece = bytes.substr(at, kStep);
    written += static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data() + written),
                                                        reinterpret_cast<const unsigned char*>(piece.data()),
                                                        static_cast<int>(piece.size())));
  }
  text.resize(written);
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::size_t kGroup = 4;
  if (text.size() % kGroup == 0 && text.ends_with('=')) text.remove_suffix(text.ends_with("==") ? 2 : 1);
  if (text.size() % kGroup == 1) return std::nullopt;
  const auto digit = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  std::string bytes;
  bytes.reserve(text.size() / kGroup * 3 + 2);
  std::uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    const int value = digit(c);
    if (value < 0) return std::nullopt;
    word = (word << 6) | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<char>((word >> bits) & 0xFF));
  }
  return bytes;
}

}  // namespace turnpike::base
