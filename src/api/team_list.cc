#include <algorithm>

#include "account/owned_keys.h"
#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/query.h"
#include "api/records.h"
#include "api/reply.h"
#include "api/team_fields.h"
#include "api/team_json.h"
#include "base/text.h"
#include "json/document.h"

namespace turnpike::api {
namespace {

using account::Condition;
using account::Record;
using account::Records;
using account::Roster;

constexpr std::uint64_t kPageSizeMax = 100;
constexpr std::uint64_t kPageMax = 1'000'000'000;
constexpr std::uint64_t kFoundMax = 50;  // Teams of one answer of /team/filter/ui.

/// The keys of a team that the caller may see: admins of the team and everybody above see all, members their own and,
/// where the team lets them list keys, all too.
Result<std::vector<account::KeyRow>> visible_keys(Records& records, const domain::Caller& caller, const Record& team) {
  Result<std::vector<account::KeyRow>> keys = account::keys_of(records, {{"team_id", team.key()}});
  if (!keys || sees_everything(caller)) return keys;
  const std::vector<std::string> permissions = team.list("team_member_permissions");
  if (std::ranges::find(permissions, "/key/list") != permissions.end() && caller.is_user) return keys;
  const Status manages = may_manage_team(records, caller, team);
  if (manages) return keys;
  if (manages.error().kind != ErrorKind::PermissionDenied) return base::fail(manages.error());
  std::erase_if(*keys, [&caller](const account::KeyRow& row) {
    return row.hash != caller.key_hash_hex && (!caller.is_user || row.user_id != caller.user_id);
  });
  return keys;
}

Status write_team_keys(json::Writer& writer, Records& records, const Context& context, const Record& team) {
  Result<std::vector<account::KeyRow>> keys = visible_keys(records, *context.caller, team);
  if (!keys) return base::fail(std::move(keys.error()));
  writer.begin_array();
  for (account::KeyRow& row : *keys) {
    const account::KeySpend spend = live_spend(*context.gateway.ledger, row);
    const Result<ShownKey> shown = show_key(records, std::move(row));
    if (!shown) return base::fail(shown.error());
    writer.begin_object();
    write_key(writer, *shown, spend, true);
    writer.end_object();
  }
  writer.end_array();
  return {};
}

/// The budget all members share, beside the team's own row.
Status write_member_budget(json::Writer& writer, Records& records, const Record& team) {
  const std::string budget_id = member_budget_of(team);
  if (budget_id.empty()) return {};
  const Result<std::optional<Record>> budget = records.find(account::kBudgets, budget_id);
  if (!budget) return base::fail(budget.error());
  if (*budget) writer.key("team_member_budget_table").raw(account::record_json(**budget));
  return {};
}

Result<Reply> show_team(const Context& context, Records& records) {
  const std::string team_id = context.request().query_value("team_id");
  if (team_id.empty()) return refuse_field("team_id", "Say which team: /team/info?team_id=...");
  Result<Record> team = get_team(records, team_id);
  if (!team) return base::fail(std::move(team.error()));
  if (Status may = may_read_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
  const Result<Roster> roster = account::roster_of(records, std::move(*team));
  if (!roster) return base::fail(roster.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("team_id").string(team_id).key("team_info").begin_object();
  write_team(writer, *roster, *context.gateway.ledger);
  if (Status done = write_member_budget(writer, records, roster->team); !done) {
    return base::fail(std::move(done.error()));
  }
  writer.end_object().key("keys");
  if (Status done = write_team_keys(writer, records, context, roster->team); !done) {
    return base::fail(std::move(done.error()));
  }
  writer.key("team_memberships");
  if (Status done = write_memberships(writer, records, *roster, *context.gateway.ledger); !done) {
    return base::fail(std::move(done.error()));
  }
  writer.end_object();
  return private_json_reply(std::move(text));
}

Condition is(std::string_view column, std::string value) {
  return {column, Condition::Test::Equals, {db::Value(std::move(value))}};
}

Condition among(std::vector<std::string> team_ids) {
  Condition condition{"team_id", Condition::Test::AnyOf, {}};
  for (std::string& id : team_ids) condition.values.emplace_back(std::move(id));
  return condition;
}

Error not_your_teams() {
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "auth_error";
  error.param = "user_id";
  error.message = "Only admin users can query all teams or the teams of other users: leave user_id out for your own.";
  return error;
}

/// Confines the query to the teams the caller may see, and to those of the user or organisation that was asked for.
Status confine(const Context& context, Records& records, account::Query& query) {
  const domain::Caller& caller = *context.caller;
  const std::string user_id = context.request().query_value("user_id");
  const std::string organization_id = context.request().query_value("organization_id");
  if (!organization_id.empty()) query.where.push_back(is("organization_id", organization_id));
  std::string whose = user_id;
  if (!sees_everything(caller)) {
    const Status manages = organization_id.empty() ? base::fail(ErrorKind::PermissionDenied, "")
                                                   : may_manage_organization(records, caller, organization_id);
    if (!manages && manages.error().kind != ErrorKind::PermissionDenied) return manages;
    if (!manages) {
      if (!user_id.empty() && (user_id != caller.user_id || !caller.is_user)) return base::fail(not_your_teams());
      if (!caller.is_user) {
        // A key behind which no user stands sees the team it belongs to.
        query.where.push_back(
            among(caller.team_id.empty() ? std::vector<std::string>() : std::vector<std::string>{caller.team_id}));
        return {};
      }
      whose = caller.user_id;
    }
  }
  if (whose.empty()) return {};
  Result<std::vector<std::string>> ids = account::teams_of_user(records, whose);
  if (!ids) return base::fail(std::move(ids.error()));
  query.where.push_back(among(std::move(*ids)));
  return {};
}

Result<std::vector<Roster>> read_rosters(Records& records, account::RecordPage& page) {
  return account::rosters_of(records, std::move(page.rows));
}

Result<Reply> list_all(const Context& context, Records& records) {
  account::Query query;
  query.size = 0;
  if (Status done = confine(context, records, query); !done) return base::fail(std::move(done.error()));
  Result<account::RecordPage> page = records.list(account::kTeams, query);
  if (!page) return base::fail(std::move(page.error()));
  const Result<std::vector<Roster>> rosters = read_rosters(records, *page);
  if (!rosters) return base::fail(rosters.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Roster& roster : *rosters) {
    writer.begin_object();
    write_team(writer, roster, *context.gateway.ledger);
    writer.key("team_memberships");
    if (Status done = write_memberships(writer, records, roster, *context.gateway.ledger); !done) {
      return base::fail(std::move(done.error()));
    }
    writer.key("keys");
    if (Status done = write_team_keys(writer, records, context, roster.team); !done) {
      return base::fail(std::move(done.error()));
    }
    writer.end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

struct Page {
  std::uint64_t number = 1, size = 10;
};

Result<Page> read_page(const Context& context) {
  const Result<std::uint64_t> page = query_count(context, "page", 1, 1, kPageMax);
  if (!page) return base::fail(page.error());
  const Result<std::uint64_t> size = query_count(context, "page_size", 10, 1, kPageSizeMax);
  if (!size) return base::fail(size.error());
  return Page{*page, *size};
}

void write_page_end(json::Writer& writer, const Page& page, std::uint64_t total) {
  writer.key("total").number(total).key("page").number(page.number).key("page_size").number(page.size);
  writer.key("total_pages").number((total + page.size - 1) / page.size);
}

/// Teams that are gone, as they were when they went, the latest first; for those who see everything.
Result<Reply> list_deleted(const Context& context, Records& records, const Page& page) {
  if (!sees_everything(*context.caller)) {
    return base::fail(ErrorKind::PermissionDenied, "Only proxy admins see teams that have been deleted.");
  }
  db::Transaction& transaction = records.transaction();
  const db::Value table{std::string(account::kTeams.audit_name)};
  const std::string asked = context.request().query_value("team_id");
  std::vector<db::Value> values = {table};
  std::string where = " FROM deleted_record WHERE table_name = $1";
  if (!asked.empty()) {
    values.emplace_back(asked);
    where += " AND object_id = $2";
  }
  const auto total = transaction.run("SELECT count(*)" + where, values);
  if (!total) return base::fail(total.error());
  const std::string limit = " ORDER BY deletion_no DESC LIMIT " + std::to_string(page.size) + " OFFSET " +
                            std::to_string((page.number - 1) * page.size);
  const auto rows = transaction.run("SELECT body, deleted_by, deleted_by_key, deleted_at_us" + where + limit, values);
  if (!rows) return base::fail(rows.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("teams").begin_array();
  for (const db::Row& row : rows->rows) {
    const std::string body = db::as_text(row.at(0));
    json::Document document;
    if (Status parsed = document.parse(body); !parsed) return base::fail(std::move(parsed.error()));
    writer.begin_object();
    for (const auto& [key, value] : document.root().members()) writer.key(key.inner()).raw(value.raw());
    writer.key("deleted_by").string(db::as_text(row.at(1))).key("deleted_by_api_key").string(db::as_text(row.at(2)));
    writer.key("deleted_at").string(base::iso_time(db::as_int(row.at(3)))).end_object();
  }
  writer.end_array();
  write_page_end(writer, page, static_cast<std::uint64_t>(db::as_int(total->rows.at(0).at(0))));
  writer.end_object();
  return private_json_reply(std::move(text));
}

Result<account::Query> read_query(const Context& context, const Page& page) {
  account::Query query;
  query.page = page.number;
  query.size = page.size;
  const Result<std::string> sort = query_word(
      context, "sort_by", {"team_id", "team_alias", "created_at", "updated_at", "spend", "max_budget", "blocked"});
  if (!sort) return base::fail(sort.error());
  const Result<std::string> order = query_word(context, "sort_order", {"asc", "desc"});
  if (!order) return base::fail(order.error());
  for (const std::string_view column :
       {"team_id", "team_alias", "created_at", "updated_at", "spend", "max_budget", "blocked"}) {
    if (*sort == column) query.sort_by = column;
  }
  query.ascending = *order != "desc";
  if (std::string id = context.request().query_value("team_id"); !id.empty()) {
    query.where.push_back(is("team_id", std::move(id)));
  }
  if (std::string alias = context.request().query_value("team_alias"); !alias.empty()) {
    query.where.push_back({"team_alias", Condition::Test::Contains, {db::Value(std::move(alias))}});
  }
  return query;
}

Result<Reply> list_page(const Context& context, Records& records) {
  const Result<Page> page = read_page(context);
  if (!page) return base::fail(page.error());
  const Result<std::string> status = query_word(context, "status", {"deleted"});
  if (!status) return base::fail(status.error());
  if (*status == "deleted") return list_deleted(context, records, *page);
  Result<account::Query> query = read_query(context, *page);
  if (!query) return base::fail(std::move(query.error()));
  if (Status done = confine(context, records, *query); !done) return base::fail(std::move(done.error()));
  Result<account::RecordPage> found = records.list(account::kTeams, *query);
  if (!found) return base::fail(std::move(found.error()));
  const std::uint64_t total = found->total;
  const Result<std::vector<Roster>> rosters = read_rosters(records, *found);
  if (!rosters) return base::fail(rosters.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("teams").begin_array();
  for (const Roster& roster : *rosters) writer.raw(team_json(roster, *context.gateway.ledger));
  writer.end_array();
  write_page_end(writer, *page, total);
  writer.end_object();
  return private_json_reply(std::move(text));
}

/// A few teams by a part of their name, for a person who types.
Result<Reply> find_teams(const Context& context, Records& records) {
  Result<account::Query> query = read_query(context, {1, kFoundMax});
  if (!query) return base::fail(std::move(query.error()));
  if (Status done = confine(context, records, *query); !done) return base::fail(std::move(done.error()));
  Result<account::RecordPage> found = records.list(account::kTeams, *query);
  if (!found) return base::fail(std::move(found.error()));
  const Result<std::vector<Roster>> rosters = read_rosters(records, *found);
  if (!rosters) return base::fail(rosters.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Roster& roster : *rosters) writer.raw(team_json(roster, *context.gateway.ledger));
  writer.end_array();
  return private_json_reply(std::move(text));
}

/// Teams that anybody may join and the caller is not in.
Result<Reply> list_available(const Context& context, Records& records) {
  Result<std::vector<std::string>> mine = account::teams_of_user(records, context.caller->user_id);
  if (!mine) return base::fail(std::move(mine.error()));
  std::vector<Record> teams;
  for (const std::string& team_id : available_teams(context)) {
    if (std::ranges::find(*mine, team_id) != mine->end()) continue;
    Result<std::optional<Record>> team = records.find(account::kTeams, team_id);
    if (!team) return base::fail(std::move(team.error()));
    if (*team) teams.push_back(std::move(**team));
  }
  // Who is in a team, and what it spends, is for its members: an outsider sees what it is.
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Record& team : teams) {
    writer.begin_object().key("team_id").string(team.key()).key("team_alias");
    writer.string(team.maybe_text("team_alias").value_or(""));
    writer.key("models").raw(team.text("models")).key("description").null().end_object();
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

}  // namespace

Task<Result<Reply>> team_info(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return show_team(context, records); };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> list_teams(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return list_all(context, records); };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> list_teams_by_page(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return list_page(context, records); };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> filter_teams(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return find_teams(context, records); };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> list_available_teams(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return list_available(context, records);
  };
  co_return co_await answer_from_records(context, std::move(work));
}

}  // namespace turnpike::api
