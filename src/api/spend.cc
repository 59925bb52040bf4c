#include <map>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/record_route.h"
#include "api/report.h"
#include "api/spend_query.h"
#include "api/user_rows.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

constexpr std::uint64_t kRowsMax = 10'000;
constexpr std::int64_t kRowsWithTextsMax = 100;
constexpr std::uint64_t kKeysMax = 10'000;

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
  const Result<std::optional<std::int64_t>> first = query_day(context, "start_date");
  if (!first) return base::fail(first.error());
  const Result<std::optional<std::int64_t>> last = query_day(context, "end_date");
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
  filter.with_texts = filter.request_id || filter.rows_max <= kRowsWithTextsMax;
  if (Status status = confine(*context.caller, filter); !status) return base::fail(std::move(status.error()));
  return filter;
}

using Sums = std::map<std::string, std::int64_t, std::less<>>;

struct Day {
  std::int64_t cost_nano = 0, of_users = 0;
  Sums users, models, keys;
};

/// Without a copy of the name where it is known: there are as many rows as keys, models and days.
void add(Sums& sums, const db::Value& name, std::int64_t nano) {
  const auto* text = std::get_if<std::string>(&name);
  const std::string_view view = text == nullptr ? std::string_view() : std::string_view(*text);
  const auto at = sums.find(view);
  (at == sums.end() ? sums.emplace(view, 0).first : at)->second += nano;
}

void write_sums(json::Writer& writer, const Sums& sums) {
  for (const auto& [name, nano] : sums) writer.key(name).raw(dollars(nano));
}

/// [{"startTime": day, "spend", "users": {}, "models": {}, "<hash>": spend}, ...]. What nobody's keys have spent stands
/// under the user "".
Result<Reply> summarize(account::Records& records, const SpendFilter& filter) {
  const DayRange range{*filter.first_day, *filter.last_day};
  Conditions calls, users;
  calls.days(range);
  users.days(range);
  add_calls(calls, filter.user_id ? ReportScope{ReportScope::Of::User, *filter.user_id} : ReportScope{});
  add_entities(users, Entity::User, {});
  if (filter.user_id) users.equals("entity", *filter.user_id);
  for (Conditions* where : {&calls, &users}) {
    if (filter.key_hash) where->equals("key_hash", *filter.key_hash);
  }
  // The database would take longer over these sums: it has all days at once to sort.
  const Result<db::Rows> of_calls = read_daily(records, "day, model, key_hash, cost_nano", calls, "");
  if (!of_calls) return base::fail(of_calls.error());
  const Result<db::Rows> of_users = read_daily(records, "day, entity, sum(cost_nano)", users, "GROUP BY day, entity");
  if (!of_users) return base::fail(of_users.error());
  std::map<std::int64_t, Day> days;
  for (const db::Row& row : of_calls->rows) {
    Day& day = days[db::as_int(row[0])];
    const std::int64_t nano = db::as_int(row[3]);
    day.cost_nano += nano;
    add(day.models, row[1], nano);
    add(day.keys, row[2], nano);
  }
  for (const db::Row& row : of_users->rows) {
    Day& day = days[db::as_int(row[0])];
    day.of_users += db::as_int(row[2]);
    add(day.users, row[1], db::as_int(row[2]));
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (auto& [number, day] : days) {
    if (day.cost_nano != day.of_users) day.users[""] += day.cost_nano - day.of_users;
    writer.begin_object().key("startTime").string(day_text(number)).key("spend").raw(dollars(day.cost_nano));
    writer.key("users").begin_object();
    write_sums(writer, day.users);
    writer.end_object().key("models").begin_object();
    write_sums(writer, day.models);
    writer.end_object();
    write_sums(writer, day.keys);
    writer.end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
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
    std::function<Result<Reply>(account::Records&)> work = [filter = std::move(*filter)](account::Records& records) {
      return summarize(records, filter);
    };
    co_return co_await answer_from_records(context, std::move(work));
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

/// User rows, the dearest first.
Task<Result<Reply>> spend_users(const Context& context) {
  return answer_report(context, [&context](account::Records& records) -> Result<Reply> {
    account::Query query;
    query.sort_by = "spend";
    query.ascending = false;
    query.size = kListRowsMax;
    std::string user_id = context.request().query_value("user_id");
    const ReportScope scope = scope_of(*context.caller);
    if (scope.of == ReportScope::Of::Key) return private_json_reply("[]");
    if (scope.of == ReportScope::Of::User) {
      if (!user_id.empty() && user_id != scope.id) {
        return forbid_field("user_id", "A user may read his own spend only.");
      }
      user_id = scope.id;
    }
    if (!user_id.empty()) query.where.push_back({"user_id", account::Condition::Test::Equals, {user_id}});
    const Result<account::RecordPage> page = records.list(account::kUsers, query);
    if (!page) return base::fail(page.error());
    std::string body;
    json::Writer writer(body);
    writer.begin_array();
    for (const account::Record& row : page->rows) {
      writer.begin_object();
      if (Status written = write_user(writer, context, records, row); !written) {
        return base::fail(std::move(written.error()));
      }
      writer.end_object();
    }
    writer.end_array();
    return private_json_reply(std::move(body));
  });
}

}  // namespace turnpike::api
