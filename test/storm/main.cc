#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "storm.h"

/// Usage: storm [first seed] [how many] [seconds of each]. One line for each seed; the exit code says whether all
/// holds.
int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const auto argument = [&](int at, long otherwise) { return at < argc ? std::atol(argv[at]) : otherwise; };
  const auto first = static_cast<std::uint64_t>(argument(1, 1));
  const auto count = static_cast<std::uint64_t>(argument(2, 1));
  turnpike::storm::Strength strength;
  strength.length = std::chrono::seconds(argument(3, strength.length.count()));
  bool satisfied = true;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    turnpike::base::simulated_now_us = 1'800'000'000'000'000;
    turnpike::storm::Storm storm(seed, strength, {});
    storm.play();
    fmt::print("{}", storm.report());
    std::fflush(stdout);
    satisfied = satisfied && storm.satisfied();
  }
  return satisfied ? 0 : 1;
}
