#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "api/handlers.h"
#include "api/key_json.h"
#include "api/query.h"
#include "api/report.h"

// GET /global/spend/report (spec management-api 10.2): by day for teams and customers, over all days for keys.
namespace turnpike::api {
namespace {

using account::Records;

/// The keys of a report, each with what its models cost.
Result<Reply> report_keys(Records& records, Conditions conditions) {
  const Result<db::Rows> rows =
      read_daily(records, "key_hash, model, sum(cost_nano), sum(prompt_tokens), sum(completion_tokens)", conditions,
                 "GROUP BY key_hash, model");
  if (!rows) return base::fail(rows.error());
  std::map<std::string, std::vector<const db::Row*>> keys;
  for (const db::Row& row : rows->rows) keys[db::as_text(row[0])].push_back(&row);
  const auto write_sums = [](json::Writer& writer, std::int64_t cost, std::int64_t input, std::int64_t output) {
    writer.key("total_cost").raw(dollars(cost));
    writer.key("total_input_tokens").number(input).key("total_output_tokens").number(output);
  };
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (auto& [key, models] : keys) {
    std::ranges::sort(models, {}, [](const db::Row* row) { return db::as_text((*row)[1]); });
    std::int64_t cost = 0, input = 0, output = 0;
    for (const db::Row* row : models) {
      cost += db::as_int((*row)[2]);
      input += db::as_int((*row)[3]);
      output += db::as_int((*row)[4]);
    }
    writer.begin_object().key("api_key").string(key);
    write_sums(writer, cost, input, output);
    writer.key("model_details").begin_array();
    for (const db::Row* row : models) {
      writer.begin_object().key("model").string(db::as_text((*row)[1]));
      write_sums(writer, db::as_int((*row)[2]), db::as_int((*row)[3]), db::as_int((*row)[4]));
      writer.end_object();
    }
    writer.end_array().end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

/// What one key has spent with one model, of a day and an entity.
struct Part {
  std::string_view model, key;
  std::int64_t nano = 0, tokens = 0;
};
using Parts = std::vector<Part>;

/// Sorts, and makes one of the parts that `daily` tells apart by model group, provider and route. The database would
/// take longer over both: it has all days and entities at once to sort.
void add_up(Parts& parts) {
  std::ranges::sort(parts, {}, [](const Part& part) { return std::pair(part.model, part.key); });
  std::size_t last = 0;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    if (parts[last].model == parts[i].model && parts[last].key == parts[i].key) {
      parts[last].nano += parts[i].nano;
      parts[last].tokens += parts[i].tokens;
    } else {
      parts[++last] = parts[i];
    }
  }
  parts.resize(std::min(parts.size(), last + 1));
}

std::string_view view_of(const db::Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

/// How a report by day calls what it groups by.
struct Grouping {
  Entity kind;
  std::string_view list, name;
};

Result<Reply> report_days(Records& records, const Grouping& grouping, const Conditions& conditions) {
  const Result<db::Rows> rows =
      read_daily(records, "day, entity, model, key_hash, cost_nano, prompt_tokens + completion_tokens", conditions, "");
  if (!rows) return base::fail(rows.error());
  std::map<std::int64_t, std::map<std::string_view, Parts>> days;
  std::set<std::string_view> ids;
  for (const db::Row& row : rows->rows) {
    const std::string_view id = view_of(row[1]);
    ids.insert(id);
    days[db::as_int(row[0])][id].push_back({view_of(row[2]), view_of(row[3]), db::as_int(row[4]), db::as_int(row[5])});
  }
  std::map<std::string, std::string, std::less<>> names;
  if (grouping.kind == Entity::Team) {
    Result<std::map<std::string, std::string>> found =
        labels(records, "team", "team_id", "team_alias", {ids.begin(), ids.end()});
    if (!found) return base::fail(std::move(found.error()));
    names.insert(found->begin(), found->end());
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (auto& [day, entities] : days) {
    writer.begin_object().key("group_by_day").string(day_text(day) + "T00:00:00+00:00");
    writer.key(grouping.list).begin_array();
    for (auto& [id, parts] : entities) {
      add_up(parts);
      std::int64_t total = 0;
      for (const Part& part : parts) total += part.nano;
      const auto name = names.find(id);
      writer.begin_object().key(grouping.name).string(name == names.end() ? id : std::string_view(name->second));
      writer.key("total_spend").raw(dollars(total)).key("metadata").begin_array();
      for (const Part& part : parts) {
        writer.begin_object().key("model").string(part.model).key("spend").raw(dollars(part.nano));
        writer.key("total_tokens").number(part.tokens).key("api_key").string(part.key).end_object();
      }
      writer.end_array().end_object();
    }
    writer.end_array().end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(body));
}

Result<Reply> report(const Context& context, Records& records) {
  const Result<DayRange> days = needed_days(context);
  if (!days) return base::fail(days.error());
  const Result<std::string> group = query_word(context, "group_by", {"team", "customer", "api_key"});
  if (!group) return base::fail(group.error());
  const auto asked = [&context](std::string_view name) { return context.request().query_value(name); };
  Conditions conditions;
  conditions.days(*days);
  std::string key_hash;
  if (const std::string key = asked("api_key"); !key.empty()) {
    key_hash = hash_of_reference(key);
    if (key_hash.empty()) return refuse_field("api_key", "api_key must be a key (\"sk-...\") or its hash.");
  }
  if (const std::string user = asked("internal_user_id"); !user.empty()) {
    add_calls(conditions, {ReportScope::Of::User, user});
    if (!key_hash.empty()) conditions.equals("key_hash", key_hash);
    return report_keys(records, std::move(conditions));
  }
  if (!key_hash.empty() || *group == "api_key") {
    add_calls(conditions, {});
    if (!key_hash.empty()) conditions.equals("key_hash", key_hash);
    return report_keys(records, std::move(conditions));
  }
  const std::string customer = asked("customer_id"), team = asked("team_id");
  const bool of_customers = *group == "customer" || (!customer.empty() && *group != "team");
  const Grouping grouping =
      of_customers ? Grouping{Entity::EndUser, "customers", "customer"} : Grouping{Entity::Team, "teams", "team_name"};
  add_entities(conditions, grouping.kind, {});
  if (const std::string& only = of_customers ? customer : team; !only.empty()) conditions.equals("entity", only);
  return report_days(records, grouping, conditions);
}

}  // namespace

Task<Result<Reply>> global_spend_report(const Context& context) {
  return answer_report(context, [&context](Records& records) { return report(context, records); });
}

}  // namespace turnpike::api
