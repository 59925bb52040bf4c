#include "plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace turnpike::escrow {
namespace {

struct Named {
  std::string_view name;
  Mutant mutant;
};
constexpr std::array kMutants = {
    Named{"reclaim.early", Mutant::ReclaimEarly},      Named{"return.late", Mutant::ReturnLate},
    Named{"timeout.granted", Mutant::AssumeGranted},   Named{"timeout.void", Mutant::AssumeVoid},
    Named{"numbers.none", Mutant::NoNumbers},          Named{"ship.twice", Mutant::ShipTwice},
    Named{"book.at_end", Mutant::BookAtEnd},           Named{"restart.forgets", Mutant::ForgetUnshipped},
    Named{"admission.leaves_held", Mutant::LeaveHeld}, Named{"start.twice", Mutant::StartTwice},
};

FaultPlan draw_fault(const Plan& plan, Dice& dice) {
  using Kind = FaultPlan::Kind;
  constexpr std::array kKinds = {Kind::Kill, Kind::Kill,         Kind::LoseDisk,    Kind::Cut,
                                 Kind::Cut,  Kind::StopDatabase, Kind::SlowDatabase};
  FaultPlan fault;
  fault.kind = kKinds[static_cast<std::size_t>(dice.between(0, kKinds.size() - 1))];
  fault.at_us = dice.between(2 * kSecondUs, plan.length_us);
  fault.replica = static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(plan.replicas) - 1));
  fault.length_us = fault.kind == Kind::Cut ? dice.between(kSecondUs / 5, 25 * kSecondUs)
                    : fault.kind == Kind::Kill || fault.kind == Kind::LoseDisk
                        ? dice.between(kSecondUs / 2, 8 * kSecondUs)
                        : dice.between(kSecondUs / 2, 6 * kSecondUs);
  return fault;
}

FaultPlan draw_edit(const Plan& plan, Dice& dice) {
  using Kind = FaultPlan::Kind;
  constexpr std::array kKinds = {Kind::Limit, Kind::Limit, Kind::Spend, Kind::Spend, Kind::NoLimit};
  FaultPlan edit;
  edit.kind = kKinds[static_cast<std::size_t>(dice.between(0, kKinds.size() - 1))];
  edit.at_us = dice.between(2 * kSecondUs, plan.length_us);
  edit.length_us = dice.between(kSecondUs, 10 * kSecondUs);  // How long there is no limit.
  edit.account_id = dice.one_of(plan.accounts).account_id;
  edit.part = dice.fraction() * 2;
  return edit;
}

}  // namespace

double Dice::exponential(double mean) {
  return -mean * std::log(1 - fraction());
}

std::optional<Mutant> mutant_of(std::string_view name) {
  const auto found = std::ranges::find(kMutants, name, &Named::name);
  return found == kMutants.end() ? std::nullopt : std::optional(found->mutant);
}

std::vector<std::string_view> mutant_names() {
  std::vector<std::string_view> names;
  for (const Named& one : kMutants) names.push_back(one.name);
  return names;
}

/// Half of the seeds are strict, half have faults; of those with faults some have no notices, some reclaim.
Plan::Plan(std::uint64_t seed_in, Mutant mutant_in) : seed(seed_in), mutant(mutant_in) {
  Dice dice(seed * 7919 + 17);
  strict = seed % 2 == 0;
  faults = seed % 4 < 2 || mutant != Mutant::None;
  notices = !faults || seed % 5 != 0;
  reclaims = faults && !strict && seed % 12 == 5 && mutant == Mutant::None;
  replicas = static_cast<std::size_t>(dice.between(1, 6));
  length_us = dice.between(45, 60) * kSecondUs;
  message_fault = mutant != Mutant::None ? 0.02 : faults ? 0.003 : 0;
  // The budgets of one seed are small, so that most run dry, or large.
  const std::int64_t scale = dice.chance(0.7) ? 1 : 8;
  const auto add = [&](std::int64_t account_id, std::int64_t calls_least, std::int64_t calls_most) {
    constexpr std::array<std::int64_t, 3> kPeriods = {0, 20 * kSecondUs, 35 * kSecondUs};
    const std::int64_t limit_nano = dice.between(calls_least, calls_most) * scale * kMeanCostNano;
    accounts.push_back({account_id, kPeriods[static_cast<std::size_t>(dice.between(0, 2))], limit_nano});
  };
  add(1, 100, 275);
  for (int team = 0; team < kTeams; ++team) add(11 + team, 40, 200);
  for (int key = 0; key < kKeys; ++key) add(101 + key, 10, 120);
  for (std::size_t i = 0; i < replicas; ++i)
    clock_offsets_us.push_back(faults ? dice.between(-500, 500) * kMillisecondUs : 0);
  terms.lease_us = 10 * kSecondUs;
  terms.notices = notices;
  if (!faults) return;
  for (std::int64_t left = dice.between(1, 4); left > 0; --left) fault_plans.push_back(draw_fault(*this, dice));
  for (std::int64_t left = dice.between(0, 4); left > 0; --left) fault_plans.push_back(draw_edit(*this, dice));
}

const AccountPlan& Plan::account(std::int64_t account_id) const {
  const auto found = std::ranges::find(accounts, account_id, &AccountPlan::account_id);
  if (found == accounts.end()) throw std::logic_error("no such account");
  return *found;
}

std::vector<std::int64_t> Plan::accounts_of_key(int key) const {
  return {1, 11 + key % kTeams, 101 + key};
}

std::int64_t Plan::draw_cost_nano(Dice& dice) const {
  constexpr double kMean = static_cast<double>(kMeanCostNano);
  return static_cast<std::int64_t>(std::min(dice.exponential(kMean), 8 * kMean)) + 1;
}

/// Strict holds cover their call; default ones know nothing of it.
std::int64_t Plan::draw_hold_nano(std::int64_t cost_nano, Dice& dice) const {
  if (strict) return static_cast<std::int64_t>(static_cast<double>(cost_nano) * (1 + 1.5 * dice.fraction())) + 1;
  return static_cast<std::int64_t>(static_cast<double>(kMeanCostNano) * 1.6 * (0.6 + 0.8 * dice.fraction()));
}

}  // namespace turnpike::escrow
