#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/permission.h"
#include "api/query.h"
#include "api/record_route.h"
#include "api/report.h"
#include "json/document.h"

// Sums over everybody, or over what the caller may see (spec management-api 10.1 and 10.2).
namespace turnpike::api {
namespace {

using account::Records;

constexpr std::size_t kNamesMax = 10'000;  // Of a list of names.
constexpr std::uint64_t kTopMax = 10'000;  // Of a list of the dearest.

/// [{"<name>": ..., "<sum>": dollars}, ...] of rows (name, nanodollars).
std::string name_and_spend(const db::Rows& rows, std::string_view name, std::string_view sum) {
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const db::Row& row : rows.rows) {
    writer.begin_object().key(name).string(db::as_text(row[0])).key(sum).raw(dollars(row[1])).end_object();
  }
  writer.end_array();
  return body;
}

/// The gateway's own budget where it has one, else all that was ever spent, which no retention takes away.
Result<Reply> show_total(Records& records) {
  const Result<db::Rows> own = records.transaction().run(
      "SELECT w.spent_nano, a.limit_nano FROM account a JOIN account_window w ON w.account_id = a.account_id AND"
      " w.window_id = a.window_id WHERE a.kind = 1 AND a.model = '' AND a.closed_us IS NULL AND a.limit_nano IS NOT "
      "NULL",
      {});
  if (!own) return base::fail(own.error());
  const Result<db::Rows> all = records.transaction().run("SELECT coalesce(sum(cost_nano), 0), 0 FROM replica_day", {});
  if (!all) return base::fail(all.error());
  const db::Row& row = own->rows.empty() ? all->rows.at(0) : own->rows[0];
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("spend").raw(dollars(row[0])).key("max_budget").raw(dollars(row[1])).end_object();
  return private_json_reply(std::move(body));
}

Result<Reply> show_by_day(const Context& context, Records& records) {
  Conditions conditions;
  conditions.days(last_month(context));
  ReportScope scope = scope_of(*context.caller);
  if (const std::string key = context.request().query_value("api_key"); !key.empty()) {
    scope = {ReportScope::Of::Key, hash_of_reference(key)};
    if (scope.id.empty()) return refuse_field("api_key", "api_key must be a key (\"sk-...\") or its hash.");
  }
  add_calls(conditions, scope);
  const Result<db::Rows> rows = read_daily(records, "day, sum(cost_nano)", conditions, "GROUP BY day ORDER BY day");
  if (!rows) return base::fail(rows.error());
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const db::Row& row : rows->rows) {
    writer.begin_object().key("date").string(day_text(db::as_int(row[0])));
    writer.key("spend").raw(dollars(row[1])).end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

Result<Reply> show_top_keys(const Context& context, Records& records) {
  const Result<std::uint64_t> limit = query_count(context, "limit", 100, 1, kTopMax);
  if (!limit) return base::fail(limit.error());
  Conditions conditions;
  conditions.days(last_month(context));
  add_calls(conditions, scope_of(*context.caller));
  const Result<db::Rows> rows =
      read_daily(records, "key_hash, sum(cost_nano) AS total", conditions,
                 fmt::format("GROUP BY key_hash ORDER BY total DESC, key_hash LIMIT {}", *limit));
  if (!rows) return base::fail(rows.error());
  std::vector<std::string> hashes;
  for (const db::Row& row : rows->rows) hashes.push_back(db::as_text(row[0]));
  const Result<std::map<std::string, KeyLabel>> keys = key_labels(records, hashes);
  if (!keys) return base::fail(keys.error());
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const db::Row& row : rows->rows) {
    const auto found = keys->find(db::as_text(row[0]));
    writer.begin_object().key("api_key").string(db::as_text(row[0]));
    for (const auto& [name, member] : {std::pair{"key_alias", &KeyLabel::alias}, {"key_name", &KeyLabel::name}}) {
      writer.key(name);
      found == keys->end() || (found->second.*member).empty() ? writer.null() : writer.string(found->second.*member);
    }
    writer.key("total_spend").raw(dollars(row[1])).end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

Result<Reply> show_top_models(const Context& context, Records& records) {
  const Result<std::uint64_t> limit = query_count(context, "limit", 100, 1, kTopMax);
  if (!limit) return base::fail(limit.error());
  Conditions conditions;
  conditions.days(last_month(context));
  conditions.add("model <> ''");
  add_calls(conditions, scope_of(*context.caller));
  const Result<db::Rows> rows = read_daily(records, "model, sum(cost_nano) AS total", conditions,
                                           fmt::format("GROUP BY model ORDER BY total DESC, model LIMIT {}", *limit));
  if (!rows) return base::fail(rows.error());
  return private_json_reply(name_and_spend(*rows, "model", "total_spend"));
}

Result<Reply> show_providers(const Context& context, Records& records) {
  const Result<DayRange> days = days_or_last_month(context);
  if (!days) return base::fail(days.error());
  Conditions conditions;
  conditions.days(*days);
  conditions.add("provider <> ''");
  add_calls(conditions, scope_of(*context.caller));
  const Result<db::Rows> rows = read_daily(records, "provider, sum(cost_nano) AS total", conditions,
                                           "GROUP BY provider ORDER BY total DESC, provider");
  if (!rows) return base::fail(rows.error());
  return private_json_reply(name_and_spend(*rows, "provider", "spend"));
}

/// What each team is called in a report: its alias, else its id.
Result<std::map<std::string, std::string>> team_names(Records& records, const db::Rows& rows, std::size_t column) {
  std::set<std::string> ids;
  for (const db::Row& row : rows.rows) ids.insert(db::as_text(row[column]));
  return labels(records, "team", "team_id", "team_alias", {ids.begin(), ids.end()});
}

Result<Reply> show_teams(const Context& context, Records& records) {
  Conditions conditions;
  conditions.days(last_month(context));
  add_entities(conditions, Entity::Team, {});
  const Result<db::Rows> rows =
      read_daily(records, "day, entity, sum(cost_nano)", conditions, "GROUP BY day, entity ORDER BY day, entity");
  if (!rows) return base::fail(rows.error());
  const Result<std::map<std::string, std::string>> aliases = team_names(records, *rows, 1);
  if (!aliases) return base::fail(aliases.error());
  std::map<std::int64_t, std::map<std::string, std::int64_t>> days;
  std::map<std::string, std::int64_t> totals;
  for (const db::Row& row : rows->rows) {
    const auto alias = aliases->find(db::as_text(row[1]));
    const std::string& name = alias == aliases->end() ? std::get<std::string>(row[1]) : alias->second;
    days[db::as_int(row[0])][name] += db::as_int(row[2]);
    totals[name] += db::as_int(row[2]);
  }
  std::multimap<std::int64_t, std::string, std::greater<>> dearest;
  for (const auto& [name, nano] : totals) dearest.emplace(nano, name);
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("daily_spend").begin_array();
  for (const auto& [day, teams] : days) {
    writer.begin_object().key("date").string(day_text(day));
    for (const auto& [name, nano] : teams) writer.key(name).raw(dollars(nano));
    writer.end_object();
  }
  writer.end_array().key("teams").begin_array();
  for (const auto& [name, nano] : totals) writer.string(name);
  writer.end_array().key("total_spend_per_team").begin_array();
  for (const auto& [nano, name] : dearest) {
    writer.begin_object().key("team_id").string(name).key("total_spend").raw(dollars(nano)).end_object();
  }
  writer.end_array().end_object();
  return private_json_reply(std::move(body));
}

/// Tags with their calls, the dearest first.
Result<db::Rows> read_tags(const Context& context, Records& records) {
  const Result<DayRange> days = days_or_last_month(context);
  if (!days) return base::fail(days.error());
  Conditions conditions;
  conditions.days(*days);
  const std::vector<std::string> asked = query_list(context, "tags");
  if (!asked.empty() && std::ranges::find(asked, "all-tags") == asked.end()) conditions.any_of("entity", asked);
  add_entities(conditions, Entity::Tag, scope_of(*context.caller));
  return read_daily(records, "entity, sum(cost_nano) AS total, sum(calls)", conditions,
                    fmt::format("GROUP BY entity ORDER BY total DESC, entity LIMIT {}", kNamesMax));
}

void write_tags(json::Writer& writer, const db::Rows& rows, std::string_view name, std::string_view spend) {
  writer.begin_array();
  for (const db::Row& row : rows.rows) {
    writer.begin_object().key(name).string(db::as_text(row[0]));
    writer.key("log_count").number(db::as_int(row[2])).key(spend).raw(dollars(row[1])).end_object();
  }
  writer.end_array();
}

struct EndUserQuery {
  std::string key_hash;
  DayRange days;
};

Result<EndUserQuery> read_end_user_query(const Context& context) {
  EndUserQuery query{"", last_month(context)};
  const std::string_view body = context.request().body;
  if (body.empty()) return query;
  json::Document document;
  if (Status parsed = document.parse(body); !parsed) return base::fail(std::move(parsed.error()));
  const Result<std::optional<std::string>> key = text_member(document.root(), "api_key");
  if (!key) return base::fail(key.error());
  if (*key && !(*key)->empty()) {
    query.key_hash = hash_of_reference(**key);
    if (query.key_hash.empty()) return refuse_field("api_key", "api_key must be a key (\"sk-...\") or its hash.");
  }
  for (const auto& [name, day] : {std::pair{"startTime", &query.days.first}, {"endTime", &query.days.last}}) {
    const Result<std::optional<std::string>> text = text_member(document.root(), name);
    if (!text) return base::fail(text.error());
    if (!*text) continue;
    const Result<std::optional<std::int64_t>> read = read_day_text(name, **text);
    if (!read) return base::fail(read.error());
    if (*read) *day = **read;
  }
  return query;
}

Result<Reply> show_end_users(const Context& context, Records& records, const EndUserQuery& query) {
  constexpr int kMost = 100;
  Conditions conditions;
  conditions.days(query.days);
  add_entities(conditions, Entity::EndUser, scope_of(*context.caller));
  if (!query.key_hash.empty()) conditions.equals("key_hash", query.key_hash);
  const Result<db::Rows> rows = read_daily(records, "entity, sum(cost_nano) AS total, sum(calls)", conditions,
                                           fmt::format("GROUP BY entity ORDER BY total DESC, entity LIMIT {}", kMost));
  if (!rows) return base::fail(rows.error());
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const db::Row& row : rows->rows) {
    writer.begin_object().key("end_user").string(db::as_text(row[0]));
    writer.key("total_count").number(db::as_int(row[2])).key("total_spend").raw(dollars(row[1])).end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

Result<Reply> show_names(Records& records, Entity kind, std::string_view member) {
  const Result<std::vector<std::string>> names = entity_names(records, kind, kNamesMax);
  if (!names) return base::fail(names.error());
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key(member).begin_array();
  for (const std::string& name : *names) writer.string(name);
  writer.end_array().end_object();
  return private_json_reply(std::move(body));
}

}  // namespace

Task<Result<Reply>> global_spend(const Context& context) {
  return answer_report(context, show_total);
}
Task<Result<Reply>> global_spend_logs(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_by_day(context, records); });
}
Task<Result<Reply>> global_spend_keys(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_top_keys(context, records); });
}
Task<Result<Reply>> global_spend_models(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_top_models(context, records); });
}
Task<Result<Reply>> global_spend_providers(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_providers(context, records); });
}
Task<Result<Reply>> global_spend_teams(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_teams(context, records); });
}

Task<Result<Reply>> global_spend_end_users(const Context& context) {
  Result<EndUserQuery> query = read_end_user_query(context);
  if (!query) co_return base::fail(std::move(query.error()));
  std::function<Result<Reply>(Records&)> work = [&context, query = std::move(*query)](Records& records) {
    return show_end_users(context, records, query);
  };
  co_return co_await answer_report(context, std::move(work));
}

Task<Result<Reply>> global_spend_tags(const Context& context) {
  return answer_report(context, [&context](Records& records) -> Result<Reply> {
    const Result<db::Rows> rows = read_tags(context, records);
    if (!rows) return base::fail(rows.error());
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("spend_per_tag");
    write_tags(writer, *rows, "name", "spend");
    writer.end_object();
    return private_json_reply(std::move(body));
  });
}

Task<Result<Reply>> spend_tags(const Context& context) {
  return answer_report(context, [&context](Records& records) -> Result<Reply> {
    const Result<db::Rows> rows = read_tags(context, records);
    if (!rows) return base::fail(rows.error());
    std::string body;
    json::Writer writer(body);
    write_tags(writer, *rows, "individual_request_tag", "total_spend");
    return private_json_reply(std::move(body));
  });
}

Task<Result<Reply>> all_tag_names(const Context& context) {
  return answer_report(context, [](Records& records) { return show_names(records, Entity::Tag, "tag_names"); });
}
Task<Result<Reply>> all_end_users(const Context& context) {
  return answer_report(context, [](Records& records) { return show_names(records, Entity::EndUser, "end_users"); });
}

Task<Result<Reply>> distinct_tags(const Context& context) {
  return answer_report(context, [](Records& records) -> Result<Reply> {
    const Result<std::vector<std::string>> names = entity_names(records, Entity::Tag, kNamesMax);
    if (!names) return base::fail(names.error());
    std::string body;
    json::Writer writer(body);
    writer.begin_object().key("results").begin_array();
    for (const std::string& name : *names) writer.begin_object().key("tag").string(name).end_object();
    writer.end_array().end_object();
    return private_json_reply(std::move(body));
  });
}

}  // namespace turnpike::api
