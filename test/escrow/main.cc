#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "world.h"

namespace turnpike::escrow {
namespace {

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

double quantile_ms(std::vector<std::int64_t>& waits_us, double part) {
  if (waits_us.empty()) return 0;
  const auto at = waits_us.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(waits_us.size() - 1));
  std::ranges::nth_element(waits_us, at);
  return static_cast<double>(*at) / 1000;
}

struct Sum {
  explicit Sum(std::string name_in) : name(std::move(name_in)) {}
  std::string name;
  std::uint64_t seeds = 0, failed = 0;
  Tally tally;

  void print() {
    if (seeds == 0) return;
    Tally& t = tally;
    fmt::print(
        "{:<18} {:>4} seeds  {:>7} calls, {:.0f} % refused, {:.1f} % unavailable; falsely refused: {} on its way ({} "
        "below 90 %, {} of them of 20 holds or more), {:.2f} % out of reach, {} overtaken; {:.2f} operations a call; "
        "wait p50 {:.1f} "
        "p99 {:.1f} p99.9 {:.1f} ms; {} crossings; {} of {} windows over, worst by {:.1f} %, {:.2f} of the bound\n",
        name, seeds, t.calls, percent(t.refused, t.calls), percent(t.unavailable, t.calls), t.false_on_way,
        t.false_on_way_low, t.false_on_way_low_small, percent(t.false_out_of_reach, t.calls), t.overtaken,
        t.calls == 0 ? 0 : static_cast<double>(t.operations) / static_cast<double>(t.calls),
        quantile_ms(t.waits_us, 0.5), quantile_ms(t.waits_us, 0.99), quantile_ms(t.waits_us, 0.999), t.crossings,
        t.windows_over, t.windows, 100 * t.worst_overshoot, t.worst_of_bound);
  }
};

int play(std::uint64_t first, std::uint64_t count, Mutant mutant) {
  Sum sums[] = {Sum("strict, faults"), Sum("default, faults"), Sum("strict, healthy"), Sum("default, healthy")};
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    World world(seed, mutant);
    world.play();
    Sum& sum = sums[(world.plan().strict ? 0 : 1) + (world.plan().faults ? 0 : 2)];
    ++sum.seeds;
    sum.tally.add(world.judge().tally);
    if (world.judge().objections().empty()) continue;
    ++failed;
    if (mutant != Mutant::None) continue;
    fmt::print("seed {} FAILED\n", seed);
    for (const auto& [rule, found] : world.judge().objections())
      fmt::print("  {}: {} times, first: {}\n", rule, found.first, found.second);
  }
  if (mutant != Mutant::None) {
    fmt::print("caught in {} of {} seeds\n", failed, count);
    return failed == 0 ? 1 : 0;
  }
  for (Sum& sum : sums) sum.print();
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace turnpike::escrow

int main(int count, char** values) {
  using namespace turnpike::escrow;
  Mutant mutant = Mutant::None;
  std::uint64_t numbers[2] = {1, 20};
  std::size_t given = 0;
  for (int i = 1; i < count; ++i) {
    const std::string value = values[i];
    if (value == "--mutant" && i + 1 < count) {
      const auto named = mutant_of(values[++i]);
      if (!named) {
        fmt::print(stderr, "no such mutant; there are:\n");
        for (const std::string_view name : mutant_names()) fmt::print(stderr, "  {}\n", name);
        return 2;
      }
      mutant = *named;
    } else if (given < 2) {
      numbers[given++] = std::strtoull(value.c_str(), nullptr, 10);
    }
  }
  return play(numbers[0], numbers[1], mutant);
}
