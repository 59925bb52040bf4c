#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "limit/admission.h"

namespace turnpike::pipeline {

/// The header lines that tell a caller what is left of his limits (docs/limits.md). Written again for the same limits,
/// only digits change: those that are others than before.
///
/// Limits:    `kBytesMax` and the lines of one limit; further ones are not told.
/// Threading: none.
class RestFields {
 public:
  /// The whole header block stays below what an nginx in front takes.
  static constexpr std::size_t kBytesMax = 900;

  /// Always of the same limits. `over_all`: of each, if it is known, what is left over all replicas. What it returns
  /// stands until the next call.
  std::string_view write(std::span<const limit::Limit> limits, std::span<const std::int64_t> over_all,
                         const limit::Terms& terms);

  /// The name of a header line with its colon, in a room of one size: to copy all of that takes a few moves and no
  /// call.
  class Name;

 private:
  static constexpr std::size_t kNameMax = 80, kDigitsMax = 20, kLineMax = kNameMax + kDigitsMax + 2;
  static constexpr std::size_t kLinesOfOneLimit = 4, kLeastOfOneLimit = 60;

  /// A limit that is told, and where.
  struct Told {
    std::int64_t most, left;
    std::size_t begin;       // Of its lines,
    std::size_t left_end;    // and the end of the digits of `left`.
    std::uint64_t from, to;  // Numbers with as many digits, `to` not among them; none: they stand in several places.
  };
  bool is_full() const { return size_ >= kBytesMax; }
  bool tell_again(Told& told, std::int64_t most, std::int64_t left);
  void tell(const limit::Limit& limit, std::int64_t most, std::int64_t left);
  void put(const Name& name);
  void put(const Name& name, std::int64_t value);

  std::size_t size_ = 0, told_count_ = 0;
  std::array<Told, kBytesMax / kLeastOfOneLimit + 1> told_;
  std::array<char, kBytesMax + kLinesOfOneLimit * kLineMax> text_;
};

}  // namespace turnpike::pipeline
