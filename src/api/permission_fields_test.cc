#include "api/test_gateway.h"

// AC-SEC-4 as one table: who may write which field of what. Whoever finds a way to more than he holds adds a row.
namespace turnpike::api::permission_fields_test {
namespace {

struct Step {
  const char* path;
  const char* body;
};

// Two organisations with a team each, somebody in every role, and keys to fight about. Secrets are called after whose
// they are: sk-key-of-<user> are personal, sk-red-... are of the team red.
constexpr Step kWorld[] = {
    {"/budget/new", R"({"budget_id":"rich","max_budget":1000})"},
    {"/budget/new", R"({"budget_id":"small","max_budget":1})"},
    {"/access_group/new", R"({"access_group":"beta","model_names":["fast"]})"},
    {"/organization/new",
     R"({"organization_id":"ours","organization_alias":"Ours","models":["gpt-4o","fast"],"max_budget":100})"},
    {"/organization/new", R"({"organization_id":"theirs","organization_alias":"Theirs"})"},
    {"/user/new", R"({"user_id":"boss","user_role":"proxy_admin","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"auditor","user_role":"proxy_admin_viewer","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"guest","user_role":"internal_user_viewer","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"orga","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"lead","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"dev","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"mate","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"stranger","auto_create_key":false})"},
    {"/user/new", R"({"user_id":"held","auto_create_key":false,"models":["gpt-4o"],"max_budget":5})"},
    {"/organization/member_add", R"({"organization_id":"ours","member":{"role":"org_admin","user_id":"orga"}})"},
    {"/organization/member_add", R"({"organization_id":"ours","member":{"role":"internal_user","user_id":"dev"}})"},
    {"/team/new", R"({"team_id":"red","organization_id":"ours","models":["gpt-4o"],"max_budget":10,
        "metadata":{"enforced_params":["user"],"tags":["of-red"],"note":"x"},"model_aliases":{"ours":"gpt-4o"},
        "members_with_roles":[{"role":"admin","user_id":"lead"},{"role":"user","user_id":"dev"},
          {"role":"user","user_id":"mate"},{"role":"user","user_id":"boss"},{"role":"user","user_id":"auditor"}]})"},
    {"/team/new", R"({"team_id":"green","organization_id":"ours","models":["gpt-4o"],
        "team_member_permissions":["/key/generate","/key/update","/key/info","/key/delete","/key/regenerate"],
        "team_member_key_duration":"30d",
        "members_with_roles":[{"role":"admin","user_id":"lead"},{"role":"user","user_id":"dev"},
          {"role":"user","user_id":"mate"}]})"},
    {"/team/new", R"({"team_id":"blue","organization_id":"theirs",
        "members_with_roles":[{"role":"admin","user_id":"stranger"}]})"},
    {"/key/generate", R"({"key":"sk-key-of-boss","user_id":"boss"})"},
    {"/key/generate", R"({"key":"sk-key-of-auditor","user_id":"auditor"})"},
    {"/key/generate", R"({"key":"sk-key-of-guest","user_id":"guest"})"},
    {"/key/generate", R"({"key":"sk-key-of-orga","user_id":"orga"})"},
    {"/key/generate", R"({"key":"sk-key-of-lead","user_id":"lead"})"},
    {"/key/generate", R"({"key":"sk-key-of-dev","user_id":"dev"})"},
    {"/key/generate", R"({"key":"sk-key-of-mate","user_id":"mate"})"},
    {"/key/generate", R"({"key":"sk-key-of-stranger","user_id":"stranger"})"},
    {"/key/generate", R"({"key":"sk-key-of-held","user_id":"held"})"},
    {"/key/generate", R"({"key":"sk-key-of-nobody"})"},
    {"/key/generate", R"({"key":"sk-red-of-boss","user_id":"boss","team_id":"red"})"},
    {"/key/generate", R"({"key":"sk-red-of-auditor","user_id":"auditor","team_id":"red"})"},
    {"/key/generate", R"({"key":"sk-red-of-dev","user_id":"dev","team_id":"red"})"},
    {"/key/generate", R"({"key":"sk-red-of-mate","user_id":"mate","team_id":"red"})"},
    {"/key/generate", R"({"key":"sk-red-of-none","team_id":"red"})"},
    {"/key/generate", R"({"key":"sk-green-of-mate","user_id":"mate","team_id":"green"})"},
    {"/key/generate", R"({"key":"sk-blue-of-stranger","user_id":"stranger","team_id":"blue"})"},
    {"/key/generate", R"({"key":"sk-poor-of-dev","user_id":"dev","models":["gpt-4o"],"max_budget":5,
        "allowed_routes":["/key/generate","/key/update","/key/regenerate","info_routes"]})"},
    // What others have put on a key of dev.
    {"/key/generate", R"({"key":"sk-bound-of-dev","user_id":"dev","budget_id":"small","tags":["campaign"],
        "enforced_params":["user"],"allowed_ips":["10.0.0.0/8"],"object_permission":{"agents":["a"]}})"},
    {"/key/generate", R"({"key":"sk-other-of-dev","user_id":"dev"})"},
};

struct Row {
  const char* attempt;
  const char* as;  // Whose personal key calls, or a whole secret.
  const char* path;
  const char* body;
  int status;
  const char* param = nullptr;  // That the refusal names.
};

constexpr Row kRows[] = {
    // Keys: what their maker says of a new one.
    {"a key in one's own name", "dev", "/key/generate", "{}", 200},
    {"a key for somebody else", "dev", "/key/generate", R"({"user_id":"mate"})", 403},
    {"a key of an administrator", "dev", "/key/generate", R"({"user_id":"boss"})", 403},
    {"a key of a team one is not in", "dev", "/key/generate", R"({"team_id":"blue"})", 403},
    {"a key of a team that is not there", "dev", "/key/generate", R"({"team_id":"nowhere"})", 403},
    {"a key of a team that does not let its members", "dev", "/key/generate", R"({"team_id":"red"})", 401},
    {"a key of a team that does", "dev", "/key/generate", R"({"team_id":"green"})", 200},
    {"models beyond that team", "dev", "/key/generate", R"({"team_id":"green","models":["fast"]})", 403, "models"},
    {"all models by their name", "dev", "/key/generate", R"({"team_id":"green","models":["all-proxy-models"]})", 403,
     "models"},
    {"an organisation one is not in", "dev", "/key/generate", R"({"organization_id":"theirs"})", 403},
    {"spend to begin with", "dev", "/key/generate", R"({"spend":-1})", 400, "spend"},
    {"spend of one's own", "dev", "/key/generate", R"({"spend":1})", 403, "spend"},
    {"permissions", "dev", "/key/generate", R"({"permissions":{"get_spend_routes":true}})", 403, "permissions"},
    {"a budget of somebody else", "dev", "/key/generate", R"({"budget_id":"rich"})", 403, "budget_id"},
    {"an access group", "dev", "/key/generate", R"({"access_group_ids":["beta"]})", 403},
    {"a raise", "dev", "/key/generate",
     R"({"max_budget":1,"temp_budget_increase":9,"temp_budget_expiry":"2099-01-01T00:00:00Z"})", 403},
    {"a raise, in the metadata", "dev", "/key/generate",
     R"({"max_budget":1,"metadata":{"temp_budget_increase":9,"temp_budget_expiry":"2099-01-01T00:00:00Z"}})", 403},
    {"an object permission", "dev", "/key/generate", R"({"object_permission":{"agents":["x"]}})", 403,
     "object_permission"},
    {"blocked from the start", "dev", "/key/generate", R"({"blocked":true})", 403, "blocked"},
    {"pass-through routes", "dev", "/key/generate", R"({"allowed_passthrough_routes":["/x"]})", 400,
     "allowed_passthrough_routes"},
    {"limits per model", "dev", "/key/generate", R"({"metadata":{"model_rpm_limit":{"m":1}}})", 200},
    {"guardrails switched off", "dev", "/key/generate", R"({"metadata":{"disable_global_guardrails":true}})", 400},
    {"rate limits", "dev", "/key/generate", R"({"rpm_limit":5})", 200},
    {"a limit that may be passed", "dev", "/key/generate", R"({"rpm_limit_type":"dynamic"})", 403, "rpm_limit_type"},
    {"one that is promised, in the metadata", "dev", "/key/generate",
     R"({"metadata":{"tpm_limit_type":"guaranteed_throughput"}})", 403, "metadata"},
    {"one like any other", "dev", "/key/generate", R"({"rpm_limit_type":"best_effort_throughput"})", 200},
    {"a priority", "dev", "/key/generate", R"({"metadata":{"priority":"prod"}})", 403, "metadata.priority"},
    {"a user's own models", "held", "/key/generate", R"({"models":["fast"]})", 403, "models"},
    {"a user's own budget", "held", "/key/generate", R"({"max_budget":6})", 403, "max_budget"},
    {"an alias to another model than one's own", "held", "/key/generate", R"({"aliases":{"gpt-4o":"fast"}})", 403,
     "aliases"},
    {"an alias within them", "held", "/key/generate", R"({"aliases":{"quick":"gpt-4o"}})", 200},
    {"a viewer makes no key", "guest", "/key/generate", "{}", 403},
    {"nor does the viewer of everything", "auditor", "/key/generate", "{}", 403},
    {"nor a key without a user", "nobody", "/key/generate", "{}", 401},
    // A key that is held to less makes none that is held to more.
    {"more budget than the calling key", "sk-poor-of-dev", "/key/generate",
     R"({"models":["gpt-4o"],"max_budget":6,"allowed_routes":["/key/info"]})", 403, "max_budget"},
    {"more routes than the calling key", "sk-poor-of-dev", "/key/generate",
     R"({"models":["gpt-4o"],"max_budget":1,"key_type":"llm_api"})", 403, "allowed_routes"},
    {"another model by an alias", "sk-poor-of-dev", "/key/generate",
     R"({"models":["gpt-4o"],"max_budget":1,"allowed_routes":["/key/info"],"aliases":{"gpt-4o":"fast"}})", 403,
     "aliases"},
    {"the secret of an own key that is held to less", "sk-poor-of-dev", "/key/regenerate",
     R"({"key":"sk-other-of-dev"})", 403},
    {"its own routes lifted", "sk-poor-of-dev", "/key/update", R"({"key":"sk-poor-of-dev","allowed_routes":[]})", 403,
     "allowed_routes"},
    {"its own budget lifted", "sk-poor-of-dev", "/key/update", R"({"key":"sk-poor-of-dev","max_budget":null})", 403,
     "max_budget"},
    {"its own models lifted", "sk-poor-of-dev", "/key/update", R"({"key":"sk-poor-of-dev","models":[]})", 403,
     "models"},
    // A key of a team that leaves its team out.
    {"more money than the team has", "sk-red-of-dev", "/key/generate", R"({"max_budget":11})", 403, "max_budget"},
    {"other models than the team has", "sk-red-of-dev", "/key/generate", R"({"models":["fast"]})", 403, "models"},
    {"a password for its user", "sk-red-of-dev", "/user/update", R"({"user_id":"dev","password":"p"})", 403,
     "password"},
    {"lifted out of the team", "sk-red-of-dev", "/key/update",
     R"({"key":"sk-red-of-dev","team_id":null,"models":["fast"]})", 403, "models"},
    // Keys as they are: what their owner takes off.
    {"routes to a blocked key", "dev", "/key/unblock", R"({"key":"sk-bound-of-dev"})", 403},
    {"a spend of nothing", "dev", "/key/update", R"({"key":"sk-bound-of-dev","spend":0})", 403, "spend"},
    {"the budget it is linked to", "dev", "/key/update", R"({"key":"sk-bound-of-dev","budget_id":null})", 403,
     "budget_id"},
    {"a richer one", "dev", "/key/update", R"({"key":"sk-bound-of-dev","budget_id":"rich"})", 403, "budget_id"},
    {"the tag whose budget it is on", "dev", "/key/update", R"({"key":"sk-bound-of-dev","tags":[]})", 403, "tags"},
    {"the tag, in the metadata", "dev", "/key/update", R"({"key":"sk-bound-of-dev","metadata":{"tags":["mine"]}})", 403,
     "tags"},
    {"what calls have to carry", "dev", "/key/update", R"({"key":"sk-bound-of-dev","enforced_params":[]})", 403,
     "enforced_params"},
    {"where it may call from", "dev", "/key/update", R"({"key":"sk-bound-of-dev","allowed_ips":[]})", 403,
     "allowed_ips"},
    {"the same, in the metadata", "dev", "/key/regenerate",
     R"({"key":"sk-bound-of-dev","metadata":{"allowed_ips":[],"enforced_params":[]}})", 403},
    {"what it may reach", "dev", "/key/update", R"({"key":"sk-bound-of-dev","object_permission":{}})", 403,
     "object_permission"},
    {"one tag more", "dev", "/key/update", R"({"key":"sk-bound-of-dev","tags":["campaign","mine"]})", 200},
    {"another secret, and a budget of somebody else", "dev", "/key/regenerate",
     R"({"key":"sk-other-of-dev","budget_id":"rich"})", 403, "budget_id"},
    {"another secret, and permissions", "dev", "/key/regenerate",
     R"({"key":"sk-other-of-dev","permissions":{"get_spend_routes":true}})", 403, "permissions"},
    {"another secret, and another user", "dev", "/key/regenerate", R"({"key":"sk-other-of-dev","user_id":"boss"})",
     403},
    {"another secret, and a foreign team", "dev", "/key/regenerate", R"({"key":"sk-other-of-dev","team_id":"blue"})",
     403},
    {"given away to an administrator", "dev", "/key/update", R"({"key":"sk-other-of-dev","user_id":"boss"})", 403},
    // Keys of others.
    {"a foreign key changed", "dev", "/key/update", R"({"key":"sk-key-of-mate","key_alias":"x"})", 403},
    {"a foreign key renewed", "dev", "/key/regenerate", R"({"key":"sk-key-of-mate"})", 403},
    {"a member's key of a team that lets members change", "dev", "/key/update",
     R"({"key":"sk-green-of-mate","key_alias":"y"})", 200},
    {"its models widened", "dev", "/key/update", R"({"key":"sk-green-of-mate","models":["fast"]})", 403, "models"},
    {"its life made longer than the team says", "dev", "/key/update", R"({"key":"sk-green-of-mate","duration":"-1"})",
     403, "duration"},
    {"its secret", "dev", "/key/regenerate", R"({"key":"sk-green-of-mate"})", 401},
    {"its end", "dev", "/key/delete", R"({"keys":["sk-green-of-mate"]})", 403},
    {"it made one's own", "dev", "/key/update", R"({"key":"sk-green-of-mate","spend":0})", 403, "spend"},
    // The admin of a team.
    {"a key of the team", "lead", "/key/generate", R"({"team_id":"red","models":["gpt-4o"],"max_budget":10})", 200},
    {"more than the team has", "lead", "/key/generate", R"({"team_id":"red","max_budget":10.01})", 403, "max_budget"},
    {"a richer budget of somebody else", "lead", "/key/generate", R"({"team_id":"red","budget_id":"rich"})", 403,
     "max_budget"},
    {"a raise beyond what the team has", "lead", "/key/generate",
     R"({"team_id":"red","max_budget":9,"temp_budget_increase":2,"temp_budget_expiry":"2099-01-01T00:00:00Z"})", 403,
     "max_budget"},
    {"a raise within it", "lead", "/key/generate",
     R"({"team_id":"red","max_budget":9,"temp_budget_increase":1,"temp_budget_expiry":"2099-01-01T00:00:00Z"})", 200},
    {"an alias to what the team may not call", "lead", "/key/generate",
     R"({"team_id":"red","aliases":{"gpt-4o":"fast"}})", 403, "aliases"},
    {"all models by a pattern", "lead", "/key/generate", R"({"team_id":"red","models":["*"]})", 403, "models"},
    {"one of the team's and all of it", "lead", "/key/generate",
     R"({"team_id":"red","models":["gpt-4o","all-proxy-models"]})", 403, "models"},
    {"a key of a member", "lead", "/key/generate", R"({"team_id":"red","user_id":"mate"})", 200},
    {"a key with the role of an administrator in the team", "lead", "/key/generate",
     R"({"team_id":"red","user_id":"boss"})", 403, "user_id"},
    {"a key that reads everything", "lead", "/key/generate", R"({"team_id":"red","user_id":"auditor"})", 403,
     "user_id"},
    {"a key of who is not in the team", "lead", "/key/generate", R"({"team_id":"red","user_id":"stranger"})", 403,
     "user_id"},
    {"a key of the team under another organisation", "lead", "/key/generate",
     R"({"team_id":"red","organization_id":"theirs"})", 403, "organization_id"},
    {"or under one that is not there", "lead", "/key/generate", R"({"team_id":"red","organization_id":"nowhere"})", 403,
     "organization_id"},
    {"the key of an administrator, with a secret one knows", "lead", "/key/regenerate", R"({"key":"sk-red-of-boss"})",
     403, "user_id"},
    {"the key of the viewer of everything", "lead", "/key/regenerate", R"({"key":"sk-red-of-auditor"})", 403,
     "user_id"},
    {"a key of nobody given to an administrator", "lead", "/key/update", R"({"key":"sk-red-of-none","user_id":"boss"})",
     403, "user_id"},
    {"a foreign key pulled into the team", "lead", "/key/update", R"({"key":"sk-blue-of-stranger","team_id":"red"})",
     403},
    {"a personal key of a member", "lead", "/key/update", R"({"key":"sk-key-of-mate","team_id":"red"})", 403},
    {"a key of the team pushed into another", "lead", "/key/update", R"({"key":"sk-red-of-none","team_id":"blue"})",
     403},
    {"permissions", "lead", "/key/update", R"({"key":"sk-red-of-none","permissions":{"get_spend_routes":true}})", 403,
     "permissions"},
    {"spend", "lead", "/key/update", R"({"key":"sk-red-of-none","spend":1})", 403, "spend"},
    {"a service account of a foreign team", "lead", "/key/service-account/generate", R"({"team_id":"blue"})", 403},
    {"a service account with more than the team has", "lead", "/key/service-account/generate",
     R"({"team_id":"red","models":["fast"]})", 403, "models"},
    {"the team's budget", "lead", "/team/update", R"({"team_id":"red","max_budget":11})", 403, "max_budget"},
    {"the team's models", "lead", "/team/update", R"({"team_id":"red","models":["gpt-4o","fast"]})", 403, "models"},
    {"every model", "lead", "/team/update", R"({"team_id":"red","models":["all-team-models"]})", 403, "models"},
    {"a name for a model the team may not call", "lead", "/team/update",
     R"({"team_id":"red","model_aliases":{"gpt-4o":"fast"}})", 403, "model_aliases"},
    {"another name for one it may", "lead", "/team/update",
     R"({"team_id":"red","model_aliases":{"ours":"gpt-4o","mine":"gpt-4o"}})", 200},
    {"another organisation", "lead", "/team/update", R"({"team_id":"red","organization_id":"theirs"})", 403,
     "organization_id"},
    {"no organisation", "lead", "/team/update", R"({"team_id":"red","organization_id":null})", 403, "organization_id"},
    {"an access group for the team", "lead", "/team/update", R"({"team_id":"red","access_group_ids":["beta"]})", 403,
     "access_group_ids"},
    {"rate limits of the team", "lead", "/team/update", R"({"team_id":"red","tpm_limit":5})", 200},
    {"and higher ones", "lead", "/team/update", R"({"team_id":"red","tpm_limit":6})", 403, "tpm_limit"},
    {"what calls of the team have to carry", "lead", "/team/update",
     R"({"team_id":"red","metadata":{"enforced_params":[]}})", 403, "enforced_params"},
    {"the tag whose budget the team is on", "lead", "/team/update", R"({"team_id":"red","tags":[]})", 403, "tags"},
    {"limits of its models, in the metadata", "lead", "/team/update",
     R"({"team_id":"red","metadata":{"model_rpm_limit":{"gpt-4o":999}}})", 403, "model_rpm_limit"},
    {"pass-through routes", "lead", "/team/update", R"({"team_id":"red","allowed_passthrough_routes":["/x"]})", 403},
    {"a note in the metadata", "lead", "/team/update", R"({"team_id":"red","metadata":{"note":"y"}})", 200},
    {"the team stopped", "lead", "/team/update", R"({"team_id":"red","blocked":true})", 403, "blocked"},
    {"a member of a foreign team", "lead", "/team/member_add",
     R"({"team_id":"blue","member":{"role":"admin","user_id":"lead"}})", 403},
    {"a user who would stand for the master key", "lead", "/team/member_add",
     R"({"team_id":"red","member":{"role":"user","user_id":"default_user_id"}})", 403, "user_id"},
    {"permissions of a foreign team", "lead", "/team/permissions_update",
     R"({"team_id":"blue","team_member_permissions":["/key/generate"]})", 403},
    {"a team of his own", "lead", "/team/new", R"({"team_id":"new"})", 403, "organization_id"},
    {"a member's budget in a foreign team", "lead", "/team/member_update",
     R"({"team_id":"blue","user_id":"stranger","max_budget_in_team":1})", 403},
    // A plain member of a team.
    {"himself admin of the team", "dev", "/team/member_update", R"({"team_id":"red","user_id":"dev","role":"admin"})",
     403},
    {"more money in the team", "dev", "/team/member_update",
     R"({"team_id":"red","user_id":"dev","max_budget_in_team":9})", 403},
    {"himself in a foreign team", "dev", "/team/member_add",
     R"({"team_id":"blue","member":{"role":"user","user_id":"dev"}})", 403},
    {"what members may do", "dev", "/team/permissions_update",
     R"({"team_id":"red","team_member_permissions":["/key/generate"]})", 403},
    // Users.
    {"a name", "dev", "/user/update", R"({"user_id":"dev","user_alias":"D"})", 200},
    {"his role", "dev", "/user/update", R"({"user_id":"dev","user_role":"proxy_admin"})", 403, "user_role"},
    {"his budget", "dev", "/user/update", R"({"user_id":"dev","max_budget":9})", 403, "max_budget"},
    {"his models", "held", "/user/update", R"({"user_id":"held","models":[]})", 403, "models"},
    {"his metadata", "dev", "/user/update", R"({"user_id":"dev","metadata":{"a":1}})", 403, "metadata"},
    {"his spend", "dev", "/user/update", R"({"user_id":"dev","spend":0})", 403, "spend"},
    {"the identity he signs in by", "dev", "/user/update", R"({"user_id":"dev","sso_user_id":"boss"})", 403,
     "sso_user_id"},
    {"somebody else", "dev", "/user/update", R"({"user_id":"mate","user_alias":"M"})", 403},
    {"everybody", "dev", "/user/bulk_update", R"({"users":[{"user_id":"dev","max_budget":9}]})", 401},
    {"a user", "dev", "/user/new", R"({"user_id":"n"})", 403, "organizations"},
    // The admin of an organisation.
    {"a user with more than the organisation has", "orga", "/user/new",
     R"({"user_id":"n1","organizations":["ours"],"max_budget":101})", 403, "max_budget"},
    {"a user with other models", "orga", "/user/new",
     R"({"user_id":"n2","organizations":["ours"],"models":["openai/x"]})", 403, "models"},
    {"a user with all models of a team he is not in", "orga", "/user/new",
     R"({"user_id":"n3","organizations":["ours"],"models":["gpt-4o","all-team-models"]})", 403, "models"},
    {"a proxy admin", "orga", "/user/new", R"({"user_id":"n4","organizations":["ours"],"user_role":"proxy_admin"})",
     403, "user_role"},
    {"a viewer of everything", "orga", "/user/new",
     R"({"user_id":"n5","organizations":["ours"],"user_role":"proxy_admin_viewer"})", 403, "user_role"},
    {"a user with an opening balance", "orga", "/user/new", R"({"user_id":"n6","organizations":["ours"],"spend":1})",
     403, "spend"},
    {"a user in a foreign organisation", "orga", "/user/new", R"({"user_id":"n7","organizations":["theirs"]})", 403},
    {"a user in a foreign team", "orga", "/user/new", R"({"user_id":"n8","organizations":["ours"],"teams":["blue"]})",
     403},
    {"the master key's user", "orga", "/user/new", R"({"user_id":"default_user_id","organizations":["ours"]})", 403,
     "user_id"},
    {"a user of his organisation", "orga", "/user/new", R"({"user_id":"n9","organizations":["ours"]})", 200},
    {"the role of a user", "orga", "/user/update", R"({"user_id":"dev","user_role":"proxy_admin"})", 403},
    {"a foreign organisation joined", "orga", "/organization/member_add",
     R"({"organization_id":"theirs","member":{"role":"org_admin","user_id":"orga"}})", 403},
    {"a team larger than the organisation", "orga", "/team/new", R"({"organization_id":"ours","max_budget":101})", 403,
     "max_budget"},
    {"a team with other models", "orga", "/team/new", R"({"organization_id":"ours","models":["openai/x"]})", 403,
     "models"},
    {"a team elsewhere", "orga", "/team/new", R"({"organization_id":"theirs"})", 403},
    {"a team nowhere", "orga", "/team/new", "{}", 403, "organization_id"},
    {"his team moved away", "orga", "/team/update", R"({"team_id":"red","organization_id":"theirs"})", 403},
    {"his team set free", "orga", "/team/update", R"({"team_id":"red","organization_id":null})", 403,
     "organization_id"},
    {"a foreign team taken", "orga", "/team/update", R"({"team_id":"blue","organization_id":"ours"})", 403},
    {"pass-through routes for a team", "orga", "/team/update",
     R"({"team_id":"red","allowed_passthrough_routes":["/x"]})", 403, "allowed_passthrough_routes"},
    {"a key under a foreign organisation", "orga", "/key/generate", R"({"team_id":"red","organization_id":"theirs"})",
     403, "organization_id"},
    {"a key of an administrator", "orga", "/key/generate", R"({"organization_id":"ours","user_id":"boss"})", 403},
    {"a key of an administrator in a team", "orga", "/key/generate", R"({"team_id":"red","user_id":"boss"})", 403,
     "user_id"},
    {"the secret of an administrator's key in a team", "orga", "/key/regenerate", R"({"key":"sk-red-of-boss"})", 403,
     "user_id"},
    {"a team larger than it was, within the organisation", "orga", "/team/update",
     R"({"team_id":"red","max_budget":50})", 200},
    // A key behind which nobody stands.
    {"its own budget", "nobody", "/key/update", R"({"key":"sk-key-of-nobody","max_budget":9})", 401},
    {"its own secret", "nobody", "/key/regenerate", "{}", 401},
    // Viewers.
    {"a viewer's own key", "guest", "/key/update", R"({"key":"sk-key-of-guest","key_alias":"g"})", 403},
    {"a viewer's name", "guest", "/user/update", R"({"user_id":"guest","user_alias":"g"})", 403},
    {"any key, by who sees them all", "auditor", "/key/update", R"({"key":"sk-key-of-dev","key_alias":"a"})", 403},
};

// Of organisations, which are changed by PATCH.
constexpr Row kOrganizationRows[] = {
    {"every model", "orga", "/organization/update", R"({"organization_id":"ours","models":[]})", 403, "models"},
    {"every model, by name", "orga", "/organization/update",
     R"({"organization_id":"ours","models":["gpt-4o","all-team-models"]})", 403, "models"},
    {"one model more", "orga", "/organization/update", R"({"organization_id":"ours","models":["gpt-4o","openai/x"]})",
     403, "models"},
    {"more money", "orga", "/organization/update", R"({"organization_id":"ours","max_budget":101})", 403, "max_budget"},
    {"another budget", "orga", "/organization/update", R"({"organization_id":"ours","budget_id":"rich"})", 403,
     "budget_id"},
    {"its spend", "orga", "/organization/update", R"({"organization_id":"ours","spend":0})", 403, "spend"},
    {"higher limits of a model", "orga", "/organization/update",
     R"({"organization_id":"ours","model_rpm_limit":{"gpt-4o":9}})", 403, "model_rpm_limit"},
    {"a foreign one", "orga", "/organization/update", R"({"organization_id":"theirs","metadata":{"a":1}})", 403},
    {"fewer models", "orga", "/organization/update", R"({"organization_id":"ours","models":["gpt-4o"]})", 200},
    {"by the admin of a team", "lead", "/organization/update", R"({"organization_id":"ours","metadata":{"a":1}})", 403},
    {"a member made admin by himself", "dev", "/organization/member_update",
     R"({"organization_id":"ours","user_id":"dev","role":"org_admin"})", 403},
    {"a foreign member", "orga", "/organization/member_update",
     R"({"organization_id":"theirs","user_id":"stranger","role":"org_admin"})", 403},
};

void make_world(TestGateway& gateway) {
  for (const Step& step : kWorld) {
    const Sent sent = gateway.post(step.path, step.body);
    ASSERT_EQ(sent.status, 200) << step.path << " " << step.body << ": " << sent.body;
  }
}

std::string secret_of(std::string_view as) {
  return as.starts_with("sk-") ? std::string(as) : "sk-key-of-" + std::string(as);
}

void expect(TestGateway& gateway, const char* method, const Row& row) {
  SCOPED_TRACE(std::string(row.attempt) + ": " + row.as + " " + row.path + " " + row.body);
  const Sent sent = gateway.call(method, row.path, secret_of(row.as), row.body);
  EXPECT_EQ(sent.status, row.status) << sent.body;
  if (row.param != nullptr && sent.status != 200) {
    EXPECT_EQ(TestGateway::field(sent, "param"), row.param) << sent.body;
  }
}

TEST(PermissionFields, NobodyWritesMoreThanHeHolds) {
  TestGateway gateway;
  make_world(gateway);
  for (const Row& row : kRows) expect(gateway, "POST", row);
  for (const Row& row : kOrganizationRows) expect(gateway, "PATCH", row);
}

// Whoever makes a key knows its secret.
TEST(PermissionFields, AKeyThatIsMadeForSomebodyDoesNotSpeakForHim) {
  TestGateway gateway;
  make_world(gateway);
  const Sent made = gateway.post("/key/generate", R"({"team_id":"red","user_id":"mate"})", "sk-key-of-lead");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("handed_over":true)")) << made.body;
  const std::string key = TestGateway::field(made, "key");
  struct Use {
    const char* method;
    const char* path;
    const char* body;
    int status;
  };
  constexpr Use kUses[] = {
      {"GET", "/v1/models", "", 200},
      {"GET", "/key/info", "", 200},
      {"GET", "/team/info?team_id=red", "", 200},
      {"GET", "/team/info?team_id=green", "", 403},
      {"GET", "/key/info?key=sk-key-of-mate", "", 403},
      {"GET", "/spend/logs", "", 200},
      {"POST", "/key/regenerate", R"({"key":"sk-key-of-mate"})", 403},
      {"POST", "/key/update", R"({"key":"sk-green-of-mate","key_alias":"z"})", 403},
      {"POST", "/key/delete", R"({"keys":["sk-key-of-mate"]})", 403},
      {"POST", "/key/generate", "{}", 403},
      {"POST", "/key/generate", R"({"team_id":"green"})", 403},
      {"POST", "/user/update", R"({"user_id":"mate","user_alias":"m"})", 403},
      {"POST", "/team/update", R"({"team_id":"red","team_alias":"m"})", 403},
  };
  const auto expect_uses = [&gateway, &kUses](const std::string& secret) {
    for (const Use& use : kUses) {
      const Sent sent = gateway.call(use.method, use.path, secret, use.body);
      EXPECT_EQ(sent.status, use.status) << use.path << " " << use.body << ": " << sent.body;
    }
    const Sent list = gateway.get("/key/list", secret);
    EXPECT_EQ(TestGateway::field(list, "total_count"), "1") << "itself: " << list.body;
    EXPECT_EQ(gateway.get("/key/aliases", secret).body, R"({"aliases":[]})");
    EXPECT_FALSE(gateway.get("/user/info", secret).holds(R"("team_id":"green")"))
        << "of others only that he is in them";
  };
  expect_uses(key);
  // So does his own key, once somebody else has renewed it, and one that was nobody's.
  const Sent renewed = gateway.post("/key/regenerate", R"({"key":"sk-red-of-mate"})", "sk-key-of-lead");
  ASSERT_EQ(renewed.status, 200) << renewed.body;
  expect_uses(TestGateway::field(renewed, "key"));
  ASSERT_EQ(gateway.post("/key/update", R"({"key":"sk-red-of-none","user_id":"mate"})", "sk-key-of-lead").status, 200);
  expect_uses("sk-red-of-none");
  // It renews itself, and stays what it is; renewed by himself it is his.
  const Sent itself = gateway.post("/key/regenerate", "{}", key);
  ASSERT_EQ(itself.status, 200) << itself.body;
  EXPECT_TRUE(itself.holds(R"("handed_over":true)")) << itself.body;
  const Sent own =
      gateway.post("/key/regenerate", R"({"key":")" + TestGateway::field(itself, "key") + R"("})", "sk-key-of-mate");
  ASSERT_EQ(own.status, 200) << own.body;
  EXPECT_FALSE(own.holds("handed_over")) << own.body;
}

TEST(PermissionFields, AKeyThatWasMadeForSomebodyIsNoAdministratorWhenHeBecomesOne) {
  TestGateway gateway;
  make_world(gateway);
  const Sent made = gateway.post("/key/generate", R"({"team_id":"red","user_id":"mate"})", "sk-key-of-lead");
  const std::string key = TestGateway::field(made, "key");
  for (const char* role : {"proxy_admin", "proxy_admin_viewer"}) {
    ASSERT_EQ(gateway.post("/user/update", R"({"user_id":"mate","user_role":")" + std::string(role) + R"("})").status,
              200);
    EXPECT_EQ(gateway.get("/user/list", key).status, 401) << role;
    EXPECT_EQ(gateway.get("/user/list", "sk-key-of-mate").status, 200) << role;
  }
}

TEST(PermissionFields, APersonalKeyMadeWithATeamsKeyHasWhatTheTeamHas) {
  TestGateway gateway;
  make_world(gateway);
  const Sent made = gateway.post("/key/generate", "{}", "sk-red-of-dev");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("models":["gpt-4o"])")) << made.body;
  EXPECT_EQ(TestGateway::field(made, "max_budget"), "10");
  const Sent moved = gateway.post("/key/update", R"({"key":"sk-red-of-dev","team_id":null})", "sk-red-of-dev");
  ASSERT_EQ(moved.status, 200) << moved.body;
  EXPECT_TRUE(moved.holds(R"("models":["gpt-4o"])")) << moved.body;
}

TEST(PermissionFields, WhomATeamAdminBringsAlongCallsWithKeysOfTheTeamOnly) {
  TestGateway gateway;
  make_world(gateway);
  ASSERT_EQ(
      gateway
          .post("/team/member_add", R"({"team_id":"red","member":{"role":"user","user_id":"new"}})", "sk-key-of-lead")
          .status,
      200);
  EXPECT_TRUE(gateway.get("/user/info?user_id=new").holds(R"("models":["no-default-models"])"));
  ASSERT_EQ(gateway.post("/team/member_add", R"({"team_id":"red","member":{"role":"user","user_id":"newer"}})").status,
            200);
  EXPECT_TRUE(gateway.get("/user/info?user_id=newer").holds(R"("models":[])")) << "the administrator's is free";
}

TEST(PermissionFields, AUserOfAnOrganisationHasWhatItHas) {
  TestGateway gateway;
  make_world(gateway);
  const Sent made =
      gateway.post("/user/new", R"({"user_id":"n","organizations":["ours"],"models":[]})", "sk-key-of-orga");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("models":["gpt-4o","fast"])")) << made.body;
  EXPECT_EQ(TestGateway::field(made, "max_budget"), "100");
  const Sent key = gateway.get("/key/info?key=" + TestGateway::field(made, "key"));
  EXPECT_EQ(TestGateway::field(key, "organization_id"), "ours");
}

TEST(PermissionFields, WithCentralIssuanceAKeyLivesAsLongAsItWasGiven) {
  TestGateway gateway;
  gateway.settings->turnpike.key_issuance = config::KeyIssuance::Central;
  gateway.use_settings();
  make_world(gateway);
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-short-of-dev","user_id":"dev","duration":"1d"})").status, 200);
  const auto change = [&gateway](const char* body) {
    return gateway.post("/key/update", body, "sk-key-of-dev").status;
  };
  EXPECT_EQ(change(R"({"key":"sk-short-of-dev","duration":"-1"})"), 403);
  EXPECT_EQ(change(R"({"key":"sk-short-of-dev","duration":"2d"})"), 403);
  EXPECT_EQ(change(R"({"key":"sk-short-of-dev","duration":"1h"})"), 200);
}

TEST(PermissionFields, KeysOfMembersLiveNoLongerThanTheTeamSays) {
  TestGateway gateway;
  make_world(gateway);
  const auto expires = [&gateway](const char* body, const char* as) {
    return TestGateway::field(gateway.post("/key/generate", body, secret_of(as)), "expires");
  };
  const std::string given = expires(R"({"team_id":"green"})", "dev");
  EXPECT_LT(expires(R"({"team_id":"green","duration":"1d"})", "dev"), given);
  EXPECT_EQ(expires(R"({"team_id":"green","duration":"90d"})", "dev").substr(0, 10), given.substr(0, 10));
  EXPECT_GT(expires(R"({"team_id":"green","duration":"90d"})", "lead"), given) << "who has said so may say otherwise";
}

TEST(PermissionFields, GetSpendRoutesOpensWhatOthersSpend) {
  TestGateway gateway;
  make_world(gateway);
  const Sent made = gateway.post(
      "/key/generate", R"({"key":"sk-accountant","permissions":{"get_spend_routes":true,"allow_pii_controls":true}})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_NE(made.fields.find("x-turnpike-unenforced-fields: permissions.allow_pii_controls"), std::string::npos)
      << made.fields;
  EXPECT_EQ(gateway.get("/spend/keys", "sk-accountant").status, 200);
  EXPECT_EQ(gateway.get("/spend/logs?user_id=dev", "sk-accountant").status, 200);
  EXPECT_EQ(gateway.get("/spend/keys", "sk-key-of-nobody").status, 401);
  EXPECT_EQ(gateway.get("/user/list", "sk-accountant").status, 401) << "and nothing else";
  ASSERT_EQ(gateway.post("/key/update", R"({"key":"sk-accountant","permissions":{"get_spend_routes":false}})").status,
            200);
  EXPECT_EQ(gateway.get("/spend/keys", "sk-accountant").status, 401);
  EXPECT_EQ(gateway.post("/key/update", R"({"key":"sk-accountant","permissions":{"get_spend_routes":"yes"}})").status,
            400);
}

}  // namespace
}  // namespace turnpike::api::permission_fields_test
