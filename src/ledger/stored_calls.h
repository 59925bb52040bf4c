#pragma once

#include <cstdint>
#include <set>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/database.h"
#include "journal/replay.h"

namespace turnpike::ledger {

/// Under which numbers the database knows the calls of these entries of replica `replica_no` (payloads of ENTRY
/// records): 0 where it does not. An entry of no call is known when the row of its number is of none either.
Result<std::vector<std::uint64_t>> find_stored(db::Database& database, std::int64_t replica_no,
                                               const std::vector<std::string_view>& payloads);

/// Takes out of `holds` those whose entry stands in the database with a number above `entry_no`.
Status forget_stored(db::Database& database, std::int64_t replica_no, std::uint64_t entry_no,
                     std::vector<journal::OpenHold>& holds);

/// The accounts of these holds that are strict by themselves, whatever budget_mode says.
Result<std::set<std::int64_t>> find_strict(db::Database& database, const std::vector<journal::OpenHold>& holds);

}  // namespace turnpike::ledger
