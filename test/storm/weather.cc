#include "weather.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace turnpike::storm {
namespace {

constexpr std::array<std::string_view, kFaults> kNames = {"none",
                                                          "slow",
                                                          "500",
                                                          "503",
                                                          "503 with Retry-After",
                                                          "429",
                                                          "429 with Retry-After",
                                                          "reset",
                                                          "refused",
                                                          "silent head",
                                                          "silent event",
                                                          "error in a 200",
                                                          "malformed",
                                                          "cut early",
                                                          "cut late",
                                                          "stall late",
                                                          "missing usage",
                                                          "401",
                                                          "no credit"};

/// Between a half and one and a half of the mean.
std::int64_t around(double mean_us, base::Random& random) {
  const double fraction = static_cast<double>(random.next() >> 11) * 0x1.0p-53;
  return static_cast<std::int64_t>(mean_us * (0.5 + fraction));
}

}  // namespace

std::string_view name_of(Fault fault) {
  return kNames[static_cast<std::size_t>(fault)];
}

Weather::Weather(std::uint64_t seed, std::int64_t from_us, std::int64_t length_us) {
  constexpr double kGoodMeanUs = 12e6;
  constexpr double kBadMeanUs = 8e6;
  base::Random random(seed);
  const std::int64_t end_us = from_us + length_us;
  bool good = random.next() % 2 == 0;
  for (std::int64_t now_us = from_us; now_us < end_us; good = !good) {
    const auto fault = good ? Fault::None : static_cast<Fault>(1 + random.next() % (kFaults - 1));
    const std::int64_t to_us = now_us + around(good ? kGoodMeanUs : kBadMeanUs, random);
    phases_.push_back({now_us, to_us, fault});
    now_us = to_us;
  }
  phases_.push_back({phases_.back().to_us, INT64_MAX, Fault::None});
}

const Weather::Phase& Weather::phase_at(std::int64_t now_us) const {
  const auto later = std::upper_bound(phases_.begin(), phases_.end(), now_us,
                                      [](std::int64_t at_us, const Phase& phase) { return at_us < phase.from_us; });
  return later == phases_.begin() ? phases_.front() : *std::prev(later);
}

Fault Weather::at(std::int64_t now_us) const {
  return phase_at(now_us).fault;
}

std::int64_t Weather::end_of_phase(std::int64_t now_us) const {
  return phase_at(now_us).to_us;
}

bool Weather::was_good(std::int64_t from_us, std::int64_t to_us, const Echo& echo) const {
  return std::none_of(phases_.begin(), phases_.end(), [&](const Phase& phase) {
    if (is_harmless(phase.fault) || phase.from_us > to_us) return false;
    const bool waits = phase.fault == Fault::SilentHead || phase.fault == Fault::SilentEvent ||
                       phase.fault == Fault::StallLate || phase.fault == Fault::Slow;
    return phase.to_us + echo.rest_us + (waits ? echo.patience_us : 0) >= from_us;
  });
}

}  // namespace turnpike::storm
