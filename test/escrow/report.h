#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plan.h"
#include "tally.h"

namespace turnpike::escrow {

/// What seeds of one sort came to, and how many false refusals there may be.
struct Sum {
  Mode mode;
  bool faults;
  double most_percent;  // Below 90 % of every budget, each of at least 20 mean holds, with the money on its way.
  std::uint64_t seeds = 0;
  Tally tally = {};

  std::string name() const;
  bool holds() const;
  /// A rate over few calls says nothing; without faults there is to be none, or almost.
  bool is_judged() const { return !faults || seeds >= 50; }
};

std::vector<Sum> new_sums();
Sum& sum_of(std::vector<Sum>& sums, const Plan& plan);
void print(Sum& sum);
/// What happened, how often; returns false if something that is to be seen was not.
bool print_seen(const std::vector<Sum>& sums, bool all_expected);

}  // namespace turnpike::escrow
