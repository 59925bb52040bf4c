#include "judge.h"

#include <fmt/core.h>

#include <algorithm>

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kSlackUs = 50 * kMillisecondUs;  // One operation of a keeper, on a healthy network.

}  // namespace

void Tally::add(const Tally& other) {
  calls += other.calls;
  admitted += other.admitted;
  refused += other.refused;
  unavailable += other.unavailable;
  false_on_way += other.false_on_way;
  false_on_way_low += other.false_on_way_low;
  false_on_way_low_small += other.false_on_way_low_small;
  false_out_of_reach += other.false_out_of_reach;
  overtaken += other.overtaken;
  operations += other.operations;
  heartbeats += other.heartbeats;
  crossings += other.crossings;
  windows += other.windows;
  windows_over += other.windows_over;
  worst_overshoot = std::max(worst_overshoot, other.worst_overshoot);
  worst_of_bound = std::max(worst_of_bound, other.worst_of_bound);
  waits_us.insert(waits_us.end(), other.waits_us.begin(), other.waits_us.end());
}

std::string Judge::name_of(LeaseKey key) const {
  return fmt::format("account {} window {}", key.account_id, key.window_id);
}

void Judge::object(const std::string& rule, const std::string& circumstances) {
  auto& [count, first] = objections_[rule];
  if (count++ == 0) first = circumstances;
}

std::int64_t Judge::room_nano(LeaseKey key) const {
  const std::optional<std::int64_t> limit_nano = database_.book.accounts.at(key.account_id).limit_nano;
  if (!limit_nano) return INT64_MAX;
  const auto found = truth_.find(key);
  if (found == truth_.end()) return *limit_nano;
  return *limit_nano - found->second.adjusted_nano - found->second.covered_nano - found->second.uncovered_nano;
}

void Judge::arrived(Call& call) {
  ++tally.calls;
  call.affordable = call.below_90_percent = call.small_against_budgets = true;
  for (const Booking& booking : call.bookings) {
    const std::optional<std::int64_t> limit_nano = database_.book.accounts.at(booking.key.account_id).limit_nano;
    if (!limit_nano) continue;
    const std::int64_t room = room_nano(booking.key);
    call.affordable = call.affordable && (room >= call.hold_nano || (!plan_.strict && room > 0));
    call.below_90_percent = call.below_90_percent && room * 10 >= *limit_nano;
    const std::int64_t mean_hold_nano = kMeanCostNano * (plan_.strict ? 175 : 160) / 100;
    call.small_against_budgets = call.small_against_budgets && *limit_nano >= 20 * mean_hold_nano;
  }
}

void Judge::admitted(const Call& call, std::int64_t waited_us) {
  ++tally.admitted;
  tally.waits_us.push_back(waited_us);
  for (const Booking& booking : call.bookings) {
    Truth& truth = truth_[booking.key];
    (booking.covered ? truth.covered_nano : truth.uncovered_nano) += call.hold_nano;
    if (!booking.covered) continue;
    committed_nano_[{booking.key, call.replica_no}] += call.hold_nano;
    check_covered(booking.key);
  }
}

void Judge::refused(const Call& call, Refusal how, const std::map<LeaseKey, std::int64_t>& out_of_reach_nano) {
  ++(how == Refusal::Refused ? tally.refused : tally.unavailable);
  if (!call.affordable || how == Refusal::Unavailable) return;
  bool overtaken = false, out_of_reach = false;
  for (const Booking& booking : call.bookings) {
    const std::int64_t room = room_nano(booking.key);
    const std::int64_t elsewhere_nano = out_of_reach_nano.at(booking.key);
    overtaken = overtaken || room < (plan_.strict ? call.hold_nano : 1);
    out_of_reach = out_of_reach || (elsewhere_nano > 0 && room - elsewhere_nano < call.hold_nano);
  }
  if (overtaken || out_of_reach) {
    ++(overtaken ? tally.overtaken : tally.false_out_of_reach);
    return;
  }
  ++tally.false_on_way;
  if (call.below_90_percent) ++tally.false_on_way_low;
  if (call.below_90_percent && call.small_against_budgets) ++tally.false_on_way_low_small;
}

void Judge::settled(const Call& call, std::int64_t cost_nano, std::int64_t now_us) {
  for (const Booking& booking : call.bookings) {
    Truth& truth = truth_[booking.key];
    (booking.covered ? truth.covered_nano : truth.uncovered_nano) += cost_nano - call.hold_nano;
    if (!booking.covered) continue;
    committed_nano_[{booking.key, call.replica_no}] += cost_nano - call.hold_nano;
    const std::int64_t excess_nano = std::max<std::int64_t>(0, cost_nano - call.hold_nano);
    truth.excess_after_nano += excess_nano;
    if (excess_nano > 0) truth.excesses.emplace_back(now_us, excess_nano);
    check_covered(booking.key);
  }
}

void Judge::journaled(std::int64_t replica_no, const Entry& entry, const std::vector<Booking>& at_start) {
  if (++entries_of_call_[entry.call] > 1) object("I7: a hold has one entry", fmt::format("call {}", entry.call));
  for (std::size_t i = 0; i < at_start.size(); ++i) {
    if (entry.bookings[i].key != at_start[i].key)
      object("I8: an entry is booked where its call started", name_of(at_start[i].key));
  }
  if (!journal_.emplace(std::pair(replica_no, entry.entry_no), entry).second)
    object("I6: numbers are given once", fmt::format("replica {} entry {}", replica_no, entry.entry_no));
}

/// What was not shipped is in no ledger, unless it was on its way; what the lease says is spent stays out of reach.
void Judge::disk_lost(std::int64_t replica_no) {
  const std::int64_t shipped_no = database_.book.replicas[replica_no].shipped_no;
  for (auto at = journal_.upper_bound({replica_no, shipped_no});
       at != journal_.end() && at->first.first == replica_no;) {
    lost_.insert(at->first);
    at = journal_.erase(at);
  }
}

void Judge::adjusted(LeaseKey key, std::int64_t more_nano) {
  truth_[key].adjusted_nano += more_nano;
  edited(key.account_id);
}

std::int64_t Judge::committed_nano(LeaseKey key, std::int64_t replica_no) const {
  const auto found = committed_nano_.find({key, replica_no});
  return found == committed_nano_.end() ? 0 : found->second;
}

/// I4: what is settled and held never exceeds what there ever was to grant.
void Judge::check_covered(LeaseKey key) {
  if (!plan_.strict) return;
  const Truth& truth = truth_[key];
  const std::int64_t most_nano = std::max<std::int64_t>(0, truth.most_room_nano);
  if (truth.covered_nano > most_nano)
    object("I4: settled and held stay within the limit",
           fmt::format("{}: {} of {}", name_of(key), truth.covered_nano, most_nano));
}

void Judge::note_room(LeaseKey key) {
  const ledger::LeaseBook::Escrow& escrow = database_.book.escrows.at(key);
  const std::int64_t room_nano = escrow.limit_nano ? *escrow.limit_nano - escrow.base_nano : INT64_MAX;
  Truth& truth = truth_[key];
  truth.most_room_nano = std::max(truth.most_room_nano, room_nano);
}

void Judge::before_change() {
  granted_before_.clear();
  for (const auto& [id, lease] : database_.book.leases) granted_before_[id] = lease.granted_nano;
}

void Judge::after_change(std::int64_t by_replica, const ledger::LeaseOperation* operation,
                         const ledger::LeaseAnswer* answer, std::int64_t now_us) {
  for (const auto& [key, escrow] : database_.book.escrows) note_room(key);
  for (const auto& [id, lease] : database_.book.leases) {
    if (lease.granted_nano < 0) object("a lease is never negative", name_of(id.first));
    if (id.second != by_replica && lease.granted_nano < granted_before_[id] && !plan_.reclaims)
      object("I10: a lease falls by its replica's word only", name_of(id.first));
  }
  check_sums();
  if (operation == nullptr || answer->result != ledger::LeaseResult::Applied) return;
  if (now_us <= plan_.length_us) ++tally.operations;
  if (operation->lines.empty()) ++tally.heartbeats;
  for (std::size_t i = 0; i < answer->grants.size(); ++i) check_grant(*operation, *answer, i, now_us);
}

/// I3: a grant leaves base + granted within the limit, or crosses it by one call's need.
void Judge::check_grant(const ledger::LeaseOperation& operation, const ledger::LeaseAnswer& answer, std::size_t line,
                        std::int64_t now_us) {
  const ledger::LeaseGrant& grant = answer.grants[line];
  if (grant.give_nano == 0) return;
  Truth& truth = truth_[grant.key];
  const ledger::LeaseBook::Escrow& escrow = database_.book.escrows.at(grant.key);
  const std::int64_t over_nano =
      escrow.limit_nano ? escrow.base_nano + escrow.granted_nano - *escrow.limit_nano : INT64_MIN;
  if (over_nano > 0) {
    std::int64_t last_need_nano = 0;
    for (const std::size_t group : answer.granted_groups) {
      for (const ledger::LeaseNeed& need : operation.groups[group]) {
        if (need.line == line) last_need_nano = need.nano;
      }
    }
    ++tally.crossings;
    truth.crossing_nano = std::max(truth.crossing_nano, last_need_nano);
    if (plan_.strict || over_nano >= last_need_nano)
      object("I3: a grant leaves the limit unbroken, or one call crosses it",
             fmt::format("{}: {} over, the need was {}", name_of(grant.key), over_nano, last_need_nano));
  }
  truth.granted_at_us = now_us;
  truth.excess_after_nano = 0;
  // A replica that opened the window without the database has spent without a lease.
  std::map<std::int64_t, std::int64_t> out_nano;
  for (auto at = committed_nano_.lower_bound({grant.key, INT64_MIN});
       at != committed_nano_.end() && at->first.first == grant.key; ++at) {
    out_nano[at->first.second] = at->second;
  }
  for (auto at = database_.book.leases.lower_bound({grant.key, INT64_MIN});
       at != database_.book.leases.end() && at->first.first == grant.key; ++at) {
    std::int64_t& nano = out_nano[at->first.second];
    nano = std::max(nano, at->second.granted_nano);
  }
  truth.out_nano = 0;
  for (const auto& [replica_no, nano] : out_nano) truth.out_nano += nano;
}

/// I11
void Judge::check_sums() {
  std::map<LeaseKey, std::int64_t> sums;
  for (const auto& [id, lease] : database_.book.leases) sums[id.first] += lease.granted_nano;
  for (const auto& [key, escrow] : database_.book.escrows) {
    if (escrow.granted_nano != sums[key]) object("I11: granted is the sum of the leases", name_of(key));
  }
}

/// I1 and I2.
void Judge::believed(std::int64_t replica_no, const std::vector<ledger::LeaseBelief>& beliefs) {
  for (const ledger::LeaseBelief& belief : beliefs) {
    const std::int64_t free_nano = belief.words->free.load();
    const std::int64_t sum_nano = free_nano + belief.words->held.load() + belief.words->settled.load();
    const auto found = database_.book.leases.find({belief.key, replica_no});
    const std::int64_t granted_nano = found == database_.book.leases.end() ? 0 : found->second.granted_nano;
    const auto where = [&] {
      return fmt::format("replica {}, {}: granted {}, believed {}, free {} held {} settled {}", replica_no,
                         name_of(belief.key), granted_nano, belief.granted_nano, free_nano, belief.words->held.load(),
                         belief.words->settled.load());
    };
    if (sum_nano != belief.granted_nano + belief.provisional_nano)
      object("I1: free is granted less held and settled", where());
    if (plan_.strict && free_nano < 0) object("I1: strict: free is never negative", where());
    if (sum_nano - belief.provisional_nano > granted_nano && !plan_.reclaims)
      object("I2: nobody believes in more than is granted", where());
    if (belief.provisional_nano > 0) {
      std::int64_t& most_nano = truth_[belief.key].provisional_nano[replica_no];
      most_nano = std::max(most_nano, belief.provisional_nano);
    }
  }
}

void Judge::finish() {
  check_sums();
  check_books();
  check_bounds();
}

/// I5, I6, I7: rows, journal and sums.
void Judge::check_books() {
  std::map<LeaseKey, std::int64_t> spent_nano = database_.adjusted_nano;
  std::map<ledger::LeaseBook::LeaseId, std::int64_t> used_nano;
  for (const auto& [id, entry] : database_.entries) {
    if (!journal_.contains(id) && !lost_.contains(id))
      object("I6: a row is in a journal", fmt::format("replica {} entry {}", id.first, id.second));
    for (const Booking& booking : entry.bookings) {
      spent_nano[booking.key] += entry.cost_nano;
      if (booking.covered) used_nano[{booking.key, id.first}] += entry.cost_nano;
    }
  }
  for (const auto& [id, entry] : journal_) {
    if (!database_.entries.contains(id))
      object("I6: an entry is in the ledger", fmt::format("replica {} entry {}", id.first, id.second));
  }
  for (const auto& [key, nano] : database_.book.spent_nano) {
    if (nano != spent_nano[key])
      object("I5: spent is the sum of the rows", fmt::format("{}: {} and {}", name_of(key), nano, spent_nano[key]));
  }
  std::map<LeaseKey, std::int64_t> all_used_nano;
  for (const auto& [id, lease] : database_.book.leases) {
    all_used_nano[id.first] += lease.used_nano;
    if (lease.used_nano != used_nano[id]) object("I5: used is the sum of the replica's rows", name_of(id.first));
  }
  for (const auto& [key, escrow] : database_.book.escrows) {
    if (escrow.base_nano + all_used_nano[key] != database_.book.spent_nano[key])
      object("base and used make up what is spent", name_of(key));
  }
}

/// The bound of section 3: what may be spent after the last grant.
void Judge::check_bounds() {
  for (const auto& [key, truth] : truth_) {
    if (truth.granted_at_us == 0) continue;
    ++tally.windows;
    std::int64_t out_nano = truth.out_nano;
    for (const auto& [replica_no, nano] : truth.provisional_nano) out_nano += nano;
    if (!plan_.reclaims && truth.covered_nano > out_nano + truth.excess_after_nano)
      object("what is spent stays within what was out at the last grant and what calls cost beyond their holds",
             fmt::format("{}: {} of {} + {}", name_of(key), truth.covered_nano, out_nano, truth.excess_after_nano));
    const std::optional<std::int64_t> limit_nano = database_.book.accounts.at(key.account_id).limit_nano;
    if (!limit_nano || edited_.contains(key.account_id) || truth.uncovered_nano > 0) continue;
    const std::int64_t over_nano = truth.covered_nano - *limit_nano;
    if (over_nano <= 0) continue;
    ++tally.windows_over;
    tally.worst_overshoot =
        std::max(tally.worst_overshoot, static_cast<double>(over_nano) / static_cast<double>(*limit_nano));
    if (plan_.faults) continue;
    std::int64_t allowed_nano = truth.crossing_nano;
    for (const auto& [at_us, nano] : truth.excesses) {
      if (at_us >= truth.granted_at_us - kSlackUs) allowed_nano += nano;
    }
    tally.worst_of_bound =
        std::max(tally.worst_of_bound,
                 static_cast<double>(over_nano) / static_cast<double>(std::max<std::int64_t>(1, allowed_nano)));
    if (over_nano > allowed_nano)
      object("the bound of the default mode",
             fmt::format("{}: {} over, {} allowed", name_of(key), over_nano, allowed_nano));
  }
}

}  // namespace turnpike::escrow
