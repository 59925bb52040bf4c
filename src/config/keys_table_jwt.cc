#include "config/keys.h"

namespace turnpike::config {
namespace {

using enum Type;
constexpr Standing kHonoured = Standing::Honoured;
constexpr Standing kHarmless = Standing::Harmless;
constexpr Standing kNotYet = Standing::NotYet;
constexpr Standing kProtects = Standing::Protects;

constexpr Key kKeys[] = {
    {"general_settings.litellm_jwtauth.admin_jwt_scope", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.team_id_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.team_alias_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.team_id_default", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.team_ids_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.org_id_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.org_alias_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.user_id_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.user_email_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.user_allowed_email_domain", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.user_roles_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.end_user_id_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.roles_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.object_id_jwt_field", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.admin_allowed_routes", Texts, kHonoured, ""},
    {"general_settings.litellm_jwtauth.team_allowed_routes", Texts, kHonoured, ""},
    {"general_settings.litellm_jwtauth.user_allowed_roles", Texts, kHonoured, ""},
    {"general_settings.litellm_jwtauth.team_id_upsert", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.user_id_upsert", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.upsert_sso_user_to_team", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.sync_user_role_and_teams", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.enforce_rbac", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.enforce_scope_based_access", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.enforce_team_based_model_access", Bool, kHonoured, ""},
    {"general_settings.litellm_jwtauth.public_key_ttl", Time, kHonoured, ""},
    {"general_settings.litellm_jwtauth.role_mappings", List, kHonoured, ""},
    {"general_settings.litellm_jwtauth.role_mappings[].role", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.role_mappings[].internal_role", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.jwt_litellm_role_map", List, kHonoured, ""},
    {"general_settings.litellm_jwtauth.jwt_litellm_role_map[].jwt_role", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.jwt_litellm_role_map[].litellm_role", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings", List, kHonoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings[].scope", Text, kHonoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings[].models", Texts, kHonoured, ""},
    {"general_settings.litellm_jwtauth.scope_mappings[].routes", Texts, kHonoured, ""},
    {"general_settings.litellm_jwtauth.public_allowed_routes", Texts, kNotYet,
     "public routes are those of the table of routes"},
    {"general_settings.litellm_jwtauth.oidc_userinfo_enabled", Bool, kProtects,
     "the claims of the token alone are read"},
    {"general_settings.litellm_jwtauth.oidc_userinfo_endpoint", Text, kHarmless, "goes with oidc_userinfo_enabled"},
    {"general_settings.litellm_jwtauth.oidc_userinfo_cache_ttl", Time, kHarmless, "goes with oidc_userinfo_enabled"},
};

}  // namespace

std::span<const Key> jwt_keys() {
  return kKeys;
}

}  // namespace turnpike::config
