#include <fmt/core.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "report.h"
#include "world.h"

namespace turnpike::escrow {
namespace {

constexpr std::uint64_t kSeedsOfEverything = 4000;  // In so many all is to happen.

void print_objections(std::uint64_t seed, const Judge& judge) {
  fmt::print("seed {} FAILED; again: build/release/escrow {} 1\n", seed, seed);
  for (const auto& [rule, found] : judge.objections())
    fmt::print("  {}: {} times, first: {}\n", rule, found.first, found.second);
}

/// How many seeds the judge objects to.
std::uint64_t play(std::uint64_t first, std::uint64_t count, Mutant mutant, std::vector<Sum>& sums) {
  std::uint64_t failed = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    World world(seed, mutant);
    world.play();
    Sum& sum = sum_of(sums, world.plan());
    ++sum.seeds;
    sum.tally.add(world.judge().tally);
    if (world.judge().objections().empty()) continue;
    ++failed;
    if (mutant == Mutant::None) print_objections(seed, world.judge());
  }
  return failed;
}

bool play_rules(std::uint64_t first, std::uint64_t count) {
  std::vector<Sum> sums = new_sums();
  bool good = play(first, count, Mutant::None, sums) == 0;
  for (Sum& sum : sums) {
    print(sum);
    if (!sum.is_judged() || sum.holds()) continue;
    fmt::print("FAILED: {}: more false refusals than may be\n", sum.name());
    for (const std::string& call : sum.tally.on_way_calls) fmt::print("  {}\n", call);
    good = false;
  }
  return print_seen(sums, count >= kSeedsOfEverything) && good;
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
