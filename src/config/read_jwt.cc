#include <algorithm>
#include <array>
#include <span>

#include "base/secret.h"
#include "base/text.h"
#include "config/readers.h"

/// Signing in by the tokens of an identity provider: `enable_jwt_auth` and what goes with it.
namespace turnpike::config {
namespace {

constexpr std::array<std::string_view, 4> kTokenRoles = {"proxy_admin", "internal_user", "team", "customer"};
constexpr std::array<std::string_view, 4> kUserRoles = {"proxy_admin", "proxy_admin_viewer", "internal_user",
                                                        "internal_user_viewer"};

std::vector<std::string> list_variable(const Reading& reading, const char* name) {
  std::vector<std::string> values;
  const std::string text = reading.document.environment(name).value_or("");
  for (const std::string_view part : base::split(text, ',')) {
    if (!base::trim(part).empty()) values.emplace_back(base::trim(part));
  }
  return values;
}

std::optional<std::vector<std::string>> take_texts(const Node& map, std::string_view key) {
  return take(map, key, &Node::as_text_list);
}

/// `{role: r, models: [...], routes: [...]}` or the same with `scope`.
std::vector<TokenGrant> read_grants(Reading& reading, const Node* list, std::string_view name_key) {
  std::vector<TokenGrant> grants;
  if (list == nullptr) return grants;
  for (const Node& element : list->elements()) {
    TokenGrant grant;
    take_into(grant.name, element, name_key, &Node::as_text);
    if (grant.name.empty()) {
      reading.diagnostics.push_back(element.error(std::string(name_key) + " is missing: whom is this for?"));
      continue;
    }
    grant.models = take_texts(element, "models");
    grant.routes = take_texts(element, "routes");
    grants.push_back(std::move(grant));
  }
  return grants;
}

/// Pairs of a role of the token and one of ours.
std::vector<std::pair<std::string, std::string>> read_roles(Reading& reading, const Node* list, std::string_view theirs,
                                                            std::string_view ours,
                                                            std::span<const std::string_view> known) {
  std::vector<std::pair<std::string, std::string>> roles;
  if (list == nullptr) return roles;
  for (const Node& element : list->elements()) {
    const std::string from = take(element, theirs, &Node::as_text).value_or("");
    const std::string to = take(element, ours, &Node::as_text).value_or("");
    if (!from.empty() && std::find(known.begin(), known.end(), to) != known.end()) {
      roles.emplace_back(from, to);
      continue;
    }
    std::string words;
    for (const std::string_view word : known) words += (words.empty() ? "" : ", ") + std::string(word);
    reading.diagnostics.push_back(
        element.error("expected " + std::string(theirs) + ", and as " + std::string(ours) + " one of " + words));
  }
  return roles;
}

bool is_loopback_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return false;
  std::string_view host = url.substr(kScheme.size());
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != std::string_view::npos) return false;
  if (host == "[::1]" || host.starts_with("[::1]:")) return true;
  host = host.substr(0, host.find(':'));
  return host == "localhost" || host == "127.0.0.1";
}

/// Whoever can change what comes from there can sign in as anybody.
void check_urls(Reading& reading, const JwtSettings& settings) {
  const auto wrong = [&](std::string why) {
    reading.diagnostics.push_back({Severity::Error, {}, 0, "JWT_PUBLIC_KEY_URL", std::move(why)});
  };
  if (settings.public_key_urls.empty()) {
    wrong(
        "is not set, so no token could be verified: set it to the key set (JWKS) of the identity provider, or to its "
        "address that ends with /.well-known/openid-configuration; or switch general_settings.enable_jwt_auth off");
  }
  for (const std::string& url : settings.public_key_urls) {
    if (may_bring_keys(url)) continue;
    wrong("\"" + base::without_credentials(url) + "\" is neither an https:// address nor one of this machine");
  }
  if (settings.audiences.empty()) {
    reading.diagnostics.push_back({Severity::Warning,
                                   {},
                                   0,
                                   "JWT_AUDIENCE",
                                   "is not set: tokens that the identity provider has made for other services are "
                                   "taken here as well"});
  }
}

}  // namespace

bool may_bring_keys(std::string_view url) {
  return (url.starts_with("https://") && url.size() > 8 && url.find('@') == std::string_view::npos) ||
         is_loopback_url(url);
}

JwtSettings read_jwt(Reading& reading) {
  const Node& general = reading.section("general_settings");
  JwtSettings settings;
  take_into(settings.enabled, general, "enable_jwt_auth", &Node::as_bool);
  if (!settings.enabled) return settings;
  settings.public_key_urls = list_variable(reading, "JWT_PUBLIC_KEY_URL");
  settings.audiences = list_variable(reading, "JWT_AUDIENCE");
  settings.issuers = list_variable(reading, "JWT_ISSUER");
  check_urls(reading, settings);
  take_into(settings.enforce_rbac, general, "enforce_rbac", &Node::as_bool);
  settings.role_permissions = read_grants(reading, general.find("role_permissions"), "role");

  static const Node kNothing = Node::map();
  const Node* block = general.find("litellm_jwtauth");
  const Node& jwt = block == nullptr ? kNothing : *block;
  take_into(settings.public_key_ttl, jwt, "public_key_ttl", &Node::as_time);
  const auto text = [&](std::string& target, std::string_view key) { take_into(target, jwt, key, &Node::as_text); };
  const auto flag = [&](bool& target, std::string_view key) { take_into(target, jwt, key, &Node::as_bool); };
  const auto texts = [&](std::vector<std::string>& target, std::string_view key) {
    if (auto list = take_texts(jwt, key)) target = std::move(*list);
  };
  text(settings.admin_jwt_scope, "admin_jwt_scope");
  texts(settings.admin_allowed_routes, "admin_allowed_routes");
  texts(settings.team_allowed_routes, "team_allowed_routes");
  text(settings.team_id_jwt_field, "team_id_jwt_field");
  text(settings.team_ids_jwt_field, "team_ids_jwt_field");
  text(settings.team_alias_jwt_field, "team_alias_jwt_field");
  text(settings.team_id_default, "team_id_default");
  text(settings.org_id_jwt_field, "org_id_jwt_field");
  text(settings.org_alias_jwt_field, "org_alias_jwt_field");
  text(settings.user_id_jwt_field, "user_id_jwt_field");
  text(settings.user_email_jwt_field, "user_email_jwt_field");
  text(settings.user_allowed_email_domain, "user_allowed_email_domain");
  text(settings.user_roles_jwt_field, "user_roles_jwt_field");
  text(settings.roles_jwt_field, "roles_jwt_field");
  text(settings.object_id_jwt_field, "object_id_jwt_field");
  text(settings.end_user_id_jwt_field, "end_user_id_jwt_field");
  texts(settings.user_allowed_roles, "user_allowed_roles");
  flag(settings.team_id_upsert, "team_id_upsert");
  flag(settings.user_id_upsert, "user_id_upsert");
  flag(settings.upsert_sso_user_to_team, "upsert_sso_user_to_team");
  flag(settings.sync_user_role_and_teams, "sync_user_role_and_teams");
  flag(settings.enforce_rbac, "enforce_rbac");
  flag(settings.enforce_scope_based_access, "enforce_scope_based_access");
  flag(settings.enforce_team_based_model_access, "enforce_team_based_model_access");
  settings.role_mappings = read_roles(reading, jwt.find("role_mappings"), "role", "internal_role", kTokenRoles);
  settings.jwt_litellm_role_map =
      read_roles(reading, jwt.find("jwt_litellm_role_map"), "jwt_role", "litellm_role", kUserRoles);
  settings.scope_mappings = read_grants(reading, jwt.find("scope_mappings"), "scope");
  return settings;
}

}  // namespace turnpike::config
