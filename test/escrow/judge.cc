#include "judge.h"

#include <fmt/core.h>

#include <algorithm>

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kSyncUs = 10 * kMillisecondUs;  // What a sync takes, at most.

}  // namespace

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

std::int64_t Judge::committed_nano(LeaseKey key, std::int64_t replica_no) const {
  const auto found = committed_nano_.find({key, replica_no});
  return found == committed_nano_.end() ? 0 : found->second;
}

// Calls.

void Judge::arrived(const Call& call) {
  ++tally.calls;
  Fate& fate = fates_[call.number];
  fate.call = call;
  const bool strict_call = plan_.is_strict(call.key);
  for (const Booking& booking : call.bookings) {
    const std::optional<std::int64_t> limit_nano = database_.book.accounts.at(booking.key.account_id).limit_nano;
    if (!limit_nano) continue;
    const std::int64_t room = room_nano(booking.key);
    const bool fits = room >= call.hold_nano || (!account_of(booking.key).strict && room > 0);
    fate.chance.affordable = fate.chance.affordable && fits;
    fate.chance.below_90_percent = fate.chance.below_90_percent && room * 10 >= *limit_nano;
    const std::int64_t mean_hold_nano = kMeanCostNano * (strict_call ? 175 : 160) / 100;
    fate.chance.small = fate.chance.small && *limit_nano >= 20 * mean_hold_nano;
  }
}

void Judge::commit(const Fate& fate, std::int64_t more_nano) {
  for (const Booking& booking : fate.call.bookings) {
    Truth& truth = truth_[booking.key];
    (booking.covered ? truth.covered_nano : truth.uncovered_nano) += more_nano;
    if (booking.covered) committed_nano_[{booking.key, fate.call.replica_no}] += more_nano;
    if (booking.covered && more_nano > 0) check_covered(booking.key);
  }
}

void Judge::admitted(const Call& call, std::int64_t waited_us) {
  ++tally.admitted;
  tally.waits_us.push_back(waited_us);
  Fate& fate = fates_.at(call.number);
  fate.admitted = true;
  fate.held_nano = fate.asked_nano = call.hold_nano;
  commit(fate, call.hold_nano);
}

void Judge::refused(const Call& call, Refusal how, const std::map<LeaseKey, OutOfReach>& out_of_reach) {
  ++(how == Refusal::Refused ? tally.refused : tally.unavailable);
  const Chance& chance = fates_.at(call.number).chance;
  if (!chance.affordable || how == Refusal::Unavailable) return;
  Cause cause = Cause::OnItsWay;
  for (const Booking& booking : call.bookings) {
    const std::int64_t room = room_nano(booking.key);
    if (room < (account_of(booking.key).strict ? call.hold_nano : 1)) cause = Cause::Overtaken;
    std::int64_t elsewhere_nano = 0;
    std::pair<std::int64_t, Cause> most{0, Cause::OnItsWay};
    for (const auto& [why, nano] : out_of_reach.at(booking.key)) {
      elsewhere_nano += nano;
      most = std::max(most, {nano, why});
    }
    if (elsewhere_nano > 0 && room - elsewhere_nano < call.hold_nano && cause == Cause::OnItsWay) cause = most.second;
  }
  ++tally.falsely[static_cast<std::size_t>(cause)];
  if (cause != Cause::OnItsWay || !chance.below_90_percent) return;
  ++tally.on_way_low;
  if (!chance.small) return;
  ++tally.on_way_low_small;
  tally.on_way_calls.push_back(fmt::format("seed {} call {}", plan_.seed, call.number));
}

void Judge::extended(std::int64_t call, std::int64_t more_nano, bool asked) {
  Fate& fate = fates_.at(call);
  fate.held_nano += more_nano;
  if (asked) fate.asked_nano += more_nano;
  for (const Booking& booking : fate.call.bookings) {
    if (!asked && booking.covered) truth_[booking.key].excess_after_nano += more_nano;
  }
  commit(fate, more_nano);
}

void Judge::settled(std::int64_t call, std::int64_t cost_nano, std::int64_t now_us) {
  Fate& fate = fates_.at(call);
  if (fate.settled) return;  // Of a call that the database knows more of than the journal.
  fate.settled = true;
  fate.settled_us = now_us;
  fate.cost_nano = cost_nano;
  if (!fate.reopened) fate.first_cost_nano = cost_nano;
  for (const Booking& booking : fate.call.bookings) {
    if (!booking.covered) continue;
    Truth& truth = truth_[booking.key];
    truth.excess_after_nano += std::max<std::int64_t>(0, cost_nano - fate.held_nano);
    if (cost_nano > fate.asked_nano) truth.excesses.emplace_back(now_us, cost_nano - fate.asked_nano);
  }
  const std::int64_t above_nano = cost_nano - fate.held_nano;
  if (fate.reopened && above_nano > 0) {
    saw("calls booked above their cost after a power cut");
    for (const Booking& booking : fate.call.bookings) truth_[booking.key].unleased_nano += above_nano;
  }
  commit(fate, above_nano);
}

void Judge::answered(std::int64_t call) {
  Fate& fate = fates_.at(call);
  fate.answered = true;
  if (!filed_.contains(call)) object("who is answered has an entry", fmt::format("call {}", call));
}

// Entries.

bool Judge::is_stored(const Filed& filed, std::int64_t call) const {
  const auto row = database_.entries.find(filed.id);
  return row != database_.entries.end() && row->second.call == call;
}

void Judge::journaled(std::int64_t replica_no, const Entry& entry) {
  if (entry.call == 0) return;
  const Stored::EntryId id{replica_no, entry.entry_no};
  if (const auto found = filed_.find(entry.call); found != filed_.end()) {
    Filed& filed = found->second;
    const bool is_same = filed.id == id && filed.cost_nano == entry.cost_nano;
    if (filed.in_journal && !is_same) object("I7: a hold has one entry", fmt::format("call {}", entry.call));
    filed.in_journal = filed.in_journal || is_same;
    return;
  }
  filed_[entry.call] = {id, entry.cost_nano};
  const Call& call = fates_.at(entry.call).call;
  for (std::size_t i = 0; i < call.bookings.size(); ++i) {
    if (entry.bookings[i].key != call.bookings[i].key)
      object("I8: an entry is booked where its call started", name_of(call.bookings[i].key));
  }
}

void Judge::numbered_anew(std::int64_t call, std::int64_t entry_no) {
  saw("entries numbered anew");
  if (const auto found = filed_.find(call); found != filed_.end()) found->second.id.second = entry_no;
}

/// It may come of a process that is gone, after a power cut made everybody else forget the call.
void Judge::stored(std::int64_t replica_no, const Entry& entry, std::int64_t now_us) {
  if (entry.call == 0) return;
  const Stored::EntryId id{replica_no, entry.entry_no};
  const auto [at, is_new] =
      filed_.try_emplace(entry.call, Filed{id, entry.cost_nano, false, !gone_.contains(entry.call)});
  if (!is_new && at->second.id == id) return;
  Fate& fate = fates_.at(entry.call);
  if (entry.cost_nano != fate.first_cost_nano)
    object("a row says what its call has cost", fmt::format("call {}", entry.call));
  if (!is_new) at->second = {id, entry.cost_nano, false, true};
  commit(fate, entry.cost_nano - fate.committed_nano());
  fate.settled = true;
  fate.settled_us = now_us;
  fate.cost_nano = entry.cost_nano;
  gone_.erase(entry.call);
}

/// Its hold is all that is left of it: it will be closed again, by what the journal knows. What it has cost is spent.
void Judge::reopen(Fate& fate) {
  filed_.erase(fate.call.number);
  fate.held_nano = fate.cost_nano;
  fate.settled = false;
  fate.reopened = true;
}

/// Nobody but its provider knows of it any more.
void Judge::drop(std::int64_t call) {
  Fate& fate = fates_.at(call);
  commit(fate, -fate.committed_nano());
  fate.settled = true;
  fate.held_nano = fate.cost_nano = 0;
  filed_.erase(call);
  gone_.insert(call);
}

void Judge::entry_lost(const Entry& entry, bool hold_lost, std::int64_t now_us) {
  const auto found = filed_.find(entry.call);
  if (entry.call == 0 || found == filed_.end()) return;
  if (is_stored(found->second, entry.call)) {
    saw("entries that only the database has");
    found->second.in_journal = false;
    found->second.hold_kept = !hold_lost;
    return;
  }
  Fate& fate = fates_.at(entry.call);
  if (fate.answered && plan_.synced) object("synced: who is answered has an entry", fmt::format("call {}", entry.call));
  if (now_us - fate.settled_us > plan_.sync_us + kSyncUs)
    object("a power cut takes no more than a sync interval", fmt::format("call {}", entry.call));
  if (hold_lost) return drop(entry.call);
  reopen(fate);
}

void Judge::power_cut(std::int64_t replica_no, const Journal::Lost& lost, std::int64_t now_us) {
  saw("records lost to power cuts", lost.records);
  if (lost.torn) saw("records written in part");
  const std::set<std::int64_t> holds(lost.holds.begin(), lost.holds.end());
  for (const Entry& entry : lost.entries) entry_lost(entry, holds.contains(entry.call), now_us);
  for (const std::int64_t call : holds) {
    if (fates_.at(call).call.replica_no == replica_no && !filed_.contains(call) && !gone_.contains(call)) drop(call);
  }
}

/// What was not shipped is in no ledger, unless it was on its way; what the lease says is spent stays out of reach.
void Judge::disk_lost(std::int64_t replica_no) {
  lost_disks_.insert(replica_no);
  for (auto& [call, fate] : fates_) {
    if (fate.call.replica_no != replica_no || !fate.admitted) continue;
    const auto found = filed_.find(call);
    if (found != filed_.end() && is_stored(found->second, call)) {
      found->second.in_journal = false;
      continue;
    }
    if (found != filed_.end()) filed_.erase(found);
    gone_.insert(call);
  }
}

void Judge::row_forgotten(std::int64_t replica_no, const Entry& entry) {
  const auto found = filed_.find(entry.call);
  if (entry.call == 0 || found == filed_.end() || found->second.in_journal) return;
  if (lost_disks_.contains(replica_no)) {
    filed_.erase(found);
    gone_.insert(entry.call);
  } else if (found->second.hold_kept) {
    reopen(fates_.at(entry.call));
  } else {
    drop(entry.call);
  }
}

// The database.

void Judge::before_change() {
  granted_before_.clear();
  for (const auto& [id, lease] : database_.book.leases) granted_before_.emplace_back(id, lease.granted_nano);
}

void Judge::after_change(By by, std::int64_t replica_no) {
  note_rooms();
  const auto& leases = database_.book.leases;
  auto at = leases.begin();
  for (const auto& [id, before_nano] : granted_before_) {
    while (at != leases.end() && at->first < id) ++at;
    const bool is_there = at != leases.end() && at->first == id;
    const std::int64_t fall_nano = before_nano - (is_there ? at->second.granted_nano : 0);
    if (fall_nano > 0 && !(by == By::Replica && id.second == replica_no)) note_fall(id, fall_nano, by);
  }
  if (by == By::FailOver) {
    for (const auto& [number, replica] : database_.book.replicas) out_of_step_[number] = false;
  }
  for (const auto& [id, lease] : leases) {
    if (lease.granted_nano < 0) object("a lease is never negative", name_of(id.first));
  }
  check_sums();
}

/// I10
void Judge::note_fall(const lease::LeaseBook::LeaseId& id, std::int64_t nano, By by) {
  const bool by_right =
      by == By::FailOver || by == By::Operator || (by == By::Reclaim && plan_.reclaims && !account_of(id.first).strict);
  if (!by_right) object("I10: a lease falls by its replica's word only", name_of(id.first));
  if (by == By::Reclaim) saw("leases reclaimed");
  if (by == By::Operator && lost_disks_.contains(id.second)) return;
  truth_[id.first].unleased_nano += nano;
  out_of_step_[id.second] = false;
}

void Judge::note_rooms() {
  for (const auto& [key, escrow] : database_.book.escrows) {
    const std::int64_t room_nano = escrow.limit_nano ? *escrow.limit_nano - escrow.base_nano : INT64_MAX;
    Truth& truth = truth_[key];
    truth.most_room_nano = std::max(truth.most_room_nano, room_nano);
  }
}

void Judge::applied(std::int64_t replica_no, const lease::LeaseOperation& operation, const lease::LeaseAnswer& answer,
                    bool is_current, std::int64_t now_us) {
  if (answer.result == lease::LeaseResult::Lost) saw("replicas that heard of lost commits");
  if (answer.result != lease::LeaseResult::Applied) return;
  if (operation.verb == lease::LeaseVerb::Restore) saw("leases restored", operation.lines.size());
  if (now_us <= plan_.length_us) ++tally.operations;
  if (operation.lines.empty()) ++tally.heartbeats;
  if (const auto step = out_of_step_.find(replica_no); step != out_of_step_.end()) {
    step->second = step->second || is_current;
    // The database has forgotten that it was late: what it returns, its replica has taken up again.
    for (const lease::LeaseLine& line : operation.lines) {
      if (!is_current) truth_[line.key].unleased_nano += line.back_nano;
    }
  }
  for (std::size_t i = 0; i < answer.grants.size(); ++i) check_grant(operation, answer, i, now_us);
}

void Judge::adjusted(LeaseKey key, std::int64_t more_nano) {
  truth_[key].adjusted_nano += more_nano;
  edited(key.account_id);
}

void Judge::written_off(std::int64_t replica_no) {
  if (!lost_disks_.contains(replica_no)) return;
  for (const auto& [id, lease] : database_.book.leases) {
    if (id.second != replica_no) continue;
    std::int64_t& committed_nano = committed_nano_[{id.first, replica_no}];
    truth_[id.first].covered_nano += lease.granted_nano - committed_nano;
    committed_nano = lease.granted_nano;
  }
}

void Judge::fail_over(const Stored& earlier) {
  std::uint64_t rows = 0;
  for (const auto& [id, entry] : database_.entries) {
    if (earlier.entries.contains(id)) continue;
    ++rows;
    row_forgotten(id.first, entry);
  }
  saw("rows that a fail-over forgot", rows);
  for (auto& [key, truth] : truth_) {
    const auto found = earlier.adjusted_nano.find(key);
    truth.adjusted_nano = found == earlier.adjusted_nano.end() ? 0 : found->second;
  }
}

/// I3: a grant leaves base + granted within the limit, or crosses it by one call's need.
void Judge::check_grant(const lease::LeaseOperation& operation, const lease::LeaseAnswer& answer, std::size_t line,
                        std::int64_t now_us) {
  const lease::LeaseGrant& grant = answer.grants[line];
  if (grant.give_nano == 0) return;
  Truth& truth = truth_[grant.key];
  const lease::LeaseBook::Escrow& escrow = database_.book.escrows.at(grant.key);
  const std::int64_t over_nano =
      escrow.limit_nano ? escrow.base_nano + escrow.granted_nano - *escrow.limit_nano : INT64_MIN;
  if (over_nano > 0) {
    std::int64_t last_need_nano = 0;
    for (const std::size_t group : answer.granted_groups) {
      for (const lease::LeaseNeed& need : operation.groups[group]) {
        if (need.line == line) last_need_nano = need.nano;
      }
    }
    saw("calls that crossed");
    truth.crossing_nano = std::max(truth.crossing_nano, last_need_nano);
    if (account_of(grant.key).strict || over_nano >= last_need_nano)
      object("I3: a grant leaves the limit unbroken, or one call crosses it",
             fmt::format("{}: {} over, the need was {}", name_of(grant.key), over_nano, last_need_nano));
  }
  truth.granted_at_us = now_us;
  truth.excess_after_nano = 0;
  truth.out_nano = out_nano(grant.key);
}

/// All that may be spent of what is granted. A replica that opened the window without the database has spent without a
/// lease.
std::int64_t Judge::out_nano(LeaseKey key) const {
  std::map<std::int64_t, std::int64_t> by_replica;
  for (auto at = committed_nano_.lower_bound({key, INT64_MIN}); at != committed_nano_.end() && at->first.first == key;
       ++at) {
    by_replica[at->first.second] = at->second;
  }
  const auto& leases = database_.book.leases;
  for (auto at = leases.lower_bound({key, INT64_MIN}); at != leases.end() && at->first.first == key; ++at) {
    std::int64_t& nano = by_replica[at->first.second];
    nano = std::max(nano, at->second.granted_nano);
  }
  std::int64_t out_nano = 0;
  for (const auto& [replica_no, nano] : by_replica) out_nano += nano;
  return out_nano;
}

// Replicas.

void Judge::heard(std::int64_t replica_no) {
  if (const auto step = out_of_step_.find(replica_no); step != out_of_step_.end() && step->second)
    out_of_step_.erase(step);
}

/// I1 and I2.
void Judge::believed(std::int64_t replica_no, const std::vector<lease::LeaseBelief>& beliefs) {
  for (const lease::LeaseBelief& belief : beliefs) {
    const std::int64_t free_nano = belief.words->free.load();
    const std::int64_t sum_nano = free_nano + belief.words->held.load() + belief.words->settled.load();
    const auto found = database_.book.leases.find({belief.key, replica_no});
    const std::int64_t granted_nano = found == database_.book.leases.end() ? 0 : found->second.granted_nano;
    Truth& truth = truth_[belief.key];
    const auto where = [&] {
      return fmt::format("replica {}, {}: granted {}, believed {}, free {} held {} settled {}", replica_no,
                         name_of(belief.key), granted_nano, belief.granted_nano, free_nano, belief.words->held.load(),
                         belief.words->settled.load());
    };
    if (sum_nano != belief.granted_nano + belief.provisional_nano)
      object("I1: free is granted less held and settled", where());
    if (account_of(belief.key).strict && free_nano < 0 && truth.unleased_nano == 0)
      object("I1: strict: free is never negative", where());
    if (sum_nano - belief.provisional_nano > granted_nano && !out_of_step_.contains(replica_no))
      object("I2: nobody believes in more than is granted", where());
    if (belief.provisional_nano > 0) {
      std::int64_t& most_nano = truth.provisional_nano[replica_no];
      most_nano = std::max(most_nano, belief.provisional_nano);
    }
  }
}

/// I4: what is settled and held never exceeds what there ever was to grant.
void Judge::check_covered(LeaseKey key) {
  if (!account_of(key).strict) return;
  const Truth& truth = truth_[key];
  const std::int64_t most_nano = std::max<std::int64_t>(0, truth.most_room_nano);
  if (most_nano != INT64_MAX && truth.covered_nano > most_nano + truth.unleased_nano)
    object("I4: settled and held stay within the limit",
           fmt::format("{}: {} of {} and {}", name_of(key), truth.covered_nano, most_nano, truth.unleased_nano));
}

}  // namespace turnpike::escrow
