#include "api/team_members.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/owned_keys.h"
#include "account/tables.h"
#include "api/handlers.h"
#include "api/permission.h"
#include "api/record_route.h"
#include "api/records.h"
#include "api/reply.h"
#include "api/team_fields.h"
#include "api/team_json.h"
#include "api/user_rows.h"

namespace turnpike::api {
namespace {

using account::Record;
using account::Records;
using account::Roster;

constexpr std::size_t kMembersAtOnceMax = 500;

Result<NamedMember> read_member(const json::Value& value, std::string_view field) {
  NamedMember member;
  if (!value.is(json::Kind::Object)) {
    return refuse_field(field, R"(A member is an object: {"role": "user", "user_id": "..."}.)");
  }
  Result<std::optional<std::string>> user_id = text_member(value, "user_id");
  if (!user_id) return base::fail(std::move(user_id.error()));
  Result<std::optional<std::string>> email = text_member(value, "user_email");
  if (!email) return base::fail(std::move(email.error()));
  Result<std::optional<std::string>> role = text_member(value, "role");
  if (!role) return base::fail(std::move(role.error()));
  member.user_id = user_id->value_or(std::string());
  member.user_email = email->value_or(std::string());
  member.admin = *role == "admin";
  if (member.user_id.empty() && member.user_email.empty()) {
    return refuse_field("user_id", "Either user_id or user_email must be provided for every member.");
  }
  if (*role && **role != "admin" && **role != "user") {
    return refuse_field("role", "role of a member must be \"admin\" or \"user\".");
  }
  return member;
}

/// The user of an address; nothing when nobody has it.
Result<std::optional<Record>> user_of_email(Records& records, const std::string& email) {
  Result<std::vector<Record>> users = records.all(account::kUsers, "user_email", email);
  if (!users) return base::fail(std::move(users.error()));
  if (users->size() > 1) {
    return refuse_field("user_email", "Multiple users found with user_email=" + email + ": name one by user_id.");
  }
  return users->empty() ? std::optional<Record>() : std::optional<Record>(std::move(users->front()));
}

/// The id of the user that is meant, who is made when nobody knows him. Whom an admin of a team brings along calls with
/// keys of the team alone: as a user without limits he would hold more than who made him.
Result<std::string> known_user(Records& records, const domain::Caller& caller, const NamedMember& member) {
  Result<std::optional<Record>> user = member.user_id.empty() ? user_of_email(records, member.user_email)
                                                              : records.find(account::kUsers, member.user_id);
  if (!user) return base::fail(std::move(user.error()));
  if (*user) return (*user)->key();
  Record made(account::kUsers);
  made.set("user_id", db::Value(member.user_id.empty() ? new_id(records) : member.user_id));
  if (!member.user_email.empty()) made.set("user_email", db::Value(member.user_email));
  made.set("user_role", db::Value(std::string("internal_user")));
  if (!administers(caller)) made.set_list("models", {"no-default-models"});
  if (Status free = name_of_nobody(caller, made.key()); !free) return base::fail(std::move(free.error()));
  Result<Record> created = records.create(std::move(made));
  if (!created) return base::fail(std::move(created.error()));
  return created->key();
}

Error already_in_team(const std::string& user_id, const std::string& team_id) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.type = "team_member_already_in_team";
  error.param = "user_id";
  error.message = fmt::format("User={} already in team. Team={}", user_id, team_id);
  return error;
}

Result<std::string> new_member_budget(Records& records, const MemberBudget& own) {
  Record budget(account::kBudgets);
  budget.set("budget_id", db::Value(new_id(records))).set("max_budget", own.dollars);
  budget.set("max_budget_tokens", own.tokens ? db::Value(*own.tokens) : db::Value());
  Result<Record> made = records.create(std::move(budget));
  if (!made) return base::fail(std::move(made.error()));
  return made->key();
}

/// Anybody may join, and leave, a team that is open to all; nobody else but himself, and never as its admin.
bool joins_himself(const Context& context, const std::string& team_id, const std::vector<NamedMember>& members) {
  const std::vector<std::string> open = available_teams(context);
  const domain::Caller& caller = *context.caller;
  return caller.is_user && std::ranges::find(open, team_id) != open.end() &&
         std::ranges::all_of(members, [&caller](const NamedMember& member) {
           return member.user_id == caller.user_id && member.user_email.empty() && !member.admin;
         });
}

Result<Roster> reread(Records& records, const std::string& team_id) {
  Result<Record> team = get_team(records, team_id);
  if (!team) return base::fail(std::move(team.error()));
  return account::roster_of(records, std::move(*team));
}

/// The users that joined. Who is no administrator sees of a user only what a member of his team shows.
Status write_users(json::Writer& writer, const Context& context, Records& records,
                   const std::vector<std::string>& user_ids) {
  const std::span<const std::string_view> hidden = hidden_columns(*context.caller);
  writer.begin_array();
  for (const std::string& user_id : user_ids) {
    Result<Record> user = records.get(account::kUsers, user_id);
    if (!user) return base::fail(std::move(user.error()));
    writer.begin_object();
    account::write_record(writer, *user, hidden);
    writer.end_object();
  }
  writer.end_array();
  return {};
}

Result<Reply> add_members(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const json::Value body = document.root();
  const Result<std::string> team_id = needed_text(body, "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<std::vector<NamedMember>> members = read_members(body.find("member"), "member");
  if (!members) return base::fail(members.error());
  const Result<MemberBudget> budget = member_budget(body, "team");
  if (!budget) return base::fail(budget.error());
  const Result<Record> team = get_team(records, *team_id);
  if (!team) return base::fail(team.error());
  if (budget->any() || !joins_himself(context, *team_id, *members)) {
    if (Status may = may_manage_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
  }
  std::vector<std::string> joined;
  for (const NamedMember& member : *members) {
    Result<std::string> user_id = join_team(records, *context.caller, *team, member, *budget);
    if (!user_id) return base::fail(std::move(user_id.error()));
    joined.push_back(std::move(*user_id));
  }
  const Result<Roster> roster = reread(records, *team_id);
  if (!roster) return base::fail(roster.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_team(writer, *roster, *context.gateway.ledger);
  writer.key("updated_users");
  if (Status done = write_users(writer, context, records, joined); !done) return base::fail(std::move(done.error()));
  writer.key("updated_team_memberships");
  if (Status done = write_memberships(writer, records, *roster, *context.gateway.ledger, joined); !done) {
    return base::fail(std::move(done.error()));
  }
  writer.end_object();
  return private_json_reply(std::move(text));
}

Result<Reply> delete_member(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const Result<std::string> team_id = needed_text(document.root(), "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<Record> team = get_team(records, *team_id);
  if (!team) return base::fail(team.error());
  const Result<std::optional<std::string>> named = text_member(document.root(), "user_id");
  if (!named) return base::fail(named.error());
  NamedMember leaver;
  leaver.user_id = named->value_or(std::string());
  if (!joins_himself(context, *team_id, {leaver})) {
    if (Status may = may_manage_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
  }
  const Result<Record> membership = named_membership(records, *team, document.root());
  if (!membership) return base::fail(membership.error());
  const std::string user_id = membership->key(1);
  const Result<std::vector<account::KeyRow>> keys =
      account::keys_of(records, {{"team_id", *team_id}, {"user_id", user_id}});
  if (!keys) return base::fail(keys.error());
  if (Status gone = account::remove_keys(records, *keys); !gone) return base::fail(std::move(gone.error()));
  if (Status gone = records.remove(*membership); !gone) return base::fail(std::move(gone.error()));
  const Result<Roster> roster = reread(records, *team_id);
  if (!roster) return base::fail(roster.error());
  return private_json_reply(team_json(*roster, *context.gateway.ledger));
}

/// The budget that is the member's alone, made from the shared one when he has none yet.
Result<Record> own_budget(Records& records, const Record& team, Record& membership) {
  const std::string shared = member_budget_of(team);
  const std::optional<std::string> linked = membership.maybe_text("budget_id");
  Result<std::optional<Record>> budget = std::optional<Record>();
  if (linked) budget = records.find(account::kBudgets, *linked);
  if (!budget) return base::fail(std::move(budget.error()));
  // Only a budget that join_team or this made for him is his alone; any other one may hold others too.
  if (*budget && *linked != shared) {
    Result<std::vector<Record>> holders = records.all(account::kTeamMembers, "budget_id", *linked);
    if (!holders) return base::fail(std::move(holders.error()));
    if (holders->size() == 1) return std::move(**budget);
  }
  Record own = *budget ? **budget : Record(account::kBudgets);
  own.set("budget_id", db::Value(new_id(records)));
  Result<Record> made = records.create(std::move(own));
  if (made) membership.set("budget_id", db::Value(made->key()));
  return made;
}

/// max_budget_in_team, max_budget_tokens_in_team, tpm_limit and rpm_limit of a body.
Result<bool> change_budget(const json::Value& body, Record& budget) {
  bool changed = false;
  if (body.find("max_budget_in_team")) {
    const Result<std::optional<Money>> amount = amount_member(body, "max_budget_in_team");
    if (!amount) return base::fail(amount.error());
    budget.set("max_budget", *amount);
    changed = true;
  }
  if (body.find("max_budget_tokens_in_team")) {
    const Result<std::optional<std::int64_t>> tokens = token_member(body, "max_budget_tokens_in_team");
    if (!tokens) return base::fail(tokens.error());
    budget.set("max_budget_tokens", *tokens ? db::Value(**tokens) : db::Value());
    changed = true;
  }
  for (const std::string_view name : {"tpm_limit", "rpm_limit"}) {
    if (!body.find(name)) continue;
    const Result<std::optional<std::uint64_t>> limit = whole_member(body, name);
    if (!limit) return base::fail(limit.error());
    budget.set(name, *limit ? db::Value(static_cast<std::int64_t>(**limit)) : db::Value());
    changed = true;
  }
  return changed;
}

Status change_member(Records& records, const Record& team, const json::Value& body, const Record& before) {
  Record after = before;
  const Result<std::optional<std::string>> role = text_member(body, "role");
  if (!role) return base::fail(role.error());
  if (*role && **role != "admin" && **role != "user") {
    return refuse_field("role", "role of a member must be \"admin\" or \"user\".");
  }
  if (*role) after.set("role", db::Value(**role));
  const bool limits = body.find("max_budget_in_team") || body.find("max_budget_tokens_in_team") ||
                      body.find("tpm_limit") || body.find("rpm_limit");
  if (limits) {
    const Result<Record> budget = own_budget(records, team, after);
    if (!budget) return base::fail(budget.error());
    Record changed = *budget;
    if (const Result<bool> done = change_budget(body, changed); !done) return base::fail(done.error());
    if (auto written = records.update(*budget, std::move(changed)); !written) {
      return base::fail(std::move(written.error()));
    }
  }
  if (auto written = records.update(before, std::move(after)); !written) return base::fail(std::move(written.error()));
  return {};
}

void limit_or_null(json::Writer& writer, std::string_view name, std::optional<std::int64_t> limit) {
  writer.key(name);
  if (limit) {
    writer.number(*limit);
  } else {
    writer.null();
  }
}

Result<Reply> update_member(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const json::Value body = document.root();
  const Result<std::string> team_id = needed_text(body, "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<Record> team = get_team(records, *team_id);
  if (!team) return base::fail(team.error());
  if (Status may = may_manage_team(records, *context.caller, *team); !may) return base::fail(std::move(may.error()));
  const Result<Record> membership = named_membership(records, *team, body);
  if (!membership) return base::fail(membership.error());
  if (Status done = change_member(records, *team, body, *membership); !done) {
    return base::fail(std::move(done.error()));
  }
  const Result<Record> now = records.get(account::kTeamMembers, *team_id, membership->key(1));
  if (!now) return base::fail(now.error());
  Record budget(account::kBudgets);
  if (const std::optional<std::string> budget_id = now->maybe_text("budget_id")) {
    Result<std::optional<Record>> found = records.find(account::kBudgets, *budget_id);
    if (!found) return base::fail(std::move(found.error()));
    if (*found) budget = std::move(**found);
  }
  Result<std::optional<Record>> user = records.find(account::kUsers, now->key(1));
  if (!user) return base::fail(std::move(user.error()));
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("team_id").string(*team_id).key("user_id").string(now->key(1)).key("user_email");
  if (const auto email = *user ? (*user)->maybe_text("user_email") : std::nullopt) {
    writer.string(*email);
  } else {
    writer.null();
  }
  writer.key("role").string(now->text("role")).key("max_budget_in_team");
  if (const std::optional<Money> amount = budget.amount("max_budget")) {
    writer.raw(amount->to_string());
  } else {
    writer.null();
  }
  limit_or_null(writer, "max_budget_tokens_in_team", budget.whole("max_budget_tokens"));
  limit_or_null(writer, "tpm_limit", budget.whole("tpm_limit"));
  limit_or_null(writer, "rpm_limit", budget.whole("rpm_limit"));
  writer.end_object();
  Reply reply = private_json_reply(std::move(text));
  Applied applied;
  for (const char* name : {"tpm_limit", "rpm_limit"}) {
    const json::Value limit = body.find(name);
    if (limit && !limit.is(json::Kind::Null)) applied.unenforced.emplace_back(name);
  }
  tell_applied(applied, reply.fields);
  return reply;
}

/// Everybody the gateway knows who is not in the team yet.
Result<std::vector<NamedMember>> all_users(Records& records, const std::string& team_id) {
  const auto rows = records.transaction().run(
      "SELECT u.user_id FROM internal_user u WHERE NOT EXISTS (SELECT 1 FROM team_member m WHERE m.team_id = $1 AND "
      "m.user_id = u.user_id) ORDER BY u.user_id",
      {team_id});
  if (!rows) return base::fail(rows.error());
  std::vector<NamedMember> members;
  for (const db::Row& row : rows->rows) members.push_back({db::as_text(row.at(0)), {}, false});
  return members;
}

struct Outcome {
  NamedMember member;
  std::string error;  // Empty: he is in.
};

/// Who cannot be added is told in the answer; a database that fails ends the whole.
Result<std::vector<Outcome>> add_each(Records& records, const domain::Caller& caller, const Record& team,
                                      const std::vector<NamedMember>& members, const MemberBudget& budget) {
  std::vector<Outcome> outcomes;
  for (const NamedMember& member : members) {
    Outcome outcome{member, {}};
    if (const Result<std::string> user_id = join_team(records, caller, team, member, budget); user_id) {
      outcome.member.user_id = *user_id;
    } else if (user_id.error().kind == ErrorKind::InvalidRequest) {
      outcome.error = user_id.error().message;
    } else {
      return base::fail(user_id.error());
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

void write_outcomes(json::Writer& writer, const std::vector<Outcome>& outcomes) {
  std::uint64_t failed = 0;
  writer.key("results").begin_array();
  for (const Outcome& outcome : outcomes) {
    writer.begin_object();
    for (const auto& [name, text] : {std::pair<std::string_view, const std::string&>{"user_id", outcome.member.user_id},
                                     {"user_email", outcome.member.user_email}}) {
      writer.key(name);
      if (text.empty()) {
        writer.null();
      } else {
        writer.string(text);
      }
    }
    writer.key("success").boolean(outcome.error.empty());
    if (!outcome.error.empty()) {
      ++failed;
      writer.key("error").string(outcome.error);
    }
    writer.end_object();
  }
  writer.end_array();
  writer.key("total_requested").number(std::uint64_t{outcomes.size()});
  writer.key("successful_additions").number(std::uint64_t{outcomes.size() - failed});
  writer.key("failed_additions").number(failed);
}

Result<Reply> add_many(const Context& context, Records& records) {
  json::Document document;
  if (Status status = parse_body(context, document); !status) return base::fail(std::move(status.error()));
  const json::Value body = document.root();
  const Result<std::string> team_id = needed_text(body, "team_id");
  if (!team_id) return base::fail(team_id.error());
  const Result<std::optional<bool>> everybody = flag_member(body, "all_users");
  if (!everybody) return base::fail(everybody.error());
  const Result<MemberBudget> budget = member_budget(body, "team");
  if (!budget) return base::fail(budget.error());
  const Result<Record> team = get_team(records, *team_id);
  if (!team) return base::fail(team.error());
  const bool all = everybody->value_or(false);
  const Result<std::vector<NamedMember>> members =
      all ? all_users(records, *team_id) : read_members(body.find("members"), "members");
  if (!members) return base::fail(members.error());
  const Result<std::vector<Outcome>> outcomes = add_each(records, *context.caller, *team, *members, *budget);
  if (!outcomes) return base::fail(outcomes.error());
  const Result<Roster> roster = reread(records, *team_id);
  if (!roster) return base::fail(roster.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("team_id").string(*team_id);
  write_outcomes(writer, *outcomes);
  writer.key("updated_team").raw(team_json(*roster, *context.gateway.ledger)).end_object();
  return private_json_reply(std::move(text));
}

}  // namespace

Result<std::vector<NamedMember>> read_members(const json::Value& value, std::string_view field) {
  std::vector<NamedMember> members;
  if (value.is(json::Kind::Object)) {
    Result<NamedMember> one = read_member(value, field);
    if (!one) return base::fail(std::move(one.error()));
    members.push_back(std::move(*one));
    return members;
  }
  if (!value.is(json::Kind::Array) || value.elements().empty()) {
    return refuse_field(field, fmt::format("{} must be a member or a list of members with at least one.", field));
  }
  for (const json::Value element : value.elements()) {
    if (members.size() == kMembersAtOnceMax) {
      return refuse_field(field, fmt::format("{} may hold at most {} members.", field, kMembersAtOnceMax));
    }
    Result<NamedMember> one = read_member(element, field);
    if (!one) return base::fail(std::move(one.error()));
    members.push_back(std::move(*one));
  }
  return members;
}

Result<MemberBudget> member_budget(const json::Value& body, std::string_view where) {
  const Result<std::optional<Money>> dollars = amount_member(body, fmt::format("max_budget_in_{}", where));
  if (!dollars) return base::fail(dollars.error());
  const Result<std::optional<std::int64_t>> tokens = token_member(body, fmt::format("max_budget_tokens_in_{}", where));
  if (!tokens) return base::fail(tokens.error());
  return MemberBudget{*dollars, *tokens};
}

Result<std::string> join_team(Records& records, const domain::Caller& caller, const Record& team,
                              const NamedMember& member, const MemberBudget& own_budget) {
  Result<std::string> user_id = known_user(records, caller, member);
  if (!user_id) return user_id;
  const Result<std::optional<Record>> there = records.find(account::kTeamMembers, team.key(), *user_id);
  if (!there) return base::fail(there.error());
  if (*there) return base::fail(already_in_team(*user_id, team.key()));
  Record membership(account::kTeamMembers);
  membership.set("team_id", db::Value(team.key())).set("user_id", db::Value(*user_id));
  membership.set("role", db::Value(std::string(member.admin ? "admin" : "user")));
  std::string budget_id = member_budget_of(team);
  if (own_budget.any()) {
    Result<std::string> made = new_member_budget(records, own_budget);
    if (!made) return made;
    budget_id = std::move(*made);
  }
  if (!budget_id.empty()) membership.set("budget_id", db::Value(budget_id));
  if (auto created = records.create(std::move(membership)); !created) return base::fail(std::move(created.error()));
  return user_id;
}

Result<Record> named_membership(Records& records, const Record& team, const json::Value& body) {
  Result<std::optional<std::string>> user_id = text_member(body, "user_id");
  if (!user_id) return base::fail(std::move(user_id.error()));
  Result<std::optional<std::string>> email = text_member(body, "user_email");
  if (!email) return base::fail(std::move(email.error()));
  if (!*user_id && !*email) {
    return refuse_field("user_id", "Either user_id or user_email needs to be passed in");
  }
  if (!*user_id) {
    Result<std::optional<Record>> user = user_of_email(records, **email);
    if (!user) return base::fail(std::move(user.error()));
    if (*user) *user_id = (*user)->key();
  }
  Result<std::optional<Record>> membership = std::optional<Record>();
  if (*user_id) membership = records.find(account::kTeamMembers, team.key(), **user_id);
  if (!membership) return base::fail(std::move(membership.error()));
  if (*membership) return std::move(**membership);
  return refuse_field(*user_id ? "user_id" : "user_email",
                      fmt::format("User={} not found in team={}", user_id->value_or(email->value_or("")), team.key()));
}

Task<Result<Reply>> add_team_members(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return add_members(context, records); };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> delete_team_member(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return delete_member(context, records);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> update_team_member(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) {
    return update_member(context, records);
  };
  co_return co_await answer_in_records(context, std::move(work));
}

Task<Result<Reply>> bulk_add_team_members(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return add_many(context, records); };
  co_return co_await answer_in_records(context, std::move(work));
}

}  // namespace turnpike::api
