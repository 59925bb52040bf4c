#include "price/token_ranks.h"

namespace turnpike::price {

TokenRanks::TokenRanks(std::string_view bytes) {
  constexpr std::size_t kWord = sizeof(std::uint32_t);
  constexpr std::size_t kHeaderWords = 4;  // Magic, tokens, log2 of the slots, longest token.
  const char* words = bytes.data();
  size_ = number(words, 1);
  const std::size_t slots = std::size_t{1} << number(words, 2);
  longest_ = number(words, 3);
  slot_mask_ = slots - 1;
  offsets_ = words + kHeaderWords * kWord;
  slots_ = offsets_ + (size_ + std::size_t{1}) * kWord;
  text_ = slots_ + slots * kWord;
}

}  // namespace turnpike::price
