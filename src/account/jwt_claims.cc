#include "account/jwt_claims.h"

#include <algorithm>

#include "account/route_access.h"
#include "base/text.h"
#include "config/readers.h"
#include "json/document.h"

namespace turnpike::account {
namespace {

using domain::Role;

tl::unexpected<Error> forbid(std::string message, std::string param = {}) {
  Error error;
  error.kind = ErrorKind::PermissionDenied;
  error.type = "auth_error";
  error.param = std::move(param);
  error.message = std::move(message);
  return base::fail(std::move(error));
}

/// "a.b" is the member b of a; a claim whose name has dots itself is found first.
json::Value claim(const json::Value& claims, const std::string& path) {
  if (path.empty()) return {};
  if (const json::Value whole = claims.find(path)) return whole;
  json::Value at = claims;
  for (const std::string_view part : base::split(path, '.')) {
    if (!at.is(json::Kind::Object)) return {};
    at = at.find(part);
  }
  return at;
}

/// A text, or a number as it is written (ids are sometimes numbers).
std::string text_of(const json::Value& value) {
  if (value.is(json::Kind::Number)) return std::string(value.raw());
  return value.text().value_or("");
}

/// One text, also as the first of a list: identity providers send groups and roles as lists.
std::string one_of(const json::Value& value) {
  if (!value.is(json::Kind::Array)) return text_of(value);
  for (const json::Value first : value.elements()) return text_of(first);
  return {};
}

std::vector<std::string> all_of(const json::Value& value) {
  std::vector<std::string> texts;
  const auto add = [&](std::string text) {
    if (!text.empty() && std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
  };
  if (!value.is(json::Kind::Array)) {
    add(text_of(value));
    return texts;
  }
  for (const json::Value one : value.elements()) add(text_of(one));
  return texts;
}

/// `scope` is one text with spaces (RFC 8693) or a list.
std::vector<std::string> scopes_of(const json::Value& claims) {
  const json::Value scope = claims.find("scope");
  if (scope.is(json::Kind::Array)) return all_of(scope);
  std::vector<std::string> scopes;
  const std::string text = scope.text().value_or("");
  for (const std::string_view one : base::split(text, ' ')) {
    if (!one.empty()) scopes.emplace_back(one);
  }
  return scopes;
}

bool holds(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

std::optional<Role> mapped_role(const std::vector<std::string>& roles, const config::JwtSettings& settings) {
  for (const auto& [theirs, ours] : settings.role_mappings) {
    if (holds(roles, theirs)) return domain::parse_role(ours);
  }
  return std::nullopt;
}

bool has_allowed_role(const json::Value& claims, const config::JwtSettings& settings) {
  const std::vector<std::string> roles = all_of(claim(claims, settings.user_roles_jwt_field));
  return std::any_of(roles.begin(), roles.end(),
                     [&](const std::string& role) { return holds(settings.user_allowed_roles, role); });
}

/// What both lists open. Routes of a group that only partly lies in the other list are left out.
std::vector<std::string> both(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  if (a.empty()) return b;
  std::vector<std::string> common;
  const auto add_within = [&](const std::vector<std::string>& from, const std::vector<std::string>& other) {
    for (const std::string& entry : from) {
      if (!holds(common, entry) && routes_within(std::span(&entry, 1), other)) common.push_back(entry);
    }
  };
  add_within(a, b);
  add_within(b, a);
  if (common.empty()) common.emplace_back("(none)");  // An empty list would be every route.
  return common;
}

void limit_by(JwtIdentity& identity, const config::TokenGrant& grant, std::string role) {
  if (grant.routes) identity.allowed_routes = both(identity.allowed_routes, *grant.routes);
  if (grant.models) identity.model_limits.push_back({std::move(role), *grant.models});
}

/// Of several scopes each adds what it opens; one without a list opens everything.
void limit_by_scopes(JwtIdentity& identity, const std::vector<std::string>& scopes,
                     const config::JwtSettings& settings) {
  config::TokenGrant sum{"", std::vector<std::string>(), std::vector<std::string>()};
  const auto add = [](std::optional<std::vector<std::string>>& into,
                      const std::optional<std::vector<std::string>>& more) {
    if (!into) return;
    if (!more) return into.reset();
    into->insert(into->end(), more->begin(), more->end());
  };
  bool some = false;
  for (const config::TokenGrant& grant : settings.scope_mappings) {
    if (!holds(scopes, grant.name)) continue;
    add(sum.models, grant.models);
    add(sum.routes, grant.routes);
    some = true;
  }
  if (!some) sum.routes.reset();  // A scope without any model says nothing of routes.
  limit_by(identity, sum, {});
}

void read_team(JwtIdentity& identity, const json::Value& claims, const config::JwtSettings& settings) {
  const json::Value team = claim(claims, settings.team_id_jwt_field);
  identity.team_id = one_of(team);
  if (!team || settings.team_id_jwt_field.empty()) identity.team_id = settings.team_id_default;
  identity.team_alias = one_of(claim(claims, settings.team_alias_jwt_field));
  identity.team_ids = all_of(claim(claims, settings.team_ids_jwt_field));
}

void read_role(JwtIdentity& identity, const json::Value& claims, const std::vector<std::string>& scopes,
               const config::JwtSettings& settings) {
  const std::vector<std::string> roles = all_of(claim(claims, settings.roles_jwt_field));
  const std::optional<Role> mapped = mapped_role(roles, settings);
  if (!settings.admin_jwt_scope.empty() && holds(scopes, settings.admin_jwt_scope)) {
    identity.role = Role::ProxyAdmin;
  } else if (!identity.team_id.empty()) {
    identity.role = Role::Team;
  } else if (!identity.user_id.empty() || has_allowed_role(claims, settings)) {
    identity.role = Role::InternalUser;
  } else if (mapped) {
    identity.role = mapped;
  }
  if (const std::string object = one_of(claim(claims, settings.object_id_jwt_field)); !object.empty() && mapped) {
    if (mapped == Role::Team) identity.team_id = object;
    if (mapped == Role::InternalUser) identity.user_id = object;
    identity.role = mapped;
  }
  for (const auto& [pattern, ours] : settings.jwt_litellm_role_map) {
    const bool fits = std::any_of(roles.begin(), roles.end(),
                                  [&](const std::string& role) { return config::matches_wildcard(pattern, role); });
    if (!fits) continue;
    identity.user_role = ours;
    break;
  }
}

Status check_domain(const JwtIdentity& identity, const config::JwtSettings& settings) {
  if (settings.user_allowed_email_domain.empty()) return {};
  const std::size_t at = identity.user_email.rfind('@');
  if (at != std::string::npos && base::equals_ignoring_case(std::string_view(identity.user_email).substr(at + 1),
                                                            settings.user_allowed_email_domain)) {
    return {};
  }
  return forbid("Email domain not allowed. User email: " +
                    (identity.user_email.empty() ? std::string("None") : identity.user_email) +
                    ". Allowed domain: " + settings.user_allowed_email_domain,
                "user_email");
}

Status check_demands(const JwtIdentity& identity, const config::JwtSettings& settings) {
  if (settings.enforce_rbac && !identity.role) {
    return forbid(
        "Unmatched token passed in. enforce_rbac is set to True. Token must belong to a proxy admin, team, or user.");
  }
  if (identity.has_team()) return {};
  if (settings.enforce_team_based_model_access) {
    return forbid(
        "No teams found in token. `enforce_team_based_model_access` is set to True. Token must belong to a team.");
  }
  if (settings.team_id_jwt_field.empty() && settings.team_alias_jwt_field.empty()) return {};
  const auto named = [](const std::string& field) { return field.empty() ? std::string("None") : field; };
  return forbid("No team found in token. Checked team_id field '" + named(settings.team_id_jwt_field) +
                "' and team_alias field '" + named(settings.team_alias_jwt_field) + "'.");
}

}  // namespace

Result<JwtIdentity> read_identity(std::string_view claims_json, const config::JwtSettings& settings) {
  json::Document document;
  if (!document.parse(claims_json)) return forbid("the claims of the token are no JSON");
  const json::Value claims = document.root();
  const std::vector<std::string> scopes = scopes_of(claims);
  JwtIdentity identity;
  read_team(identity, claims, settings);
  identity.user_email = one_of(claim(claims, settings.user_email_jwt_field));
  identity.user_id = one_of(claim(claims, settings.user_id_jwt_field));
  if (identity.user_id.empty()) identity.user_id = identity.user_email;
  identity.organization_id = one_of(claim(claims, settings.org_id_jwt_field));
  identity.organization_alias = one_of(claim(claims, settings.org_alias_jwt_field));
  identity.end_user = one_of(claim(claims, settings.end_user_id_jwt_field));
  read_role(identity, claims, scopes, settings);

  if (identity.is_admin()) {
    identity.allowed_routes = settings.admin_allowed_routes;
    return identity;
  }
  if (Status domain = check_domain(identity, settings); !domain) return base::fail(std::move(domain.error()));
  if (Status demands = check_demands(identity, settings); !demands) return base::fail(std::move(demands.error()));
  if (identity.has_team()) identity.allowed_routes = settings.team_allowed_routes;
  if (identity.role) {
    const std::string name(domain::role_name(*identity.role));
    for (const config::TokenGrant& grant : settings.role_permissions) {
      if (grant.name == name) limit_by(identity, grant, name);
    }
  }
  if (settings.enforce_scope_based_access) limit_by_scopes(identity, scopes, settings);
  return identity;
}

Status check_token_models(const JwtIdentity& identity, std::string_view model,
                          const std::function<bool(const std::vector<std::string>&, std::string_view)>& allows) {
  for (const TokenModels& limit : identity.model_limits) {
    if (!limit.models.empty() && allows(limit.models, model)) continue;
    const std::string list = shown_list(limit.models);
    if (limit.role.empty())
      return forbid("model=" + std::string(model) + " not allowed. Allowed_models=" + list, "model");
    return forbid(
        "Role=" + limit.role + " not allowed to call model=" + std::string(model) + ". Allowed models=" + list,
        "model");
  }
  return {};
}

std::string shown_list(const std::vector<std::string>& texts) {
  std::string list = "[";
  for (const std::string& text : texts) list += (list.size() == 1 ? "'" : ", '") + text + "'";
  return list + "]";
}

}  // namespace turnpike::account
