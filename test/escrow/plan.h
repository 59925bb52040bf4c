#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/lease_keeper.h"
#include "timeline.h"

namespace turnpike::escrow {

using ledger::kMillisecondUs;
using ledger::kSecondUs;
using ledger::LeaseKey;

/// A rule that is broken on purpose: the judge must notice.
enum class Mutant : std::uint8_t {
  None,
  ReclaimEarly,     // A silent replica loses after 4 s what it has not shipped.
  ReturnLate,       // What is returned leaves `free` when the answer comes.
  AssumeGranted,    // A time-out is taken as a grant.
  AssumeVoid,       // A time-out is taken as "not applied".
  NoNumbers,        // Operations are applied whatever their number.
  ShipTwice,        // A batch counts as often as it arrives.
  BookAtEnd,        // An entry goes to the window in which its call ended.
  ForgetUnshipped,  // A restart forgets what was not shipped.
  LeaveHeld,        // An admission that fails leaves earlier accounts held.
  StartTwice,       // The database counts epochs.
};
std::optional<Mutant> mutant_of(std::string_view name);
std::vector<std::string_view> mutant_names();

constexpr std::int64_t kMeanCostNano = 10'000'000;
constexpr int kKeys = 6, kTeams = 2;

/// An account and its budget. 1: the organisation; 11, 12: teams; 101 to 106: keys.
struct AccountPlan {
  std::int64_t account_id = 0;
  std::int64_t period_us = 0;  // 0: one window for ever.
  std::optional<std::int64_t> limit_nano;

  /// A window's id is the second it begins at.
  std::int64_t window_at(std::int64_t now_us) const {
    return period_us == 0 ? 0 : (now_us - now_us % period_us) / kSecondUs;
  }
  std::int64_t window_end_us(std::int64_t now_us) const {
    return period_us == 0 ? INT64_MAX : now_us - now_us % period_us + period_us;
  }
};

struct FaultPlan {
  enum class Kind : std::uint8_t { Kill, LoseDisk, Cut, StopDatabase, SlowDatabase, Limit, NoLimit, Spend };
  Kind kind = Kind::Kill;
  std::int64_t at_us = 0;
  std::int64_t length_us = 0;
  std::size_t replica = 0;
  std::int64_t account_id = 0;
  double part = 0;  // Of the budget: the new limit, or spend.
};

/// Everything a seed decides before the first call.
struct Plan {
  Plan(std::uint64_t seed, Mutant mutant);
  const AccountPlan& account(std::int64_t account_id) const;
  std::vector<std::int64_t> accounts_of_key(int key) const;
  std::int64_t draw_cost_nano(Dice& dice) const;
  std::int64_t draw_hold_nano(std::int64_t cost_nano, Dice& dice) const;

  std::uint64_t seed;
  Mutant mutant;
  bool strict = false;
  bool faults = false;
  bool notices = true;
  bool reclaims = false;  // After 15 s.
  std::size_t replicas = 1;
  std::int64_t length_us = 0;
  double message_fault = 0;  // Chance of each message to be lost, late or doubled.
  std::vector<AccountPlan> accounts;
  std::vector<FaultPlan> fault_plans;
  std::vector<std::int64_t> clock_offsets_us;  // Of each replica.
  ledger::LeaseTerms terms;
};

}  // namespace turnpike::escrow
