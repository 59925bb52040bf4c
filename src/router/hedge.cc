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

bool HedgeState::take(Money expected, double share) {
  const auto allowed = [&] {
    const bool costs = expected > Money();
    const auto cost = static_cast<double>(cost_nano_.load(std::memory_order_relaxed));
    const auto extra = static_cast<double>(extra_nano_.load(std::memory_order_relaxed));
    if (costs) return extra + static_cast<double>(expected.nano()) <= share * cost;
    return static_cast<double>(races() + 1) <= share * static_cast<double>(calls_.load(std::memory_order_relaxed));
  };
  if (!allowed()) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  // Threads that are here together may each take once: they are few, and the next is refused for it.
  extra_nano_.fetch_add(expected.nano(), std::memory_order_relaxed);
  races_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void HedgeState::correct(Money expected, Money actual) {
  extra_nano_.fetch_add(actual.nano() - expected.nano(), std::memory_order_relaxed);
}

void HedgeState::booked(Money cost) {
  cost_nano_.fetch_add(cost.nano(), std::memory_order_relaxed);
  calls_.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace turnpike::router
