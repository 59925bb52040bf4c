#include "router/hedge.h"

#include <algorithm>
#include <cmath>

namespace turnpike::router {
namespace {

constexpr double kLeastSeconds = 0.001;
constexpr double kGrowth = 8.0 / 7.0;

std::size_t bucket_of(double seconds, std::size_t count) {
  if (seconds <= kLeastSeconds) return 0;
  const double steps = std::ceil(std::log(seconds / kLeastSeconds) / std::log(kGrowth));
  return std::min(static_cast<std::size_t>(steps), count - 1);
}

}  // namespace

void RecentQuantile::add(double seconds) {
  counts_[bucket_of(seconds, kBuckets)].fetch_add(1, std::memory_order_relaxed);
  std::uint32_t total = total_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (total < kRecentMax || !total_.compare_exchange_strong(total, total / 2, std::memory_order_relaxed)) return;
  // Those who add meanwhile lose a sample at most.
  std::uint32_t left = 0;
  for (std::atomic<std::uint32_t>& count : counts_) {
    const std::uint32_t half = count.load(std::memory_order_relaxed) / 2;
    count.store(half, std::memory_order_relaxed);
    left += half;
  }
  total_.store(left, std::memory_order_relaxed);
}

std::optional<double> RecentQuantile::at(double q) const {
  std::uint32_t total = 0;
  for (const std::atomic<std::uint32_t>& count : counts_) total += count.load(std::memory_order_relaxed);
  if (total < kSamplesMin) return std::nullopt;
  const double wanted = q * static_cast<double>(total);
  double below = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    below += static_cast<double>(counts_[i].load(std::memory_order_relaxed));
    if (below >= wanted) return kLeastSeconds * std::pow(kGrowth, static_cast<double>(i));
  }
  return std::nullopt;
}

std::optional<Money> HedgeState::take(std::int64_t share_ppm) {
  // Nanodollars times a million outgrow 64 bits at nine thousand dollars.
  const auto within = [share_ppm](std::int64_t part, std::int64_t whole) {
    return static_cast<__int128>(part) * 1'000'000 <= static_cast<__int128>(whole) * share_ppm;
  };
  const std::int64_t cost = cost_nano_.load(std::memory_order_relaxed);
  const auto calls = static_cast<std::int64_t>(calls_.load(std::memory_order_relaxed));
  const std::int64_t mean = calls > 0 ? (cost + calls - 1) / calls : 0;
  const bool allowed = mean > 0 ? within(extra_nano_.load(std::memory_order_relaxed) + mean, cost)
                                : within(static_cast<std::int64_t>(taken_.load(std::memory_order_relaxed)) + 1, calls);
  if (!allowed) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  // Threads that are here together may each take once: they are few, and the next is refused for it.
  extra_nano_.fetch_add(mean, std::memory_order_relaxed);
  taken_.fetch_add(1, std::memory_order_relaxed);
  return Money::from_nano(mean);
}

void HedgeState::give_back(Money expected) {
  extra_nano_.fetch_sub(expected.nano(), std::memory_order_relaxed);
  taken_.fetch_sub(1, std::memory_order_relaxed);
}

void HedgeState::correct(Money expected, Money actual) {
  extra_nano_.fetch_add(actual.nano() - expected.nano(), std::memory_order_relaxed);
}

void HedgeState::booked(Money cost) {
  cost_nano_.fetch_add(cost.nano(), std::memory_order_relaxed);
  calls_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace turnpike::router
