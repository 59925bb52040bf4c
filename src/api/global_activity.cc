#include <fmt/format.h>

#include <map>
#include <set>

#include "api/handlers.h"
#include "api/report.h"
#include "api/route.h"

// Calls by day (spec management-api 10.2).
namespace turnpike::api {
namespace {

using account::Records;

/// Numbers of each day with their sums: the shape of all these reports.
class ByDay {
 public:
  void add(std::int64_t day, std::int64_t first, std::int64_t second = 0) {
    days_[day].first += first;
    days_[day].second += second;
    first_ += first;
    second_ += second;
  }
  void write_calls(json::Writer& writer) const {
    writer.key("daily_data").begin_array();
    for (const auto& [day, sums] : days_) {
      writer.begin_object().key("date").string(short_day_text(day));
      writer.key("api_requests").number(sums.first).key("total_tokens").number(sums.second).end_object();
    }
    writer.end_array().key("sum_api_requests").number(first_).key("sum_total_tokens").number(second_);
  }
  void write_exceptions(json::Writer& writer) const {
    writer.key("daily_data").begin_array();
    for (const auto& [day, sums] : days_) {
      writer.begin_object().key("date").string(short_day_text(day));
      writer.key("num_rate_limit_exceptions").number(sums.first).end_object();
    }
    writer.end_array().key("sum_num_rate_limit_exceptions").number(first_);
  }
  std::int64_t first() const { return first_; }

 private:
  std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> days_;
  std::int64_t first_ = 0, second_ = 0;
};

Result<db::Rows> read_activity(const Context& context, Records& records, std::string_view columns,
                               std::string_view group) {
  const Result<DayRange> days = needed_days(context);
  if (!days) return base::fail(days.error());
  Conditions conditions;
  conditions.days(*days);
  add_calls(conditions, scope_of(*context.caller));
  return read_daily(records, columns, conditions, group);
}

Result<Reply> show_activity(const Context& context, Records& records) {
  const Result<db::Rows> rows = read_activity(
      context, records, "day, sum(calls), sum(prompt_tokens + completion_tokens)", "GROUP BY day ORDER BY day");
  if (!rows) return base::fail(rows.error());
  ByDay days;
  for (const db::Row& row : rows->rows) days.add(db::as_int(row[0]), db::as_int(row[1]), db::as_int(row[2]));
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  days.write_calls(writer);
  writer.end_object();
  return private_json_reply(std::move(body));
}

/// The busiest model first.
Result<Reply> show_models(const Context& context, Records& records) {
  const Result<db::Rows> rows =
      read_activity(context, records, "model_group, day, sum(calls), sum(prompt_tokens + completion_tokens)",
                    "GROUP BY model_group, day ORDER BY model_group, day");
  if (!rows) return base::fail(rows.error());
  std::map<std::string, ByDay> models;
  for (const db::Row& row : rows->rows) {
    models[db::as_text(row[0])].add(db::as_int(row[1]), db::as_int(row[2]), db::as_int(row[3]));
  }
  std::multimap<std::int64_t, const std::string*, std::greater<>> busiest;
  for (const auto& [model, days] : models) busiest.emplace(days.first(), &model);
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const auto& [calls, model] : busiest) {
    writer.begin_object().key("model").string(*model);
    models.at(*model).write_calls(writer);
    writer.end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

Result<db::Rows> read_exceptions(const Context& context, Records& records, std::string_view columns,
                                 std::string_view group) {
  const Result<DayRange> days = needed_days(context);
  if (!days) return base::fail(days.error());
  Conditions conditions;
  conditions.days(*days);
  if (std::string name = context.request().query_value("model_group"); !name.empty()) {
    conditions.equals("model_group", std::move(name));
  }
  conditions.add("rate_limited > 0");
  return records.transaction().run(
      fmt::format("SELECT {} FROM deployment_day {} {}", columns, conditions.text(), group), conditions.values());
}

Result<Reply> show_exceptions(const Context& context, Records& records) {
  const Result<db::Rows> rows =
      read_exceptions(context, records, "day, sum(rate_limited)", "GROUP BY day ORDER BY day");
  if (!rows) return base::fail(rows.error());
  ByDay days;
  for (const db::Row& row : rows->rows) days.add(db::as_int(row[0]), db::as_int(row[1]));
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  days.write_exceptions(writer);
  writer.end_object();
  return private_json_reply(std::move(body));
}

Result<Reply> show_exceptions_of_deployments(const Context& context, Records& records) {
  if (context.request().query_value("model_group").empty()) {
    return refuse_field("model_group", "Say of which models: ?model_group=...");
  }
  const Result<db::Rows> rows = read_exceptions(context, records, "api_base, day, sum(rate_limited)",
                                                "GROUP BY api_base, day ORDER BY api_base, day");
  if (!rows) return base::fail(rows.error());
  std::map<std::string, ByDay> addresses;
  for (const db::Row& row : rows->rows) {
    addresses[db::as_text(row[0])].add(db::as_int(row[1]), db::as_int(row[2]));
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const auto& [address, days] : addresses) {
    writer.begin_object().key("api_base").string(address);
    days.write_exceptions(writer);
    writer.end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

/// LiteLLM's name of what a route asks for ("acompletion").
std::string call_type_of(const std::string& path) {
  const Match match = find_route(routes(), http::Method::Post, path);
  if (match.route == nullptr || match.route->who != Who::Pipeline) return path;
  return std::string(domain::operation_call_type(match.route->operation));
}

Result<Reply> show_cache_hits(const Context& context, Records& records) {
  const Result<db::Rows> rows =
      read_activity(context, records, "key_hash, route, model, sum(cached), sum(calls), sum(completion_tokens)",
                    "GROUP BY key_hash, route, model ORDER BY key_hash, route, model");
  if (!rows) return base::fail(rows.error());
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const db::Row& row : rows->rows) {
    writer.begin_object().key("api_key").string(db::as_text(row[0]));
    writer.key("call_type").string(call_type_of(db::as_text(row[1]))).key("model").string(db::as_text(row[2]));
    writer.key("cache_hit_true_rows").number(db::as_int(row[3])).key("total_rows").number(db::as_int(row[4]));
    // No answer comes from a cache in this version.
    writer.key("cached_completion_tokens").number(std::int64_t{0});
    writer.key("generated_completion_tokens").number(db::as_int(row[5])).end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

}  // namespace

Task<Result<Reply>> global_activity(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_activity(context, records); });
}
Task<Result<Reply>> global_activity_models(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_models(context, records); });
}
Task<Result<Reply>> global_activity_exceptions(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_exceptions(context, records); });
}
Task<Result<Reply>> global_activity_deployments(const Context& context) {
  return answer_report(context,
                       [&context](Records& records) { return show_exceptions_of_deployments(context, records); });
}
Task<Result<Reply>> global_activity_cache_hits(const Context& context) {
  return answer_report(context, [&context](Records& records) { return show_cache_hits(context, records); });
}

}  // namespace turnpike::api
