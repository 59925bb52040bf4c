#include <algorithm>
#include <span>

#include "account/route_access.h"
#include "account/tables.h"
#include "api/permission.h"
#include "api/reply.h"

// AC-SEC-4: nobody gives more than he holds.
namespace turnpike::api {
namespace {

using account::Record;
using account::Records;
using domain::Caller;

/// What somebody holds, or what stands above the one that is given to.
struct Bound {
  std::string whose;  // For messages: "team=t1".
  std::vector<std::string> models;
  std::optional<Money> max_budget;
  std::optional<std::int64_t> max_budget_tokens, tpm_limit, rpm_limit, max_parallel_requests;
};

// Who may write a field of a body. Fields that are named nowhere: whoever may write the object.
struct GrantRule {
  std::string_view field;
  enum class Only : std::uint8_t {
    Admin,     // Proxy admins.
    Manager,   // And admins of the team or organisation that the key belongs to.
    OnChange,  // The same, but the owner may set it on a key that he makes.
  } only;
};
using enum GrantRule::Only;
constexpr GrantRule kGrantedKeyFields[] = {
    {"spend", Admin},
    {"permissions", Admin},
    {"allowed_passthrough_routes", Admin},
    {"blocked", Manager},
    {"budget_id", Manager},
    {"temp_budget_increase", Manager},
    {"object_permission", Manager},
    {"temp_budget_expiry", Manager},
    {"allowed_ips", OnChange},
    {"guardrails", OnChange},
    {"policies", OnChange},
    {"enforced_params", OnChange},
    {"prompts", OnChange},
};
// Its own admins are held to more by what their update changes (team_fields.h, only_less).
constexpr GrantRule kGrantedTeamFields[] = {
    {"spend", Admin},
    {"allowed_passthrough_routes", Admin},
    {"allowed_vector_store_indexes", Admin},
    {"secret_manager_settings", Admin},
    {"disable_global_guardrails", Admin},
};
// Of oneself one changes name and password; a new user is made by an admin of his organisation.
constexpr GrantRule kGrantedUserFields[] = {
    {"spend", Admin},
    {"sso_user_id", Admin},
    {"policies", Admin},
    {"guardrails", Admin},
    {"object_permission", Admin},
    {"allowed_cache_controls", Admin},
    {"user_role", OnChange},
    {"max_budget", OnChange},
    {"soft_budget", OnChange},
    {"max_budget_tokens", OnChange},
    {"soft_budget_tokens", OnChange},
    {"budget_duration", OnChange},
    {"tpm_limit", OnChange},
    {"rpm_limit", OnChange},
    {"max_parallel_requests", OnChange},
    {"models", OnChange},
    {"model_max_budget", OnChange},
    {"model_rpm_limit", OnChange},
    {"model_tpm_limit", OnChange},
    {"teams", OnChange},
    {"organizations", OnChange},
    {"budget_id", OnChange},
    {"metadata", OnChange},
};
constexpr GrantRule kGrantedOrganizationFields[] = {
    {"spend", Admin},
    {"budget_id", Admin},
    {"object_permission", Admin},
    {"max_budget", Admin},
    {"soft_budget", Admin},
    {"max_budget_tokens", Admin},
    {"soft_budget_tokens", Admin},
    {"budget_duration", Admin},
    {"tpm_limit", Admin},
    {"rpm_limit", Admin},
    {"max_parallel_requests", Admin},
    {"model_max_budget", Admin},
    {"model_rpm_limit", Admin},
    {"model_tpm_limit", Admin},
};

std::span<const GrantRule> rules_of(Grant::To to) {
  switch (to) {
    case Grant::To::Key:
      return kGrantedKeyFields;
    case Grant::To::Team:
      return kGrantedTeamFields;
    case Grant::To::User:
      return kGrantedUserFields;
    case Grant::To::Organization:
      return kGrantedOrganizationFields;
  }
  return {};
}

Status check_fields(const Grant& grant, bool manages) {
  for (const GrantRule& rule : rules_of(grant.to)) {
    if (std::ranges::find(grant.fields, rule.field) == grant.fields.end()) continue;
    if (rule.only == Manager && manages) continue;
    if (rule.only == OnChange && (grant.is_new || manages)) continue;
    return forbid_field(rule.field, "Only " + std::string(rule.only == Admin ? "proxy admins" : "admins") +
                                        " may set " + std::string(rule.field) + " here.");
  }
  return {};
}

/// Whether '*' of `pattern` can stand for what is left out of `name`, which may be a pattern itself.
bool matches(std::string_view pattern, std::string_view name) {
  if (pattern == name) return true;
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return false;
  const std::string_view head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return tail.find('*') == std::string_view::npos && name.size() >= head.size() + tail.size() &&
         name.starts_with(head) && name.ends_with(tail);
}

bool is_all(std::string_view entry) {
  return entry == "*" || entry == "all-proxy-models";
}

/// The first entry that is not in `held`; null: all are. `inherited`: `held` is the level above that is meant by
/// "all-team-models"; elsewhere that entry would open whatever there is.
const std::string* first_outside(const std::vector<std::string>& given, const std::vector<std::string>& held,
                                 bool inherited) {
  if (held.empty() || std::ranges::any_of(held, is_all)) return nullptr;
  for (const std::string& entry : given) {
    if (entry == "no-default-models" || (inherited && entry == "all-team-models")) continue;
    const auto holds = [&](const std::string& pattern) { return pattern == entry || matches(pattern, entry); };
    if (is_all(entry) || std::ranges::none_of(held, holds)) return &entry;
  }
  return nullptr;
}

/// A list that leaves all to the levels above.
bool inherits(const std::vector<std::string>& models) {
  return std::ranges::all_of(models, [](const std::string& entry) { return entry == "all-team-models"; });
}

std::string listed(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "'" : ", '") + text + "'";
  return "[" + list + "]";
}

/// `above`: what the new one inherits where it says nothing itself.
Status models_within(const Grant& grant, const Bound& bound, const Bound* above) {
  if (bound.models.empty() || (!grant.models && !grant.is_new)) return {};
  static const std::vector<std::string> kNone;
  const std::vector<std::string>* given = grant.models ? &*grant.models : &kNone;
  if (inherits(*given)) {
    if (above == &bound) return {};
    given = above != nullptr ? &above->models : &kNone;
    if (inherits(*given))
      return forbid_field(
          "models", "models has to be given: " + bound.whose + " may only use models=" + listed(bound.models) + ".");
  }
  if (const std::string* outside = first_outside(*given, bound.models, above == &bound))
    return forbid_field("models", "models holds '" + *outside + "', which is more than " + bound.whose +
                                      " has: models=" + listed(bound.models) + ".");
  return {};
}

/// A name of one's own for a model that one may not call would open it.
Status aliases_within(const Grant& grant, const Bound& bound) {
  const std::string* outside = first_outside(grant.alias_targets, bound.models, false);
  if (outside == nullptr) return {};
  const std::string_view field = grant.to == Grant::To::Key ? "aliases" : "model_aliases";
  return forbid_field(field, std::string(field) + " leads to '" + *outside + "', which is more than " + bound.whose +
                                 " has: models=" + listed(bound.models) + ".");
}

std::string shown(Money amount) {
  return amount.to_string();
}
std::string shown(std::int64_t whole) {
  return std::to_string(whole);
}

template <class T>
Status limit_within(std::string_view field, const std::optional<std::optional<T>>& given, bool is_new,
                    const std::optional<T>& bound, const std::optional<T>& above, bool inherits_bound,
                    const std::string& whose) {
  if (!bound || (!given && !is_new)) return {};
  std::optional<T> value = given ? *given : std::nullopt;
  if (!value) {
    if (inherits_bound) return {};
    value = above;
  }
  if (value && *value <= *bound) return {};
  return forbid_field(field, std::string(field) + (value ? "=" + shown(*value) : std::string(" without a limit")) +
                                 " is more than " + whose + " has: " + std::string(field) + "=" + shown(*bound) + ".");
}

Status within(const Grant& grant, const Bound& bound, const Bound* above) {
  static const Bound kNothing;
  const bool inherited = above == &bound;
  const Bound& over = above != nullptr ? *above : kNothing;
  if (Status fits = models_within(grant, bound, above); !fits) return fits;
  if (Status fits = aliases_within(grant, bound); !fits) return fits;
  if (Status fits = limit_within("max_budget", grant.max_budget, grant.is_new, bound.max_budget, over.max_budget,
                                 inherited, bound.whose);
      !fits)
    return fits;
  if (Status fits = limit_within("max_budget_tokens", grant.max_budget_tokens, grant.is_new, bound.max_budget_tokens,
                                 over.max_budget_tokens, inherited, bound.whose);
      !fits)
    return fits;
  if (Status fits = limit_within("tpm_limit", grant.tpm_limit, grant.is_new, bound.tpm_limit, over.tpm_limit, inherited,
                                 bound.whose);
      !fits)
    return fits;
  if (Status fits = limit_within("rpm_limit", grant.rpm_limit, grant.is_new, bound.rpm_limit, over.rpm_limit, inherited,
                                 bound.whose);
      !fits)
    return fits;
  return limit_within("max_parallel_requests", grant.max_parallel_requests, grant.is_new, bound.max_parallel_requests,
                      over.max_parallel_requests, inherited, bound.whose);
}

/// Limits that stand in the row itself, as those of teams and users do.
Bound bound_of(std::string whose, const Record& row) {
  return {
      std::move(whose),       row.list("models"),     row.amount("max_budget"),          row.whole("max_budget_tokens"),
      row.whole("tpm_limit"), row.whole("rpm_limit"), row.whole("max_parallel_requests")};
}

Result<Bound> bound_of_organization(Records& records, const Record& organization) {
  Bound bound;
  bound.whose = "organization=" + organization.key();
  bound.models = organization.list("models");
  const std::optional<std::string> budget_id = organization.maybe_text("budget_id");
  if (!budget_id) return bound;
  const Result<std::optional<Record>> budget = records.find(account::kBudgets, *budget_id);
  if (!budget) return base::fail(budget.error());
  if (!*budget) return bound;
  bound.max_budget = (*budget)->amount("max_budget");
  bound.max_budget_tokens = (*budget)->whole("max_budget_tokens");
  bound.tpm_limit = (*budget)->whole("tpm_limit");
  bound.rpm_limit = (*budget)->whole("rpm_limit");
  bound.max_parallel_requests = (*budget)->whole("max_parallel_requests");
  return bound;
}

Bound bound_of_key(const Caller& caller) {
  return {"your key",       caller.models,    caller.max_budget,           caller.max_budget_tokens,
          caller.tpm_limit, caller.rpm_limit, caller.max_parallel_requests};
}

/// The rows that a grant is about.
struct Around {
  std::optional<Record> team, user, organization;
  std::optional<Record> own_team;  // Of the key that calls.
  bool manages = false;            // The caller is admin of the team or of the organisation.
};

Result<std::optional<Record>> find(Records& records, const account::Table& table,
                                   const std::optional<std::string>& id) {
  if (!id || id->empty()) return std::optional<Record>();
  return records.find(table, *id);
}

Result<Around> read_around(Records& records, const Caller& caller, const Grant& grant) {
  Around around;
  Result<std::optional<Record>> team = find(records, account::kTeams, grant.team_id);
  if (!team) return base::fail(std::move(team.error()));
  around.team = std::move(*team);
  Result<std::optional<Record>> user = find(records, account::kUsers, grant.user_id);
  if (!user) return base::fail(std::move(user.error()));
  around.user = std::move(*user);
  Result<std::optional<Record>> own_team = find(records, account::kTeams, caller.team_id);
  if (!own_team) return base::fail(std::move(own_team.error()));
  around.own_team = std::move(*own_team);
  std::optional<std::string> organization_id = grant.organization_id;
  if (!organization_id && around.team) organization_id = around.team->maybe_text("organization_id");
  Result<std::optional<Record>> organization = find(records, account::kOrganizations, organization_id);
  if (!organization) return base::fail(std::move(organization.error()));
  around.organization = std::move(*organization);
  if (around.team) around.manages = may_manage_team(records, caller, *around.team).has_value();
  if (!around.manages && around.organization)
    around.manages = may_manage_organization(records, caller, around.organization->key()).has_value();
  return around;
}

/// A role of the whole gateway is given by those who have it.
Status check_given_role(const Grant& grant) {
  if (!grant.user_role || grant.user_role->empty()) return {};
  if (*grant.user_role == "internal_user" || *grant.user_role == "internal_user_viewer") return {};
  return forbid_field("user_role", "Only proxy admins give the role " + *grant.user_role + ".");
}

/// What a user may have for himself when he asks with a key of a team: what his own row leaves open, the team does not.
void narrow_to_team(Bound& own, const Bound& team) {
  const auto take = [](auto& into, const auto& from) {
    if (!into) into = from;
  };
  if (own.models.empty()) own.models = team.models;
  take(own.max_budget, team.max_budget);
  take(own.max_budget_tokens, team.max_budget_tokens);
  take(own.tpm_limit, team.tpm_limit);
  take(own.rpm_limit, team.rpm_limit);
  take(own.max_parallel_requests, team.max_parallel_requests);
}

Status key_within(const Caller& caller, const Grant& grant, const Around& around, const Bound* organization) {
  std::optional<Bound> team, user;
  if (around.team) team = bound_of("team=" + around.team->key(), *around.team);
  if (around.user) user = bound_of("user=" + around.user->key(), *around.user);
  if (!team && around.own_team) {
    const Bound own_team = bound_of("team=" + around.own_team->key(), *around.own_team);
    if (!user) user = Bound{own_team.whose, {}, {}, {}, {}, {}, {}};
    narrow_to_team(*user, own_team);
  }
  const Bound* above = team ? &*team : user ? &*user : organization;
  if (team) {
    if (Status fits = within(grant, *team, above); !fits) return fits;
  } else if (user) {
    if (Status fits = within(grant, *user, above); !fits) return fits;
  }
  if (organization != nullptr) {
    // What the team leaves open the organisation bounds at the call.
    Grant stated = grant;
    stated.is_new = false;
    if (stated.models && inherits(*stated.models)) stated.models.reset();
    for (auto* limit :
         {&stated.max_budget_tokens, &stated.tpm_limit, &stated.rpm_limit, &stated.max_parallel_requests}) {
      if (*limit && !**limit) limit->reset();
    }
    if (stated.max_budget && !*stated.max_budget) stated.max_budget.reset();
    if (Status fits = within(stated, *organization, organization); !fits) return fits;
  }
  if (around.manages) return {};
  return within(grant, bound_of_key(caller), above);
}

Status routes_within_own(const Caller& caller, const Grant& grant) {
  if (!grant.allowed_routes && (grant.to != Grant::To::Key || !grant.is_new)) return {};
  static const std::vector<std::string> kEvery;
  const std::vector<std::string>& given = grant.allowed_routes ? *grant.allowed_routes : kEvery;
  if (account::routes_within(given, caller.allowed_routes)) return {};
  return forbid_field("allowed_routes",
                      "allowed_routes holds more than your key may call: " + listed(caller.allowed_routes) + ".");
}

}  // namespace

Status grant_within(Records& records, const Caller& caller, const Grant& grant) {
  const bool admin = administers(caller);
  if (admin && grant.to != Grant::To::Key) return {};
  Result<Around> around = read_around(records, caller, grant);
  if (!around) return base::fail(std::move(around.error()));
  if (admin) {
    // Of a key outside of its team's list nobody would understand the refusals.
    if (!around->team || !grant.models) return {};
    Grant models;
    models.is_new = false;
    models.models = grant.models;
    const Bound team = bound_of("team=" + around->team->key(), *around->team);
    return within(models, team, &team);
  }
  if (Status may = check_fields(grant, around->manages && grant.to == Grant::To::Key); !may) return may;
  if (Status role = check_given_role(grant); !role) return role;
  if (Status routes = routes_within_own(caller, grant); !routes) return routes;
  std::optional<Bound> organization;
  if (around->organization) {
    Result<Bound> bound = bound_of_organization(records, *around->organization);
    if (!bound) return base::fail(std::move(bound.error()));
    organization = std::move(*bound);
  }
  const Bound* above = organization ? &*organization : nullptr;
  if (grant.to == Grant::To::Key) return key_within(caller, grant, *around, above);
  // Nothing stands above an organisation: an empty list would be every model.
  if (grant.to == Grant::To::Organization) return above != nullptr ? within(grant, *above, nullptr) : Status();

  const bool of_organization =
      around->organization && may_manage_organization(records, caller, around->organization->key()).has_value();
  // What a team leaves open its organisation bounds at the call; the personal keys of a user it does not.
  if (of_organization) return within(grant, *above, grant.to == Grant::To::Team ? above : nullptr);
  if (grant.to == Grant::To::Team && !grant.is_new && around->team) {
    // Its own admins may make it smaller.
    const Bound now = bound_of("team=" + around->team->key(), *around->team);
    return within(grant, now, nullptr);
  }
  if (grant.to == Grant::To::User && !grant.is_new) return {};  // The fields above are all there is to guard.
  const Result<std::optional<Record>> own = records.find(account::kUsers, caller.user_id);
  if (!own) return base::fail(own.error());
  if (*own) {
    if (Status fits = within(grant, bound_of("user=" + caller.user_id, **own), nullptr); !fits) return fits;
  }
  return within(grant, bound_of_key(caller), nullptr);
}

Status limit_to_organization(Records& records, const std::string& organization_id, Record& user) {
  const Result<std::optional<Record>> organization = records.find(account::kOrganizations, organization_id);
  if (!organization) return base::fail(organization.error());
  if (!*organization) return {};
  const Result<Bound> bound = bound_of_organization(records, **organization);
  if (!bound) return base::fail(bound.error());
  if (user.list("models").empty()) user.set_list("models", bound->models);
  if (user.is_null("max_budget")) user.set("max_budget", bound->max_budget);
  const auto limit = [&user](std::string_view name, const std::optional<std::int64_t>& most) {
    if (user.is_null(name) && most) user.set(name, db::Value(*most));
  };
  limit("max_budget_tokens", bound->max_budget_tokens);
  limit("tpm_limit", bound->tpm_limit);
  limit("rpm_limit", bound->rpm_limit);
  limit("max_parallel_requests", bound->max_parallel_requests);
  return {};
}

Status name_of_nobody(const Caller& caller, std::string_view user_id) {
  constexpr std::string_view kReserved[] = {"default_user_id", "litellm-proxy-budget"};
  if (administers(caller) || std::ranges::find(kReserved, user_id) == std::end(kReserved)) return {};
  return forbid_field("user_id", std::string(user_id) + " stands for the gateway itself: choose another user_id.");
}

Status grant_within_own_key(const Caller& caller, const Grant& grant) {
  if (administers(caller)) return {};
  if (Status routes = routes_within_own(caller, grant); !routes) return routes;
  return within(grant, bound_of_key(caller), nullptr);
}

}  // namespace turnpike::api
