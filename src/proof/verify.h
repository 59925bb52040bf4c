#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "db/database.h"

namespace turnpike::proof {

/// One equation of spec money 9 with both sides.
struct Check {
  std::string name;  // "V4"
  std::string what;  // "account totals = sums of entries"
  bool agrees = true;
  std::string detail;  // The two sides, or the first rows that disagree.
  bool warns = false;  // Does not agree, and is told without being a fault of the books.
  bool fails() const { return !agrees && !warns; }
};

/// Reads, never guesses, changes nothing; may run beside a live gateway (rows not shipped yet are counted as such).
/// `journal_dir` empty: the equations that need a journal are left out. `since`, a unix day: entries of earlier days,
/// and what is summed over all days, are left out.
/// Errors: Unavailable when the database cannot be read.
Result<std::vector<Check>> verify_ledger(db::Database& database, const std::string& journal_dir,
                                         std::optional<std::int64_t> since = std::nullopt);

/// One line per equation and whether all agree, as `turnpike ledger verify` prints them.
std::string format_checks(const std::vector<Check>& checks);

}  // namespace turnpike::proof
