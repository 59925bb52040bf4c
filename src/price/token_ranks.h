#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace turnpike::price {

constexpr std::uint32_t kNoRank = 0xffffffff;

/// Ranks of the tokens of one encoding: an open-addressing table read in place.
///
/// Source: `tools/make_rank_table.py` packs it and describes the layout.
/// Limits: the bytes are trusted (made by us) and must outlive the reader.
class TokenRanks {
 public:
  explicit TokenRanks(std::string_view bytes);

  /// kNoRank when `token` is no token of the encoding.
  std::uint32_t find(std::string_view token) const {
    if (token.size() > longest_) return kNoRank;
    const std::uint64_t hash = hash_of(token);
    for (std::size_t at = hash & slot_mask_;; at = (at + 1) & slot_mask_) {
      const std::uint32_t slot = number(slots_, at);
      if (slot == kEmpty) return kNoRank;
      // The tag spares nearly every look at the text of another token.
      if (slot >> kRankBits != hash >> kTagShift) continue;
      const std::uint32_t rank = slot & kRankMask;
      if (this->token(rank) == token) return rank;
    }
  }

  std::string_view token(std::uint32_t rank) const {
    const std::uint32_t begin = number(offsets_, rank);
    return {text_ + begin, number(offsets_, rank + 1) - begin};
  }

  std::uint32_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kEmpty = 0xffffffff;
  static constexpr int kRankBits = 18;
  static constexpr std::uint32_t kRankMask = (1u << kRankBits) - 1;
  static constexpr int kTagShift = 64 - (32 - kRankBits);

  static std::uint32_t number(const char* table, std::size_t index) {
    std::uint32_t word;
    std::memcpy(&word, table + index * sizeof word, sizeof word);
    return word;
  }

  static std::uint64_t hash_of(std::string_view token) {
    static_assert(std::endian::native == std::endian::little, "the table is read in place");
    constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;
    constexpr std::size_t kChunk = sizeof(std::uint64_t);
    std::uint64_t hash = token.size() * kMultiplier;
    for (std::size_t at = 0; at < token.size(); at += kChunk) {
      std::uint64_t chunk = 0;
      const std::size_t left = token.size() - at;
      std::memcpy(&chunk, token.data() + at, left < kChunk ? left : kChunk);
      hash = (hash ^ chunk) * kMultiplier;
      hash ^= hash >> 32;
    }
    return hash;
  }

  std::uint32_t size_ = 0;
  std::uint32_t longest_ = 0;
  std::size_t slot_mask_ = 0;
  const char* offsets_ = nullptr;
  const char* slots_ = nullptr;
  const char* text_ = nullptr;
};

}  // namespace turnpike::price
