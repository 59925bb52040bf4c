#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "database.h"
#include "journal.h"
#include "plan.h"
#include "tally.h"

namespace turnpike::escrow {

enum class Refusal : std::uint8_t { Refused, Unavailable };

/// Money of an account that cannot be given to anybody now, by where it lies.
using OutOfReach = std::map<Cause, std::int64_t>;

/// Knows what every replica really did, and holds it against the invariants of the protocol.
class Judge {
 public:
  explicit Judge(const Plan& plan, Database& database) : plan_(plan), database_(database) {}

  /// What is left of the account by all that is known anywhere.
  std::int64_t room_nano(LeaseKey key) const;

  // What becomes of a call.
  void arrived(const Call& call);
  void admitted(const Call& call, std::int64_t waited_us);
  void refused(const Call& call, Refusal how, const std::map<LeaseKey, OutOfReach>& out_of_reach);
  /// Its hold is larger now; `asked`: it was taken as a first hold is.
  void extended(std::int64_t call, std::int64_t more_nano, bool asked);
  void settled(std::int64_t call, std::int64_t cost_nano, std::int64_t now_us);
  /// The last byte of its answer has left.
  void answered(std::int64_t call);

  // Its entry.
  void journaled(std::int64_t replica_no, const Entry& entry);
  void numbered_anew(std::int64_t call, std::int64_t entry_no);
  /// A row that was not there is stored.
  void stored(std::int64_t replica_no, const Entry& entry, std::int64_t now_us);
  /// A power cut has taken records from a journal.
  void power_cut(std::int64_t replica_no, const Journal::Lost& lost, std::int64_t now_us);
  void disk_lost(std::int64_t replica_no);

  // Around everything that happens in the database.
  void before_change();
  enum class By : std::uint8_t { Edit, Replica, Reclaim, Operator, FailOver };
  void after_change(By by, std::int64_t replica_no = 0);
  /// `is_current`: the replica waits for this answer.
  void applied(std::int64_t replica_no, const lease::LeaseOperation& operation, const lease::LeaseAnswer& answer,
               bool is_current, std::int64_t now_us);
  void adjusted(LeaseKey key, std::int64_t more_nano);
  void edited(std::int64_t account_id) { edited_.insert(account_id); }
  /// An operator has given up a replica whose disk is lost: what its lease says is what it has spent.
  void written_off(std::int64_t replica_no);
  /// Everything is to be as it was then, for the database.
  void fail_over(const Stored& earlier);
  std::int64_t committed_nano(LeaseKey key, std::int64_t replica_no) const;

  /// A replica has read the answer that it waited for.
  void heard(std::int64_t replica_no);
  /// What a replica believes to be granted, free and held.
  void believed(std::int64_t replica_no, const std::vector<lease::LeaseBelief>& beliefs);
  /// What must be true of the rows at every moment (V1, V4, V7).
  void check_rows(std::int64_t now_us);
  /// All calls have ended, all is shipped and returned.
  void finish(std::int64_t now_us);

  void object(const std::string& rule, const std::string& circumstances);
  void saw(std::string_view what, std::uint64_t times = 1) { tally.seen[std::string(what)] += times; }
  const std::map<std::string, std::pair<std::uint64_t, std::string>>& objections() const { return objections_; }
  Tally tally;

 private:
  struct Truth {
    std::int64_t covered_nano = 0;    // Settled and held within leases, of all replicas.
    std::int64_t uncovered_nano = 0;  // The same outside of them.
    std::int64_t adjusted_nano = 0;
    std::int64_t most_room_nano = INT64_MIN;  // The most that ever was to be granted: limit - base.
    std::int64_t unleased_nano = 0;           // Leases that fell without their replica's word, and what is like it.
    // Of the last grant: when, and what may be spent by then; since then what calls cost beyond their holds.
    std::int64_t granted_at_us = 0;
    std::int64_t out_nano = 0;
    std::int64_t excess_after_nano = 0;
    std::vector<std::pair<std::int64_t, std::int64_t>> excesses;  // When, how much.
    std::int64_t crossing_nano = 0;
    std::map<std::int64_t, std::int64_t> provisional_nano;  // Of each replica, at most.
  };
  /// What a single ledger that knows everything would have said to a call when it arrived.
  struct Chance {
    bool affordable = true;
    bool below_90_percent = true;
    bool small = true;  // At most a twentieth of each budget, by the mean.
  };
  struct Fate {
    Call call;
    Chance chance;
    bool admitted = false, settled = false, answered = false, reopened = false;
    std::int64_t held_nano = 0;   // At last.
    std::int64_t asked_nano = 0;  // Of it, what accounts were asked for.
    std::int64_t cost_nano = 0, settled_us = 0;
    std::int64_t first_cost_nano = 0;  // By the process that served it, whatever became of its entry.
    std::int64_t committed_nano() const { return settled ? cost_nano : held_nano; }
  };
  struct Filed {
    Stored::EntryId id;
    std::int64_t cost_nano = 0;
    bool in_journal = true;  // Else only the database has it,
    bool hold_kept = false;  // and the journal's hold looks open.
  };

  const AccountPlan& account_of(LeaseKey key) const { return plan_.account(key.account_id); }
  std::string name_of(LeaseKey key) const;
  void commit(const Fate& fate, std::int64_t more_nano);
  void check_covered(LeaseKey key);
  void note_fall(const lease::LeaseBook::LeaseId& id, std::int64_t nano, By by);
  void note_rooms();
  void check_grant(const lease::LeaseOperation& operation, const lease::LeaseAnswer& answer, std::size_t line,
                   std::int64_t now_us);
  std::int64_t out_nano(LeaseKey key) const;
  void entry_lost(const Entry& entry, bool hold_lost, std::int64_t now_us);
  void row_forgotten(std::int64_t replica_no, const Entry& entry);
  void reopen(Fate& fate);
  void drop(std::int64_t call);
  bool is_stored(const Filed& filed, std::int64_t call) const;
  void check_sums();
  void check_numbers();
  void check_spent();
  void check_used();
  void check_limits(std::int64_t now_us);
  void check_entries();
  void check_bounds();
  void check_bound_of_default(LeaseKey key, const Truth& truth);

  const Plan& plan_;
  Database& database_;
  std::map<LeaseKey, Truth> truth_;
  std::map<std::pair<LeaseKey, std::int64_t>, std::int64_t> committed_nano_;
  std::map<std::int64_t, Fate> fates_;   // By call.
  std::map<std::int64_t, Filed> filed_;  // By call: its one entry.
  std::set<std::int64_t> gone_;          // Calls whose entries went with a disk or with power.
  std::set<std::int64_t> lost_disks_;    // By replica.
  std::set<std::int64_t> edited_;        // Accounts that were.
  /// Replicas whose leases fell without their word; whether an operation of theirs was applied since.
  std::map<std::int64_t, bool> out_of_step_;
  std::vector<std::pair<lease::LeaseBook::LeaseId, std::int64_t>> granted_before_;
  std::map<std::string, std::pair<std::uint64_t, std::string>> objections_;
};

}  // namespace turnpike::escrow
