#include "api/key_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/key_records.h"
#include "account/tables.h"
#include "api/handed_keys.h"
#include "api/record_fields.h"
#include "api/reply.h"
#include "api/shares.h"
#include "api/team_fields.h"
#include "base/text.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::api {
namespace {

using account::KeyRow;

std::string_view or_empty_object(std::string_view body) {
  return base::trim(body).empty() ? std::string_view("{}") : body;
}

bool given(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  return value && !value.is(json::Kind::Null);
}

/// The first of `names` that the body lacks; empty when it has all.
std::string missing_param(std::string_view body, const std::vector<std::string>& names) {
  json::Document document;
  if (names.empty() || !document.parse(or_empty_object(body))) return {};
  for (const std::string& name : names) {
    if (!given(document.root(), name)) return name;
  }
  return {};
}

Status check_rule(const config::KeyRule& rule, std::string_view body, const std::string& role, std::string_view kind) {
  if (const std::string name = missing_param(body, rule.required_params); !name.empty()) {
    return refuse_field(name, fmt::format("Required param {} not in the body: {} keys have to say it "
                                          "(litellm_settings.key_generation_settings).",
                                          name, kind));
  }
  if (!rule.roles || std::ranges::find(*rule.roles, role) != rule.roles->end()) return {};
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "auth_error";
  error.message = kind == "team" ? fmt::format("Team member role {} not in allowed_team_member_roles={}", role,
                                               json::write_list(*rule.roles))
                                 : fmt::format(
                                       "Personal key creation has been restricted by admin. Allowed roles={}. "
                                       "Your role={}",
                                       json::write_list(*rule.roles), role);
  return base::fail(std::move(error));
}

Result<std::string> team_role(account::Records& records, const std::string& team_id, const std::string& user_id) {
  const auto member = records.find(account::kTeamMembers, team_id, user_id);
  if (!member) return base::fail(member.error());
  return *member ? (*member)->text("role") : std::string("none");
}

/// LiteLLM's text of a field that is above what the configuration allows.
tl::unexpected<Error> over_ceiling(std::string_view name, const std::string& asked, const std::string& most) {
  return refuse_field(
      name, fmt::format("{} is over max limit set in config - user_value={}; max_value={}", name, asked, most));
}

Status hold_to_ceiling(std::string_view name, Patch<std::int64_t>& limit, std::optional<std::int64_t> most,
                       bool is_new) {
  if (!most) return {};
  if (limit.value && *limit.value > *most)
    return over_ceiling(name, std::to_string(*limit.value), std::to_string(*most));
  if (!is_new && limit.present && !limit.value) return over_ceiling(name, "None", std::to_string(*most));
  if (is_new && !limit.value) limit = {true, most};
  return {};
}

std::int64_t length_us(const std::string& duration) {
  const Result<domain::BudgetDuration> length = domain::parse_budget_duration(duration);
  return length ? domain::duration_later_us(*length, 0) : 0;
}

Status hold_to_budget_duration(KeyChange& change, bool is_new, const std::string& most) {
  if (most.empty()) return {};
  if (change.budget_duration.value && length_us(*change.budget_duration.value) > length_us(most))
    return over_ceiling("budget_duration", *change.budget_duration.value, most);
  if (is_new && !change.budget_duration.value) change.budget_duration = {true, most};
  return {};
}

bool moves(const KeyRow& before, const KeyRow& after) {
  return after.user_id != before.user_id || after.team_id != before.team_id ||
         after.organization_id != before.organization_id;
}

/// Its tags are whose budget the calls of a key are on: adding one binds more, taking one off frees.
bool loses_tags(const KeyRow& before, const KeyRow& after) {
  const std::vector<std::string> kept = json::read_list(metadata_member(after.metadata_json, "tags"));
  return !std::ranges::all_of(json::read_list(metadata_member(before.metadata_json, "tags")),
                              [&](const std::string& tag) { return std::ranges::find(kept, tag) != kept.end(); });
}

bool is_raised_anew(const KeyRow* before, const KeyRow& after) {
  if (!account::temp_budget_of(after.metadata_json)) return false;
  constexpr std::string_view kIncrease = "temp_budget_increase";
  return before == nullptr ||
         metadata_member(before->metadata_json, kIncrease) != metadata_member(after.metadata_json, kIncrease);
}

/// With `central` issuance a key lives as long as the administrators have said.
Status may_live_on(const Context& context, const KeyRow& before, const KeyRow& after) {
  if (administers(*context.caller) || context.settings().turnpike.key_issuance != config::KeyIssuance::Central)
    return {};
  if (!before.expires_us || (after.expires_us && *after.expires_us <= *before.expires_us)) return {};
  return forbid_field("duration", "Only administrators let keys live longer here (turnpike.key_issuance: central).");
}

/// The life that a team gives to keys of its members is the longest that those who do not govern it may ask for.
Status hold_to_team_life(account::Records& records, const domain::Caller& caller, const KeyRow& row) {
  if (!row.team_id || !row.user_id) return {};
  const auto team = records.find(account::kTeams, *row.team_id);
  if (!team) return base::fail(team.error());
  if (!*team) return {};
  const std::optional<std::int64_t> seconds = team_key_seconds(**team);
  if (!seconds || may_manage_team(records, caller, **team)) return {};
  if (row.expires_us && *row.expires_us <= records.actor().now_us + *seconds * 1'000'000) return {};
  return forbid_field("duration", fmt::format("Keys of members of team={} live for {} seconds at most "
                                              "(team_member_key_duration).",
                                              *row.team_id, *seconds));
}

/// Who gets the secret of a key holds what it may do.
Grant whole_grant(const KeyRow& row) {
  Grant grant;
  grant.models = row.models;
  grant.max_budget = row.terms.limit;
  if (row.terms.limit) grant.max_budget = *row.terms.limit + row.terms.increase;
  grant.max_budget_tokens = row.max_budget_tokens;
  if (row.tokens && row.tokens->terms.limit) grant.max_budget_tokens = row.tokens->terms.limit->nano();
  grant.rpm_limit = row.rpm_limit;
  grant.tpm_limit = row.tpm_limit;
  grant.max_parallel_requests = row.max_parallel_requests;
  grant.allowed_routes = row.allowed_routes;
  return grant;
}

}  // namespace

Result<std::string> with_key_defaults(std::string_view body, const config::KeySettings& settings) {
  std::string merged(or_empty_object(body));
  if (settings.defaults_json == "{}") return merged;
  json::Document document, defaults;
  if (Status parsed = document.parse(merged); !parsed) return base::fail(std::move(parsed.error()));
  if (!document.root().is(json::Kind::Object) || !defaults.parse(settings.defaults_json)) return merged;
  std::string added = merged;
  for (const json::Value::Pair member : defaults.root().members()) {
    const std::string name = member.key.text().value_or("");
    if (!given(document.root(), name)) added = set_member(added, name, member.value.raw());
  }
  return added;
}

Status hold_to_ceilings(KeyChange& change, KeyRoute route, const config::KeySettings& settings) {
  const bool is_new = route == KeyRoute::Generate;
  if (const std::optional<Money> most = settings.max_budget_ceiling) {
    if (change.max_budget.value && *change.max_budget.value > *most)
      return over_ceiling("max_budget", change.max_budget.value->to_string(), most->to_string());
    if (!is_new && change.max_budget.present && !change.max_budget.value)
      return over_ceiling("max_budget", "None", most->to_string());
    if (is_new && !change.max_budget.value) change.max_budget = {true, most};
  }
  const config::LimitCeilings& limits = settings.limit_ceilings;
  for (auto& [name, limit, most] :
       {std::tuple("rpm_limit", &change.rpm_limit, limits.rpm_limit),
        std::tuple("tpm_limit", &change.tpm_limit, limits.tpm_limit),
        std::tuple("max_parallel_requests", &change.max_parallel_requests, limits.max_parallel_requests)}) {
    if (Status held = hold_to_ceiling(name, *limit, most, is_new); !held) return held;
  }
  if (Status held = hold_to_budget_duration(change, is_new, settings.budget_duration_ceiling); !held) return held;
  if (settings.duration_ceiling.empty()) return {};
  const std::int64_t most = base::parse_duration_seconds(settings.duration_ceiling).value_or(0);
  if (change.life && (change.life->never || change.life->seconds > most))
    return over_ceiling("duration", change.life->text, settings.duration_ceiling);
  if (is_new && !change.life) change.life = KeyChange::Life{false, most, settings.duration_ceiling};
  return {};
}

Status may_issue(account::Records& records, const Context& context, std::string_view body, const KeyChange& change) {
  const domain::Caller& caller = *context.caller;
  const config::Settings& settings = context.settings();
  const bool admin = administers(caller);
  if (!admin && settings.turnpike.key_issuance == config::KeyIssuance::Central) {
    return forbid_field(
        "", "Only administrators make keys here (turnpike.key_issuance: central). Ask one of them for a key.");
  }
  config::KeyRule rule = change.team_id.value ? settings.litellm.keys.team : settings.litellm.keys.personal;
  std::string role(domain::role_name(caller.role));
  if (admin) {
    rule.roles.reset();
  } else if (change.team_id.value && rule.roles) {
    Result<std::string> found = team_role(records, *change.team_id.value, caller.user_id);
    if (!found) return base::fail(std::move(found.error()));
    role = std::move(*found);
  }
  return check_rule(rule, body, role, change.team_id.value ? "team" : "personal");
}

void apply_key_change(const KeyChange& change, std::int64_t now_us, KeyRow& row) {
  const auto patch = [](const auto& from, auto& to) {
    if (from.present) to = from.value;
  };
  const auto put = [](const auto& from, auto& to) {
    if (from) to = *from;
  };
  patch(change.key_alias, row.key_alias);
  patch(change.user_id, row.user_id);
  patch(change.team_id, row.team_id);
  patch(change.organization_id, row.organization_id);
  patch(change.budget_id, row.budget_id);
  patch(change.rotation_interval, row.rotation_interval);
  patch(change.max_budget, row.max_budget);
  patch(change.soft_budget, row.soft_budget);
  patch(change.max_budget_tokens, row.max_budget_tokens);
  patch(change.soft_budget_tokens, row.soft_budget_tokens);
  if (change.budget_duration.present && change.budget_duration.value != row.budget_duration) {
    row.budget_duration = change.budget_duration.value;
    row.budget_reset_us.reset();
  }
  put(change.model_max_budget_json, row.model_max_budget_json);
  patch(change.rpm_limit, row.rpm_limit);
  patch(change.tpm_limit, row.tpm_limit);
  patch(change.max_parallel_requests, row.max_parallel_requests);
  put(change.models, row.models);
  put(change.allowed_routes, row.allowed_routes);
  put(change.access_group_ids, row.access_group_ids);
  put(change.aliases_json, row.aliases_json);
  put(change.config_json, row.config_json);
  put(change.router_settings_json, row.router_settings_json);
  put(change.permissions_json, row.permissions_json);
  put(change.object_permission_json, row.object_permission_json);
  put(change.spend, row.spend);
  put(change.blocked, row.blocked);
  put(change.auto_rotate, row.auto_rotate);
  if (change.key_type == "llm_api") row.allowed_routes = {"llm_api_routes"};
  if (change.key_type == "management") row.allowed_routes = {"management_routes"};
  if (change.key_type == "read_only") row.allowed_routes = {"info_routes"};
  if (change.metadata_json) row.metadata_json = merged_metadata(row.metadata_json, *change.metadata_json);
  const auto into_metadata = [&row](std::string_view name, const std::string& raw) {
    row.metadata_json = set_member(row.metadata_json, name, raw);
  };
  if (change.tags) into_metadata("tags", json::write_list(*change.tags));
  if (change.enforced_params) into_metadata("enforced_params", json::write_list(*change.enforced_params));
  if (change.allowed_ips) into_metadata("allowed_ips", json::write_list(*change.allowed_ips));
  if (change.model_rpm_limit_json) into_metadata("model_rpm_limit", *change.model_rpm_limit_json);
  if (change.model_tpm_limit_json) into_metadata("model_tpm_limit", *change.model_tpm_limit_json);
  if (change.rpm_limit_type_json) into_metadata("rpm_limit_type", *change.rpm_limit_type_json);
  if (change.tpm_limit_type_json) into_metadata("tpm_limit_type", *change.tpm_limit_type_json);
  if (change.temp_budget_increase) {
    into_metadata("temp_budget_increase", change.temp_budget_increase->to_string());
    into_metadata("temp_budget_expiry", json::quoted(*change.temp_budget_expiry));
  }
  if (change.life) {
    row.expires_us = change.life->never ? std::nullopt : std::optional(now_us + change.life->seconds * 1'000'000);
  }
}

KeyOwners owners_of(const KeyRow& row) {
  return {row.hash, row.user_id, row.team_id, row.organization_id};
}

Status may_move_key(account::Records& records, const domain::Caller& caller, const KeyRow& after) {
  KeyOwners owners = owners_of(after);
  owners.hash.clear();
  return may_manage_key(records, caller, owners, "/key/generate");
}

Status may_grant(account::Records& records, const Context& context, const KeyChange& change, const KeyRow* before,
                 const KeyRow& after) {
  Grant grant;
  grant.to = Grant::To::Key;
  grant.is_new = before == nullptr;
  grant.user_id = after.user_id;
  grant.team_id = after.team_id;
  grant.organization_id = after.organization_id;
  // What a key brings along has to fit its new owner, too.
  const bool moved = before != nullptr && moves(*before, after);
  if (change.models || moved || (before == nullptr && !after.models.empty())) grant.models = after.models;
  if (change.max_budget.present || (before == nullptr && after.max_budget)) grant.max_budget = after.max_budget;
  if (after.max_budget && is_raised_anew(before, after))
    grant.max_budget = *after.max_budget + account::temp_budget_of(after.metadata_json)->increase;
  Result<std::optional<account::Record>> linked = std::optional<account::Record>();
  if (change.budget_id.present && after.budget_id) linked = records.find(account::kBudgets, *after.budget_id);
  if (!linked) return base::fail(linked.error());
  if (change.budget_id.present && !after.max_budget)
    grant.max_budget = *linked ? (*linked)->amount("max_budget") : std::optional<Money>();
  if (change.budget_id.present && !after.max_budget_tokens)
    grant.max_budget_tokens = *linked ? (*linked)->whole("max_budget_tokens") : std::optional<std::int64_t>();
  const auto grant_limit = [&](const Patch<std::int64_t>& changed, const std::optional<std::int64_t>& limit,
                               auto& into) {
    if (changed.present || moved || (before == nullptr && limit)) into = limit;
  };
  grant_limit(change.max_budget_tokens, after.max_budget_tokens, grant.max_budget_tokens);
  grant_limit(change.rpm_limit, after.rpm_limit, grant.rpm_limit);
  grant_limit(change.tpm_limit, after.tpm_limit, grant.tpm_limit);
  grant_limit(change.max_parallel_requests, after.max_parallel_requests, grant.max_parallel_requests);
  const bool routes = change.allowed_routes || change.key_type || (before == nullptr && !after.allowed_routes.empty());
  if (routes) grant.allowed_routes = after.allowed_routes;
  const bool aliased = change.aliases_json || moved;
  if (aliased) grant.alias_targets = new_targets(before && !moved ? before->aliases_json : "{}", after.aliases_json);
  grant.fields = change.fields;
  if (Status good = check_token_budgets(after.soft_budget_tokens, after.max_budget_tokens); !good) return good;
  return grant_within(records, *context.caller, grant);
}

Status may_change_key(account::Records& records, const Context& context, const KeyChange& change, const KeyRow& before,
                      KeyRow& after, std::string_view permission) {
  const domain::Caller& caller = *context.caller;
  const bool learns_secret = permission == "/key/regenerate";
  if (Status may = may_manage_key(records, caller, owners_of(before), permission); !may) return may;
  if (moves(before, after)) {
    if (Status may = may_move_key(records, caller, after); !may) return may;
  }
  if (Status may = may_hand_over(records, caller, &before, after); !may) return may;
  if (learns_secret && before.hash != caller.key_hash_hex && before.user_id == caller.user_id) {
    if (Status holds = grant_within_own_key(caller, whole_grant(before)); !holds) return holds;
  }
  if (Status may = may_change_protection(records, caller, change, before, after); !may) return may;
  if (moves(before, after)) {
    if (Status kept = keep_within_team(records, caller, after); !kept) return kept;
  }
  if (Status may = may_rotate_by_itself(context, after); !may) return may;
  if (change.life) {
    if (Status may = may_live_on(context, before, after); !may) return may;
    if (Status may = hold_to_team_life(records, caller, after); !may) return may;
  }
  if (Status may = may_set_priority(caller, before.metadata_json, after.metadata_json); !may) return may;
  if (Status within = may_grant(records, context, change, &before, after); !within) return within;
  const bool is_other = moves(before, after) || before.rpm_limit != after.rpm_limit ||
                        before.tpm_limit != after.tpm_limit || before.metadata_json != after.metadata_json;
  return is_other ? keep_promises(records, context, after) : Status();
}

Status may_govern_key(account::Records& records, const domain::Caller& caller, const KeyOwners& key,
                      std::string_view what) {
  if (administers(caller)) return {};
  if (key.team_id) {
    const auto team = records.find(account::kTeams, *key.team_id);
    if (!team) return base::fail(team.error());
    if (*team && may_manage_team(records, caller, **team)) return {};
  }
  if (key.organization_id && may_manage_organization(records, caller, *key.organization_id)) return {};
  return forbid_field("", fmt::format("Only administrators and admins of the key's team may {}.", what));
}

Status may_change_protection(account::Records& records, const domain::Caller& caller, const KeyChange& change,
                             const KeyRow& before, const KeyRow& after) {
  std::string_view field;
  if (change.spend) field = "spend";
  if (after.blocked != before.blocked) field = "blocked";
  if (after.access_group_ids != before.access_group_ids) field = "access_group_ids";
  if (after.budget_id != before.budget_id) field = "budget_id";
  if (after.budget_duration != before.budget_duration) field = "budget_duration";
  if (after.model_max_budget_json != before.model_max_budget_json) field = "model_max_budget";
  if (after.object_permission_json != before.object_permission_json) field = "object_permission";
  if (loses_tags(before, after)) field = "tags";
  for (const std::string_view name :
       {"enforced_params", "allowed_ips", "budget_mode", "temp_budget_increase", "temp_budget_expiry",
        "service_account_id", "model_rpm_limit", "model_tpm_limit", "rpm_limit_type", "tpm_limit_type"}) {
    if (metadata_member(before.metadata_json, name) != metadata_member(after.metadata_json, name)) field = name;
  }
  if (field.empty()) return {};
  Status may = may_govern_key(records, caller, owners_of(before), "set " + std::string(field));
  if (!may && may.error().param.empty()) may.error().param = field;
  return may;
}

Status may_rotate_by_itself(const Context& context, const KeyRow& row) {
  if (!row.auto_rotate) return {};
  if (!row.rotation_interval)
    return refuse_field("rotation_interval", "rotation_interval is missing: say how often (\"30d\") with auto_rotate.");
  if (context.settings().turnpike.rotated_keys_dir.empty()) {
    return refuse_field("auto_rotate",
                        "Nobody would learn the new secret: set turnpike.rotated_keys_dir, where rotated keys are "
                        "handed over, or rotate with /key/regenerate.");
  }
  return {};
}

}  // namespace turnpike::api
