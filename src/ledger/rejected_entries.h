#pragma once

#include <cstdint>
#include <string>

#include "base/money.h"

namespace turnpike::ledger {

/// Entries that stand in `entry_rejected` instead of `entry`; their money is booked, as far as anybody knows it.
struct RejectedEntries {
  std::uint64_t count = 0;
  std::uint64_t first_no = 0, last_no = 0;  // Not all between them need be.
  Money cost;

  /// `more` has higher numbers.
  void add(const RejectedEntries& more);
};
/// "3 entries (9 to 18) cannot be stored and stand in entry_rejected; the 0.000033 they cost is booked." The reasons
/// are the database's words, which may quote the row: they are in the table and the log only.
std::string rejection_text(const RejectedEntries& rejected);

}  // namespace turnpike::ledger
