#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "db/database.h"

namespace turnpike::api {

/// Which entries of the ledger a reader wants; absent: all. Values travel as parameters, never as text of a query.
struct SpendFilter {
  std::optional<std::string> request_id;  // Record id, call id or provider's id.
  std::optional<std::string> key_hash;
  std::optional<std::string> user_id;
  std::optional<std::int64_t> first_day, last_day;  // Unix days (UTC), both included.
  std::int64_t rows_max = 1000;
};

/// One LiteLLM SpendLogs row (spec management-api 12.1) as JSON text, newest first. One row more than `rows_max` says
/// that there are more.
Task<Result<std::vector<std::string>>> read_spend_logs(db::Database& database, SpendFilter filter);

/// The same by day: [{"startTime","spend","users":{},"models":{},"<hash>":spend}, ...] as JSON text.
Task<Result<std::string>> read_spend_by_day(db::Database& database, SpendFilter filter);

}  // namespace turnpike::api
