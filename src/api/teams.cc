#include <fmt/format.h>

#include <algorithm>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"
#include "api/records.h"
#include "api/reply.h"
#include "api/shares.h"
#include "api/team_fields.h"
#include "api/team_json.h"
#include "api/team_members.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

using account::Record;
using account::Records;
using account::Roster;

constexpr std::string_view kAdministratorsUser = "default_user_id";
constexpr std::size_t kDeletedAtOnceMax = 100;

Result<Reply> team_reply(const Context& context, Records& records, Record team) {
  const Result<Roster> roster = account::roster_of(records, std::move(team));
  if (!roster) return base::fail(roster.error());
  return private_json_reply(team_json(*roster, *context.gateway.ledger));
}

Status check_organization(Records& records, const std::optional<std::string>& organization_id) {
  if (!organization_id) return {};
  const Result<std::optional<Record>> organization = records.find(account::kOrganizations, *organization_id);
  if (!organization) return base::fail(organization.error());
  if (*organization) return {};
  return refuse_field("organization_id", "Organization not found, passed organization_id=" + *organization_id);
}

/// Administrators make teams anywhere, admins of an organisation in theirs.
Status may_make_team(Records& records, const domain::Caller& caller, const Record& team) {
  if (administers(caller)) return {};
  if (const std::optional<std::string> organization = team.maybe_text("organization_id")) {
    return may_manage_organization(records, caller, *organization);
  }
  return forbid_field(
      "organization_id",
      "Only proxy admins make teams outside of an organisation. An org_admin sends the organization_id of his.");
}

/// Whom the body names as the first members. The creator is an admin of his team.
Result<std::vector<NamedMember>> first_members(const json::Value& body, const domain::Caller& caller) {
  std::vector<NamedMember> members;
  const json::Value roles = body.find("members_with_roles");
  if (roles && !roles.is(json::Kind::Null) && roles.raw() != "[]") {
    Result<std::vector<NamedMember>> named = read_members(roles, "members_with_roles");
    if (!named) return named;
    members = std::move(*named);
  }
  const auto add = [&members](const std::string& user_id, bool admin) {
    const auto known = std::ranges::find(members, user_id, &NamedMember::user_id);
    if (known == members.end()) {
      members.push_back({user_id, {}, admin});
    } else {
      known->admin = known->admin || admin;
    }
  };
  for (const std::string_view list : {"admins", "members"}) {
    Result<std::optional<std::vector<std::string>>> ids = list_member(body, list);
    if (!ids) return base::fail(std::move(ids.error()));
    for (const std::string& user_id : ids->value_or(std::vector<std::string>())) {
      if (user_id.empty()) return refuse_field(list, std::string(list) + " must hold ids of users.");
      add(user_id, list == "admins");
    }
  }
  if (caller.is_user && caller.user_id != kAdministratorsUser) add(caller.user_id, true);
  return members;
}

Result<Record> read_new_team(Records& records, const json::Value& body, Applied& applied) {
  Record team(account::kTeams);
  const Result<std::optional<std::string>> asked = text_member(body, "team_id");
  if (!asked) return base::fail(asked.error());
  const std::string team_id = asked->value_or("").empty() ? new_id(records) : **asked;
  const Result<std::optional<Record>> there = records.find(account::kTeams, team_id);
  if (!there) return base::fail(there.error());
  if (*there) {
    return refuse_field("team_id", "Team id = " + team_id + " already exists. Please use a different team id.");
  }
  team.set("team_id", db::Value(team_id));
  Result<Applied> done = apply_team_body(body, team);
  if (!done) return base::fail(std::move(done.error()));
  applied = std::move(*done);
  return team;
}

Result<Reply> make_team(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const json::Value body = document.root();
  Applied applied;
  Result<Record> team = read_new_team(records, body, applied);
  if (!team) return base::fail(std::move(team.error()));
  if (Status followed = follow_duration(context, body, *team); !followed)
    return base::fail(std::move(followed.error()));
  const domain::Caller& caller = *context.caller;
  if (Status may = may_make_team(records, caller, *team); !may) return base::fail(std::move(may.error()));
  if (Status known = check_organization(records, team->maybe_text("organization_id")); !known) {
    return base::fail(std::move(known.error()));
  }
  if (Status within = grant_within(records, caller, grant_of(body, nullptr, *team)); !within) {
    return base::fail(std::move(within.error()));
  }
  if (Status may = may_set_priority(caller, "{}", team->text("metadata")); !may)
    return base::fail(std::move(may.error()));
  if (Status kept = keep_promises(records, context, *team); !kept) return base::fail(std::move(kept.error()));
  const Result<std::vector<NamedMember>> members = first_members(body, caller);
  if (!members) return base::fail(members.error());
  if (Status budget = apply_member_budget(records, body, *team); !budget) return base::fail(std::move(budget.error()));
  Result<Record> made = records.create(std::move(*team));
  if (!made) return base::fail(std::move(made.error()));
  for (const NamedMember& member : *members) {
    if (auto joined = join_team(records, caller, *made, member, {}); !joined) {
      return base::fail(std::move(joined.error()));
    }
  }
  Result<Reply> reply = team_reply(context, records, std::move(*made));
  if (reply) tell_applied(applied, reply->fields);
  return reply;
}

/// What the caller may not say of a team that he may manage.
Status check_change(Records& records, const Context& context, const json::Value& body, const Record& before,
                    const Record& after) {
  const domain::Caller& caller = *context.caller;
  const Result<bool> above = stands_above(records, caller, before);
  if (!above) return base::fail(above.error());
  if (!*above) {
    if (Status less = only_less(before, after); !less) return less;
  }
  if (after.maybe_text("organization_id") != before.maybe_text("organization_id") && !administers(caller)) {
    if (Status may = may_make_team(records, caller, after); !may) return may;
  }
  if (Status known = check_organization(records, after.maybe_text("organization_id")); !known) return known;
  if (Status may = may_set_priority(caller, before.text("metadata"), after.text("metadata")); !may) return may;
  if (Status within = grant_within(records, caller, grant_of(body, &before, after)); !within) return within;
  const bool is_other = std::ranges::any_of(
      std::initializer_list<std::string_view>{"rpm_limit", "tpm_limit", "metadata", "organization_id"},
      [&](std::string_view column) { return before[column] != after[column]; });
  return is_other ? keep_promises(records, context, after) : Status();
}

Result<Reply> change_team(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const json::Value body = document.root();
  const Result<std::string> team_id = needed_text(body, "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<Record> before = get_team(records, *team_id);
  if (!before) return base::fail(before.error());
  if (Status may = may_manage_team(records, *context.caller, *before); !may) return base::fail(std::move(may.error()));
  Record after = *before;
  const Result<Applied> applied = apply_team_body(body, after);
  if (!applied) return base::fail(applied.error());
  if (after["budget_duration"] != (*before)["budget_duration"]) {
    if (Status followed = follow_duration(context, body, after); !followed)
      return base::fail(std::move(followed.error()));
  }
  if (Status within = check_change(records, context, body, *before, after); !within) {
    return base::fail(std::move(within.error()));
  }
  if (Status budget = apply_member_budget(records, body, after); !budget) return base::fail(std::move(budget.error()));
  Result<Record> written = records.update(*before, std::move(after));
  if (!written) return base::fail(std::move(written.error()));
  const Result<Roster> roster = account::roster_of(records, std::move(*written));
  if (!roster) return base::fail(roster.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("team_id").string(*team_id);
  writer.key("data").raw(team_json(*roster, *context.gateway.ledger)).end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(*applied, reply.fields);
  return reply;
}

Result<std::vector<std::string>> read_team_ids(const json::Value& body) {
  Result<std::optional<std::vector<std::string>>> ids = list_member(body, "team_ids");
  if (!ids) return base::fail(std::move(ids.error()));
  if (!*ids || (*ids)->empty()) return refuse_field("team_ids", "team_ids must be a list with at least one team.");
  if ((*ids)->size() > kDeletedAtOnceMax) {
    return refuse_field("team_ids", fmt::format("team_ids may hold at most {} teams.", kDeletedAtOnceMax));
  }
  std::vector<std::string> once;
  for (std::string& id : **ids) {
    if (std::ranges::find(once, id) == once.end()) once.push_back(std::move(id));
  }
  return once;
}

Result<Reply> delete_teams_of(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const Result<std::vector<std::string>> ids = read_team_ids(document.root());
  if (!ids) return base::fail(ids.error());
  std::vector<Record> teams;
  for (const std::string& team_id : *ids) {
    Result<Record> team = get_team(records, team_id);
    if (!team) return base::fail(std::move(team.error()));
    if (Status may = may_manage_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
    teams.push_back(std::move(*team));
  }
  const Result<std::vector<Roster>> rosters = account::rosters_of(records, std::move(teams));
  if (!rosters) return base::fail(rosters.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Roster& roster : *rosters) {
    writer.raw(team_json(roster, *context.gateway.ledger));
    if (Status gone = account::remove_team(records, roster.team); !gone) return base::fail(std::move(gone.error()));
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

/// Stopping a team is for those above it: its own admins may not start it again.
Result<Reply> set_blocked(const Context& context, Records& records, bool blocked) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const Result<std::string> team_id = needed_text(document.root(), "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<Record> team = get_team(records, *team_id);
  if (!team) return base::fail(team.error());
  const Result<bool> above = stands_above(records, *context.caller, *team);
  if (!above) return base::fail(above.error());
  if (!*above) {
    return base::fail(ErrorKind::PermissionDenied,
                      "Only proxy admins, and org_admins of the team's organisation, block and unblock a team.");
  }
  Record changed = *team;
  changed.set("blocked", db::Value(std::int64_t{blocked}));
  Result<Record> written = records.update(*team, std::move(changed), blocked ? "blocked" : "unblocked");
  if (!written) return base::fail(std::move(written.error()));
  return team_reply(context, records, std::move(*written));
}

enum class ModelChange : std::uint8_t { Add, Delete };

Result<std::vector<std::string>> changed_models(const Record& team, const std::vector<std::string>& named,
                                                ModelChange change) {
  std::vector<std::string> models = team.list("models");
  const auto has = [&models](const std::string& model) { return std::ranges::find(models, model) != models.end(); };
  if (change == ModelChange::Add) {
    for (const std::string& model : named) {
      if (!has(model)) models.push_back(model);
    }
    return models;
  }
  if (models.empty()) {
    return refuse_field("models",
                        "The team may use every model: give it a list with /team/update before taking from it.");
  }
  std::erase_if(models, [&named](const std::string& model) { return std::ranges::find(named, model) != named.end(); });
  if (models.empty()) {
    return refuse_field("models",
                        "An empty list means every model. To take the last one away, set models to "
                        "[\"no-default-models\"] with /team/update, or block the team.");
  }
  return models;
}

Result<Reply> change_models(const Context& context, Records& records, ModelChange change) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const json::Value body = document.root();
  const Result<std::string> team_id = needed_text(body, "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<std::optional<std::vector<std::string>>> named = list_member(body, "models");
  if (!named) return base::fail(named.error());
  if (!*named || (*named)->empty()) return refuse_field("models", "models must be a list with at least one model.");
  const Result<Record> before = get_team(records, *team_id);
  if (!before) return base::fail(before.error());
  if (Status may = may_manage_team(records, *context.caller, *before); !may) return base::fail(std::move(may.error()));
  const Result<std::vector<std::string>> models = changed_models(*before, **named, change);
  if (!models) return base::fail(models.error());
  Record after = *before;
  after.set_list("models", *models);
  if (Status within = check_change(records, context, body, *before, after); !within) {
    return base::fail(std::move(within.error()));
  }
  Result<Record> written = records.update(*before, std::move(after));
  if (!written) return base::fail(std::move(written.error()));
  return team_reply(context, records, std::move(*written));
}

}  // namespace

Task<Result<Reply>> new_team(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return make_team(context, records); };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> update_team(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return change_team(context, records); };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> delete_teams(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return delete_teams_of(context, records);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> block_team(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return set_blocked(context, records, true);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> unblock_team(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return set_blocked(context, records, false);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> add_team_models(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return change_models(context, records, ModelChange::Add);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> delete_team_models(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return change_models(context, records, ModelChange::Delete);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

}  // namespace turnpike::api
