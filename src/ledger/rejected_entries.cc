#include "ledger/rejected_entries.h"

#include <fmt/format.h>

namespace turnpike::ledger {

void RejectedEntries::add(const RejectedEntries& more) {
  if (more.count == 0) return;
  if (count == 0) first_no = more.first_no;
  last_no = more.last_no;
  count += more.count;
  cost += more.cost;
}

std::string rejection_text(const RejectedEntries& rejected) {
  const std::string cost = rejected.cost.to_string();
  if (rejected.count == 1)
    return fmt::format("Entry {} cannot be stored and stands in entry_rejected; the {} it cost is booked.",
                       rejected.first_no, cost);
  return fmt::format("{} entries ({} to {}) cannot be stored and stand in entry_rejected; the {} they cost is booked.",
                     rejected.count, rejected.first_no, rejected.last_no, cost);
}

}  // namespace turnpike::ledger
