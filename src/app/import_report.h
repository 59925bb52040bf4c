#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/money.h"

namespace turnpike::app {

/// What became of the rows of one table; every row found was made, was there, or was left out.
struct ImportCount {
  std::string name;  // LiteLLM's name of the table.
  std::int64_t found = 0, made = 0, there = 0, left_out = 0;
  Money spend_found, spend_made, spend_there, spend_left_out;
  std::map<std::string, std::int64_t> reasons;  // Why rows were left out, and what of others could not be taken.

  void add_found(Money spend);
  void add_made(Money spend);
  void add_there(Money spend);
  void leave_out(Money spend, const std::string& reason);
  void note(const std::string& what) { ++reasons[what]; }
  bool adds_up() const;
};

/// The reconciliation: one line per table, below it why rows were left out, last whether it adds up.
std::string format_counts(const std::vector<ImportCount>& counts, bool dry_run);

}  // namespace turnpike::app
