#include "database.h"

#include <algorithm>

namespace turnpike::escrow {

Database::Database(const Plan& plan) : plan_(plan) {
  for (const AccountPlan& account : plan.accounts) book.accounts[account.account_id].limit_nano = account.limit_nano;
}

bool Database::register_epoch(std::int64_t replica_no, std::int64_t epoch) {
  if (plan_.mutant == Mutant::StartTwice) epoch = book.replicas[replica_no].epoch + 1;
  return book.register_epoch(replica_no, epoch, epoch);
}

ledger::LeaseAnswer Database::apply(std::int64_t replica_no, const ledger::LeaseOperation& operation,
                                    std::int64_t now_us) {
  ledger::LeaseBook::Replica& replica = book.replicas[replica_no];
  if (plan_.mutant == Mutant::NoNumbers && replica.op_epoch == operation.epoch)
    replica.op_no = std::min(replica.op_no, operation.op_no - 1);
  return book.apply(replica_no, operation, now_us);
}

std::optional<std::int64_t> Database::ship(const Batch& batch) {
  ledger::LeaseBook::Replica& replica = book.replicas[batch.replica_no];
  if (replica.epoch != batch.epoch) return std::nullopt;
  const std::int64_t first_no = batch.entries.front().entry_no;
  const std::int64_t last_no = batch.entries.back().entry_no;
  const bool repeats = plan_.mutant == Mutant::ShipTwice;
  if (!repeats && (replica.shipped_no < first_no - 1 || replica.shipped_no > last_no)) return replica.shipped_no;
  for (const Entry& entry : batch.entries) {
    const bool is_new = entries.emplace(std::pair(batch.replica_no, entry.entry_no), entry).second;
    if (is_new || repeats) count(batch.replica_no, entry);
  }
  return replica.shipped_no = std::max(replica.shipped_no, last_no);
}

void Database::count(std::int64_t replica_no, const Entry& entry) {
  for (const Booking& booking : entry.bookings) {
    book.spent_nano[booking.key] += entry.cost_nano;
    if (booking.covered) {
      // There is none yet where a window was opened without the database.
      book.leases[{booking.key, replica_no}].used_nano += entry.cost_nano;
    } else if (const auto escrow = book.escrows.find(booking.key); escrow != book.escrows.end()) {
      escrow->second.base_nano += entry.cost_nano;
    }
  }
}

void Database::set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano, std::int64_t now_us) {
  book.set_limit(account_id, limit_nano, plan_.account(account_id).window_at(now_us), now_us);
}

void Database::take_back_early(std::int64_t now_us) {
  constexpr std::int64_t kEarlyUs = 4 * kSecondUs;
  for (auto& [id, lease] : book.leases) {
    if (book.replicas[id.second].alive_us > now_us - kEarlyUs) continue;
    book.escrows.at(id.first).granted_nano -= lease.granted_nano - lease.used_nano;
    lease.granted_nano = lease.used_nano;
  }
}

std::int64_t Database::set_spend(LeaseKey key, std::int64_t spent_nano, std::int64_t now_us) {
  const std::int64_t more_nano = spent_nano - book.spent_nano[key];
  book.spent_nano[key] = spent_nano;
  adjusted_nano[key] += more_nano;
  book.add_base(key, more_nano, now_us);
  return more_nano;
}

}  // namespace turnpike::escrow
