#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lease/lease_keeper.h"
#include "timeline.h"

namespace turnpike::escrow {

using lease::kMillisecondUs;
using lease::kSecondUs;
using lease::LeaseKey;

/// A rule that is broken on purpose: the judge must notice.
enum class Mutant : std::uint8_t {
  None,
  ReclaimEarly,      // A silent replica loses after 4 s what it has not shipped.
  ReturnLate,        // What is returned leaves `free` when the answer comes.
  AssumeGranted,     // A time-out is taken as a grant.
  AssumeVoid,        // A time-out is taken as "not applied".
  NoNumbers,         // Operations are applied whatever their number.
  ShipTwice,         // A batch counts as often as it arrives.
  BookAtEnd,         // An entry goes to the window in which its call ended.
  ForgetUnshipped,   // A restart forgets what was not shipped.
  LeaveHeld,         // An admission that fails leaves earlier accounts held.
  StartTwice,        // The database counts epochs.
  GiveNumbersAgain,  // A restart goes on from the journal's last number, whatever the database has stored.
  CloseStored,       // A restart closes holds whose entries the database has.
  StopAtGap,         // Replay ends where the first record is missing.
  TakeTorn,          // A record that is written in part is taken as whole.
  AnswerUnsynced,    // ledger_durability: disk, and the last byte leaves before the sync.
  KeepShipped,       // The shipper believes its own number, not the database's.
  CloseAgain,        // What a start closes is not in the journal.
  KeepWriteOff,      // A replica that comes back is booked beside its write-off.
  OwnOnly,           // A restart forgets what it spent in windows of which the database has no lease.
  KeepExtension,     // The end of a call gives back its first hold only.
  StayInQueue,       // Who has hung up keeps his place among those that wait.
  OneMode,           // A strict account is treated as its call's other accounts are.
  CoverAll,          // A call that was admitted without a lease is counted as if it had one.
  OtherClock,        // An entry goes to the window that the database's clock was in.
  SpendApart,        // An edit of what is spent leaves the escrow alone.
  LimitLater,        // A limit that is edited holds from the next window on.
};
std::optional<Mutant> mutant_of(std::string_view name);
std::vector<std::string_view> mutant_names();

constexpr std::int64_t kMeanCostNano = 10'000'000;
constexpr int kKeys = 6, kTeams = 2;

/// An account and its budget. 1: the organisation; 11, 12: teams; 101 to 106: keys.
struct AccountPlan {
  std::int64_t account_id = 0;
  std::int64_t period_us = 0;  // 0: one window for ever.
  std::int64_t budget_nano = 0;
  bool unlimited = false;  // At first.
  bool strict = false;

  /// A window's id is the second it begins at.
  std::int64_t window_at(std::int64_t now_us) const {
    return period_us == 0 ? 0 : (now_us - now_us % period_us) / kSecondUs;
  }
  std::int64_t window_end_us(std::int64_t now_us) const {
    return period_us == 0 ? INT64_MAX : now_us - now_us % period_us + period_us;
  }
};

struct FaultPlan {
  enum class Kind : std::uint8_t {
    Kill,          // Started again on its disk.
    KillTwice,     // And killed again before or soon after it has heard of the database.
    PowerCut,      // What was not synced is lost, any of it.
    TornTail,      // The same, but the journal ends in the middle of a record.
    LoseDisk,      // Another takes its place; of some an operator says `ledger forget`.
    Forget,        // An operator says it of a replica that comes back.
    Cut,           // From the database, alive.
    StopDatabase,  //
    SlowDatabase,  // 300 times.
    FailOver,      // To a standby that lags: it has forgotten up to a second.
    Limit,         // Another one.
    NoLimit,       // None for some time.
    Spend,         // Set to something else.
  };
  static constexpr std::size_t kKinds = 13;
  Kind kind = Kind::Kill;
  std::int64_t at_us = 0;
  std::int64_t length_us = 0;
  std::size_t replica = 0;
  std::int64_t account_id = 0;
  double part = 0;  // Of the budget: the new limit, or spend. Else a draw of the fault's own.
};
std::string_view name_of(FaultPlan::Kind kind);

enum class Mode : std::uint8_t { Strict, Default, Mixed };

/// Everything a seed decides before the first call.
struct Plan {
  Plan(std::uint64_t seed, Mutant mutant);
  const AccountPlan& account(std::int64_t account_id) const;
  std::vector<std::int64_t> accounts_of_key(int key) const;
  bool is_strict(int key) const;  // One account of its calls is, or more.

  std::uint64_t seed;
  Mutant mutant;
  Mode mode = Mode::Strict;
  bool faults = false;
  bool notices = true;
  bool reclaims = false;                       // After 15 s.
  bool synced = false;                         // The last byte of an answer waits until its entry is on disk.
  std::int64_t sync_us = 50 * kMillisecondUs;  // So often, else, what is new is synced.
  std::size_t replicas = 1;
  std::int64_t length_us = 0;
  double message_fault = 0;  // Chance of each message to be lost, late or doubled.
  std::vector<AccountPlan> accounts;
  std::vector<FaultPlan> fault_plans;
  std::vector<std::int64_t> clock_offsets_us;  // Of each replica.
  lease::LeaseTerms terms;

 private:
  void add_accounts(Dice& dice);
  void add_faults(Dice& dice);
  void add_outage_over_turn(Dice& dice);
  FaultPlan draw_fault(FaultPlan::Kind kind, Dice& dice) const;
};

}  // namespace turnpike::escrow
