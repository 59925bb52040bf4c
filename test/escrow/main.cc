#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

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

/// What seeds of one sort came to, and what of it may be. Below 90 % of every budget, each of them at least 20 mean
/// holds, a call is refused by mistake at most so often; money that is out of reach is another matter.
struct Sum {
  Sum(std::string name_in, double low_percent_max) : name(std::move(name_in)), most_percent(low_percent_max) {}

  bool holds() const { return percent(tally.false_on_way_low_small, tally.calls) <= most_percent; }
  void print() {
    if (seeds == 0) return;
    Tally& t = tally;
    fmt::print("{}: {} seeds, {} calls, {:.1f} % refused, {:.1f} % unavailable, {:.2f} operations a call\n", name,
               seeds, t.calls, percent(t.refused, t.calls), percent(t.unavailable, t.calls),
               t.calls == 0 ? 0 : static_cast<double>(t.operations) / static_cast<double>(t.calls));
    fmt::print(
        "  falsely refused: money on its way {} (below 90 % of every budget {}, those of 20 holds or more {} = "
        "{:.4f} %, at most {} %), out of reach {}, overtaken {}\n",
        t.false_on_way, t.false_on_way_low, t.false_on_way_low_small, percent(t.false_on_way_low_small, t.calls),
        most_percent, t.false_out_of_reach, t.overtaken);
    fmt::print(
        "  waited p50 {:.1f} p99 {:.1f} p99.9 {:.1f} ms; {} calls crossed; {} of {} windows over their limit, "
        "the worst by {:.1f} % of it",
        quantile_ms(t.waits_us, 0.5), quantile_ms(t.waits_us, 0.99), quantile_ms(t.waits_us, 0.999), t.crossings,
        t.windows_over, t.windows, 100 * t.worst_overshoot);
    if (t.worst_of_bound > 0) fmt::print(" and {:.2f} of the bound", t.worst_of_bound);
    fmt::print("\n");
  }

  std::string name;
  double most_percent;
  std::uint64_t seeds = 0;
  Tally tally;
};

/// How many seeds the judge objects to.
std::uint64_t play(std::uint64_t first, std::uint64_t count, Mutant mutant, std::vector<Sum>& sums) {
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
  return failed;
}

std::vector<Sum> new_sums() {
  return {{"strict, faults", 0.06}, {"default, faults", 0.0054}, {"strict, healthy", 0.05}, {"default, healthy", 0}};
}

bool play_rules(std::uint64_t first, std::uint64_t count) {
  std::vector<Sum> sums = new_sums();
  bool good = play(first, count, Mutant::None, sums) == 0;
  // A rate over few calls says nothing; without faults there is to be none, or almost.
  constexpr std::uint64_t kSeedsOfRate = 50;
  for (Sum& sum : sums) {
    sum.print();
    const bool judged = sum.seeds >= kSeedsOfRate || sum.name.ends_with("healthy");
    if (!judged || sum.holds()) continue;
    fmt::print("FAILED: {}: more false refusals than may be\n", sum.name);
    good = false;
  }
  return good;
}

bool play_mutant(std::string_view name, Mutant mutant, std::uint64_t first, std::uint64_t count) {
  std::vector<Sum> sums = new_sums();
  const std::uint64_t caught = play(first, count, mutant, sums);
  fmt::print("{:<22} {} in {} of {} seeds\n", name, caught > 0 ? "caught" : "NOT CAUGHT", caught, count);
  return caught > 0;
}

int usage() {
  fmt::print(stderr, "Usage: escrow [first seed] [how many] [--mutant NAME|all]\n");
  for (const std::string_view name : mutant_names()) fmt::print(stderr, "  {}\n", name);
  return 2;
}

int run(const std::vector<std::string>& words) {
  std::vector<std::uint64_t> numbers;
  std::string mutant;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--mutant" && i + 1 < words.size()) {
      mutant = words[++i];
    } else {
      numbers.push_back(std::strtoull(words[i].c_str(), nullptr, 10));
    }
  }
  const std::uint64_t first = numbers.empty() ? 1 : numbers[0];
  const std::uint64_t count = numbers.size() < 2 ? 20 : numbers[1];
  if (numbers.size() > 2 || count == 0) return usage();
  if (mutant.empty()) return play_rules(first, count) ? 0 : 1;
  bool good = true;
  for (const std::string_view name : mutant_names()) {
    if (mutant == "all" || mutant == name) good = play_mutant(name, *mutant_of(name), first, count) && good;
  }
  return mutant == "all" || mutant_of(mutant) ? (good ? 0 : 1) : usage();
}

}  // namespace
}  // namespace turnpike::escrow

int main(int count, char** values) {
  return turnpike::escrow::run(std::vector<std::string>(values + 1, values + count));
}
