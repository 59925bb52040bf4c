#include "config/keys.h"

namespace turnpike::config {
namespace {

using enum Type;
using enum Standing;

constexpr Key kJwtKeys[] = {
    {"general_settings.litellm_jwtauth.admin_jwt_scope", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.team_id_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.team_alias_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.team_id_default", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.team_ids_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.org_id_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.org_alias_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.user_id_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.user_email_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.user_allowed_email_domain", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.user_roles_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.end_user_id_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.roles_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.object_id_jwt_field", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.admin_allowed_routes", Texts, Honoured, ""},
    {"general_settings.litellm_jwtauth.team_allowed_routes", Texts, Honoured, ""},
    {"general_settings.litellm_jwtauth.user_allowed_roles", Texts, Honoured, ""},
    {"general_settings.litellm_jwtauth.team_id_upsert", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.user_id_upsert", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.upsert_sso_user_to_team", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.sync_user_role_and_teams", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.enforce_rbac", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.enforce_scope_based_access", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.enforce_team_based_model_access", Bool, Honoured, ""},
    {"general_settings.litellm_jwtauth.public_key_ttl", Time, Honoured, ""},
    {"general_settings.litellm_jwtauth.role_mappings", List, Honoured, ""},
    {"general_settings.litellm_jwtauth.role_mappings[].role", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.role_mappings[].internal_role", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.jwt_litellm_role_map", List, Honoured, ""},
    {"general_settings.litellm_jwtauth.jwt_litellm_role_map[].jwt_role", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.jwt_litellm_role_map[].litellm_role", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings", List, Honoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings[].scope", Text, Honoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings[].models", Texts, Honoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings[].routes", Texts, Honoured, ""},
    {"general_settings.litellm_jwtauth.public_allowed_routes", Texts, NotYet,
     "public routes are those of the table of routes"},
    {"general_settings.litellm_jwtauth.oidc_userinfo_enabled", Bool, Protects,
     "the claims of the token alone are read"},
    {"general_settings.litellm_jwtauth.oidc_userinfo_endpoint", Text, Harmless, "goes with oidc_userinfo_enabled"},
    {"general_settings.litellm_jwtauth.oidc_userinfo_cache_ttl", Time, Harmless, "goes with oidc_userinfo_enabled"},
};

}  // namespace

std::span<const Key> jwt_keys() {
  return kJwtKeys;
}

}  // namespace turnpike::config
