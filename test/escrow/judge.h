#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "database.h"
#include "plan.h"

namespace turnpike::escrow {

/// One call, as its caller and its journal know it.
struct Call {
  std::int64_t number = 0;
  int key = 0;
  std::int64_t replica_no = 0;
  std::int64_t arrived_us = 0;
  std::int64_t hold_nano = 0;
  std::int64_t cost_nano = 0;
  std::int64_t length_us = 0;
  std::vector<Booking> bookings;  // Where it is booked: fixed when it starts.
  // What a single ledger that knows everything would have said when it arrived.
  bool affordable = false;
  bool below_90_percent = false;
  bool small_against_budgets = false;  // At most a twentieth of each, by the mean.
};

enum class Refusal : std::uint8_t { Refused, Unavailable };

/// What came of a simulation, or of many.
struct Tally {
  std::uint64_t calls = 0, admitted = 0, refused = 0, unavailable = 0;
  // Refusals of calls that a single ledger would have admitted, by cause; `low`: below 90 % of every budget,
  // `low_small`: and budgets of at least 20 mean holds.
  std::uint64_t false_on_way = 0, false_on_way_low = 0, false_on_way_low_small = 0;  // Money was coming back.
  std::uint64_t false_out_of_reach = 0;  // It lay with a replica that is down, cut off or lost.
  std::uint64_t overtaken = 0;           // It went to a call that came later.
  std::uint64_t operations = 0, heartbeats = 0, crossings = 0;
  std::uint64_t windows = 0, windows_over = 0;
  double worst_overshoot = 0;  // Of a budget, in parts of it.
  double worst_of_bound = 0;   // Overshoot in parts of what is allowed.
  std::vector<std::int64_t> waits_us;

  void add(const Tally& other);
};

/// Knows what every replica really did, and holds it against the invariants of the protocol.
class Judge {
 public:
  explicit Judge(const Plan& plan, Database& database) : plan_(plan), database_(database) {}

  /// What is left of the account by all that is known anywhere.
  std::int64_t room_nano(LeaseKey key) const;
  void arrived(Call& call);
  void admitted(const Call& call, std::int64_t waited_us);
  /// `out_of_reach_nano`: what lies, on each account of the call, with replicas that cannot return it.
  void refused(const Call& call, Refusal how, const std::map<LeaseKey, std::int64_t>& out_of_reach_nano);
  void settled(const Call& call, std::int64_t cost_nano, std::int64_t now_us);
  void journaled(std::int64_t replica_no, const Entry& entry, const std::vector<Booking>& at_start);
  void disk_lost(std::int64_t replica_no);
  void adjusted(LeaseKey key, std::int64_t more_nano);
  void edited(std::int64_t account_id) { edited_.insert(account_id); }
  std::int64_t committed_nano(LeaseKey key, std::int64_t replica_no) const;

  /// Around everything that happens in the database.
  void before_change();
  void after_change(std::int64_t by_replica, const ledger::LeaseOperation* operation, const ledger::LeaseAnswer* answer,
                    std::int64_t now_us);
  /// A replica has read an answer: what it believes to be granted, free and held.
  void believed(std::int64_t replica_no, const std::vector<ledger::LeaseBelief>& beliefs);
  /// All calls have ended, all is shipped and returned.
  void finish();

  void object(const std::string& rule, const std::string& circumstances);
  const std::map<std::string, std::pair<std::uint64_t, std::string>>& objections() const { return objections_; }
  Tally tally;

 private:
  struct Truth {
    std::int64_t covered_nano = 0;    // Settled and held within leases, of all replicas.
    std::int64_t uncovered_nano = 0;  // The same outside of them.
    std::int64_t adjusted_nano = 0;
    std::int64_t most_room_nano = INT64_MIN;  // The most that ever was to be granted: limit - base.
    // Of the last grant: when, and what may be spent by then; since then what calls cost beyond their holds.
    std::int64_t granted_at_us = 0;
    std::int64_t out_nano = 0;
    std::int64_t excess_after_nano = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> excesses;  // When, how much.
    std::int64_t crossing_nano = 0;
    std::map<std::int64_t, std::int64_t> provisional_nano;  // Of each replica, at most.
  };
  void check_covered(LeaseKey key);
  void note_room(LeaseKey key);
  void check_grant(const ledger::LeaseOperation& operation, const ledger::LeaseAnswer& answer, std::size_t line,
                   std::int64_t now_us);
  void check_sums();
  void check_books();
  void check_bounds();
  std::string name_of(LeaseKey key) const;

  const Plan& plan_;
  Database& database_;
  std::map<LeaseKey, Truth> truth_;
  std::set<std::int64_t> edited_;  // Accounts that were.
  std::map<std::pair<LeaseKey, std::int64_t>, std::int64_t> committed_nano_;
  std::map<std::pair<std::int64_t, std::int64_t>, Entry> journal_;  // By replica and number; of disks that exist.
  std::set<std::pair<std::int64_t, std::int64_t>> lost_;            // Of the others, not shipped when they were lost.
  std::map<std::int64_t, int> entries_of_call_;
  std::map<ledger::LeaseBook::LeaseId, std::int64_t> granted_before_;
  std::map<std::string, std::pair<std::uint64_t, std::string>> objections_;
};

}  // namespace turnpike::escrow
