#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/money.h"
#include "base/result.h"
#include "db/database.h"

namespace turnpike::db {

/// A replica whose journal is lost, by an operator's word: what it may have spent of its leases and has not stored is
/// written off, and what it had free is there for others again. A part of the unit of work that does it.
struct Forgotten {
  bool before = false;  // It was forgotten already, and nothing has changed.
  Money written_off;
  Money freed;
  std::int64_t tokens_written_off = 0, tokens_freed = 0;  // The same of budgets in tokens.
  std::int64_t budgets = 0;                               // That had leased it something.
};
/// `release`: nothing is written off. Nothing returned: there is no such replica.
Result<std::optional<Forgotten>> forget_replica(Transaction& transaction, std::int64_t replica_no, bool release,
                                                const std::string& by, std::int64_t now_us);
/// It is there again after all, and its entries follow: it counts as live, and what was written off is booked with the
/// opposite sign. Done twice it changes nothing.
Status take_replica_back(Transaction& transaction, std::int64_t replica_no, std::int64_t now_us);

}  // namespace turnpike::db
