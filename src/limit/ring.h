#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/divisor.h"

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

  /// What calls change; rings that are taken from together keep theirs together (limit::MeterWords).
  struct Words {
    std::atomic<std::int64_t> total{0};      // Ever taken; never falls.
    std::atomic<std::int64_t> forgotten{0};  // The part of it that no longer counts, as last added up: never too high.
    std::atomic<std::int64_t> added_up_in{-1};  // The bucket in which that was, unless something came back since.
  };

  /// `words` outlive the ring. A ring that is made anew of them counts on.
  explicit Ring(Words& words, std::chrono::microseconds window = std::chrono::seconds(60))
      : words_(words), bucket_us_(std::max<std::int64_t>(window.count() / 60, 2)) {}

  /// Takes `amount` if the sum stays within `limit`.
  [[gnu::always_inline]] bool take(std::int64_t amount, std::int64_t limit, std::int64_t now_us) {
    const std::int64_t bucket = bucket_of(now_us);
    limit = std::min(limit, kUnitsMax);
    if (amount > limit) return false;
    begin(bucket);
    std::int64_t total = words_.total.load(std::memory_order_acquire);
    const bool has_room = total + amount - words_.forgotten.load(std::memory_order_acquire) <= limit;
    return (has_room && take_at(total, amount)) || take_again(total, amount, limit, bucket);
  }
  /// Takes `amount` whatever the limit: what turns out to have been used.
  void add(std::int64_t amount, std::int64_t now_us) {
    begin(bucket_of(now_us));
    words_.total.fetch_add(std::min(amount, kUnitsMax), std::memory_order_acq_rel);
  }
  /// Gives back of what was taken at `taken_us`; without effect when that has left the window.
  void give_back(std::int64_t amount, std::int64_t taken_us, std::int64_t now_us);

  /// The sum of the window. Adds the buckets up once in each of them and after something came back, else reads two
  /// words.
  std::int64_t used(std::int64_t now_us) const {
    const std::int64_t bucket = bucket_of(now_us);
    const std::int64_t total = words_.total.load(std::memory_order_acquire);
    if (words_.added_up_in.load() != bucket) add_up(total, bucket);
    return std::max<std::int64_t>(0, total - words_.forgotten.load(std::memory_order_acquire));
  }
  /// How long until `amount` would fit if nobody took anything meanwhile: 0 when it fits, nothing when it never will.
  std::optional<std::int64_t> wait_us(std::int64_t amount, std::int64_t limit, std::int64_t now_us) const;

 private:
  static constexpr std::size_t kPlaces = 64;  // Not below kBuckets, and a power of two.
  /// A bucket's number and a count in one word: both change together.
  using Word = std::atomic<std::uint64_t>;

  /// How many buckets before `bucket` the word's is; numbers are compared by their low 32 bits.
  static std::int32_t age_of(std::uint64_t word, std::int64_t bucket) {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(bucket) - static_cast<std::uint32_t>(word >> 32));
  }
  static std::size_t place_of(std::int64_t bucket) { return static_cast<std::size_t>(bucket) % kPlaces; }
  std::int64_t bucket_of(std::int64_t us) const { return bucket_us_.divide(us); }

  /// Notes the total at which `bucket` begins. Whoever takes does this first, so a taking is never counted into a
  /// bucket before its own.
  void begin(std::int64_t bucket) {
    const std::uint64_t seen = began_[place_of(bucket)].load(std::memory_order_acquire);
    if (age_of(seen, bucket) > 0) note_begin(bucket, seen);
  }
  /// One try; `total` is what it is now when that fails.
  bool take_at(std::int64_t& total, std::int64_t amount) {
    return words_.total.compare_exchange_weak(total, total + amount, std::memory_order_acq_rel,
                                              std::memory_order_acquire);
  }
  // What happens once a second or near the limit: kept out of what happens all the time.
  [[gnu::noinline]] bool take_again(std::int64_t total, std::int64_t amount, std::int64_t limit, std::int64_t bucket);
  [[gnu::noinline]] void note_begin(std::int64_t bucket, std::uint64_t seen);
  [[gnu::noinline]] void add_up(std::int64_t total, std::int64_t bucket) const;
  std::int64_t forgotten(std::int64_t total, std::int64_t bucket) const;

  Words& words_;
  const base::Divisor bucket_us_;
  std::array<Word, kPlaces> began_{};     // The total, cut to 32 bits, when the bucket began.
  std::array<Word, kPlaces> returned_{};  // What came back of the bucket.
};

}  // namespace turnpike::limit
