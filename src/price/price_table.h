#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace turnpike::price {

/// One model of a price file: its key and its object as compact JSON text.
struct PriceEntry {
  std::string name;
  std::string provider;
  std::string json;
};

/// Reads the packed form of a price file in place: sorted names, found by binary search.
///
/// Source: `tools/make_price_table.py` packs the compiled-in copy, `pack_prices` a loaded one; the layout stands there.
/// Limits: the table is trusted (made by us) and must outlive its reader.
class PriceTable {
 public:
  explicit PriceTable(std::string_view bytes);

  struct Entry {
    std::string_view name;
    std::string_view provider;
    std::string_view json;
  };

  std::string_view version() const { return version_; }
  std::size_t size() const { return size_; }
  Entry at(std::size_t index) const;
  /// `size()` when there is no such name.
  std::size_t find(std::string_view name) const;

 private:
  std::uint32_t number(std::size_t offset) const;
  std::string_view text(std::size_t offset) const;  // Of an (offset, length) pair.
  std::string_view name(std::size_t index) const;

  std::string_view bytes_;
  std::size_t size_ = 0;
  std::size_t index_at_ = 0;
  std::size_t providers_at_ = 0;
  std::string_view version_;
};

/// `entries` sorted by name, names distinct.
std::string pack_prices(std::span<const PriceEntry> entries, std::string_view version);

}  // namespace turnpike::price
