#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>

#include "base/result.h"
#include "db/database.h"

namespace turnpike::ledger {

/// What was taken away.
struct DroppedDays {
  std::int64_t entries = 0;
  std::int64_t days = 0;  // On SQLite those that had entries left.
};

/// Takes away the entries of the days before `first_kept` (unix day, UTC). What they add up to stays: in the totals of
/// accounts, noted there as dropped in the same transaction, and in `daily`, `deployment_day` and `replica_day`.
///
/// PostgreSQL drops a day's part whole; SQLite deletes rows a thousand at a time with as long a pause between. Calls
/// never wait for either; shipping and reports wait for the end of a drop. Of several replicas one does it.
/// Errors: Unavailable: the days that are left are still there.
/// `stop`: ends early when it is set.
Result<DroppedDays> drop_days_before(db::Database& database, std::int64_t first_kept,
                                     const std::atomic<bool>* stop = nullptr);

/// Does so again and again on a thread of its own.
class Retention {
 public:
  struct Options {
    std::chrono::seconds keep{};  // Entries that are younger stay; at least a day.
    std::chrono::seconds interval{std::chrono::hours(24)};
  };
  Retention(db::Database& database, Options options);
  ~Retention();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace turnpike::ledger
