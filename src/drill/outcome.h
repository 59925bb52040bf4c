#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "drill/caller.h"
#include "drill/plan.h"

namespace turnpike::drill {

/// One attempt, as the ledger's row has it.
struct BookedAttempt {
  std::string group;
  std::string deployment_id;
  int status = 0;
  bool billed = false;
  Money cost;
};

/// The ledger's row of a call, as /spend/logs shows it.
struct Entry {
  bool success = false;
  int http_status = 0;
  Money spend;
  std::string marks;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::vector<BookedAttempt> attempts;

  bool marked(std::string_view mark) const;
};
/// Errors: InvalidRequest when `json` is no list with one row.
Result<Entry> read_entry(std::string_view json);

/// What one deployment's provider says it has served in a scenario, beside what was booked for it.
struct Account {
  std::string deployment_id;
  std::uint64_t calls = 0;  // That reached it.
  Money due;                // The price of what it has served, broken answers as far as they had come,
  Money least;              // and without what broken answers held: who hangs up has not read all of it.
  bool unsaid = false;      // It did not say what it used: an answer broke or had no usage.
};

/// What came of a scenario.
struct Outcome {
  const Scenario* scenario = nullptr;
  std::string trouble;     // The drill itself failed: no gateway, no entry.
  bool struck = false;     // The fault has met the call,
  bool by_struck = false;  // and the last word came from a deployment that has it.
  Seen seen;
  std::optional<Entry> entry;
  std::vector<Account> accounts;  // Of the deployments that had calls.
};

}  // namespace turnpike::drill
