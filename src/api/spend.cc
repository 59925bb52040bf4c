#include "api/handlers.h"
#include "api/key_json.h"
#include "api/permission.h"
#include "api/spend_query.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

constexpr std::int64_t kDayMicroseconds = 86'400'000'000;
constexpr std::uint64_t kRowsMax = 10'000;
constexpr std::uint64_t kKeysMax = 10'000;

Result<std::optional<std::int64_t>> read_day(const Context& context, std::string_view name) {
  const std::string text = context.request().query_value(name);
  if (text.empty()) return std::nullopt;
  const std::optional<std::int64_t> time_us = base::parse_iso_time(text);
  if (!time_us || *time_us < 0) {
    return refuse_field(name, std::string(name) + " must be a date such as 2026-02-16 (UTC).");
  }
  return *time_us / kDayMicroseconds;
}

/// A user reads what is his, a key without a user its own entries, whatever it asks for; those of others are refused.
Status confine(const domain::Caller& caller, SpendFilter& filter) {
  if (sees_everything(caller) || caller.reads_all_spend) return {};
  Error error;
  error.kind = ErrorKind::PermissionDenied;
  if (caller.is_user) {
    if (filter.user_id && *filter.user_id != caller.user_id) {
      error.param = "user_id";
      error.message = "A user may read his own spend only; proxy admins and their viewers read everybody's.";
      return base::fail(std::move(error));
    }
    filter.user_id = caller.user_id;
    return {};
  }
  if (filter.key_hash && *filter.key_hash != caller.key_hash_hex) {
    error.param = "api_key";
    error.message = "A key may read its own spend only; the master key reads every key's.";
    return base::fail(std::move(error));
  }
  filter.key_hash = caller.key_hash_hex;
  return {};
}

Result<SpendFilter> read_filter(const Context& context) {
  SpendFilter filter;
  if (std::string id = context.request().query_value("request_id"); !id.empty()) filter.request_id = std::move(id);
  if (std::string user = context.request().query_value("user_id"); !user.empty()) filter.user_id = std::move(user);
  if (const std::string key = context.request().query_value("api_key"); !key.empty()) {
    filter.key_hash = hash_of_reference(key);
    if (filter.key_hash->empty()) {
      return refuse_field("api_key", "api_key must be a key (\"sk-...\") or its hash (64 hexadecimal digits).");
    }
  }
  const Result<std::optional<std::int64_t>> first = read_day(context, "start_date");
  if (!first) return base::fail(first.error());
  const Result<std::optional<std::int64_t>> last = read_day(context, "end_date");
  if (!last) return base::fail(last.error());
  filter.first_day = *first;
  filter.last_day = *last;
  if (const std::string limit = context.request().query_value("limit"); !limit.empty()) {
    const std::optional<std::uint64_t> rows = base::parse_unsigned(limit);
    if (!rows || *rows == 0 || *rows > kRowsMax) {
      return refuse_field("limit", "limit must be a whole number from 1 to " + std::to_string(kRowsMax) + ".");
    }
    filter.rows_max = static_cast<std::int64_t>(*rows);
  }
  if (Status status = confine(*context.caller, filter); !status) return base::fail(std::move(status.error()));
  return filter;
}

}  // namespace

Task<Result<Reply>> spend_logs(const Context& context) {
  Result<SpendFilter> filter = read_filter(context);
  if (!filter) co_return base::fail(std::move(filter.error()));
  const bool by_day = filter->first_day && filter->last_day && !filter->request_id &&
                      base::to_lower(context.request().query_value("summarize")) != "false";
  // What has been answered is in the journal; who asks for it right away wants to see it.
  co_await context.gateway.ledger->shipped();
  if (by_day) {
    Result<std::string> days = co_await read_spend_by_day(*context.gateway.database, std::move(*filter));
    if (!days) co_return base::fail(std::move(days.error()));
    co_return private_json_reply(std::move(*days));
  }
  const auto rows_max = static_cast<std::size_t>(filter->rows_max);
  Result<std::vector<std::string>> logs = co_await read_spend_logs(*context.gateway.database, std::move(*filter));
  if (!logs) co_return base::fail(std::move(logs.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (std::size_t i = 0; i < logs->size() && i < rows_max; ++i) writer.raw((*logs)[i]);
  writer.end_array();
  Reply reply = private_json_reply(std::move(body));
  if (logs->size() > rows_max) http::add_field(reply.fields, "x-turnpike-truncated", std::to_string(rows_max));
  co_return reply;
}

/// Key rows, the dearest first.
Task<Result<Reply>> spend_keys(const Context& context) {
  account::KeyQuery filter;
  filter.sort_by = "spend";
  filter.size = kKeysMax;
  Result<account::KeyPage> page = co_await context.gateway.keys->list(std::move(filter));
  if (!page) co_return base::fail(std::move(page.error()));
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const account::KeyRow& row : page->rows) {
    writer.begin_object();
    account::write_key_row(writer, row, live_spend(*context.gateway.ledger, row), true);
    writer.end_object();
  }
  writer.end_array();
  Reply reply = private_json_reply(std::move(body));
  if (page->total > kKeysMax) http::add_field(reply.fields, "x-turnpike-truncated", std::to_string(kKeysMax));
  co_return reply;
}

}  // namespace turnpike::api
