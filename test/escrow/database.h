#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "lease/lease_book.h"
#include "records.h"

namespace turnpike::escrow {

/// All that is stored: the book of leases (real decision code), and a ledger that is shipped to (a model of it).
struct Stored {
  using EntryId = std::pair<std::int64_t, std::int64_t>;  // Replica and number.

  lease::LeaseBook book;
  std::map<EntryId, Entry> entries;
  std::map<LeaseKey, std::int64_t> calls;
  std::map<LeaseKey, std::int64_t> adjusted_nano;
  /// Booked for what forgotten replicas may have spent, until they come back.
  std::map<lease::LeaseBook::LeaseId, std::int64_t> written_off_nano;
  std::map<std::int64_t, bool> forgotten;  // By replica.
};

class Database : public Stored {
 public:
  explicit Database(const Plan& plan);

  struct Shipped {
    bool accepted = false;        // The epoch is the replica's.
    std::int64_t shipped_no = 0;  // The last number that is stored now.
    std::vector<Entry> added;
  };
  /// Stores what is not there yet and counts it once.
  Shipped ship(const Batch& batch);

  /// What a start wants to know.
  struct Registered {
    bool accepted = false;
    std::int64_t shipped_no = 0;
    std::map<std::int64_t, Entry> stored;  // By call: this replica's.
  };
  Registered register_epoch(std::int64_t replica_no, std::int64_t epoch);
  lease::LeaseAnswer apply(std::int64_t replica_no, const lease::LeaseOperation& operation, std::int64_t now_us);

  void set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano, std::int64_t now_us);
  /// An administrator sets what is spent; returns the difference.
  std::int64_t set_spend(LeaseKey key, std::int64_t spent_nano, std::int64_t now_us);
  /// An operator gives a replica up: what it may have spent is written off, or (`release`) held to be unspent.
  void forget(std::int64_t replica_no, bool release);
  bool is_forgotten(std::int64_t replica_no) const {
    const auto found = forgotten.find(replica_no);
    return found != forgotten.end() && found->second;
  }

  /// A standby takes over that knows what was stored then.
  std::shared_ptr<const Stored> copy() const { return std::make_shared<const Stored>(*this); }
  void fall_back(const Stored& earlier) { static_cast<Stored&>(*this) = earlier; }

  /// Mutant: who is silent for 4 s loses what he has not shipped.
  void take_back_early(std::int64_t now_us);

 private:
  void count(std::int64_t replica_no, const Entry& entry);
  void come_back(std::int64_t replica_no);

  const Plan& plan_;
};

}  // namespace turnpike::escrow
