#include "limit/ring.h"

#include <algorithm>

namespace turnpike::limit {
namespace {

constexpr std::int64_t kNever = -1;
constexpr std::int64_t kOldest = 60;  // The age in buckets of the oldest that counts.

constexpr std::uint64_t pack(std::int64_t bucket, std::int64_t count) {
  return static_cast<std::uint64_t>(bucket) << 32 | static_cast<std::uint32_t>(count);
}
constexpr std::uint32_t count_of(std::uint64_t word) {
  return static_cast<std::uint32_t>(word);
}
/// A bucket that is ahead belongs to a thread whose clock is: it counts.
constexpr bool counts(std::int32_t age) {
  return age <= kOldest && age >= -kOldest;
}
/// What has been taken since the word's bucket began, if the total is `total`.
constexpr std::int64_t since(std::uint64_t word, std::int64_t total) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(total) - count_of(word));
}

void raise(std::atomic<std::int64_t>& value, std::int64_t to) {
  std::int64_t seen = value.load(std::memory_order_relaxed);
  while (seen < to && !value.compare_exchange_weak(seen, to, std::memory_order_acq_rel)) {
  }
}

}  // namespace

void Ring::note_begin(std::int64_t bucket, std::uint64_t seen) {
  Word& word = began_[place_of(bucket)];
  while (age_of(seen, bucket) > 0) {
    const std::uint64_t fresh = pack(bucket, words_.total.load(std::memory_order_acquire));
    if (word.compare_exchange_weak(seen, fresh, std::memory_order_acq_rel, std::memory_order_acquire)) return;
  }
}

/// The part of the total that has left the window or come back. It only grows, so an older sum is never too high.
std::int64_t Ring::forgotten(std::int64_t total, std::int64_t bucket) const {
  std::int64_t taken = 0;
  std::int64_t returned = 0;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    if (const std::uint64_t word = began_[i].load(std::memory_order_acquire); counts(age_of(word, bucket))) {
      taken = std::max(taken, since(word, total));
    }
    if (const std::uint64_t word = returned_[i].load(std::memory_order_acquire); counts(age_of(word, bucket))) {
      returned += count_of(word);
    }
  }
  return total - taken + returned;
}

/// Adds up what is forgotten before it says no.
bool Ring::take_again(std::int64_t total, std::int64_t amount, std::int64_t limit, std::int64_t bucket) {
  std::int64_t gone = words_.forgotten.load(std::memory_order_acquire);
  for (bool added_up = false;;) {
    if (total + amount - gone <= limit) {
      if (take_at(total, amount)) return true;
      added_up = false;
    } else if (added_up) {
      return false;
    } else {
      gone = forgotten(total, bucket);
      raise(words_.forgotten, gone);
      added_up = true;
    }
  }
}

void Ring::give_back(std::int64_t amount, std::int64_t taken_us, std::int64_t now_us) {
  const std::int64_t bucket = bucket_of(taken_us);
  if (bucket_of(now_us) - bucket > kOldest) return;
  Word& word = returned_[place_of(bucket)];
  std::uint64_t seen = word.load(std::memory_order_acquire);
  for (;;) {
    const std::int32_t age = age_of(seen, bucket);
    if (age < 0) return;
    const std::int64_t before = age == 0 ? count_of(seen) : 0;
    if (word.compare_exchange_weak(seen, pack(bucket, before + amount), std::memory_order_acq_rel,
                                   std::memory_order_acquire)) {
      words_.added_up_in.store(kNever);
      return;
    }
  }
}

void Ring::add_up(std::int64_t total, std::int64_t bucket) const {
  words_.added_up_in.store(bucket);  // Before the words are read: what comes back from here on takes it away again.
  raise(words_.forgotten, forgotten(total, bucket));
}

std::optional<std::int64_t> Ring::wait_us(std::int64_t amount, std::int64_t limit, std::int64_t now_us) const {
  limit = std::min(limit, kUnitsMax);
  if (amount > limit) return std::nullopt;
  const std::int64_t bucket = bucket_of(now_us);
  const std::int64_t total = words_.total.load(std::memory_order_acquire);
  std::array<std::int64_t, kBuckets> taken{};     // By age: since the bucket of that age began,
  std::array<std::int64_t, kBuckets> returned{};  // and what came back of it.
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const std::uint64_t began = began_[i].load(std::memory_order_acquire);
    if (counts(age_of(began, bucket))) {
      auto& place = taken[static_cast<std::size_t>(std::max(age_of(began, bucket), 0))];
      place = std::max(place, since(began, total));
    }
    const std::uint64_t back = returned_[i].load(std::memory_order_acquire);
    if (counts(age_of(back, bucket)))
      returned[static_cast<std::size_t>(std::max(age_of(back, bucket), 0))] += count_of(back);
  }
  // From the window that keeps the current bucket only to the one of now: the last that has room is the soonest.
  std::int64_t ages_kept = 0;
  std::int64_t taken_since = 0;
  std::int64_t returned_since = 0;
  for (std::size_t age = 0; age < kBuckets; ++age) {
    taken_since = std::max(taken_since, taken[age]);
    returned_since += returned[age];
    if (taken_since - returned_since + amount > limit) break;
    ages_kept = static_cast<std::int64_t>(age) + 1;
  }
  const std::int64_t buckets = static_cast<std::int64_t>(kBuckets) - ages_kept;
  return buckets == 0 ? 0 : (bucket + buckets) * bucket_us_.by() - now_us;
}

}  // namespace turnpike::limit
