#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace turnpike::config {

/// Of `litellm_jwtauth` and `general_settings.role_permissions`: what a role or a scope may do. Absent: everything.
struct TokenGrant {
  std::string name;  // The role or the scope.
  std::optional<std::vector<std::string>> models, routes;
  bool operator==(const TokenGrant&) const = default;
};

/// `enable_jwt_auth` and `litellm_jwtauth`: whose tokens are taken and what their claims mean. A field's name may walk
/// into nested claims by dots; empty: it is not read.
struct JwtSettings {
  bool enabled = false;
  std::vector<std::string> public_key_urls;  // JWT_PUBLIC_KEY_URL: key sets, or discovery documents that name one.
  std::vector<std::string> audiences;        // JWT_AUDIENCE; empty: `aud` is not looked at.
  std::vector<std::string> issuers;          // JWT_ISSUER; empty: `iss` is not looked at.
  std::chrono::milliseconds public_key_ttl{600'000};

  std::string admin_jwt_scope = "litellm_proxy_admin";
  std::vector<std::string> admin_allowed_routes = {"management_routes", "spend_tracking_routes",
                                                   "global_spend_tracking_routes", "info_routes"};
  std::vector<std::string> team_allowed_routes = {"openai_routes", "info_routes", "mcp_routes"};

  std::string team_id_jwt_field, team_ids_jwt_field, team_alias_jwt_field, team_id_default;
  std::string org_id_jwt_field, org_alias_jwt_field;
  std::string user_id_jwt_field, user_email_jwt_field, user_allowed_email_domain;
  std::string user_roles_jwt_field, roles_jwt_field, object_id_jwt_field, end_user_id_jwt_field;
  std::vector<std::string> user_allowed_roles;
  bool team_id_upsert = false, user_id_upsert = false, upsert_sso_user_to_team = false;
  bool sync_user_role_and_teams = false;
  bool enforce_rbac = false, enforce_scope_based_access = false, enforce_team_based_model_access = false;

  std::vector<std::pair<std::string, std::string>> role_mappings;         // The token's role, ours.
  std::vector<std::pair<std::string, std::string>> jwt_litellm_role_map;  // The same with '*' in the token's role.
  std::vector<TokenGrant> scope_mappings;
  std::vector<TokenGrant> role_permissions;

  bool operator==(const JwtSettings&) const = default;
};

/// Keys are taken from https addresses and from this machine only.
bool may_bring_keys(std::string_view url);

}  // namespace turnpike::config
