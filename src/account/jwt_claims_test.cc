#include "account/jwt_claims.h"

#include <gtest/gtest.h>

namespace turnpike::account::jwt_claims_test {
namespace {

/// "role=..., team=..., ..." without what is empty; or the refusal.
std::string show(const Result<JwtIdentity>& read) {
  if (!read) return read.error().message;
  std::string text;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty() && value != "[]") text += (text.empty() ? "" : " ") + std::string(name) + "=" + value;
  };
  add("role", read->role ? std::string(domain::role_name(*read->role)) : "");
  add("team", read->team_id);
  add("alias", read->team_alias);
  add("teams", shown_list(read->team_ids));
  add("user", read->user_id);
  add("email", read->user_email);
  add("org", read->organization_id);
  add("end_user", read->end_user);
  add("user_role", read->user_role);
  return text;
}

config::JwtSettings fields() {
  config::JwtSettings settings;
  settings.team_id_jwt_field = "team";
  settings.team_ids_jwt_field = "groups";
  settings.user_id_jwt_field = "sub";
  settings.user_email_jwt_field = "profile.email";
  settings.org_id_jwt_field = "org.id";
  settings.end_user_id_jwt_field = "customer";
  settings.roles_jwt_field = "resource_access.gateway.roles";
  return settings;
}

TEST(JwtClaims, AreReadWhereTheSettingsSay) {
  config::JwtSettings usual = fields();
  config::JwtSettings fallback = fields();
  fallback.team_id_default = "everybody";
  config::JwtSettings mapped = fields();
  mapped.team_id_jwt_field.clear();
  mapped.user_id_jwt_field.clear();
  mapped.user_email_jwt_field.clear();
  mapped.role_mappings = {{"gw-admin", "proxy_admin"}, {"gw-team", "team"}, {"gw-customer", "customer"}};
  mapped.object_id_jwt_field = "azp";
  config::JwtSettings domain = fields();
  domain.user_allowed_email_domain = "acme.com";
  config::JwtSettings rbac = mapped;
  rbac.enforce_rbac = true;
  config::JwtSettings teams = mapped;
  teams.enforce_team_based_model_access = true;
  config::JwtSettings patterns = fields();
  patterns.jwt_litellm_role_map = {{"view*", "internal_user_viewer"}, {"*", "internal_user"}};
  config::JwtSettings dotted = fields();
  dotted.team_id_jwt_field = "https://acme.com/team";
  struct Case {
    const char* name;
    const config::JwtSettings* settings;
    std::string_view claims;
    const char* outcome;
  };
  const Case cases[] = {
      {"a team", &usual, R"({"team":"t1"})", "role=team team=t1"},
      {"a team as a list", &usual, R"({"team":["t1","t2"]})", "role=team team=t1"},
      {"a team as a number", &usual, R"({"team":42})", "role=team team=42"},
      {"teams and a user", &usual, R"({"groups":["a","b","a",""],"sub":"u","profile":{"email":"u@acme.com"}})",
       "role=internal_user teams=['a', 'b'] user=u email=u@acme.com"},
      {"the e-mail is the user", &usual, R"({"team":"t","profile":{"email":"u@acme.com"}})",
       "role=team team=t user=u@acme.com email=u@acme.com"},
      {"nested and end user", &usual, R"({"team":"t","org":{"id":"o"},"customer":"c"})",
       "role=team team=t org=o end_user=c"},
      {"a path through a text", &usual, R"({"team":"t","org":"o","profile":[1]})", "role=team team=t"},
      {"no team", &usual, R"({"sub":"u"})",
       "No team found in token. Checked team_id field 'team' and team_alias field 'None'."},
      {"the default team", &fallback, R"({"sub":"u"})", "role=team team=everybody user=u"},
      {"a claim with dots", &dotted, R"({"https://acme.com/team":"t"})", "role=team team=t"},
      {"admin by scope", &usual, R"({"scope":"openid litellm_proxy_admin","sub":"root"})",
       "role=proxy_admin user=root"},
      {"admin by a list of scopes", &usual, R"({"scope":["litellm_proxy_admin"]})", "role=proxy_admin"},
      {"no admin by a part of a scope", &fallback, R"({"scope":"not_litellm_proxy_admin"})",
       "role=team team=everybody"},
      {"the object is a team", &mapped, R"({"azp":"app","resource_access":{"gateway":{"roles":["x","gw-team"]}}})",
       "role=team team=app"},
      {"a customer", &mapped, R"({"customer":"c","resource_access":{"gateway":{"roles":"gw-customer"}}})",
       "role=customer end_user=c"},
      {"admin by role", &mapped, R"({"resource_access":{"gateway":{"roles":["gw-admin"]}}})", "role=proxy_admin"},
      {"a domain", &domain, R"({"team":"t","profile":{"email":"a@ACME.com"}})",
       "role=team team=t user=a@ACME.com email=a@ACME.com"},
      {"another domain", &domain, R"({"team":"t","profile":{"email":"a@acme.com.evil"}})",
       "Email domain not allowed. User email: a@acme.com.evil. Allowed domain: acme.com"},
      {"no e-mail", &domain, R"({"team":"t"})", "Email domain not allowed. User email: None. Allowed domain: acme.com"},
      {"no role", &rbac, R"({"resource_access":{"gateway":{"roles":["x"]}}})",
       "Unmatched token passed in. enforce_rbac is set to True. Token must belong to a proxy admin, team, or user."},
      {"no team though demanded", &teams, R"({"resource_access":{"gateway":{"roles":["gw-customer"]}}})",
       "No teams found in token. `enforce_team_based_model_access` is set to True. Token must belong to a team."},
      {"a role by pattern", &patterns, R"({"team":"t","resource_access":{"gateway":{"roles":["viewers"]}}})",
       "role=team team=t user_role=internal_user_viewer"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(show(read_identity(c.claims, *c.settings)), c.outcome);
  }
}

TEST(JwtClaims, RolesAndScopesLimitRoutesAndModels) {
  config::JwtSettings settings = fields();
  settings.team_allowed_routes = {"openai_routes", "info_routes"};
  settings.role_permissions = {{"team", std::vector<std::string>{"gpt-*"}, std::vector<std::string>{"openai_routes"}}};
  settings.enforce_scope_based_access = true;
  settings.scope_mappings = {{"chat", std::vector<std::string>{"gpt-4o"}, std::nullopt},
                             {"claude", std::vector<std::string>{"claude"}, std::nullopt},
                             {"all", std::nullopt, std::nullopt}};
  const auto allows = [](const std::vector<std::string>& models, std::string_view model) {
    return std::find(models.begin(), models.end(), model) != models.end() ||
           (models.front() == "gpt-*" && model.starts_with("gpt-"));
  };
  struct Case {
    const char* scope;
    const char* model;
    const char* outcome;
  };
  const Case cases[] = {
      {"chat", "gpt-4o", "good"},
      {"chat claude", "claude", "Role=team not allowed to call model=claude. Allowed models=['gpt-*']"},
      {"chat claude", "gpt-4o-mini", "model=gpt-4o-mini not allowed. Allowed_models=['gpt-4o', 'claude']"},
      {"all chat", "gpt-4o-mini", "good"},
      {"", "gpt-4o", "model=gpt-4o not allowed. Allowed_models=[]"},
      {"other", "gpt-4o", "model=gpt-4o not allowed. Allowed_models=[]"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.scope) + " " + c.model);
    const Result<JwtIdentity> identity =
        read_identity(R"({"team":"t","scope":")" + std::string(c.scope) + "\"}", settings);
    ASSERT_TRUE(identity);
    EXPECT_EQ(shown_list(identity->allowed_routes), "['openai_routes']");
    const Status allowed = check_token_models(*identity, c.model, allows);
    EXPECT_EQ(allowed ? "good" : allowed.error().message, c.outcome);
  }
  settings.role_permissions[0].routes = std::vector<std::string>{"spend_tracking_routes"};
  // What has nothing in common opens nothing, and not everything.
  EXPECT_EQ(shown_list(read_identity(R"({"team":"t","scope":"all"})", settings)->allowed_routes), "['(none)']");
}

}  // namespace
}  // namespace turnpike::account::jwt_claims_test
