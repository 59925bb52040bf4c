#include "api/spend_query.h"

#include <map>

#include "base/money.h"
#include "base/text.h"
#include "domain/call_record.h"
#include "json/write.h"

namespace turnpike::api {
namespace {

constexpr std::int64_t kDayMicroseconds = 86'400'000'000;
constexpr std::int64_t kGroupsMax = 200'000;  // Of one summary: (day, user, model, key).

constexpr std::string_view kColumns =
    "SELECT record_id, call_id, provider_request_id, trace_id, started_us, first_byte_us, ended_us, status, "
    "http_status, "
    "marks, cost_nano, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, "
    "usage, attempts, "
    "operation, "
    "stream, retries, fallbacks, key_hash, key_alias, team_id, user_id, organization_id, end_user, tags, route, "
    "requested_model, model_group, model, provider, deployment_id, api_base, client_ip, error_kind, error_text, "
    "end_reason, price_version FROM entry";

enum Column : std::size_t {
  kRecordId,
  kCallId,
  kProviderRequestId,
  kTraceId,
  kStarted,
  kFirstByte,
  kEnded,
  kStatus,
  kHttpStatus,
  kMarks,
  kCost,
  kPromptTokens,
  kCompletionTokens,
  kCacheReadTokens,
  kCacheWriteTokens,
  kReasoningTokens,
  kUsage,
  kAttempts,
  kOperation,
  kStream,
  kRetries,
  kFallbacks,
  kKeyHash,
  kKeyAlias,
  kTeamId,
  kUserId,
  kOrganizationId,
  kEndUser,
  kTags,
  kRoute,
  kRequestedModel,
  kModelGroup,
  kModel,
  kProvider,
  kDeploymentId,
  kApiBase,
  kClientIp,
  kErrorKind,
  kErrorText,
  kEndReason,
  kPriceVersion,
};

/// WHERE with one placeholder per filter that is there.
std::string where(const SpendFilter& filter, std::vector<db::Value>& values) {
  std::string sql = " WHERE kind = 0";
  const auto next = [&](db::Value value) {
    values.push_back(std::move(value));
    return "$" + std::to_string(values.size());
  };
  if (filter.request_id) {
    const std::string a = next(*filter.request_id), b = next(*filter.request_id), c = next(*filter.request_id);
    sql += " AND (record_id = " + a + " OR call_id = " + b + " OR provider_request_id = " + c + ")";
  }
  if (filter.key_hash) sql += " AND key_hash = " + next(*filter.key_hash);
  if (filter.user_id) sql += " AND user_id = " + next(*filter.user_id);
  if (filter.first_day) sql += " AND day >= " + next(*filter.first_day);
  if (filter.last_day) sql += " AND day <= " + next(*filter.last_day);
  return sql;
}

std::string_view error_class(std::int64_t status) {
  switch (status) {
    case 400:
      return "BadRequestError";
    case 401:
      return "AuthenticationError";
    case 403:
      return "PermissionDeniedError";
    case 404:
      return "NotFoundError";
    case 408:
      return "Timeout";
    case 422:
      return "UnprocessableEntityError";
    case 429:
      return "RateLimitError";
    case 502:
      return "BadGatewayError";
    case 503:
      return "ServiceUnavailableError";
    default:
      return status >= 500 ? "InternalServerError" : "APIError";
  }
}

/// One row of the query with named access to its columns.
class Reader {
 public:
  explicit Reader(const db::Row& row) : row_(row) {}
  std::string text(Column column) const { return db::as_text(row_[column]); }
  std::int64_t number(Column column) const { return db::as_int(row_[column]); }
  std::string first_of(Column first, Column second) const {
    std::string value = text(first);
    return value.empty() ? text(second) : value;
  }

 private:
  const db::Row& row_;
};

void text_or_null(json::Writer& writer, std::string_view name, const std::string& text) {
  writer.key(name);
  if (text.empty()) {
    writer.null();
  } else {
    writer.string(text);
  }
}

void raw_or(json::Writer& writer, std::string_view name, const std::string& json, std::string_view fallback) {
  writer.key(name).raw(json.empty() ? fallback : std::string_view(json));
}

void write_metadata(json::Writer& writer, const Reader& row, bool success) {
  writer.key("metadata").begin_object();
  text_or_null(writer, "user_api_key", row.text(kKeyHash));
  text_or_null(writer, "user_api_key_alias", row.text(kKeyAlias));
  text_or_null(writer, "user_api_key_team_id", row.text(kTeamId));
  text_or_null(writer, "user_api_key_org_id", row.text(kOrganizationId));
  text_or_null(writer, "user_api_key_user_id", row.text(kUserId));
  text_or_null(writer, "requester_ip_address", row.text(kClientIp));
  writer.key("status").string(success ? "success" : "failure");
  raw_or(writer, "usage_object", row.text(kUsage), "null");
  writer.key("additional_usage_values").begin_object();
  writer.key("cache_creation_input_tokens").number(row.number(kCacheWriteTokens));
  writer.key("cache_read_input_tokens").number(row.number(kCacheReadTokens));
  writer.end_object();
  writer.key("error_information");
  if (success) {
    writer.null();
  } else {
    writer.begin_object();
    writer.key("error_code").string(std::to_string(row.number(kHttpStatus)));
    writer.key("error_class").string(error_class(row.number(kHttpStatus)));
    text_or_null(writer, "llm_provider", row.text(kProvider));
    writer.key("traceback").string("");
    writer.key("error_message").string(row.text(kErrorText));
    writer.end_object();
  }
  writer.end_object();
}

/// The ledger keeps no list of an only attempt that went well: the row is its account.
void write_attempts(json::Writer& writer, const Reader& row) {
  writer.key("attempts");
  if (const std::string kept = row.text(kAttempts); !kept.empty()) {
    writer.raw(kept);
    return;
  }
  writer.begin_array();
  if (const std::string deployment = row.text(kDeploymentId); !deployment.empty()) {
    constexpr std::int64_t kAnswered = 200;
    writer.begin_object();
    writer.key("model_group").string(row.text(kModelGroup));
    writer.key("deployment_id").string(deployment);
    writer.key("provider").string(row.text(kProvider));
    writer.key("model").string(row.text(kModel));
    writer.key("api_base").string(row.text(kApiBase));
    writer.key("status").number(kAnswered);
    writer.key("started_us").number(row.number(kStarted));
    writer.key("ended_us").number(row.number(kEnded));
    writer.key("billed").boolean((row.number(kMarks) & static_cast<std::int64_t>(domain::kMocked)) == 0);
    writer.key("cost_nano").number(row.number(kCost));
    writer.end_object();
  }
  writer.end_array();
}

void write_own(json::Writer& writer, const Reader& row, domain::EntryStatus status) {
  writer.key("turnpike").begin_object();
  writer.key("record_id").string(row.first_of(kRecordId, kCallId));
  writer.key("call_id").string(row.text(kCallId));
  text_or_null(writer, "provider_request_id", row.text(kProviderRequestId));
  writer.key("status").string(domain::status_name(status));
  writer.key("marks").string(domain::mark_names(static_cast<std::uint64_t>(row.number(kMarks))));
  writer.key("http_status").number(row.number(kHttpStatus));
  text_or_null(writer, "error_kind", row.text(kErrorKind));
  text_or_null(writer, "end_reason", row.text(kEndReason));
  writer.key("stream").boolean(row.number(kStream) != 0);
  text_or_null(writer, "requested_model", row.text(kRequestedModel));
  text_or_null(writer, "route", row.text(kRoute));
  writer.key("retries").number(row.number(kRetries));
  writer.key("fallbacks").number(row.number(kFallbacks));
  write_attempts(writer, row);
  writer.key("cached_prompt_tokens").number(row.number(kCacheReadTokens));
  writer.key("reasoning_tokens").number(row.number(kReasoningTokens));
  text_or_null(writer, "price_version", row.text(kPriceVersion));
  writer.end_object();
}

std::string spend_log(const db::Row& columns) {
  const Reader row(columns);
  const auto status = static_cast<domain::EntryStatus>(row.number(kStatus));
  const bool success = status == domain::EntryStatus::Success;
  const std::int64_t first_byte_us = row.number(kFirstByte);
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  writer.key("request_id").string(success ? row.first_of(kProviderRequestId, kCallId) : row.text(kCallId));
  writer.key("call_type").string(domain::operation_call_type(static_cast<domain::Operation>(row.number(kOperation))));
  writer.key("api_key").string(row.text(kKeyHash));
  writer.key("spend").raw(Money::from_nano(row.number(kCost)).to_string());
  writer.key("total_tokens").number(row.number(kPromptTokens) + row.number(kCompletionTokens));
  writer.key("prompt_tokens").number(row.number(kPromptTokens));
  writer.key("completion_tokens").number(row.number(kCompletionTokens));
  writer.key("startTime").string(base::iso_time(row.number(kStarted)));
  writer.key("endTime").string(base::iso_time(row.number(kEnded)));
  writer.key("completionStartTime").string(base::iso_time(first_byte_us == 0 ? row.number(kEnded) : first_byte_us));
  writer.key("model").string(row.first_of(kModel, kRequestedModel));
  writer.key("model_group").string(row.first_of(kModelGroup, kRequestedModel));
  writer.key("model_id").string(row.text(kDeploymentId));
  writer.key("custom_llm_provider").string(row.text(kProvider));
  writer.key("api_base").string(row.text(kApiBase));
  writer.key("user").string(row.text(kUserId));
  text_or_null(writer, "team_id", row.text(kTeamId));
  text_or_null(writer, "organization_id", row.text(kOrganizationId));
  writer.key("end_user").string(row.text(kEndUser));
  raw_or(writer, "request_tags", row.text(kTags), "[]");
  text_or_null(writer, "requester_ip_address", row.text(kClientIp));
  text_or_null(writer, "session_id", row.text(kTraceId));
  writer.key("status").string(success ? "success" : "failure");
  writer.key("cache_hit").string("False").key("cache_key").string("Cache OFF");
  for (const std::string_view empty : {"messages", "response", "proxy_server_request"}) {
    writer.key(empty).begin_object().end_object();
  }
  writer.key("request_duration_ms").number((row.number(kEnded) - row.number(kStarted)) / 1000);
  write_metadata(writer, row, success);
  write_own(writer, row, status);
  writer.end_object();
  return body;
}

/// Runs one query on the database's thread.
Task<Result<db::Rows>> query(db::Database& database, std::string sql, std::vector<db::Value> values) {
  auto found = std::make_shared<db::Rows>();
  std::function<Status(db::Transaction&)> work = [found, sql = std::move(sql),
                                                  values = std::move(values)](db::Transaction& transaction) -> Status {
    Result<db::Rows> rows = transaction.run(sql, values);
    if (!rows) return base::fail(std::move(rows.error()));
    *found = std::move(*rows);
    return {};
  };
  if (Status status = co_await database.read(std::move(work)); !status) co_return base::fail(std::move(status.error()));
  co_return std::move(*found);
}

struct Day {
  Money spend;
  std::map<std::string, Money> users, models, keys;
};

void write_sums(json::Writer& writer, const std::map<std::string, Money>& sums) {
  for (const auto& [name, spend] : sums) writer.key(name).raw(spend.to_string());
}

}  // namespace

Task<Result<std::vector<std::string>>> read_spend_logs(db::Database& database, SpendFilter filter) {
  std::vector<db::Value> values;
  std::string sql = std::string(kColumns) + where(filter, values);
  values.emplace_back(filter.rows_max + 1);
  sql += " ORDER BY started_us DESC, replica_no, entry_no DESC LIMIT $" + std::to_string(values.size());
  Result<db::Rows> rows = co_await query(database, std::move(sql), std::move(values));
  if (!rows) co_return base::fail(std::move(rows.error()));
  std::vector<std::string> logs;
  logs.reserve(rows->rows.size());
  for (const db::Row& row : rows->rows) logs.push_back(spend_log(row));
  co_return logs;
}

Task<Result<std::string>> read_spend_by_day(db::Database& database, SpendFilter filter) {
  std::vector<db::Value> values;
  std::string sql = "SELECT day, user_id, model, key_hash, SUM(cost_nano) FROM entry" + where(filter, values);
  values.emplace_back(kGroupsMax);
  sql += " GROUP BY day, user_id, model, key_hash ORDER BY day LIMIT $" + std::to_string(values.size());
  Result<db::Rows> rows = co_await query(database, std::move(sql), std::move(values));
  if (!rows) co_return base::fail(std::move(rows.error()));
  std::map<std::int64_t, Day> days;
  for (const db::Row& row : rows->rows) {
    Day& day = days[db::as_int(row[0])];
    const Money spend = Money::from_nano(db::as_int(row[4]));
    day.spend += spend;
    day.users[db::as_text(row[1])] += spend;
    day.models[db::as_text(row[2])] += spend;
    day.keys[db::as_text(row[3])] += spend;
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const auto& [number, day] : days) {
    writer.begin_object();
    writer.key("startTime").string(base::iso_time(number * kDayMicroseconds).substr(0, 10));
    writer.key("spend").raw(day.spend.to_string());
    writer.key("users").begin_object();
    write_sums(writer, day.users);
    writer.end_object().key("models").begin_object();
    write_sums(writer, day.models);
    writer.end_object();
    write_sums(writer, day.keys);
    writer.end_object();
  }
  writer.end_array();
  co_return body;
}

}  // namespace turnpike::api
