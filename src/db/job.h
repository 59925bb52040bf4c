#pragma once

#include <fmt/format.h>

#include <functional>

#include "base/completion.h"
#include "db/database.h"

namespace turnpike::db {

/// How a unit of work stands beside others.
enum class Unit {
  Change,  // One after the other, over all processes.
  Append,  // Beside every other; its statements are safe so.
  Read,    // Beside every other, on one snapshot; a change is refused.
};

/// One unit of work on its way to a database thread and back.
struct Job {
  Job(std::function<Status(Transaction&)> work_in, base::Executor* executor, Unit unit_in = Unit::Change)
      : work(std::move(work_in)), unit(unit_in), done(executor) {}

  void finish(Status with) {
    status = std::move(with);
    work = nullptr;  // What it captured is the caller's; let go before the caller wakes.
    done.complete();
  }
  /// Blocks. For jobs without an executor.
  Status wait() {
    (void)base::Completion::Awaiter(done).await_ready();
    return std::move(status);
  }

  std::function<Status(Transaction&)> work;
  Unit unit;
  std::uint64_t turn = 0;  // Which came first, where there is more than one queue.
  base::Completion done;
  Status status;
};

inline Status queue_full() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = "The database is busy, please retry shortly.";
  error.detail = fmt::format("{} units of work are waiting", kQueuedWorkMax);
  error.retry_after = std::chrono::seconds(1);
  return base::fail(std::move(error));
}

}  // namespace turnpike::db
