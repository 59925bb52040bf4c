#include <fmt/core.h>

#include <algorithm>

#include "judge.h"

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kSlackUs = 50 * kMillisecondUs;  // One operation of a keeper, on a healthy network.

}  // namespace

void Tally::add(const Tally& other) {
  calls += other.calls;
  admitted += other.admitted;
  refused += other.refused;
  unavailable += other.unavailable;
  for (std::size_t i = 0; i < kCauses; ++i) falsely[i] += other.falsely[i];
  on_way_low += other.on_way_low;
  on_way_low_small += other.on_way_low_small;
  on_way_calls.insert(on_way_calls.end(), other.on_way_calls.begin(), other.on_way_calls.end());
  operations += other.operations;
  heartbeats += other.heartbeats;
  windows += other.windows;
  windows_over += other.windows_over;
  worst_overshoot = std::max(worst_overshoot, other.worst_overshoot);
  worst_of_bound = std::max(worst_of_bound, other.worst_of_bound);
  waits_us.insert(waits_us.end(), other.waits_us.begin(), other.waits_us.end());
  for (const auto& [what, times] : other.seen) seen[what] += times;
}

/// I11, and V7.
void Judge::check_sums() {
  auto lease = database_.book.leases.begin();  // Both stand in the order of their keys.
  const auto end = database_.book.leases.end();
  for (const auto& [key, escrow] : database_.book.escrows) {
    std::int64_t sum_nano = 0;
    for (; lease != end && lease->first.first <= key; ++lease) {
      if (lease->first.first == key) sum_nano += lease->second.granted_nano;
    }
    if (escrow.granted_nano != sum_nano) object("I11: granted is the sum of the leases", name_of(key));
  }
}

void Judge::check_rows(std::int64_t now_us) {
  check_numbers();
  check_spent();
  check_used();
  check_limits(now_us);
  for (const auto& [id, nano] : database_.written_off_nano) {
    if (!database_.is_forgotten(id.second))
      object("a write-off is reversed when its replica comes back", name_of(id.first));
  }
}

/// V1
void Judge::check_numbers() {
  std::map<std::int64_t, std::int64_t> rows;
  for (const auto& [id, entry] : database_.entries) {
    ++rows[id.first];
    if (id.second > database_.book.replicas[id.first].shipped_no)
      object("V1: no row is above shipped_no", fmt::format("replica {} entry {}", id.first, id.second));
  }
  for (const auto& [number, replica] : database_.book.replicas) {
    if (rows[number] != replica.shipped_no)
      object("V1: all rows up to shipped_no are there",
             fmt::format("replica {}: {} of {}", number, rows[number], replica.shipped_no));
  }
}

/// V4, I5
void Judge::check_spent() {
  std::map<LeaseKey, std::int64_t> spent_nano = database_.adjusted_nano;
  std::map<LeaseKey, std::int64_t> calls;
  for (const auto& [id, nano] : database_.written_off_nano) spent_nano[id.first] += nano;
  for (const auto& [id, entry] : database_.entries) {
    for (const Booking& booking : entry.bookings) {
      spent_nano[booking.key] += entry.cost_nano;
      ++calls[booking.key];
    }
  }
  for (const auto& [key, nano] : database_.book.spent_nano) {
    if (nano != spent_nano[key])
      object("V4: spent is the sum of the rows", fmt::format("{}: {} and {}", name_of(key), nano, spent_nano[key]));
  }
  for (const auto& [key, number] : database_.calls) {
    if (number != calls[key]) object("V4: calls are the number of the rows", name_of(key));
  }
}

/// V7, I5
void Judge::check_used() {
  std::map<lease::LeaseBook::LeaseId, std::int64_t> used_nano = database_.written_off_nano;
  std::map<LeaseKey, std::int64_t> sums;
  for (const auto& [id, entry] : database_.entries) {
    for (const Booking& booking : entry.bookings) {
      if (booking.covered) used_nano[{booking.key, id.first}] += entry.cost_nano;
    }
  }
  for (const auto& [id, lease] : database_.book.leases) {
    sums[id.first] += lease.used_nano;
    if (lease.used_nano != used_nano[id]) object("V7: used is the sum of the replica's rows", name_of(id.first));
    if (lease.used_nano > lease.granted_nano && account_of(id.first).strict && truth_[id.first].unleased_nano == 0)
      object("V7: strict: no more is used than granted", name_of(id.first));
  }
  for (const auto& [key, escrow] : database_.book.escrows) {
    if (escrow.base_nano + sums[key] != database_.book.spent_nano[key])
      object("V7: base and used make up what is spent", name_of(key));
  }
}

void Judge::check_limits(std::int64_t now_us) {
  for (const auto& [key, escrow] : database_.book.escrows) {
    const bool is_over = key.window_id < account_of(key).window_at(now_us);
    if (!is_over && escrow.limit_nano != database_.book.accounts.at(key.account_id).limit_nano)
      object("V7: the limit of an account is that of its windows", name_of(key));
  }
}

void Judge::finish(std::int64_t now_us) {
  check_sums();
  check_rows(now_us);
  check_entries();
  check_bounds();
}

/// I6, I7, I8: calls, journals and rows.
void Judge::check_entries() {
  std::map<std::int64_t, int> rows_of_call;
  for (const auto& [id, row] : database_.entries) {
    if (row.call == 0) continue;
    const auto where = fmt::format("replica {} entry {} of call {}", id.first, id.second, row.call);
    if (++rows_of_call[row.call] > 1) object("I6: a call has one row", where);
    const auto filed = filed_.find(row.call);
    if (filed == filed_.end() || filed->second.id != id) {
      object("I6: a row is in a journal", where);
    } else if (filed->second.cost_nano != row.cost_nano) {
      object("I6: a row says what the journal says", where);
    }
    const Call& call = fates_.at(row.call).call;
    for (std::size_t i = 0; i < call.bookings.size(); ++i) {
      if (row.bookings[i].key != call.bookings[i].key) object("I8: a row is booked where its call started", where);
    }
  }
  for (const auto& [call, filed] : filed_) {
    if (rows_of_call[call] == 0)
      object("I6: an entry is in the ledger",
             fmt::format("replica {} entry {} of call {}", filed.id.first, filed.id.second, call));
  }
  for (const auto& [call, fate] : fates_) {
    if (fate.admitted && !filed_.contains(call) && !gone_.contains(call))
      object("I7: a hold has an entry", fmt::format("call {}", call));
  }
}

/// What may be spent after the last grant, whatever happens.
void Judge::check_bounds() {
  for (const auto& [key, truth] : truth_) {
    if (truth.granted_at_us == 0) continue;
    ++tally.windows;
    std::int64_t most_nano = truth.out_nano + truth.excess_after_nano + truth.unleased_nano;
    for (const auto& [replica_no, nano] : truth.provisional_nano) most_nano += nano;
    if (truth.covered_nano > most_nano)
      object("what is spent stays within what was out at the last grant and what calls cost beyond their holds",
             fmt::format("{}: {} of {}", name_of(key), truth.covered_nano, most_nano));
    const bool is_plain = !edited_.contains(key.account_id) && truth.uncovered_nano == 0;
    if (is_plain && !account_of(key).unlimited) check_bound_of_default(key, truth);
  }
}

/// The bound of section 3.
void Judge::check_bound_of_default(LeaseKey key, const Truth& truth) {
  const std::int64_t limit_nano = account_of(key).budget_nano;
  const std::int64_t over_nano = truth.covered_nano - limit_nano;
  if (over_nano <= 0) return;
  ++tally.windows_over;
  tally.worst_overshoot =
      std::max(tally.worst_overshoot, static_cast<double>(over_nano) / static_cast<double>(limit_nano));
  if (plan_.faults) return;
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

}  // namespace turnpike::escrow
