#include "base/hash.h"

#include <openssl/evp.h>

#include <cstring>
#include <memory>
#include <stdexcept>

#include "base/text.h"

namespace turnpike::base {

Sha256 sha256(std::string_view bytes) {
  return sha256({&bytes, 1});
}

Sha256 sha256(std::span<const std::string_view> pieces) {
  static const EVP_MD* const kDigest = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  Sha256 digest;
  bool good = EVP_DigestInit_ex2(context.get(), kDigest, nullptr) == 1;
  for (const std::string_view piece : pieces) {
    good = good && EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
  }
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 is not available");
  }
  return digest;
}

Sha256 hmac_sha256(std::string_view key, std::string_view text) {
  constexpr std::size_t kBlock = 64;
  const auto view = [](const Sha256& digest) {
    return std::string_view(reinterpret_cast<const char*>(digest.data()), digest.size());
  };
  Sha256 hashed;
  if (key.size() > kBlock) {
    hashed = sha256(key);
    key = view(hashed);
  }
  std::array<char, kBlock> inner, outer;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const char c = i < key.size() ? key[i] : '\0';
    inner[i] = static_cast<char>(c ^ 0x36);
    outer[i] = static_cast<char>(c ^ 0x5c);
  }
  const std::string_view first[] = {{inner.data(), kBlock}, text};
  const Sha256 digest = sha256(first);
  const std::string_view second[] = {{outer.data(), kBlock}, view(digest)};
  return sha256(second);
}

std::string sha256_hex(std::string_view bytes) {
  return to_hex(sha256(bytes));
}

namespace {

constexpr std::array<std::array<std::uint32_t, 256>, 8> make_crc_tables() {
  constexpr std::uint32_t kPolynomial = 0x82f63b78;
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][i] = crc;
  }
  for (std::uint32_t i = 0; i < 256; ++i) {
    for (std::size_t t = 1; t < 8; ++t) tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 255];
  }
  return tables;
}

constexpr auto kCrcTables = make_crc_tables();

}  // namespace

#if defined(__x86_64__)
/// The processor's own instruction: about eight times the table's speed, the same result.
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(std::uint32_t seed, std::string_view bytes) {
  std::uint64_t crc = ~seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    crc = __builtin_ia32_crc32di(crc, word);
  }
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) narrow = __builtin_ia32_crc32qi(narrow, static_cast<unsigned char>(*at));
  return ~narrow;
}
#endif

std::uint32_t crc32c(std::uint32_t seed, std::string_view bytes) {
#if defined(__x86_64__)
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2") != 0;
  if (kHasInstruction) return crc32c_by_instruction(seed, bytes);
#endif
  return crc32c_by_table(seed, bytes);
}

std::uint32_t crc32c_by_table(std::uint32_t seed, std::string_view bytes) {
  std::uint32_t crc = ~seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {  // Slicing by eight: about a gigabyte a second without special instructions.
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    word ^= crc;
    crc = 0;
    for (std::size_t i = 0; i < 8; ++i) crc ^= kCrcTables[7 - i][(word >> (8 * i)) & 255];
  }
  for (; left > 0; ++at, --left) crc = (crc >> 8) ^ kCrcTables[0][(crc ^ static_cast<std::uint8_t>(*at)) & 255];
  return ~crc;
}

}  // namespace turnpike::base
