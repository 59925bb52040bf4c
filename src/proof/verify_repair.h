#pragma once

#include <cstdint>

#include "base/result.h"
#include "db/database.h"

namespace turnpike::proof {

/// What was set right.
struct Repaired {
  std::int64_t days = 0;     // Whose aggregates were made anew.
  std::int64_t windows = 0;  // Totals that were others than their entries add up to.
};

/// Makes the aggregates of kept days and the totals of accounts anew from the entries, which it never touches, in one
/// transaction; a total that changes gets an entry of kind `Adjust` that costs nothing and says what stood there.
/// Shipping waits meanwhile; a running gateway goes on with the totals it knows until it is restarted. Errors:
/// InvalidRequest where entries stand in `entry_rejected`: what they are worth is in the aggregates only.
Result<Repaired> repair_aggregates(db::Database& database);

}  // namespace turnpike::proof
