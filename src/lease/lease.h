#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace turnpike::lease {

/// What a replica and the database say to each other about money (spec: money 7). Amounts are nanodollars, or tokens on
/// accounts that count them; points in time never cross between machines, only lengths of time do.

struct LeaseKey {
  std::int64_t account_id = 0;
  std::int64_t window_id = 0;
  auto operator<=>(const LeaseKey&) const = default;
};

/// One account in an operation. All numbers are of this replica.
struct LeaseLine {
  LeaseKey key;
  std::int64_t back_nano = 0;       // Returned: it has left `free` before this was sent.
  std::int64_t debt_nano = 0;       // Spent beyond what was granted; becomes granted, whatever is left.
  std::int64_t want_nano = 0;       // A top-up it would like.
  std::int64_t committed_nano = 0;  // settled + held, a report.
  std::int64_t recall_seen = 0;     // The last recall it has answered by returning all that was free.
  std::int64_t granted_nano = 0;    // What it knows to be granted; counts for Restore only.
  bool fresh = false;               // The database may have no rows of it yet.
};

struct LeaseNeed {
  std::size_t line = 0;  // Which of the operation's lines.
  std::int64_t nano = 0;
  bool may_cross = false;  // May exceed what is left as long as something is (spec: money 7.6).
};

/// What one waiting call lacks: granted whole or not at all.
using LeaseGroup = std::vector<LeaseNeed>;

enum class LeaseVerb : std::uint8_t {
  Ask,      // Returns, debts, wants and needs; with none of them a sign of life.
  Resync,   // The outcome of earlier operations is unknown: what is granted to me?
  Restore,  // The database has lost commits: what the replica knows to be granted is granted again.
};

struct LeaseOperation {
  LeaseVerb verb = LeaseVerb::Ask;
  std::int64_t epoch = 0;
  std::string journal_id = {};   // Whose the replica is; empty: it is not asked.
  std::int64_t op_no = 0;        // Larger than all before in this epoch; what arrives late finds it taken and is void.
  std::int64_t acked_no = 0;     // The last one that was answered in this epoch; a database below it has lost commits.
  std::vector<LeaseLine> lines;  // In the order of their keys: the order of locks.
  std::vector<LeaseGroup> groups;  // Oldest call first.
};

enum class LeaseResult : std::uint8_t {
  Applied,
  Stale,       // A later operation has been applied, or this one before.
  Superseded,  // A later epoch owns the journal.
  Lost,        // The database knows less than it once did.
};

/// What became of one line.
struct LeaseGrant {
  LeaseKey key;
  std::int64_t give_nano = 0;     // For needs and want.
  std::int64_t granted_nano = 0;  // All that is granted now.
  std::int64_t room_nano = 0;     // What may still be granted to anybody.
  bool short_of = false;          // A need did not fit,
  bool last_word = false;         // and nobody else can return anything.
  std::int64_t recall_no = 0;
  std::int64_t tight_us = 0;        // How long the account is still tight; 0: it is not.
  std::int64_t elsewhere_nano = 0;  // What is booked but was not covered by this replica's lease.
};

struct LeaseRecall {
  LeaseKey key;
  std::int64_t recall_no = 0;
  std::int64_t tight_us = 0;
};

struct OwnLease {
  LeaseKey key;
  std::int64_t granted_nano = 0;
  std::int64_t used_nano = 0;  // Shipped costs of calls that were covered by it.
};

struct LeaseAnswer {
  LeaseResult result = LeaseResult::Applied;
  std::int64_t op_no = 0;        // Of the operation it answers.
  std::int64_t database_us = 0;  // What its clock showed; for the clock of windows only.
  std::int64_t shipped_no = 0;   // The replica's last stored entry; with `own` of the same moment.
  std::int64_t live_replicas = 1;
  std::int64_t rank = 0;           // This one's place among them, from 0.
  bool given_up = false;           // Others believe this replica to be gone (db::is_given_up).
  std::vector<LeaseGrant> grants;  // One per line, in their order.
  std::vector<std::size_t> granted_groups;
  std::vector<LeaseRecall> recalls;  // Of this replica's leases, not answered yet.
  std::vector<OwnLease> own;         // Resync and Restore: all of this replica's leases.
};

/// What the database knows of a replica's operations.
struct LeaseNumbers {
  std::int64_t epoch = 0;
  std::int64_t op_epoch = 0, op_no = 0;
};
/// Whether an operation may be applied: what is late or of another process is not.
LeaseResult fence(const LeaseNumbers& known, const LeaseOperation& operation);

/// What the database tells everybody, if the message arrives.
struct LeaseNotice {
  enum class Kind : std::uint8_t {
    Recalled,  // Return what is free.
    Returned,  // Something came back while somebody wanted it.
    Changed,   // Limit, spend or state of the account was edited.
  };
  Kind kind = Kind::Recalled;
  LeaseKey key;
  std::int64_t recall_no = 0;
  bool operator==(const LeaseNotice&) const = default;
};

}  // namespace turnpike::lease
