#include "router/load.h"

#include <algorithm>
#include <limits>

namespace turnpike::router {

void MinuteCount::add(std::uint64_t more, std::int64_t now_us) {
  std::uint64_t seen = packed_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t now = current(seen, now_us);
    const std::uint64_t room = kCountMask - (now & kCountMask);
    if (packed_.compare_exchange_weak(seen, now + std::min(more, room), std::memory_order_relaxed)) return;
  }
}

bool MinuteCount::take(double limit, std::int64_t now_us) {
  std::uint64_t seen = packed_.load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t now = current(seen, now_us);
    if (static_cast<double>((now & kCountMask) + 1) > limit) return false;
    if (packed_.compare_exchange_weak(seen, now + 1, std::memory_order_relaxed)) return true;
  }
}

void MinuteCount::give_back() {
  std::uint64_t seen = packed_.load(std::memory_order_relaxed);
  while ((seen & kCountMask) > 0 && !packed_.compare_exchange_weak(seen, seen - 1, std::memory_order_relaxed)) {
  }
}

void Recent::add(double seconds, std::size_t window, std::int64_t now_us, std::int64_t ttl_us) {
  window = std::clamp<std::size_t>(window, 1, kSamplesMax);
  if (now_us - latest_us_.load(std::memory_order_relaxed) > ttl_us) {
    for (std::atomic<float>& sample : samples_) sample.store(0, std::memory_order_relaxed);
  }
  const std::size_t slot = next_.fetch_add(1, std::memory_order_relaxed) % window;
  samples_[slot].store(std::max(static_cast<float>(seconds), std::numeric_limits<float>::min()),
                       std::memory_order_relaxed);
  std::array<float, kSamplesMax> known;
  std::size_t count = 0;
  for (std::size_t i = 0; i < window; ++i) {
    if (const float sample = samples_[i].load(std::memory_order_relaxed); sample > 0) known[count++] = sample;
  }
  if (count == 0) return;  // Another thread has just emptied it.
  const auto middle = known.begin() + static_cast<std::ptrdiff_t>((count - 1) / 2);
  std::nth_element(known.begin(), middle, known.begin() + static_cast<std::ptrdiff_t>(count));
  middle_.store(*middle, std::memory_order_relaxed);
  latest_us_.store(now_us, std::memory_order_relaxed);
}

float Recent::middle(std::int64_t now_us, std::int64_t ttl_us) const {
  return now_us - latest_us_.load(std::memory_order_relaxed) > ttl_us ? kUnseen
                                                                      : middle_.load(std::memory_order_relaxed);
}

}  // namespace turnpike::router
