#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "ledger/lease_book.h"
#include "plan.h"

namespace turnpike::escrow {

struct Booking {
  LeaseKey key;
  bool covered = true;  // By a lease; else it counts into the base of the account.
};

/// What a journal's ENTRY says, as far as money goes.
struct Entry {
  std::int64_t entry_no = 0;
  std::int64_t call = 0;
  std::int64_t cost_nano = 0;
  std::vector<Booking> bookings;
};

struct Batch {
  std::int64_t replica_no = 0;
  std::int64_t epoch = 0;
  std::vector<Entry> entries;  // Dense.
};

/// The database: the book of leases (real decision code) and a ledger that is shipped to (a model of it).
class Database {
 public:
  explicit Database(const Plan& plan);

  /// Stores what is not there yet and counts it once. The last stored number, or none when the epoch is another's.
  std::optional<std::int64_t> ship(const Batch& batch);
  bool register_epoch(std::int64_t replica_no, std::int64_t epoch);
  ledger::LeaseAnswer apply(std::int64_t replica_no, const ledger::LeaseOperation& operation, std::int64_t now_us);
  void set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano, std::int64_t now_us);
  /// An administrator sets what is spent; returns the difference.
  std::int64_t set_spend(LeaseKey key, std::int64_t spent_nano, std::int64_t now_us);

  /// Mutant: who is silent for 4 s loses what he has not shipped.
  void take_back_early(std::int64_t now_us);

  ledger::LeaseBook book;
  std::map<std::pair<std::int64_t, std::int64_t>, Entry> entries;  // By replica and number.
  std::map<LeaseKey, std::int64_t> adjusted_nano;

 private:
  void count(std::int64_t replica_no, const Entry& entry);

  const Plan& plan_;
};

}  // namespace turnpike::escrow
