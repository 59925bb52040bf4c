#include "ledger/ledger_clock.h"

#include <algorithm>

namespace turnpike::ledger {
namespace {

constexpr std::int64_t kRoundTripMaxUs = 50'000;

}  // namespace

void LedgerClock::heard(std::int64_t database_us, std::int64_t sent_us, std::int64_t answered_us) {
  const std::int64_t round_trip_us = answered_us - sent_us;  // Below zero when the wall clock was set meanwhile.
  if (round_trip_us < 0 || round_trip_us >= kRoundTripMaxUs) return;
  samples_us_[count_ % kSamples] = database_us - (sent_us + round_trip_us / 2);
  ++count_;
  std::array<std::int64_t, kSamples> sorted = samples_us_;
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(std::min(count_, kSamples));
  std::sort(sorted.begin(), end);
  offset_us_.store(sorted[static_cast<std::size_t>(end - sorted.begin() - 1) / 2], std::memory_order_relaxed);
}

}  // namespace turnpike::ledger
