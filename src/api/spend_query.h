#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "base/task.h"
#include "db/database.h"
#include "domain/caller.h"

namespace turnpike::api {

/// Which entries of the ledger a reader wants; absent: all. Values travel as parameters, never as text of a query.
struct SpendFilter {
  std::optional<std::string> request_id;  // Record id, call id or provider's id.
  std::optional<std::string> key_hash;
  std::optional<std::string> user_id;
  std::optional<std::string> team_id, model, deployment_id, key_alias, end_user, session_id;
  std::optional<std::int64_t> first_day, last_day;  // Unix days (UTC), both included.
  std::optional<std::int64_t> from_us, until_us;    // Of the call's start, both included.
  std::optional<Money> spend_min, spend_max;
  std::optional<bool> succeeded;
  std::optional<std::int64_t> http_status;
  std::optional<std::string> error_part;  // Stands in the error's text.
  std::int64_t rows_max = 1000;
  bool with_texts = false;  // What was asked and answered, where it was kept.
};

/// A page of a list; `sort_by` is one of `sort_names`.
struct SpendPage {
  std::string sort_by = "startTime";
  bool ascending = false;
  std::uint64_t number = 1, size = 50;
};
std::span<const std::string_view> sort_names();
/// More rows than these are not counted for a page.
constexpr std::int64_t kSpendRowsCountedMax = 100'000;
struct SpendRows {
  std::vector<std::string> logs;  // As of `read_spend_logs`.
  std::int64_t total = 0;
};

/// One LiteLLM SpendLogs row (spec management-api 12.1) as JSON text, newest first. One row more than `rows_max` says
/// that there are more.
Task<Result<std::vector<std::string>>> read_spend_logs(db::Database& database, SpendFilter filter);

/// What the newest such call asked for and was answered, as {"messages", "response", "proxy_server_request"}, each {}
/// where it was not kept; empty: there is no such call.
Task<Result<std::string>> read_spend_texts(db::Database& database, SpendFilter filter);

Task<Result<SpendRows>> read_spend_page(db::Database& database, SpendFilter filter, SpendPage page);

/// Cuts `filter` to what the caller may read: a user what is his, a key without a user its own entries. Errors:
/// PermissionDenied where it asks for those of others.
Status confine(const domain::Caller& caller, SpendFilter& filter);

}  // namespace turnpike::api
