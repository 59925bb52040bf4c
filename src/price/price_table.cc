#include "price/price_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

namespace turnpike::price {
namespace {

static_assert(std::endian::native == std::endian::little, "the table is read in place");

constexpr std::uint32_t kMagic = 0x54504b31;
constexpr std::size_t kWord = sizeof(std::uint32_t);
constexpr std::size_t kHeaderWords = 7;
constexpr std::size_t kIndexWords = 5;
constexpr std::size_t kProviderWords = 2;

void append(std::string& out, std::size_t value) {
  const auto word = static_cast<std::uint32_t>(value);
  char bytes[kWord];
  std::memcpy(bytes, &word, kWord);
  out.append(bytes, kWord);
}

}  // namespace

PriceTable::PriceTable(std::string_view bytes) : bytes_(bytes) {
  size_ = number(1 * kWord);
  index_at_ = number(3 * kWord);
  providers_at_ = number(4 * kWord);
  version_ = text(5 * kWord);
}

std::uint32_t PriceTable::number(std::size_t offset) const {
  std::uint32_t word;
  std::memcpy(&word, bytes_.data() + offset, kWord);
  return word;
}

std::string_view PriceTable::text(std::size_t offset) const {
  return bytes_.substr(number(offset), number(offset + kWord));
}

std::string_view PriceTable::name(std::size_t index) const {
  return text(index_at_ + index * kIndexWords * kWord);
}

PriceTable::Entry PriceTable::at(std::size_t index) const {
  const std::size_t row = index_at_ + index * kIndexWords * kWord;
  const std::size_t provider = number(row + 4 * kWord);
  return {text(row), text(providers_at_ + provider * kProviderWords * kWord), text(row + 2 * kWord)};
}

std::size_t PriceTable::find(std::string_view wanted) const {
  std::size_t low = 0;
  std::size_t high = size_;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (name(middle) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < size_ && name(low) == wanted ? low : size_;
}

std::string pack_prices(std::span<const PriceEntry> entries, std::string_view version) {
  std::map<std::string_view, std::size_t> providers;
  for (const PriceEntry& entry : entries) providers.emplace(entry.provider, 0);
  std::size_t count = 0;
  for (auto& [name, number] : providers) number = count++;

  const std::size_t index_at = kHeaderWords * kWord;
  const std::size_t providers_at = index_at + entries.size() * kIndexWords * kWord;
  std::size_t heap_at = providers_at + providers.size() * kProviderWords * kWord;
  std::string head;
  std::string heap;
  const auto place = [&](std::string& out, std::string_view text) {
    append(out, heap_at + heap.size());
    append(out, text.size());
    heap += text;
  };
  append(head, kMagic);
  append(head, entries.size());
  append(head, providers.size());
  append(head, index_at);
  append(head, providers_at);
  place(head, version);
  for (const PriceEntry& entry : entries) {
    place(head, entry.name);
    place(head, entry.json);
    append(head, providers[entry.provider]);
  }
  for (const auto& [name, number] : providers) place(head, name);
  return head + heap;
}

}  // namespace turnpike::price
