#include <algorithm>

#include "account/key_records.h"
#include "account/route_access.h"
#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_rules.h"
#include "api/team_members.h"
#include "api/user_rows.h"
#include "base/hash.h"
#include "base/text.h"
#include "json/write.h"
#include "net/blocking.h"

// Users are made and changed (spec management-api 4).
namespace turnpike::api {
namespace {

using account::kUsers;
using account::Record;
using account::Records;
using Rule = BodyField::Rule;

constexpr std::size_t kUpdatedAtOnceMax = 500;
constexpr std::string_view kRoles[] = {"proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"};

// Of /user/new and /user/update.
constexpr BodyField kUserFields[] = {{"user_id", Rule::Own},
                                     {"user_email"},
                                     {"user_alias"},
                                     {"user_role", Rule::Own},
                                     {"sso_user_id"},
                                     {"password", Rule::Own},
                                     {"models"},
                                     {"metadata"},
                                     {"max_budget"},
                                     {"soft_budget"},
                                     {"max_budget_tokens"},
                                     {"soft_budget_tokens"},
                                     {"budget_duration"},
                                     {"budget_reset_at"},
                                     {"max_parallel_requests"},
                                     {"tpm_limit"},
                                     {"rpm_limit"},
                                     {"model_max_budget"},
                                     {"model_rpm_limit", Rule::Metadata},
                                     {"model_tpm_limit", Rule::Metadata},
                                     {"allowed_cache_controls", Rule::Unenforced},
                                     {"policies", Rule::Unenforced},
                                     {"guardrails", Rule::Unenforced},
                                     {"object_permission", Rule::Unenforced},
                                     {"spend", Rule::Own},
                                     // Of /user/new.
                                     {"teams", Rule::Own},
                                     {"organizations", Rule::Own},
                                     {"auto_create_key", Rule::Own},
                                     {"team_id", Rule::Own},
                                     {"key_alias", Rule::Own},
                                     {"duration", Rule::Own}};

// What of the body of /user/new is said of the key that comes with the user.
constexpr std::string_view kKeyFields[] = {"team_id", "key_alias", "duration"};

// What a user may change of himself.
constexpr std::string_view kOwnFields[] = {"user_id", "user_email", "user_alias", "password"};

std::string text_of(const Result<std::optional<std::string>>& text) {
  return text && *text ? **text : std::string();
}

/// Members that `apply_fields` leaves to the route, and what holds for all of them together.
Result<Applied> apply_user(const Context& context, const json::Value& body, Record& row) {
  Result<Applied> applied = apply_fields(body, kUserFields, row);
  if (!applied) return applied;
  const Result<std::optional<std::string>> role = text_member(body, "user_role");
  if (!role) return base::fail(role.error());
  if (*role) {
    if (std::ranges::find(kRoles, **role) == std::end(kRoles)) {
      return refuse_field("user_role",
                          "user_role must be proxy_admin, proxy_admin_viewer, internal_user or "
                          "internal_user_viewer.");
    }
    row.set("user_role", db::Value(**role));
  }
  const Result<std::optional<Money>> spend = amount_member(body, "spend");
  if (!spend) return base::fail(spend.error());
  if (*spend) row.spend = **spend;
  if (Status good = check_token_budgets(row); !good) return base::fail(std::move(good.error()));
  if (Status followed = follow_duration(context, body, row); !followed) return base::fail(std::move(followed.error()));
  return applied;
}

/// Two users with one address could not be told apart when they sign in.
Status check_email_free(Records& records, const Record& row) {
  const std::string email = row.text("user_email");
  if (email.empty()) return {};
  account::Query query;
  query.where.push_back({"user_email", account::Condition::Test::Equals, {email}});
  query.size = 2;
  const Result<account::RecordPage> page = records.list(kUsers, query);
  if (!page) return base::fail(page.error());
  for (const Record& other : page->rows) {
    if (other.key() != row.key()) return exists_already("user_email", "User with email " + email + " already exists");
  }
  return {};
}

Status check_new(Records& records, const Record& row) {
  const Result<std::optional<Record>> there = records.find(kUsers, row.key());
  if (!there) return base::fail(there.error());
  if (*there) return exists_already("user_id", "User with id " + row.key() + " already exists");
  return check_email_free(records, row);
}

Status check_sso_free(const Error& error, const Record& row) {
  if (error.code == "unique" && !row.is_null("sso_user_id")) {
    return exists_already("sso_user_id", "User with sso_user_id " + row.text("sso_user_id") + " already exists");
  }
  return base::fail(error);
}

/// One element of `teams`: an id, or {team_id, max_budget_in_team, max_budget_tokens_in_team, user_role}.
struct TeamWish {
  std::string team_id, role = "user";
  MemberBudget budget;
};

/// `team_id`, the team of his key, is a team of his too.
Result<std::vector<TeamWish>> with_team_of_key(const json::Value& body, std::vector<TeamWish> wishes) {
  const Result<std::optional<std::string>> team_id = text_member(body, "team_id");
  if (!team_id) return base::fail(team_id.error());
  if (!*team_id || (*team_id)->empty()) return wishes;
  if (std::ranges::find(wishes, **team_id, &TeamWish::team_id) != wishes.end()) return wishes;
  TeamWish wish;
  wish.team_id = **team_id;
  wishes.push_back(std::move(wish));
  return wishes;
}

Result<std::vector<TeamWish>> read_teams(const json::Value& body) {
  std::vector<TeamWish> wishes;
  const json::Value teams = body.find("teams");
  if (!teams || teams.is(json::Kind::Null)) return wishes;
  if (!teams.is(json::Kind::Array)) return refuse_field("teams", "teams must be a list of ids or of objects.");
  for (const json::Value element : teams.elements()) {
    TeamWish wish;
    if (element.is(json::Kind::Object)) {
      Result<std::string> team_id = needed_text(element, "team_id");
      if (!team_id) return base::fail(std::move(team_id.error()));
      wish.team_id = std::move(*team_id);
      const Result<MemberBudget> budget = member_budget(element, "team");
      if (!budget) return base::fail(budget.error());
      wish.budget = *budget;
      const Result<std::optional<std::string>> role = text_member(element, "user_role");
      if (!role) return base::fail(role.error());
      wish.role = role->value_or("user");
      if (wish.role != "user" && wish.role != "admin") {
        return refuse_field("teams", "user_role in a team must be \"user\" or \"admin\".");
      }
    } else {
      std::optional<std::string> team_id = element.text();
      if (!team_id) return refuse_field("teams", "teams must be a list of ids or of objects.");
      wish.team_id = std::move(*team_id);
    }
    wishes.push_back(std::move(wish));
  }
  return wishes;
}

Status join_team(const Context& context, Records& records, const TeamWish& wish, const Record& user) {
  const Result<std::optional<Record>> team = records.find(account::kTeams, wish.team_id);
  if (!team) return base::fail(team.error());
  if (!*team) return no_such("teams", "Team not found, passed team_id=" + wish.team_id);
  if (Status may = may_manage_team(records, *context.caller, **team); !may) return may;
  const NamedMember member{user.key(), {}, wish.role == "admin"};
  const Result<std::string> joined = join_team(records, *context.caller, **team, member, wish.budget);
  return joined ? Status() : base::fail(joined.error());
}

Status join_organization(Records& records, const std::string& organization_id, const Record& user) {
  const Result<std::optional<Record>> there = records.find(account::kOrganizations, organization_id);
  if (!there) return base::fail(there.error());
  if (!*there) return no_such("organizations", "Organization not found, passed organization_id=" + organization_id);
  Record member(account::kOrganizationMembers);
  member.set("organization_id", db::Value(organization_id)).set("user_id", db::Value(user.key()));
  member.set("user_role", db::Value(std::string("internal_user")));
  const Result<Record> joined = records.create(std::move(member));
  if (!joined && joined.error().code == "unique") {
    return refuse_field("organizations", organization_id + " is there twice.");
  }
  return joined ? Status() : base::fail(joined.error());
}

/// Proxy admins; admins of every organisation that the new user shall be in, and there has to be one.
Status may_make_user(Records& records, const domain::Caller& caller, const std::vector<std::string>& organizations) {
  if (administers(caller)) return {};
  if (organizations.empty()) {
    return forbid_field("organizations",
                        "Only proxy admins make users, and org_admins within their organization: send organizations.");
  }
  for (const std::string& organization_id : organizations) {
    if (Status may = may_manage_organization(records, caller, organization_id); !may) return may;
  }
  return {};
}

/// The organisation's limits are not those of its users' own keys: they stand in the user's row, too.
Status hold_to_organizations(Records& records, const domain::Caller& caller, const json::Value& body,
                             const std::vector<std::string>& organizations, Record& row) {
  if (administers(caller)) return {};
  if (Status free = name_of_nobody(caller, row.key()); !free) return free;
  for (const std::string& organization_id : organizations) {
    if (Status limited = limit_to_organization(records, organization_id, row); !limited) return limited;
    Result<Grant> grant = read_grant(body, Grant::To::User, true);
    if (!grant) return base::fail(std::move(grant.error()));
    grant->organization_id = organization_id;
    grant->models = row.list("models");
    grant->max_budget = row.amount("max_budget");
    grant->max_budget_tokens = row.whole("max_budget_tokens");
    grant->tpm_limit = row.whole("tpm_limit");
    grant->rpm_limit = row.whole("rpm_limit");
    grant->max_parallel_requests = row.whole("max_parallel_requests");
    if (Status within = grant_within(records, caller, *grant); !within) return within;
  }
  return {};
}

/// `litellm_settings`: what a new user gets that the body does not say.
Status give_defaults(const Context& context, const json::Value& body, Record& row) {
  const config::UserSettings& settings = context.settings().litellm.users;
  const std::string role = text_of(text_member(body, "user_role"));
  if (!role.empty() && role != "internal_user" && role != "internal_user_viewer") return {};
  json::Document defaults;
  if (Status parsed = defaults.parse(settings.defaults_json); !parsed) return parsed;
  const Result<Applied> given = apply_user(context, defaults.root(), row);
  if (!given) return base::fail(given.error());
  if (row.is_null("max_budget") && settings.max_budget) {
    row.set("max_budget", settings.max_budget);
    if (!settings.budget_duration.empty()) row.set("budget_duration", db::Value(settings.budget_duration));
  }
  if (const std::optional<std::string> duration = row.maybe_text("budget_duration")) {
    row.set("budget_reset_at", db::Value(next_reset(context, *duration)));
  }
  return {};
}

Result<KeyChange> read_first_key(const json::Value& body) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  for (const json::Value::Pair member : body.members()) {
    const std::string name = member.key.text().value_or("");
    const bool says = std::ranges::find(kKeyFields, name) != std::end(kKeyFields) && member.value.raw() != R"("")";
    if (says) writer.key(name).raw(member.value.raw());
  }
  writer.end_object();
  return read_key_change(text, KeyRoute::Generate);
}

/// A key of a team is held to what its user may use by a list of its own: there the user's does not hold.
Status give_models_of_user(const Context& context, Records& records, const Record& user, account::KeyRow& row) {
  row.models = user.list("models");
  std::erase(row.models, "no-default-models");  // Says that he calls with keys of teams, such as this one.
  if (row.models.empty()) return {};
  Grant grant;
  grant.to = Grant::To::Key;
  grant.user_id = row.user_id;
  grant.team_id = row.team_id;
  grant.models = row.models;
  return grant_within(records, *context.caller, grant);
}

/// The key that comes with a new user. Its models and limits are the user's: it has none of its own.
Result<std::optional<ShownKey>> make_first_key(const Context& context, Records& records, const json::Value& body,
                                               const Record& user, const std::string& secret) {
  const Result<std::optional<bool>> wanted = flag_member(body, "auto_create_key");
  if (!wanted) return base::fail(wanted.error());
  if (!wanted->value_or(true)) return std::optional<ShownKey>();
  if (!administers(*context.caller) && context.settings().turnpike.key_issuance == config::KeyIssuance::Central) {
    return refuse_field("auto_create_key",
                        "Keys are made by proxy admins only (turnpike.key_issuance): send auto_create_key: false.");
  }
  const Result<KeyChange> change = read_first_key(body);
  if (!change) return base::fail(change.error());
  account::KeyRow row;
  row.hash = base::sha256_hex(secret);
  row.key_name = key_name_of(secret);
  row.user_id = user.key();
  apply_key_change(*change, context.now_us, row);
  if (!row.team_id && !administers(*context.caller)) {
    // Who makes users in his organisation pays for them out of it.
    const Result<std::vector<std::string>> organizations = needed_list(body, "organizations");
    if (!organizations) return base::fail(organizations.error());
    row.organization_id = organizations->front();
  }
  if (row.team_id) {
    if (Status given = give_models_of_user(context, records, user, row); !given)
      return base::fail(std::move(given.error()));
  }
  Result<account::KeyRow> made = account::create_key(records, std::move(row));
  if (!made) return base::fail(std::move(made.error()));
  Result<ShownKey> shown = show_key(records, std::move(*made));
  if (!shown) return base::fail(std::move(shown.error()));
  return std::optional(std::move(*shown));
}

void write_first_key(json::Writer& writer, const std::optional<ShownKey>& key, const std::string& secret) {
  writer.key("key");
  if (!key) {
    writer.null().key("token").null().key("key_alias").null().key("team_id").null().key("expires").null();
    return;
  }
  writer.string(secret).key("token").string(key->row.hash).key("token_id").string(key->row.hash);
  writer.key("key_name").string(key->row.key_name).key("key_alias");
  key->row.key_alias ? writer.string(*key->row.key_alias) : writer.null();
  writer.key("team_id");
  key->row.team_id ? writer.string(*key->row.team_id) : writer.null();
  writer.key("expires");
  key->row.expires_us ? writer.string(base::iso_time(*key->row.expires_us)) : writer.null();
}

Result<Reply> make_user(const Context& context, Records& records, const json::Value& body, const std::string& password,
                        const std::string& secret) {
  const Result<std::optional<std::vector<std::string>>> organizations = list_member(body, "organizations");
  if (!organizations) return base::fail(organizations.error());
  const std::vector<std::string> joined = organizations->value_or(std::vector<std::string>());
  if (Status may = may_make_user(records, *context.caller, joined); !may) return base::fail(std::move(may.error()));
  const Result<std::optional<std::string>> user_id = text_member(body, "user_id");
  if (!user_id) return base::fail(user_id.error());

  Record row(kUsers);
  row.set("user_id", db::Value(text_of(user_id).empty() ? new_id(records) : **user_id));
  row.set("user_role", db::Value(std::string("internal_user")));
  if (Status given = give_defaults(context, body, row); !given) return base::fail(std::move(given.error()));
  const Result<Applied> applied = apply_user(context, body, row);
  if (!applied) return base::fail(applied.error());
  if (Status held = hold_to_organizations(records, *context.caller, body, joined, row); !held)
    return base::fail(std::move(held.error()));
  if (!password.empty()) row.set("password", db::Value(password));
  if (Status fresh = check_new(records, row); !fresh) return base::fail(std::move(fresh.error()));
  const Result<Record> made = records.create(row);
  if (!made) return base::fail(check_sso_free(made.error(), row).error());

  json::Document defaults;
  if (Status parsed = defaults.parse(context.settings().litellm.users.defaults_json); !parsed) {
    return base::fail(std::move(parsed.error()));
  }
  const bool own_teams = bool(body.find("teams")) || !administers(*context.caller);
  Result<std::vector<TeamWish>> teams = read_teams(own_teams ? body : defaults.root());
  if (teams) teams = with_team_of_key(body, std::move(*teams));
  if (!teams) return base::fail(teams.error());
  for (const TeamWish& wish : *teams) {
    if (Status done = join_team(context, records, wish, *made); !done) return base::fail(std::move(done.error()));
  }
  for (const std::string& organization_id : joined) {
    if (Status done = join_organization(records, organization_id, *made); !done) {
      return base::fail(std::move(done.error()));
    }
  }
  const Result<std::optional<ShownKey>> key = make_first_key(context, records, body, *made, secret);
  if (!key) return base::fail(key.error());

  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_first_key(writer, *key, secret);
  if (Status written = write_user(writer, context, records, *made); !written) return base::fail(written.error());
  writer.end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(*applied, reply.fields);
  return reply;
}

bool is_key_of_team(const domain::Caller& caller) {
  return !caller.team_id.empty() && caller.key_name != account::kTokenKeyName;
}

/// Himself or an administrator; of himself he changes what says who he is.
Status may_change_user(const Context& context, Records& records, const json::Value& body, const Record* user) {
  const domain::Caller& caller = *context.caller;
  if (administers(caller)) return {};
  const std::string whose = user == nullptr ? text_of(text_member(body, "user_id")) : user->key();
  if (Status may = may_manage_user(records, caller, whose); !may) return may;
  if (user == nullptr) return base::fail(ErrorKind::PermissionDenied, "Only proxy admins make users.");
  if (body.find("password") && is_key_of_team(caller)) {
    return forbid_field(
        "password",
        "A key of a team, which its admins can renew, sets no password of its user: send a key of your own.");
  }
  for (const json::Value::Pair member : body.members()) {
    const std::string name = member.key.text().value_or("");
    if (std::ranges::find(kOwnFields, name) != std::end(kOwnFields)) continue;
    return forbid_field(name, "Only proxy admins change " + name +
                                  " of a user; of yourself you may change user_alias, "
                                  "user_email and password.");
  }
  return {};
}

/// Whom a body of /user/update means; by address only where no id is sent, which else is his new address.
struct Change {
  Record row;
  Applied applied;
};

Result<Change> change_user(const Context& context, Records& records, const json::Value& body,
                           const std::string& password) {
  Result<std::optional<Record>> before = find_user(records, body);
  if (!before) return base::fail(std::move(before.error()));
  if (Status may = may_change_user(context, records, body, *before ? &**before : nullptr); !may) {
    return base::fail(std::move(may.error()));
  }
  Record after = *before ? **before : Record(kUsers);
  if (!*before) {
    const std::string user_id = text_of(text_member(body, "user_id"));
    after.set("user_id", db::Value(user_id.empty() ? new_id(records) : user_id));
    after.set("user_role", db::Value(std::string("internal_user")));
  }
  Result<Applied> applied = apply_user(context, body, after);
  if (!applied) return base::fail(std::move(applied.error()));
  if (!password.empty()) after.set("password", db::Value(password));
  if (Status free = check_email_free(records, after); !free) return base::fail(std::move(free.error()));
  Result<Record> changed = *before ? records.update(**before, after) : records.create(after);
  if (!changed) return base::fail(check_sso_free(changed.error(), after).error());
  return Change{std::move(*changed), std::move(*applied)};
}

Result<Reply> update_one(const Context& context, Records& records, const json::Value& body,
                         const std::string& password) {
  const Result<Change> change = change_user(context, records, body, password);
  if (!change) return base::fail(change.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("user_id").string(change->row.key()).key("data").begin_object();
  if (Status written = write_user(writer, context, records, change->row); !written) return base::fail(written.error());
  writer.end_object().end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(change->applied, reply.fields);
  return reply;
}

/// The bodies of one bulk update: each user's own, or one for all with his id put in.
Result<std::vector<std::string>> bulk_bodies(Records& records, const json::Value& body) {
  std::vector<std::string> bodies;
  const Result<std::optional<bool>> all = flag_member(body, "all_users");
  if (!all) return base::fail(all.error());
  if (all->value_or(false)) {
    const json::Value updates = body.find("user_updates");
    if (!updates.is(json::Kind::Object)) return refuse_field("user_updates", "user_updates is missing: an object.");
    account::Query query;
    query.size = 0;
    const Result<account::RecordPage> page = records.list(kUsers, query);
    if (!page) return base::fail(page.error());
    for (const Record& row : page->rows) {
      bodies.push_back(set_member(updates.raw(), "user_id", json::quoted(row.key())));
    }
    return bodies;
  }
  const json::Value users = body.find("users");
  if (!users.is(json::Kind::Array) || users.elements().empty()) {
    return refuse_field("users", "Send users, a list of objects, or all_users: true with user_updates.");
  }
  for (const json::Value element : users.elements()) {
    if (!element.is(json::Kind::Object)) return refuse_field("users", "users must be a list of objects.");
    if (bodies.size() == kUpdatedAtOnceMax) return refuse_field("users", "Maximum 500 users can be updated at once.");
    bodies.emplace_back(element.raw());
  }
  return bodies;
}

bool is_of_the_body(const Error& error) {
  return error.kind == ErrorKind::InvalidRequest || error.kind == ErrorKind::NotFound ||
         error.kind == ErrorKind::Conflict;
}

/// Each by itself: one that cannot be changed does not keep the others from it.
Result<Reply> update_many(const Context& context, Records& records, const json::Value& body) {
  const Result<std::vector<std::string>> bodies = bulk_bodies(records, body);
  if (!bodies) return base::fail(bodies.error());
  std::string text;
  json::Writer writer(text);
  std::uint64_t done = 0;
  writer.begin_object().key("results").begin_array();
  for (const std::string& one : *bodies) {
    json::Document document;
    if (Status parsed = document.parse(one); !parsed) return base::fail(std::move(parsed.error()));
    if (document.root().find("password"))
      return refuse_field("password", "Passwords are set one by one: /user/update.");
    const Result<Change> change = change_user(context, records, document.root(), {});
    if (!change && !is_of_the_body(change.error())) return base::fail(change.error());
    const auto member = [&](std::string_view name) {
      const std::string value = text_of(text_member(document.root(), name));
      writer.key(name);
      value.empty() ? writer.null() : writer.string(value);
    };
    writer.begin_object();
    member("user_id");
    member("user_email");
    writer.key("success").boolean(change.has_value()).key("error");
    change ? writer.null() : writer.string(change.error().message);
    writer.key("updated_user");
    if (change) {
      ++done;
      writer.begin_object();
      if (Status written = write_user(writer, context, records, change->row); !written) {
        return base::fail(std::move(written.error()));
      }
      writer.end_object();
    } else {
      writer.null();
    }
    writer.end_object();
  }
  writer.end_array().key("total_requested").number(std::uint64_t{bodies->size()});
  writer.key("successful_updates").number(done).key("failed_updates").number(bodies->size() - done).end_object();
  return private_json_reply(std::move(text));
}

/// Makes the hash away from the I/O thread.
struct Hashing {
  const std::string& password;
  net::IoThread& thread;
  std::string hash;

  bool await_ready() const noexcept { return password.empty(); }
  void await_suspend(std::coroutine_handle<> waiter) {
    net::run_blocking([this, waiter] {
      hash = password_hash(password);
      thread.post([waiter] { waiter.resume(); });
    });
  }
  std::string await_resume() { return std::move(hash); }
};

/// The hash of the password that a body sends; empty where it sends none.
Task<Result<std::string>> hash_password(const Context& context) {
  std::string password;
  {
    json::Document document;
    const std::string_view sent = context.request().body;
    if (Status parsed = document.parse(sent.empty() ? std::string_view("{}") : sent); !parsed) {
      co_return base::fail(std::move(parsed.error()));
    }
    Result<std::optional<std::string>> text = text_member(document.root(), "password");
    if (!text) co_return base::fail(std::move(text.error()));
    password = text->value_or("");
  }
  Hashing hashing{password, context.exchange.thread(), {}};
  co_return co_await hashing;
}

}  // namespace

Task<Result<Reply>> new_user(const Context& context) {
  Result<std::string> password = co_await hash_password(context);
  if (!password) co_return base::fail(std::move(password.error()));
  const std::string secret = make_secret();
  const std::string& hash = *password;
  RecordAnswer answer = [&context, &hash, &secret](Records& records, const json::Value& body) {
    return make_user(context, records, body, hash, secret);
  };
  co_return co_await answer_with_body(context, std::move(answer));
}

Task<Result<Reply>> update_user(const Context& context) {
  Result<std::string> password = co_await hash_password(context);
  if (!password) co_return base::fail(std::move(password.error()));
  const std::string& hash = *password;
  RecordAnswer answer = [&context, &hash](Records& records, const json::Value& body) {
    return update_one(context, records, body, hash);
  };
  co_return co_await answer_with_body(context, std::move(answer));
}

Task<Result<Reply>> bulk_update_users(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return update_many(context, records, body); });
}

}  // namespace turnpike::api
