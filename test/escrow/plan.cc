#include "plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

namespace turnpike::escrow {
namespace {

using Kind = FaultPlan::Kind;

/// A mutant, and the fault that brings it to light where chance alone would take many seeds.
struct Named {
  std::string_view name;
  Mutant mutant;
  std::optional<Kind> fault;
};
constexpr std::array kMutants = {
    Named{"reclaim.early", Mutant::ReclaimEarly, {}},
    Named{"return.late", Mutant::ReturnLate, {}},
    Named{"timeout.granted", Mutant::AssumeGranted, {}},
    Named{"timeout.void", Mutant::AssumeVoid, {}},
    Named{"numbers.none", Mutant::NoNumbers, {}},
    Named{"ship.twice", Mutant::ShipTwice, {}},
    Named{"book.at_end", Mutant::BookAtEnd, {}},
    Named{"restart.forgets", Mutant::ForgetUnshipped, {}},
    Named{"admission.leaves_held", Mutant::LeaveHeld, {}},
    Named{"start.twice", Mutant::StartTwice, {}},
    Named{"power.numbers_again", Mutant::GiveNumbersAgain, Kind::PowerCut},
    Named{"power.closes_stored", Mutant::CloseStored, Kind::PowerCut},
    Named{"power.stops_at_gap", Mutant::StopAtGap, Kind::PowerCut},
    Named{"tail.taken", Mutant::TakeTorn, Kind::TornTail},
    Named{"sync.not_awaited", Mutant::AnswerUnsynced, Kind::TornTail},
    Named{"failover.keeps_shipped", Mutant::KeepShipped, Kind::FailOver},
    Named{"restart.closes_again", Mutant::CloseAgain, Kind::KillTwice},
    Named{"forget.keeps_write_off", Mutant::KeepWriteOff, Kind::Forget},
    Named{"restart.own_only", Mutant::OwnOnly, {}},
    Named{"extension.leaves_held", Mutant::KeepExtension, {}},
    Named{"caller.stays", Mutant::StayInQueue, {}},
    Named{"strict.one_mode", Mutant::OneMode, {}},
    Named{"uncovered.in_lease", Mutant::CoverAll, Kind::NoLimit},
    Named{"clock.other", Mutant::OtherClock, {}},
    Named{"spend.apart", Mutant::SpendApart, Kind::Spend},
    Named{"limit.later", Mutant::LimitLater, Kind::Limit},
};

bool is_edit(Kind kind) {
  return kind == Kind::Limit || kind == Kind::NoLimit || kind == Kind::Spend;
}

/// How long each may last, in milliseconds.
std::pair<std::int64_t, std::int64_t> span_ms(Kind kind) {
  switch (kind) {
    case Kind::Cut:
      return {200, 25'000};
    case Kind::StopDatabase:
    case Kind::SlowDatabase:
      return {500, 6'000};
    case Kind::Forget:
      return {8'000, 20'000};
    case Kind::Limit:
    case Kind::NoLimit:
    case Kind::Spend:
      return {1'000, 10'000};
    case Kind::FailOver:  // How much is forgotten.
      return {100, 1'000};
    default:
      return {500, 8'000};
  }
}

}  // namespace

double Dice::exponential(double mean) {
  return -mean * std::log(1 - fraction());
}

std::string_view name_of(Kind kind) {
  constexpr std::array<std::string_view, FaultPlan::kKinds> kNames = {
      "a kill",          "two kills",          "a power cut",     "a torn tail", "a lost disk",        "ledger forget",
      "a cut",           "a stopped database", "a slow database", "a fail-over", "an edit of a limit", "no limit",
      "an edit of spend"};
  return kNames[static_cast<std::size_t>(kind)];
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

FaultPlan Plan::draw_fault(Kind kind, Dice& dice) const {
  FaultPlan fault;
  fault.kind = kind;
  const auto [least_ms, most_ms] = span_ms(kind);
  fault.length_us = dice.between(least_ms, most_ms) * kMillisecondUs;
  fault.at_us = dice.between(2 * kSecondUs, length_us);
  fault.replica = static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(replicas) - 1));
  const AccountPlan& account = dice.one_of(accounts);
  fault.account_id = account.account_id;
  fault.part = dice.fraction() * 2;
  // Every other one lies across the turn of a window.
  if (dice.chance(0.5) && account.period_us > 0) {
    const std::int64_t turn_us = account.window_end_us(dice.between(0, length_us - account.period_us));
    const double before = is_edit(kind) ? 100'000 : static_cast<double>(fault.length_us);
    fault.at_us = std::max(2 * kSecondUs, turn_us - static_cast<std::int64_t>(before * dice.fraction()));
  }
  return fault;
}

void Plan::add_faults(Dice& dice) {
  constexpr std::array kFaults = {Kind::Kill,         Kind::KillTwice,    Kind::PowerCut, Kind::TornTail,
                                  Kind::LoseDisk,     Kind::Forget,       Kind::Cut,      Kind::Cut,
                                  Kind::StopDatabase, Kind::SlowDatabase, Kind::FailOver};
  constexpr std::array kEdits = {Kind::Limit, Kind::Limit, Kind::Spend, Kind::Spend, Kind::NoLimit};
  const auto add = [&](const auto& kinds, std::int64_t least, std::int64_t most) {
    for (std::int64_t left = dice.between(least, most); left > 0; --left) {
      const auto kind = kinds[static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(kinds.size()) - 1))];
      fault_plans.push_back(draw_fault(kind, dice));
    }
  };
  add(kFaults, 1, 4);
  add(kEdits, 0, 4);
  const int outages = mutant == Mutant::OwnOnly ? 4 : dice.chance(0.15) ? 1 : 0;
  for (int i = 0; i < outages; ++i) add_outage_over_turn(dice);
  const auto named = std::ranges::find(kMutants, mutant, &Named::mutant);
  if (named != kMutants.end() && named->fault) add(std::array{*named->fault}, 4, 4);
}

/// A replica opens a window without the database, spends in it, and ends before the database has heard of that.
void Plan::add_outage_over_turn(Dice& dice) {
  const AccountPlan& account = dice.one_of(accounts);
  if (account.period_us == 0) return;
  const std::int64_t turn_us = account.window_end_us(dice.between(0, length_us - account.period_us));
  FaultPlan cut = draw_fault(Kind::Cut, dice);
  cut.at_us = turn_us - dice.between(6, 8) * kSecondUs;
  cut.length_us = 12 * kSecondUs;
  FaultPlan kill = cut;
  kill.kind = Kind::Kill;
  kill.at_us = turn_us + dice.between(1, 3) * kSecondUs;
  kill.length_us = kSecondUs;
  fault_plans.push_back(cut);
  fault_plans.push_back(kill);
}

void Plan::add_accounts(Dice& dice) {
  // The budgets of one seed are small, so that most run dry, or large.
  const std::int64_t scale = dice.chance(0.7) ? 1 : 8;
  const auto add = [&](std::int64_t account_id, std::int64_t calls_least, std::int64_t calls_most) {
    constexpr std::array<std::int64_t, 3> kPeriods = {0, 20 * kSecondUs, 35 * kSecondUs};
    AccountPlan account;
    account.account_id = account_id;
    account.budget_nano = dice.between(calls_least, calls_most) * scale * kMeanCostNano;
    account.period_us = kPeriods[static_cast<std::size_t>(dice.between(0, 2))];
    account.unlimited = faults && dice.chance(0.08);
    account.strict = mode == Mode::Strict || (mode == Mode::Mixed && dice.chance(0.4));
    accounts.push_back(account);
  };
  add(1, 100, 275);
  for (int team = 0; team < kTeams; ++team) add(11 + team, 40, 200);
  for (int key = 0; key < kKeys; ++key) add(101 + key, 10, 120);
}

/// Of four seeds two have faults; of sixteen six are strict, six in the default mode, and four have accounts of both
/// sorts. Of those with faults some have no notices, some reclaim, some answer only what is on disk.
Plan::Plan(std::uint64_t seed_in, Mutant mutant_in) : seed(seed_in), mutant(mutant_in) {
  Dice dice(seed * 7919 + 17);
  mode = seed % 16 >= 12 ? Mode::Mixed : seed % 2 == 0 ? Mode::Strict : Mode::Default;
  if (mutant == Mutant::OneMode) mode = Mode::Mixed;
  faults = seed % 4 < 2 || mutant != Mutant::None;
  notices = !faults || seed % 5 != 0;
  reclaims = faults && mode != Mode::Strict && seed % 12 == 5 && mutant == Mutant::None;
  synced = (faults && seed % 3 == 0) || mutant == Mutant::AnswerUnsynced;
  if (faults && dice.chance(0.5)) sync_us = 400 * kMillisecondUs;
  replicas = static_cast<std::size_t>(dice.between(1, 6));
  length_us = dice.between(45, 60) * kSecondUs;
  message_fault = mutant != Mutant::None ? 0.02 : faults ? 0.003 : 0;
  add_accounts(dice);
  for (std::size_t i = 0; i < replicas; ++i)
    clock_offsets_us.push_back(faults ? dice.between(-500, 500) * kMillisecondUs : 0);
  terms.lease_us = 10 * kSecondUs;
  terms.notices = notices;
  if (faults) add_faults(dice);
}

const AccountPlan& Plan::account(std::int64_t account_id) const {
  const auto found = std::ranges::find(accounts, account_id, &AccountPlan::account_id);
  if (found == accounts.end()) throw std::logic_error("no such account");
  return *found;
}

std::vector<std::int64_t> Plan::accounts_of_key(int key) const {
  return {1, 11 + key % kTeams, 101 + key};
}

bool Plan::is_strict(int key) const {
  return std::ranges::any_of(accounts_of_key(key), [&](std::int64_t id) { return account(id).strict; });
}

}  // namespace turnpike::escrow
