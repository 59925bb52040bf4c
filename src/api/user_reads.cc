#include <algorithm>
#include <map>

#include "account/key_list.h"
#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_rules.h"
#include "api/query.h"
#include "api/team_json.h"
#include "api/user_rows.h"
#include "base/text.h"

// Users are looked at and taken away (spec management-api 4).
namespace turnpike::api {
namespace {

using account::Condition;
using account::kUsers;
using account::Record;
using account::Records;

constexpr std::uint64_t kFilteredMax = 50;
constexpr std::string_view kSortable[] = {"user_id",    "user_email", "user_alias", "user_role",
                                          "max_budget", "spend",      "created_at", "updated_at"};

/// The newest keys of a user; of everybody for an administrator who asks without an id.
Result<std::vector<account::KeyRow>> newest_keys(Records& records, const std::string& user_id) {
  account::KeyQuery query;
  if (!user_id.empty()) query.user_id = user_id;
  query.size = kListRowsMax;
  Result<account::KeyPage> page = account::list_keys(records.transaction(), query);
  if (!page) return base::fail(std::move(page.error()));
  return std::move(page->rows);
}

/// The teams of a user; of everybody for an administrator who asks without an id.
Result<std::vector<Record>> teams_of(Records& records, const std::string& user_id) {
  account::Query query;
  query.size = kListRowsMax;
  if (!user_id.empty()) {
    const Result<std::vector<std::string>> ids = account::teams_of_user(records, user_id);
    if (!ids) return base::fail(ids.error());
    query.where.push_back({"team_id", Condition::Test::AnyOf, {ids->begin(), ids->end()}});
  }
  Result<account::RecordPage> page = records.list(account::kTeams, query);
  if (!page) return base::fail(std::move(page.error()));
  return std::move(page->rows);
}

/// The keys and teams of a user that the caller may see: all, where he asks for himself. The admin of an organisation
/// that the user is in sees nothing of others that he is in too.
struct Belongings {
  std::vector<account::KeyRow> keys;
  std::vector<Record> teams;
};

Status keep_visible(Records& records, const domain::Caller& caller, Belongings& belongings) {
  Status broken;
  const auto hidden = [&broken](const Status& may) {
    if (!may && may.error().kind != ErrorKind::PermissionDenied) broken = may;
    return !may.has_value();
  };
  std::erase_if(belongings.keys,
                [&](const account::KeyRow& key) { return hidden(may_read_key(records, caller, owners_of(key))); });
  std::erase_if(belongings.teams, [&](const Record& team) { return hidden(may_read_team(records, caller, team)); });
  return broken;
}

Result<Belongings> belongings_of(Records& records, const domain::Caller& caller, const std::string& user_id) {
  Result<std::vector<account::KeyRow>> keys = newest_keys(records, user_id);
  if (!keys) return base::fail(std::move(keys.error()));
  Result<std::vector<Record>> teams = teams_of(records, user_id);
  if (!teams) return base::fail(std::move(teams.error()));
  Belongings belongings{std::move(*keys), std::move(*teams)};
  if (sees_everything(caller) || (caller.user_id == user_id && !caller.handed_over)) return belongings;
  if (Status kept = keep_visible(records, caller, belongings); !kept) return base::fail(std::move(kept.error()));
  return belongings;
}

/// Teams with their members, and what the user may spend in each.
Status write_teams(json::Writer& writer, const Context& context, Records& records, std::vector<Record> teams,
                   const std::string& user_id) {
  const Result<std::vector<account::Roster>> rosters = account::rosters_of(records, std::move(teams));
  if (!rosters) return base::fail(rosters.error());
  const ledger::Ledger& ledger = *context.gateway.ledger;
  writer.begin_array();
  for (const account::Roster& roster : *rosters) {
    writer.begin_object();
    write_team(writer, roster, ledger);
    if (!user_id.empty()) {
      writer.key("team_memberships");
      if (Status done = write_memberships(writer, records, roster, ledger, {&user_id, 1}); !done) return done;
    }
    writer.end_object();
  }
  writer.end_array();
  return {};
}

Result<Reply> show_user(const Context& context, Records& records) {
  const domain::Caller& caller = *context.caller;
  const std::string asked = context.request().query_value("user_id");
  const std::string user_id = asked.empty() && !sees_everything(caller) ? caller.user_id : asked;
  const bool everybody = user_id.empty() && sees_everything(caller);
  if (user_id.empty() && !everybody) {
    return base::fail(ErrorKind::PermissionDenied, "No user stands behind this key: it has no user info.");
  }
  if (!everybody) {
    if (Status may = may_read_user(records, caller, user_id); !may) return base::fail(std::move(may.error()));
  }
  Result<std::optional<Record>> user = std::optional<Record>();
  if (!everybody) user = records.find(kUsers, user_id);
  if (!user) return base::fail(std::move(user.error()));
  if (!everybody && !*user) return no_such("user_id", "User " + user_id + " not found");

  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("user_id");
  everybody ? writer.null() : writer.string(user_id);
  writer.key("user_info");
  if (*user) {
    writer.begin_object();
    if (Status written = write_user(writer, context, records, **user); !written) return base::fail(written.error());
    writer.end_object();
  } else {
    writer.null();
  }
  Result<Belongings> belongings = belongings_of(records, caller, user_id);
  if (!belongings) return base::fail(std::move(belongings.error()));
  writer.key("keys").begin_array();
  for (const account::KeyRow& key : belongings->keys) {
    writer.begin_object();
    account::write_key_row(writer, key, live_spend(*context.gateway.ledger, key), true);
    writer.end_object();
  }
  writer.end_array().key("teams");
  if (Status done = write_teams(writer, context, records, std::move(belongings->teams), user_id); !done) {
    return base::fail(std::move(done.error()));
  }
  writer.end_object();
  return private_json_reply(std::move(text));
}

std::vector<db::Value> comma_list(const std::string& text) {
  std::vector<db::Value> values;
  for (const std::string_view part : base::split(text, ',')) {
    if (const std::string_view id = base::trim(part); !id.empty()) values.emplace_back(std::string(id));
  }
  return values;
}

/// Every filter that the query names, and the order.
Result<account::Query> read_list_query(const Context& context, Records& records) {
  const http::Request& request = context.request();
  account::Query query;
  const auto add = [&](std::string_view column, Condition::Test test, std::vector<db::Value> values) {
    query.where.push_back({column, test, std::move(values)});
  };
  const std::string role = request.query_value("role");
  if (!role.empty()) add("user_role", Condition::Test::Equals, {role});
  const std::string ids = request.query_value("user_ids");
  if (!ids.empty()) add("user_id", Condition::Test::AnyOf, comma_list(ids));
  const std::string sso_ids = request.query_value("sso_user_ids");
  if (!sso_ids.empty()) add("sso_user_id", Condition::Test::AnyOf, comma_list(sso_ids));
  const std::string email = request.query_value("user_email");
  if (!email.empty()) add("user_email", Condition::Test::Contains, {email});
  const std::string team = request.query_value("team");
  if (!team.empty()) {
    const auto members = records.all(account::kTeamMembers, "team_id", team);
    if (!members) return base::fail(members.error());
    std::vector<db::Value> values;
    for (const Record& member : *members) values.emplace_back(member.key(1));
    add("user_id", Condition::Test::AnyOf, std::move(values));
  }
  const std::string sort = request.query_value("sort_by");
  const auto known = std::ranges::find(kSortable, sort);
  if (!sort.empty() && known == std::end(kSortable)) {
    return refuse_field("sort_by",
                        "sort_by must be user_id, user_email, user_alias, user_role, max_budget, spend, "
                        "created_at or updated_at.");
  }
  if (!sort.empty()) query.sort_by = *known;
  const Result<std::string> order = query_word(context, "sort_order", {"asc", "desc"});
  if (!order) return base::fail(order.error());
  // Without a wish the newest come first.
  query.ascending = !sort.empty() && *order != "desc";
  constexpr std::uint64_t kPageMax = 1'000'000;
  const Result<std::uint64_t> page = query_count(context, "page", 1, 1, kPageMax);
  if (!page) return base::fail(page.error());
  const Result<std::uint64_t> size = query_count(context, "page_size", 25, 1, 100);
  if (!size) return base::fail(size.error());
  query.page = *page;
  query.size = *size;
  return query;
}

Result<std::map<std::string, std::int64_t>> key_counts(Records& records, const std::vector<Record>& users) {
  std::map<std::string, std::int64_t> counts;
  if (users.empty()) return counts;
  std::string places;
  std::vector<db::Value> values;
  for (const Record& user : users) {
    values.emplace_back(user.key());
    places += (places.empty() ? "$" : ", $") + std::to_string(values.size());
  }
  const auto rows = records.transaction().run(
      "SELECT user_id, count(*) FROM verification_key WHERE user_id IN (" + places + ") GROUP BY user_id", values);
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) counts[db::as_text(row.at(0))] = db::as_int(row.at(1));
  return counts;
}

Result<Reply> show_list(const Context& context, Records& records) {
  const Result<account::Query> query = read_list_query(context, records);
  if (!query) return base::fail(query.error());
  const Result<account::RecordPage> page = records.list(kUsers, *query);
  if (!page) return base::fail(page.error());
  Result<std::map<std::string, std::int64_t>> counts = key_counts(records, page->rows);
  if (!counts) return base::fail(std::move(counts.error()));
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("users").begin_array();
  for (const Record& row : page->rows) {
    writer.begin_object();
    if (Status written = write_user(writer, context, records, row); !written) return base::fail(written.error());
    writer.key("key_count").number((*counts)[row.key()]).end_object();
  }
  writer.end_array().key("total").number(page->total).key("page").number(query->page);
  writer.key("page_size").number(query->size);
  writer.key("total_pages").number((page->total + query->size - 1) / query->size).end_object();
  return private_json_reply(std::move(text));
}

Result<Reply> remove_users(Records& records, const json::Value& body) {
  const Result<std::vector<std::string>> ids = needed_list(body, "user_ids");
  if (!ids) return base::fail(ids.error());
  for (const std::string& user_id : *ids) {
    const Result<std::optional<Record>> user = records.find(kUsers, user_id);
    if (!user) return base::fail(user.error());
    if (!*user) return no_such("user_ids", "User not found, passed user_id=" + user_id);
    if (Status removed = remove_user(records, **user); !removed) return base::fail(std::move(removed.error()));
  }
  return private_json_reply(std::to_string(ids->size()));
}

/// Whoever manages people: administrators, and admins of a team or an organisation.
Status may_filter(const Context& context, Records& records) {
  const domain::Caller& caller = *context.caller;
  if (sees_everything(caller)) return {};
  if (caller.is_user) {
    const auto teams = records.all(account::kTeamMembers, "user_id", caller.user_id);
    if (!teams) return base::fail(teams.error());
    for (const Record& team : *teams) {
      if (team.text("role") == "admin") return {};
    }
    const auto organizations = records.all(account::kOrganizationMembers, "user_id", caller.user_id);
    if (!organizations) return base::fail(organizations.error());
    for (const Record& organization : *organizations) {
      if (organization.text("user_role") == "org_admin") return {};
    }
  }
  return base::fail(ErrorKind::PermissionDenied,
                    "Only admins of the proxy, of a team or of an organization look for users.");
}

/// Who they are, to be added somewhere: nothing of what they spend or may.
Result<Reply> filter_users(const Context& context, Records& records) {
  if (Status may = may_filter(context, records); !may) return base::fail(std::move(may.error()));
  account::Query query;
  const std::string user_id = context.request().query_value("user_id");
  if (!user_id.empty()) query.where.push_back({"user_id", Condition::Test::Contains, {user_id}});
  const std::string email = context.request().query_value("user_email");
  if (!email.empty()) query.where.push_back({"user_email", Condition::Test::Contains, {email}});
  query.size = kFilteredMax;
  const Result<account::RecordPage> page = records.list(kUsers, query);
  if (!page) return base::fail(page.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Record& row : page->rows) {
    writer.begin_object();
    for (const std::string_view name : {"user_id", "user_email", "user_alias", "user_role"}) {
      const std::optional<std::string> value = row.maybe_text(name);
      writer.key(name);
      value ? writer.string(*value) : writer.null();
    }
    writer.end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

struct RoleText {
  std::string_view role, description, label;
};
constexpr RoleText kRoleTexts[] = {
    {"proxy_admin", "may do everything on the whole gateway", "Admin (All Permissions)"},
    {"proxy_admin_viewer", "reads keys, spend and settings of everybody; changes nothing", "Admin (View Only)"},
    {"internal_user", "makes and deletes own keys, calls models, sees own spend", "Internal User (Create/Delete/View)"},
    {"internal_user_viewer", "sees own keys and own spend", "Internal Viewer (View Only)"},
};

}  // namespace

Task<Result<Reply>> user_info(const Context& context) {
  return answer_from_records(context, [&context](Records& records) { return show_user(context, records); });
}

Task<Result<Reply>> list_users(const Context& context) {
  return answer_from_records(context, [&context](Records& records) { return show_list(context, records); });
}

Task<Result<Reply>> filter_users_ui(const Context& context) {
  return answer_from_records(context, [&context](Records& records) { return filter_users(context, records); });
}

Task<Result<Reply>> delete_users(const Context& context) {
  return answer_with_body(context, remove_users);
}

Task<Result<Reply>> available_roles(const Context&) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  for (const RoleText& role : kRoleTexts) {
    writer.key(role.role).begin_object();
    writer.key("description").string(role.description).key("ui_label").string(role.label).end_object();
  }
  writer.end_object();
  co_return json_reply(std::move(text));
}

}  // namespace turnpike::api
