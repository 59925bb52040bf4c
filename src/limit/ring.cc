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
/// How many buckets before `bucket` the word's is; numbers are compared by their low 32 bits.
constexpr std::int32_t age_of(std::uint64_t word, std::int64_t bucket) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(bucket) - static_cast<std::uint32_t>(word >> 32));
}
/// A bucket that is ahead belongs to a thread whose clock is: it counts.
constexpr bool counts(std::uint64_t word, std::int64_t bucket) {
  const std::int32_t age = age_of(word, bucket);
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

/// Notes the total at which `bucket` begins. Whoever takes does this first, so a taking is never counted into a bucket
/// before its own.
void Ring::begin(std::int64_t bucket) {
  Word& word = began_[static_cast<std::size_t>(bucket) % kBuckets];
  std::uint64_t seen = word.load(std::memory_order_acquire);
  while (age_of(seen, bucket) > 0) {
    const std::uint64_t fresh = pack(bucket, total_.load(std::memory_order_acquire));
    if (word.compare_exchange_weak(seen, fresh, std::memory_order_acq_rel, std::memory_order_acquire)) return;
  }
}

/// The part of the total that has left the window or come back. It only grows, so an older sum is never too high.
std::int64_t Ring::forgotten(std::int64_t total, std::int64_t bucket) const {
  std::int64_t taken = 0;
  std::int64_t returned = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (const std::uint64_t word = began_[i].load(std::memory_order_acquire); counts(word, bucket)) {
      taken = std::max(taken, since(word, total));
    }
    if (const std::uint64_t word = returned_[i].load(std::memory_order_acquire); counts(word, bucket)) {
      returned += count_of(word);
    }
  }
  return total - taken + returned;
}

bool Ring::take(std::int64_t amount, std::int64_t limit, std::int64_t now_us) {
  const std::int64_t bucket = bucket_of(now_us);
  limit = std::min(limit, kUnitsMax);
  if (amount > limit) return false;
  begin(bucket);
  std::int64_t total = total_.load(std::memory_order_acquire);
  std::int64_t gone = forgotten_.load(std::memory_order_acquire);
  for (bool added_up = false;;) {
    if (total + amount - gone <= limit) {
      if (total_.compare_exchange_weak(total, total + amount, std::memory_order_acq_rel, std::memory_order_acquire)) {
        return true;
      }
      added_up = false;
    } else if (added_up) {
      return false;
    } else {
      gone = forgotten(total, bucket);
      raise(forgotten_, gone);
      added_up = true;
    }
  }
}

void Ring::add(std::int64_t amount, std::int64_t now_us) {
  begin(bucket_of(now_us));
  total_.fetch_add(std::min(amount, kUnitsMax), std::memory_order_acq_rel);
}

void Ring::give_back(std::int64_t amount, std::int64_t taken_us, std::int64_t now_us) {
  const std::int64_t bucket = bucket_of(taken_us);
  if (bucket_of(now_us) - bucket > kOldest) return;
  Word& word = returned_[static_cast<std::size_t>(bucket) % kBuckets];
  std::uint64_t seen = word.load(std::memory_order_acquire);
  for (;;) {
    const std::int32_t age = age_of(seen, bucket);
    if (age < 0) return;
    const std::int64_t before = age == 0 ? count_of(seen) : 0;
    if (word.compare_exchange_weak(seen, pack(bucket, before + amount), std::memory_order_acq_rel,
                                   std::memory_order_acquire)) {
      added_up_in_.store(kNever);
      return;
    }
  }
}

std::int64_t Ring::used(std::int64_t now_us) const {
  const std::int64_t bucket = bucket_of(now_us);
  const std::int64_t total = total_.load(std::memory_order_acquire);
  if (added_up_in_.load() != bucket) {
    added_up_in_.store(bucket);  // Before the words are read: what comes back from here on takes it away again.
    raise(forgotten_, forgotten(total, bucket));
  }
  return std::max<std::int64_t>(0, total - forgotten_.load(std::memory_order_acquire));
}

std::optional<std::int64_t> Ring::wait_us(std::int64_t amount, std::int64_t limit, std::int64_t now_us) const {
  limit = std::min(limit, kUnitsMax);
  if (amount > limit) return std::nullopt;
  const std::int64_t bucket = bucket_of(now_us);
  const std::int64_t total = total_.load(std::memory_order_acquire);
  std::array<std::int64_t, kBuckets> taken{};     // By age: since the bucket of that age began,
  std::array<std::int64_t, kBuckets> returned{};  // and what came back of it.
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const std::uint64_t began = began_[i].load(std::memory_order_acquire);
    if (counts(began, bucket)) {
      auto& place = taken[static_cast<std::size_t>(std::max(age_of(began, bucket), 0))];
      place = std::max(place, since(began, total));
    }
    const std::uint64_t back = returned_[i].load(std::memory_order_acquire);
    if (counts(back, bucket)) returned[static_cast<std::size_t>(std::max(age_of(back, bucket), 0))] += count_of(back);
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
  return buckets == 0 ? 0 : (bucket + buckets) * bucket_us_ - now_us;
}

}  // namespace turnpike::limit
