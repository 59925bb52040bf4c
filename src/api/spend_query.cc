#include "api/spend_query.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/report.h"
#include "base/clock.h"
#include "base/money.h"
#include "base/text.h"
#include "domain/call_record.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::api {
namespace {

constexpr std::string_view kColumns =
    "SELECT record_id, call_id, provider_request_id, trace_id, started_us, first_byte_us, ended_us, status, "
    "http_status, "
    "marks, cost_nano, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, "
    "usage, attempts, "
    "operation, "
    "stream, retries, fallbacks, key_hash, key_alias, team_id, user_id, organization_id, end_user, tags, route, "
    "requested_model, model_group, model, provider, deployment_id, api_base, client_ip, error_kind, error_text, "
    "end_reason, price_version";

// Of a call whose texts were kept. Its day is that of its start by whichever clock.
constexpr std::string_view kTexts =
    "(SELECT request FROM entry_text t WHERE t.record_id = coalesce(entry.record_id, entry.call_id) AND t.day >= "
    "entry.day - 1 AND t.day <= entry.day + 1), (SELECT response FROM entry_text t WHERE t.record_id = "
    "coalesce(entry.record_id, entry.call_id) AND t.day >= entry.day - 1 AND t.day <= entry.day + 1)";

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
  kRequest,  // Where the texts were asked for.
  kResponse,
};

/// What a page is sorted by, and where that stands.
struct Sorting {
  std::string_view name, sql;
};
constexpr Sorting kSortings[] = {{"startTime", "started_us"},
                                 {"endTime", "ended_us"},
                                 {"spend", "cost_nano"},
                                 {"total_tokens", "prompt_tokens + completion_tokens"},
                                 {"request_duration_ms", "ended_us - started_us"},
                                 {"model", "model"}};
constexpr std::string_view kSortNames[] = {kSortings[0].name, kSortings[1].name, kSortings[2].name,
                                           kSortings[3].name, kSortings[4].name, kSortings[5].name};
static_assert(std::size(kSortNames) == std::size(kSortings));

/// LIKE's pattern for what holds `text` as it is.
std::string pattern_of(std::string_view text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '!') pattern += '!';
    pattern += c;
  }
  return pattern + "%";
}

Conditions conditions_of(const SpendFilter& filter) {
  Conditions where;
  where.add("kind = 0");
  if (filter.request_id) {
    const std::string a = where.place(*filter.request_id), b = where.place(*filter.request_id),
                      c = where.place(*filter.request_id);
    where.add("(record_id = " + a + " OR call_id = " + b + " OR provider_request_id = " + c + ")");
  }
  const std::pair<std::string_view, const std::optional<std::string>*> texts[] = {
      {"key_hash", &filter.key_hash},
      {"user_id", &filter.user_id},
      {"team_id", &filter.team_id},
      {"model", &filter.model},
      {"deployment_id", &filter.deployment_id},
      {"key_alias", &filter.key_alias},
      {"end_user", &filter.end_user},
      {"trace_id", &filter.session_id}};
  for (const auto& [column, value] : texts) {
    if (*value) where.equals(column, **value);
  }
  if (filter.first_day) where.add("day >= " + where.place(*filter.first_day));
  if (filter.last_day) where.add("day <= " + where.place(*filter.last_day));
  if (filter.from_us) {
    where.add("day >= " + where.place(*filter.from_us / base::kDayUs));
    where.add("started_us >= " + where.place(*filter.from_us));
  }
  if (filter.until_us) {
    where.add("day <= " + where.place(*filter.until_us / base::kDayUs));
    where.add("started_us <= " + where.place(*filter.until_us));
  }
  if (filter.spend_min) where.add("cost_nano >= " + where.place(filter.spend_min->nano()));
  if (filter.spend_max) where.add("cost_nano <= " + where.place(filter.spend_max->nano()));
  if (filter.succeeded) where.add(*filter.succeeded ? "status = 0" : "status <> 0");
  if (filter.http_status) where.equals("http_status", *filter.http_status);
  if (filter.error_part) {
    where.add("error_text LIKE " + where.place(pattern_of(*filter.error_part)) + " ESCAPE '!'");
  }
  return where;
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

/// `messages`, `response` and `proxy_server_request` of texts as they are kept, or empty objects.
void write_texts(json::Writer& writer, const std::string& request, const std::string& response) {
  json::Document document;
  std::string_view messages;
  if (document.parse(request)) messages = document.root().find("messages").raw();
  raw_or(writer, "messages", std::string(messages), "{}");
  raw_or(writer, "response", response, "{}");
  raw_or(writer, "proxy_server_request", request, "{}");
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
  const bool texts = columns.size() > kResponse;
  write_texts(writer, texts ? row.text(kRequest) : std::string(), texts ? row.text(kResponse) : std::string());
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

}  // namespace

std::span<const std::string_view> sort_names() {
  return kSortNames;
}

Task<Result<std::vector<std::string>>> read_spend_logs(db::Database& database, SpendFilter filter) {
  const Conditions where = conditions_of(filter);
  std::string sql =
      fmt::format("{}{}{} FROM entry {} ORDER BY started_us DESC, replica_no, entry_no DESC LIMIT {}", kColumns,
                  filter.with_texts ? ", " : "", filter.with_texts ? kTexts : "", where.text(), filter.rows_max + 1);
  Result<db::Rows> rows = co_await query(database, std::move(sql), where.values());
  if (!rows) co_return base::fail(std::move(rows.error()));
  std::vector<std::string> logs;
  logs.reserve(rows->rows.size());
  for (const db::Row& row : rows->rows) logs.push_back(spend_log(row));
  co_return logs;
}

Task<Result<std::string>> read_spend_texts(db::Database& database, SpendFilter filter) {
  const Conditions where = conditions_of(filter);
  std::string sql = fmt::format("SELECT {} FROM entry {} ORDER BY started_us DESC LIMIT 1", kTexts, where.text());
  const Result<db::Rows> rows = co_await query(database, std::move(sql), where.values());
  if (!rows) co_return base::fail(rows.error());
  std::string body;
  if (rows->rows.empty()) co_return body;
  json::Writer writer(body);
  writer.begin_object();
  write_texts(writer, db::as_text(rows->rows[0][0]), db::as_text(rows->rows[0][1]));
  writer.end_object();
  co_return body;
}

Task<Result<SpendRows>> read_spend_page(db::Database& database, SpendFilter filter, SpendPage page) {
  const Conditions where = conditions_of(filter);
  std::string count =
      fmt::format("SELECT count(*) FROM (SELECT 1 FROM entry {} LIMIT {}) counted", where.text(), kSpendRowsCountedMax);
  Result<db::Rows> counted = co_await query(database, std::move(count), where.values());
  if (!counted) co_return base::fail(std::move(counted.error()));
  const auto sorting = std::ranges::find(kSortings, page.sort_by, &Sorting::name);
  const std::string_view by = sorting == std::end(kSortings) ? kSortings[0].sql : sorting->sql;
  std::string sql =
      fmt::format("{} FROM entry {} ORDER BY {} {}, replica_no, entry_no DESC LIMIT {} OFFSET {}", kColumns,
                  where.text(), by, page.ascending ? "ASC" : "DESC", page.size, (page.number - 1) * page.size);
  Result<db::Rows> rows = co_await query(database, std::move(sql), where.values());
  if (!rows) co_return base::fail(std::move(rows.error()));
  SpendRows found;
  found.total = db::as_int(counted->rows.at(0).at(0));
  for (const db::Row& row : rows->rows) found.logs.push_back(spend_log(row));
  co_return found;
}

Status confine(const domain::Caller& caller, SpendFilter& filter) {
  const ReportScope scope = scope_of(caller);
  if (scope.of == ReportScope::Of::User) {
    if (filter.user_id && *filter.user_id != scope.id) {
      return forbid_field("user_id",
                          "A user may read his own spend only; proxy admins and their viewers read everybody's.");
    }
    filter.user_id = scope.id;
  } else if (scope.of == ReportScope::Of::Key) {
    if (filter.key_hash && *filter.key_hash != scope.id) {
      return forbid_field("api_key", "A key may read its own spend only; the master key reads every key's.");
    }
    filter.key_hash = scope.id;
  }
  return {};
}

}  // namespace turnpike::api
