#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace turnpike::limit {

/// Counts units over a sliding window in 61 buckets of a 60th of it: the current one, the 59 before it, and the oldest,
/// of which a part has left the window already, whole. So no stretch as long as the window ever sees more than the
/// limit, and a unit is held at most one bucket too long.
///
/// One word, the total of all units ever taken, decides: a bucket is known by what the total was when it began. The sum
/// of the window is the total less what it was at the beginning of the oldest bucket, less what came back. A taking is
/// one compare-and-swap of that word, so threads admit exactly what one thread would.
///
/// Units:     microseconds of one clock that does not go back; threads may read it a moment apart.
/// Limits:    `kUnitsMax` units in a window; a higher limit counts as that one.
/// Threading: any; without locks.
class Ring {
 public:
  static constexpr std::size_t kBuckets = 61;
  static constexpr std::int64_t kUnitsMax = 0x7fff'ffff;

  explicit Ring(std::chrono::microseconds window = std::chrono::seconds(60)) : bucket_us_(window.count() / 60) {}

  /// Takes `amount` if the sum stays within `limit`.
  bool take(std::int64_t amount, std::int64_t limit, std::int64_t now_us);
  /// Takes `amount` whatever the limit: what turns out to have been used.
  void add(std::int64_t amount, std::int64_t now_us);
  /// Gives back of what was taken at `taken_us`; without effect when that has left the window.
  void give_back(std::int64_t amount, std::int64_t taken_us, std::int64_t now_us);

  /// The sum of the window. Adds the buckets up once in each of them and after something came back, else reads two
  /// words.
  std::int64_t used(std::int64_t now_us) const;
  /// How long until `amount` would fit if nobody took anything meanwhile: 0 when it fits, nothing when it never will.
  std::optional<std::int64_t> wait_us(std::int64_t amount, std::int64_t limit, std::int64_t now_us) const;

 private:
  /// A bucket's number and a count in one word: both change together.
  using Word = std::atomic<std::uint64_t>;

  std::int64_t bucket_of(std::int64_t us) const { return us / bucket_us_; }
  void begin(std::int64_t bucket);
  std::int64_t forgotten(std::int64_t total, std::int64_t bucket) const;

  std::int64_t bucket_us_;
  std::atomic<std::int64_t> total_{0};  // Ever taken; never falls.
  // The part of it that no longer counts, as last added up: never too high.
  mutable std::atomic<std::int64_t> forgotten_{0};
  mutable std::atomic<std::int64_t> added_up_in_{
      -1};                                 // The bucket in which that was, unless something came back since.
  std::array<Word, kBuckets> began_{};     // The total, cut to 32 bits, when the bucket began.
  std::array<Word, kBuckets> returned_{};  // What came back of the bucket.
};

}  // namespace turnpike::limit
