#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "account/tables.h"
#include "account/team_roster.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/permission.h"
#include "api/query.h"
#include "api/record_route.h"
#include "api/report.h"
#include "base/text.h"

// Activity by day (spec management-api 10.3): what users, teams, organisations, tags and end users have used, each day
// whole and broken down. A page is one of rows of `daily`, its sums are those of the page, as LiteLLM has it.
namespace turnpike::api {
namespace {

using account::Records;

/// One of the routes: the entities it tells of, how the query names them, where their labels stand.
struct Activity {
  Entity kind;
  std::string_view only, except;  // Lists of the query.
  std::string_view table, key, label, label_name;
};

constexpr Activity kUsers{Entity::User, "user_id", "", "internal_user", "user_id", "user_email", "user_email"};
constexpr Activity kTeams{Entity::Team, "team_ids", "exclude_team_ids", "team", "team_id", "team_alias", "team_alias"};
constexpr Activity kOrganizations{Entity::Organization, "organization_ids", "exclude_organization_ids",
                                  "organization",       "organization_id",  "organization_alias",
                                  "organization_alias"};
constexpr Activity kTagged{Entity::Tag, "tags", "exclude_tags", "tag", "tag_name", "description", "description"};
constexpr Activity kCustomers{Entity::EndUser, "end_user_ids", "exclude_end_user_ids", "end_user", "user_id",
                              "alias",         "alias"};

constexpr std::uint64_t kPageRowsMax = 1000;
constexpr std::uint64_t kRowsOfAll = 200'000;  // Of an answer without pages.

constexpr std::string_view kDayColumns =
    "day, entity, key_hash, model_group, model, provider, route, cost_nano, calls, failed, prompt_tokens, "
    "completion_tokens, cache_read_tokens, cache_write_tokens";
enum Column : std::size_t { kDay, kEntity, kKey, kGroup, kModel, kProvider, kRoute, kCost };
constexpr std::size_t kMeasures = 7;  // From kCost on.

struct Metrics {
  std::array<std::int64_t, kMeasures> sums{};
  void add(const db::Row& row) {
    for (std::size_t i = 0; i < kMeasures; ++i) sums[i] += db::as_int(row[kCost + i]);
  }
  std::int64_t cost() const { return sums[0]; }
  std::int64_t calls() const { return sums[1]; }
  std::int64_t failed() const { return sums[2]; }
  std::int64_t prompt() const { return sums[3]; }
  std::int64_t completion() const { return sums[4]; }
  std::int64_t cache_read() const { return sums[5]; }
  std::int64_t cache_write() const { return sums[6]; }
};

struct Part {
  Metrics metrics;
  std::map<std::string, Metrics> by_key;
};
using Parts = std::map<std::string, Part>;

struct Day {
  Metrics metrics;
  Parts models, groups, providers, routes, entities;
  std::map<std::string, Metrics> keys;

  void add(const db::Row& row) {
    metrics.add(row);
    const std::string key = db::as_text(row[kKey]);
    if (!key.empty()) keys[key].add(row);
    const std::pair<Parts*, Column> parts[] = {
        {&models, kModel}, {&groups, kGroup}, {&providers, kProvider}, {&routes, kRoute}, {&entities, kEntity}};
    for (const auto& [of, column] : parts) {
      const std::string name = db::as_text(row[column]);
      if (name.empty()) continue;  // A call that was refused before it had one.
      Part& part = (*of)[name];
      part.metrics.add(row);
      if (!key.empty()) part.by_key[key].add(row);
    }
  }
};

void write_metrics(json::Writer& writer, const Metrics& metrics) {
  writer.begin_object();
  writer.key("spend").raw(dollars(metrics.cost()));
  writer.key("prompt_tokens").number(metrics.prompt()).key("completion_tokens").number(metrics.completion());
  writer.key("cache_read_input_tokens").number(metrics.cache_read());
  writer.key("cache_creation_input_tokens").number(metrics.cache_write());
  writer.key("total_tokens").number(metrics.prompt() + metrics.completion());
  writer.key("successful_requests").number(metrics.calls() - metrics.failed());
  writer.key("failed_requests").number(metrics.failed()).key("api_requests").number(metrics.calls());
  writer.end_object();
}

void text_or_null(json::Writer& writer, std::string_view name, const std::string& text) {
  writer.key(name);
  text.empty() ? writer.null() : writer.string(text);
}

/// What names are shown beside the ids.
struct Labels {
  std::map<std::string, KeyLabel> keys;
  std::map<std::string, std::string> entities;
  std::string_view entity_name;

  void write_keys(json::Writer& writer, const std::map<std::string, Metrics>& by_key) const {
    writer.begin_object();
    for (const auto& [hash, metrics] : by_key) {
      const auto found = keys.find(hash);
      const KeyLabel label = found == keys.end() ? KeyLabel{} : found->second;
      writer.key(hash).begin_object().key("metrics");
      write_metrics(writer, metrics);
      writer.key("metadata").begin_object();
      text_or_null(writer, "key_alias", label.alias);
      text_or_null(writer, "team_id", label.team_id);
      writer.end_object().end_object();
    }
    writer.end_object();
  }
  void write_parts(json::Writer& writer, std::string_view name, const Parts& parts, bool of_entities = false) const {
    writer.key(name).begin_object();
    for (const auto& [id, part] : parts) {
      writer.key(id).begin_object().key("metrics");
      write_metrics(writer, part.metrics);
      writer.key("metadata").begin_object();
      const auto label = entities.find(id);
      if (of_entities && label != entities.end()) writer.key(entity_name).string(label->second);
      writer.end_object().key("api_key_breakdown");
      write_keys(writer, part.by_key);
      writer.end_object();
    }
    writer.end_object();
  }
};

void write_day(json::Writer& writer, std::int64_t number, const Day& day, const Labels& labels) {
  writer.begin_object().key("date").string(day_text(number)).key("metrics");
  write_metrics(writer, day.metrics);
  writer.key("breakdown").begin_object().key("mcp_servers").begin_object().end_object();
  labels.write_parts(writer, "models", day.models);
  labels.write_parts(writer, "model_groups", day.groups);
  labels.write_parts(writer, "providers", day.providers);
  labels.write_parts(writer, "endpoints", day.routes);
  writer.key("api_keys");
  labels.write_keys(writer, day.keys);
  labels.write_parts(writer, "entities", day.entities, true);
  writer.end_object().end_object();
}

struct Page {
  std::uint64_t number = 1, size = kPageRowsMax, rows_total = 0;
  std::uint64_t count() const { return size == 0 ? 0 : (rows_total + size - 1) / size; }
};

void write_totals(json::Writer& writer, const Metrics& total, const Page& page) {
  writer.key("metadata").begin_object().key("total_spend").raw(dollars(total.cost()));
  writer.key("total_prompt_tokens").number(total.prompt()).key("total_completion_tokens").number(total.completion());
  writer.key("total_tokens").number(total.prompt() + total.completion());
  writer.key("total_api_requests").number(total.calls());
  writer.key("total_successful_requests").number(total.calls() - total.failed());
  writer.key("total_failed_requests").number(total.failed());
  writer.key("total_cache_read_input_tokens").number(total.cache_read());
  writer.key("total_cache_creation_input_tokens").number(total.cache_write());
  writer.key("page").number(page.number).key("total_pages").number(page.count());
  writer.key("has_more").boolean(page.number < page.count()).end_object();
}

/// The keys that are the caller's own, as a condition.
std::string own_keys(Conditions& conditions, const domain::Caller& caller) {
  if (!caller.is_user) return "key_hash = " + conditions.place(caller.key_hash_hex);
  const std::string user = conditions.place(caller.user_id);
  return fmt::format(
      "key_hash IN (SELECT hash FROM verification_key WHERE user_id = {0} UNION ALL SELECT hash FROM "
      "deleted_verification_key WHERE user_id = {0})",
      user);
}

/// A user sees himself, a key without a user what it has spent itself.
Status confine_users(const domain::Caller& caller, const std::vector<std::string>& asked, Conditions& conditions) {
  const bool foreign = std::ranges::any_of(asked, [&](const std::string& id) { return id != caller.user_id; });
  if (foreign) return forbid_field("user_id", "A user may read his own activity only; leave user_id out.");
  conditions.any_of("entity", {caller.user_id});
  if (!caller.is_user) conditions.equals("key_hash", caller.key_hash_hex);
  return {};
}

/// Admins of a team see all of it, its members what their own keys have used.
Status confine_teams(Records& records, const domain::Caller& caller, std::vector<std::string> asked,
                     Conditions& conditions) {
  if (asked.empty() && caller.is_user) {
    Result<std::vector<std::string>> own = account::teams_of_user(records, caller.user_id);
    if (!own) return base::fail(std::move(own.error()));
    asked = std::move(*own);
  }
  if (asked.empty() && !caller.team_id.empty()) asked.push_back(caller.team_id);
  std::vector<std::string> whole, partly;
  for (const std::string& id : asked) {
    const Result<std::optional<account::Record>> team = records.find(account::kTeams, id);
    if (!team) return base::fail(team.error());
    if (!*team) return forbid_field("team_ids", "Team=" + id + " is not known, or not yours.");
    if (Status may = may_read_team(records, caller, **team); !may) return may;
    (may_manage_team(records, caller, **team) ? whole : partly).push_back(id);
  }
  Conditions& c = conditions;
  const auto among = [&c](const std::vector<std::string>& ids) {
    std::string text;
    for (const std::string& id : ids) text += (text.empty() ? "" : ", ") + c.place(id);
    return ids.empty() ? std::string("1 = 0") : "entity IN (" + text + ")";
  };
  const std::string all = among(whole), some = among(partly), keys = own_keys(conditions, caller);
  conditions.add(fmt::format("({} OR ({} AND {}))", all, some, keys));
  return {};
}

Status confine_organizations(Records& records, const domain::Caller& caller, std::vector<std::string> asked,
                             Conditions& conditions) {
  if (asked.empty() && caller.is_user) {
    const auto memberships = records.all(account::kOrganizationMembers, "user_id", caller.user_id);
    if (!memberships) return base::fail(memberships.error());
    for (const account::Record& member : *memberships) {
      if (member.text("user_role") == "org_admin") asked.push_back(member.key());
    }
  }
  for (const std::string& id : asked) {
    if (Status may = may_manage_organization(records, caller, id); !may) return may;
  }
  conditions.any_of("entity", asked);
  return {};
}

/// The entities that are asked for and that the caller may see.
Status add_entities_asked(const Context& context, Records& records, const Activity& activity, Conditions& conditions) {
  const std::vector<std::string> asked = query_list(context, activity.only);
  if (!activity.except.empty()) conditions.none_of("entity", query_list(context, activity.except));
  const domain::Caller& caller = *context.caller;
  if (scope_of(caller).of == ReportScope::Of::Everybody) {
    if (!asked.empty()) conditions.any_of("entity", asked);
    return {};
  }
  switch (activity.kind) {
    case Entity::User:
      return confine_users(caller, asked, conditions);
    case Entity::Team:
      return confine_teams(records, caller, asked, conditions);
    case Entity::Organization:
      return confine_organizations(records, caller, asked, conditions);
    default:
      return base::fail(ErrorKind::PermissionDenied, "Only proxy admins and their viewers read this.");
  }
}

/// Days are those of UTC; clocks that are ahead (a negative offset, as browsers say it) or behind need a day more.
Result<DayRange> days_asked(const Context& context) {
  Result<DayRange> range = needed_days(context);
  if (!range) return range;
  std::string text = context.request().query_value("timezone");
  if (text.empty()) return range;
  const bool ahead = text.front() == '-';
  constexpr std::uint64_t kMinutesMax = 14 * 60;
  const auto minutes = base::parse_unsigned(std::string_view(text).substr(ahead ? 1 : 0));
  if (!minutes || *minutes > kMinutesMax) {
    return refuse_field("timezone", "timezone must be minutes between UTC and your clock, from -840 to 840.");
  }
  if (*minutes != 0) ahead ? --range->first : ++range->last;
  return range;
}

Result<Conditions> read_conditions(const Context& context, Records& records, const Activity& activity) {
  Conditions conditions;
  const Result<DayRange> range = days_asked(context);
  if (!range) return base::fail(range.error());
  conditions.add("entity_kind = " + std::to_string(static_cast<int>(activity.kind)));
  conditions.days(*range);
  if (std::string model = context.request().query_value("model"); !model.empty()) conditions.equals("model", model);
  if (const std::string key = context.request().query_value("api_key"); !key.empty()) {
    const std::string hash = hash_of_reference(key);
    if (hash.empty()) return refuse_field("api_key", "api_key must be a key (\"sk-...\") or its hash.");
    conditions.equals("key_hash", hash);
  }
  if (Status status = add_entities_asked(context, records, activity, conditions); !status) {
    return base::fail(std::move(status.error()));
  }
  return conditions;
}

Result<Labels> read_labels(Records& records, const Activity& activity, const db::Rows& rows) {
  std::set<std::string> hashes, ids;
  for (const db::Row& row : rows.rows) {
    hashes.insert(db::as_text(row[kKey]));
    ids.insert(db::as_text(row[kEntity]));
  }
  Labels made;
  made.entity_name = activity.label_name;
  Result<std::map<std::string, KeyLabel>> keys = key_labels(records, {hashes.begin(), hashes.end()});
  if (!keys) return base::fail(std::move(keys.error()));
  made.keys = std::move(*keys);
  Result<std::map<std::string, std::string>> entities =
      labels(records, activity.table, activity.key, activity.label, {ids.begin(), ids.end()});
  if (!entities) return base::fail(std::move(entities.error()));
  made.entities = std::move(*entities);
  return made;
}

Result<Reply> tell_activity(const Context& context, Records& records, const Activity& activity, bool paged) {
  Page page;
  const Result<std::uint64_t> number = query_count(context, "page", 1, 1, 1'000'000);
  if (!number) return base::fail(number.error());
  const Result<std::uint64_t> size = query_count(context, "page_size", kPageRowsMax, 1, kPageRowsMax);
  if (!size) return base::fail(size.error());
  page.number = paged ? *number : 1;
  page.size = paged ? *size : kRowsOfAll;
  const Result<Conditions> conditions = read_conditions(context, records, activity);
  if (!conditions) return base::fail(conditions.error());
  const Result<db::Rows> counted = read_daily(records, "count(*)", *conditions, "");
  if (!counted) return base::fail(counted.error());
  page.rows_total = static_cast<std::uint64_t>(db::as_int(counted->rows.at(0).at(0)));
  const Result<db::Rows> rows = read_daily(
      records, kDayColumns, *conditions,
      fmt::format("ORDER BY day DESC, entity, key_hash, model_group, model, provider, route LIMIT {} OFFSET {}",
                  page.size, (page.number - 1) * page.size));
  if (!rows) return base::fail(rows.error());
  const Result<Labels> names = read_labels(records, activity, *rows);
  if (!names) return base::fail(names.error());

  std::map<std::int64_t, Day, std::greater<>> days;  // The newest first.
  Metrics total;
  for (const db::Row& row : rows->rows) {
    total.add(row);
    days[db::as_int(row[kDay])].add(row);
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("results").begin_array();
  for (const auto& [day, sums] : days) write_day(writer, day, sums, *names);
  writer.end_array();
  write_totals(writer, total, page);
  writer.end_object();
  return private_json_reply(std::move(body));
}

Task<Result<Reply>> answer_activity(const Context& context, const Activity& activity, bool paged = true) {
  return answer_report(context, [&context, &activity, paged](Records& records) {
    return tell_activity(context, records, activity, paged);
  });
}

}  // namespace

Task<Result<Reply>> user_daily_activity(const Context& context) {
  return answer_activity(context, kUsers);
}
Task<Result<Reply>> all_user_daily_activity(const Context& context) {
  return answer_activity(context, kUsers, false);
}
Task<Result<Reply>> team_daily_activity(const Context& context) {
  return answer_activity(context, kTeams);
}
Task<Result<Reply>> organization_daily_activity(const Context& context) {
  return answer_activity(context, kOrganizations);
}
Task<Result<Reply>> tag_daily_activity(const Context& context) {
  return answer_activity(context, kTagged);
}
Task<Result<Reply>> customer_daily_activity(const Context& context) {
  return answer_activity(context, kCustomers);
}

}  // namespace turnpike::api
