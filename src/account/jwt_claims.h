#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/jwt_settings.h"
#include "domain/caller.h"

namespace turnpike::account {

/// The models that a role or the scopes of a token leave it.
struct TokenModels {
  std::string role;  // Empty: of the scopes.
  std::vector<std::string> models;
};

/// What the claims of a verified token say, read by the settings (spec management 16). Pure; of rows nothing is known.
struct JwtIdentity {
  std::optional<domain::Role> role;   // Nothing: neither team nor user nor role.
  std::vector<std::string> team_ids;  // Any of them may be the team of a call.
  std::string team_id;                // Or this one is,
  std::string team_alias;             // or the one called so.
  std::string user_id, user_email;
  std::string user_role;  // By jwt_litellm_role_map.
  std::string organization_id, organization_alias;
  std::string end_user;
  std::vector<std::string> allowed_routes;  // Empty: every route.
  std::vector<TokenModels> model_limits;    // All of them hold.

  bool is_admin() const { return role == domain::Role::ProxyAdmin; }
  bool has_team() const { return !team_id.empty() || !team_alias.empty() || !team_ids.empty(); }
};

/// Errors: PermissionDenied with LiteLLM's texts: an e-mail domain that is not allowed, no role though `enforce_rbac`,
///         no team though teams are demanded.
Result<JwtIdentity> read_identity(std::string_view claims_json, const config::JwtSettings& settings);

/// Whether role and scopes of the token allow the model. `allows` knows patterns and access groups.
Status check_token_models(const JwtIdentity& identity, std::string_view model,
                          const std::function<bool(const std::vector<std::string>&, std::string_view)>& allows);

/// "['a', 'b']", as LiteLLM's texts show lists.
std::string shown_list(const std::vector<std::string>& texts);

}  // namespace turnpike::account
