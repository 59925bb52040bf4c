#include "database.h"

#include <algorithm>

namespace turnpike::escrow {

Database::Database(const Plan& plan) : plan_(plan) {
  for (const AccountPlan& account : plan.accounts) {
    lease::LeaseBook::Account& row = book.accounts[account.account_id];
    if (!account.unlimited) row.limit_nano = account.budget_nano;
    row.strict = account.strict;
  }
}

Database::Registered Database::register_epoch(std::int64_t replica_no, std::int64_t epoch) {
  Registered registered;
  if (plan_.mutant == Mutant::StartTwice) epoch = book.replicas[replica_no].epoch + 1;
  registered.accepted = book.register_epoch(replica_no, epoch, epoch);
  if (!registered.accepted) return registered;
  come_back(replica_no);
  registered.shipped_no = book.replicas[replica_no].shipped_no;
  for (auto at = entries.lower_bound({replica_no, 0}); at != entries.end() && at->first.first == replica_no; ++at)
    registered.stored.emplace(at->second.call, at->second);
  return registered;
}

lease::LeaseAnswer Database::apply(std::int64_t replica_no, const lease::LeaseOperation& operation,
                                   std::int64_t now_us) {
  lease::LeaseBook::Replica& replica = book.replicas[replica_no];
  if (plan_.mutant == Mutant::NoNumbers && replica.op_epoch == operation.epoch)
    replica.op_no = std::min(replica.op_no, operation.op_no - 1);
  lease::LeaseAnswer answer = book.apply(replica_no, operation, now_us);
  if (answer.result == lease::LeaseResult::Applied) come_back(replica_no);
  return answer;
}

Database::Shipped Database::ship(const Batch& batch) {
  Shipped shipped;
  lease::LeaseBook::Replica& replica = book.replicas[batch.replica_no];
  if (replica.epoch != batch.epoch) return shipped;
  shipped.accepted = true;
  shipped.shipped_no = replica.shipped_no;
  const std::int64_t first_no = batch.entries.front().entry_no;
  const std::int64_t last_no = batch.entries.back().entry_no;
  const bool repeats = plan_.mutant == Mutant::ShipTwice;
  if (!repeats && (replica.shipped_no < first_no - 1 || replica.shipped_no > last_no)) return shipped;
  come_back(batch.replica_no);
  for (const Entry& entry : batch.entries) {
    const bool is_new = entries.emplace(std::pair(batch.replica_no, entry.entry_no), entry).second;
    if (is_new) shipped.added.push_back(entry);
    if (is_new || repeats) count(batch.replica_no, entry);
  }
  shipped.shipped_no = replica.shipped_no = std::max(replica.shipped_no, last_no);
  return shipped;
}

void Database::count(std::int64_t replica_no, const Entry& entry) {
  for (const Booking& booking : entry.bookings) {
    book.spent_nano[booking.key] += entry.cost_nano;
    ++calls[booking.key];
    if (booking.covered || plan_.mutant == Mutant::CoverAll) {
      // There is none yet where a window was opened without the database.
      book.leases[{booking.key, replica_no}].used_nano += entry.cost_nano;
    } else if (const auto escrow = book.escrows.find(booking.key); escrow != book.escrows.end()) {
      escrow->second.base_nano += entry.cost_nano;
    }
  }
}

void Database::set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano, std::int64_t now_us) {
  const AccountPlan& account = plan_.account(account_id);
  const bool later = plan_.mutant == Mutant::LimitLater;
  book.set_limit(account_id, limit_nano, account.window_at(now_us) + (later ? 1 : 0), now_us);
}

std::int64_t Database::set_spend(LeaseKey key, std::int64_t spent_nano, std::int64_t now_us) {
  const std::int64_t more_nano = spent_nano - book.spent_nano[key];
  book.spent_nano[key] = spent_nano;
  adjusted_nano[key] += more_nano;
  if (plan_.mutant != Mutant::SpendApart) book.add_base(key, more_nano, now_us);
  return more_nano;
}

void Database::forget(std::int64_t replica_no, bool release) {
  for (auto& [id, lease] : book.leases) {
    const auto escrow = book.escrows.find(id.first);
    if (id.second != replica_no || escrow == book.escrows.end()) continue;
    const std::int64_t kept_nano = release ? lease.used_nano : std::max(lease.used_nano, lease.committed_nano);
    escrow->second.granted_nano += kept_nano - lease.granted_nano;
    lease.granted_nano = kept_nano;
    const std::int64_t off_nano = kept_nano - lease.used_nano;
    if (off_nano == 0) continue;
    written_off_nano[id] = off_nano;
    book.spent_nano[id.first] += off_nano;
    lease.used_nano += off_nano;
  }
  forgotten[replica_no] = true;
}

/// What was written off for it is booked with an opposite sign: its entries follow.
void Database::come_back(std::int64_t replica_no) {
  if (!is_forgotten(replica_no)) return;
  forgotten[replica_no] = false;
  if (plan_.mutant == Mutant::KeepWriteOff) return;
  std::erase_if(written_off_nano, [&](const auto& one) {
    const auto& [id, nano] = one;
    if (id.second != replica_no) return false;
    book.spent_nano[id.first] -= nano;
    book.leases.at(id).used_nano -= nano;
    return true;
  });
}

void Database::take_back_early(std::int64_t now_us) {
  constexpr std::int64_t kEarlyUs = 4 * kSecondUs;
  for (auto& [id, lease] : book.leases) {
    if (book.replicas[id.second].alive_us > now_us - kEarlyUs) continue;
    book.escrows.at(id.first).granted_nano -= lease.granted_nano - lease.used_nano;
    lease.granted_nano = lease.used_nano;
  }
}

}  // namespace turnpike::escrow
