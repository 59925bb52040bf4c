#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lease/lease.h"

namespace turnpike::lease {

/// The database's side of the escrow protocol, in memory: what the statements of `lease_rows.h` decide, decided here
/// the same (a test holds them against each other). For simulations; nothing of it runs in the gateway.
///
/// Time: microseconds of one clock, the database's.
class LeaseBook {
 public:
  struct Account {
    std::optional<std::int64_t> limit_nano;
    bool strict = false;
  };
  struct Escrow {
    std::optional<std::int64_t> limit_nano;
    std::int64_t base_nano = 0;     // Consumed outside of leases.
    std::int64_t granted_nano = 0;  // The sum of all leases.
    std::int64_t recall_no = 0;
    std::int64_t tight_until_us = 0, wanted_until_us = 0;
  };
  struct Lease {
    std::int64_t granted_nano = 0;
    std::int64_t committed_nano = 0;
    std::int64_t used_nano = 0;
    std::int64_t recall_seen = 0;
  };
  struct Replica {
    std::int64_t epoch = 0;
    std::int64_t instance = 0;
    std::int64_t op_epoch = 0, op_no = 0;
    std::int64_t shipped_no = 0;
    std::int64_t alive_us = 0, steady_since_us = 0;
  };
  using LeaseId = std::pair<LeaseKey, std::int64_t>;  // And the replica.

  /// A process starts on a journal; told twice or late it changes nothing. False: the epoch is another's.
  bool register_epoch(std::int64_t replica_no, std::int64_t epoch, std::int64_t instance);
  LeaseAnswer apply(std::int64_t replica_no, const LeaseOperation& operation, std::int64_t now_us);

  /// An administrator's edit of the account, for its windows from `from_window` on.
  void set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano, std::int64_t from_window,
                 std::int64_t now_us);
  /// The other half of an edit of what is spent, or of an uncovered call that is booked.
  void add_base(LeaseKey key, std::int64_t more_nano, std::int64_t now_us);
  /// Takes back what replicas held that have been silent for so long, but for strict accounts; `by_replica` must not
  /// have been silent itself.
  void reclaim(std::int64_t by_replica, std::int64_t dead_after_us, std::int64_t now_us);

  std::vector<LeaseNotice> take_notices() { return std::exchange(notices_, {}); }

  std::map<std::int64_t, Account> accounts;
  std::map<LeaseKey, std::int64_t> spent_nano;  // Of the account windows: what a new escrow begins with.
  std::map<LeaseKey, Escrow> escrows;
  std::map<LeaseId, Lease> leases;
  std::map<std::int64_t, Replica> replicas;

 private:
  struct Line;
  bool others_answered(const Line& line, std::int64_t replica_no, std::int64_t now_us, bool& there_are) const;
  std::vector<Line> read_lines(std::int64_t replica_no, const LeaseOperation& operation, std::int64_t now_us);
  void judge_groups(const LeaseOperation& operation, std::vector<Line>& lines, std::vector<std::size_t>& granted) const;
  LeaseGrant decide(const Line& line, std::int64_t live, std::int64_t now_us);
  Escrow& open_escrow(LeaseKey key);
  void restore(std::int64_t replica_no, const LeaseOperation& operation);
  std::int64_t live_replicas(std::int64_t now_us) const;
  bool is_live(const Replica& replica, std::int64_t now_us) const;
  void recall(LeaseKey key, Escrow& escrow, std::int64_t now_us);

  std::vector<LeaseNotice> notices_;
};

}  // namespace turnpike::lease
