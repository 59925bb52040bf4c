#include <gtest/gtest.h>

#include "api/test_gateway.h"

namespace turnpike::api::teams_test {
namespace {

/// One request of a story and what its answer holds. "{...}" bodies are sent by POST, an empty one is a GET.
struct Step {
  const char* what;
  const char* target;
  const char* body;
  int status;
  const char* holds;
};

void run(TestGateway& gateway, std::span<const Step> steps, const std::string& key = TestGateway::kMaster) {
  for (const Step& step : steps) {
    const Sent sent = *step.body == '\0' ? gateway.get(step.target, key) : gateway.post(step.target, step.body, key);
    EXPECT_EQ(sent.status, step.status) << step.what << ": " << sent.body;
    EXPECT_TRUE(sent.holds(step.holds)) << step.what << ": " << sent.body;
  }
}

std::string key_of(TestGateway& gateway, const std::string& body) {
  const Sent made = gateway.post("/key/generate", body);
  EXPECT_EQ(made.status, 200) << made.body;
  return TestGateway::field(made, "key");
}

TEST(Teams, AreMadeChangedAndShown) {
  TestGateway gateway;
  const Step steps[] = {
      {"made", "/team/new", R"({"team_id":"t1","team_alias":"red","models":["gpt-4o"],"max_budget":5})", 200,
       R"("max_budget":5)"},
      {"an id is made", "/team/new", "{}", 200, R"("members_with_roles":[])"},
      {"an id only once", "/team/new", R"({"team_id":"t1"})", 400,
       "Team id = t1 already exists. Please use a different team id."},
      {"a warning comes before the end", "/team/new", R"({"max_budget":5,"soft_budget":5})", 400,
       "must be strictly lower than max_budget"},
      {"no promise that is not kept", "/team/new", R"({"guardrails":["pii"]})", 400, R"("param":"guardrails")"},
      {"nor below metadata", "/team/new", R"({"metadata":{"guardrails":["pii"]}})", 400, R"("param":"guardrails")"},
      {"an organisation has to be there", "/team/new", R"({"organization_id":"nobody"})", 400,
       "Organization not found"},
      {"a wrong type is named", "/team/new", R"({"models":"gpt-4o"})", 400, R"("param":"models")"},
      {"permissions are known ones", "/team/new", R"({"team_member_permissions":["/key/everything"]})", 400,
       R"("param":"team_member_permissions")"},
      {"aliases are texts", "/team/new", R"({"model_aliases":{"fast":1}})", 400, R"("param":"model_aliases")"},
      {"only what is sent changes", "/team/update", R"({"team_id":"t1","team_alias":"crimson"})", 200,
       R"("models":["gpt-4o"])"},
      {"its answer is wrapped", "/team/update", R"({"team_id":"t1","model_aliases":{"quick":"gpt-4o"}})", 200,
       R"({"team_id":"t1","data":{"team_id":"t1","team_alias":"crimson")"},
      {"aliases below their table", "/team/info?team_id=t1", "", 200,
       R"("litellm_model_table":{"model_aliases":{"quick":"gpt-4o"}})"},
      {"a duration says when it begins anew", "/team/update", R"({"team_id":"t1","budget_duration":"1d"})", 200,
       R"(T00:00:00.000000Z","model_max_budget")"},
      {"without one it does not", "/team/update", R"({"team_id":"t1","budget_duration":null})", 200,
       R"("budget_reset_at":null)"},
      {"null clears", "/team/update", R"({"team_id":"t1","max_budget":null})", 200, R"("max_budget":null)"},
      {"nobody's team", "/team/update", R"({"team_id":"t9"})", 404, "Team not found, passed team_id=t9"},
      {"no id", "/team/update", "{}", 400, R"("param":"team_id")"},
      {"info of nobody's", "/team/info?team_id=t9", "", 404, "Team not found"},
      {"info without id", "/team/info", "", 400, R"("param":"team_id")"},
      {"blocked", "/team/block", R"({"team_id":"t1"})", 200, R"("blocked":true)"},
      {"unblocked", "/team/unblock", R"({"team_id":"t1"})", 200, R"("blocked":false)"},
      {"a model more", "/team/model/add", R"({"team_id":"t1","models":["fast","gpt-4o"]})", 200,
       R"("models":["gpt-4o","fast"])"},
      {"a model less", "/team/model/delete", R"({"team_id":"t1","models":["gpt-4o"]})", 200, R"("models":["fast"])"},
      {"the last one would open all", "/team/model/delete", R"({"team_id":"t1","models":["fast"]})", 400,
       "An empty list means every model"},
      {"permissions", "/team/permissions_list?team_id=t1", "", 200,
       R"("team_member_permissions":["/key/info","/key/health"],"all_available_permissions":["/key/generate")"},
      {"others", "/team/permissions_update", R"({"team_id":"t1","team_member_permissions":["/key/generate"]})", 200,
       R"("team_member_permissions":["/key/generate"])"},
      {"none that are not known", "/team/permissions_update", R"({"team_id":"t1","team_member_permissions":["x"]})",
       400, R"("param":"team_member_permissions")"},
      {"callbacks", "/team/t1/callback", "", 200, R"("success_callbacks":[],"failure_callbacks":[])"},
      {"are not called yet", "/team/t1/callback", R"({"callback_name":"langfuse","callback_vars":{}})", 400,
       R"("param":"callback_name")"},
      {"and off", "/team/t1/disable_logging", "{}", 200, "Logging disabled for team t1"},
  };
  run(gateway, steps);
  const Sent limits = gateway.post(
      "/team/update", R"({"team_id":"t1","rpm_limit":5,"rpm_limit_type":"dynamic","prompts":["p"],"odd":1})");
  EXPECT_NE(limits.fields.find("x-turnpike-unenforced-fields: prompts"), std::string::npos) << limits.fields;
  EXPECT_NE(limits.fields.find("x-turnpike-ignored-fields: odd"), std::string::npos) << limits.fields;
}

TEST(Teams, AreListedByPageAndFilter) {
  TestGateway gateway;
  const Step steps[] = {
      {"one", "/team/new", R"({"team_id":"t1","team_alias":"red","admins":["ann"]})", 200, R"("admins":["ann"])"},
      {"two", "/team/new", R"({"team_id":"t2","team_alias":"Dark Red"})", 200, ""},
      {"three", "/team/new", R"({"team_id":"t3","team_alias":"blue"})", 200, ""},
      {"all", "/team/list", "", 200, R"("team_id":"t3")"},
      {"of a user", "/team/list?user_id=ann", "", 200, R"([{"team_id":"t1")"},
      {"of nobody", "/team/list?user_id=nobody", "", 200, "[]"},
      {"a page", "/v2/team/list?page_size=2&page=2", "", 200, R"("total":3,"page":2,"page_size":2,"total_pages":2)"},
      {"part of a name", "/v2/team/list?team_alias=red", "", 200, R"("total":2)"},
      {"sorted", "/v2/team/list?sort_by=team_id&sort_order=desc", "", 200, R"({"teams":[{"team_id":"t3")"},
      {"by nothing else", "/v2/team/list?sort_by=secret", "", 400, R"("param":"sort_by")"},
      {"while typing", "/team/filter/ui?team_alias=blu", "", 200, R"("team_id":"t3")"},
      {"deleted", "/team/delete", R"({"team_ids":["t3"]})", 200, R"([{"team_id":"t3")"},
      {"remembered", "/v2/team/list?status=deleted", "", 200, R"("deleted_by":"default_user_id")"},
      {"gone", "/v2/team/list", "", 200, R"("total":2)"},
      {"all of them or none", "/team/delete", R"({"team_ids":["t2","t3"]})", 404, "passed team_id=t3"},
      {"still there", "/team/info?team_id=t2", "", 200, R"("team_id":"t2")"},
      {"at least one", "/team/delete", R"({"team_ids":[]})", 400, R"("param":"team_ids")"},
  };
  run(gateway, steps);
}

TEST(TeamMembers, ComeGoAndHaveBudgets) {
  TestGateway gateway;
  const Step steps[] = {
      {"a team whose members may spend 2", "/team/new", R"({"team_id":"t1","team_alias":"red","team_member_budget":2})",
       200, R"("team_member_budget_id":"team-red-budget-)"},
      {"a user nobody knew", "/team/member_add", R"({"team_id":"t1","member":{"role":"admin","user_id":"ann"}})", 200,
       R"("members_with_roles":[{"user_id":"ann","user_email":null,"role":"admin"}])"},
      {"held to the shared budget", "/team/info?team_id=t1", "", 200, R"("budget_id":"team-red-budget-)"},
      {"two at once, by address", "/team/member_add",
       R"({"team_id":"t1","member":[{"role":"user","user_email":"b@x.test"},{"role":"user","user_id":"cid"}]})", 200,
       R"("updated_users":[{"user_id":)"},
      {"once is enough", "/team/member_add", R"({"team_id":"t1","member":{"role":"user","user_id":"ann"}})", 400,
       R"("type":"team_member_already_in_team")"},
      {"by address too", "/team/member_add", R"({"team_id":"t1","member":{"role":"user","user_email":"b@x.test"}})",
       400, "already in team"},
      {"a role that is none", "/team/member_add", R"({"team_id":"t1","member":{"role":"king","user_id":"dan"}})", 400,
       R"("param":"role")"},
      {"somebody", "/team/member_add", R"({"team_id":"t1","member":{"role":"user"}})", 400, R"("param":"user_id")"},
      {"a budget of his own", "/team/member_add",
       R"({"team_id":"t1","member":{"role":"user","user_id":"dan"},"max_budget_in_team":0.5})", 200,
       R"("max_budget":0.5)"},
      {"made one of his own", "/team/member_update", R"({"team_id":"t1","user_id":"cid","max_budget_in_team":7})", 200,
       R"("user_id":"cid","user_email":null,"role":"user","max_budget_in_team":7)"},
      {"which is not the others'", "/team/member_update", R"({"team_id":"t1","user_id":"ann","role":"user"})", 200,
       R"("max_budget_in_team":2)"},
      {"nobody's", "/team/member_update", R"({"team_id":"t1","user_id":"eve"})", 400, "User=eve not found in team=t1"},
      {"not named", "/team/member_delete", R"({"team_id":"t1"})", 400, "Either user_id or user_email"},
      {"gone by address", "/team/member_delete", R"({"team_id":"t1","user_email":"b@x.test"})", 200,
       R"("team_id":"t1")"},
      {"only once", "/team/member_delete", R"({"team_id":"t1","user_email":"b@x.test"})", 400, R"("param":"user_)"},
      {"many", "/team/bulk_member_add",
       R"({"team_id":"t1","members":[{"role":"user","user_id":"ann"},{"role":"user","user_id":"fay"}]})", 200,
       R"("total_requested":2,"successful_additions":1,"failed_additions":1)"},
      {"everybody", "/team/bulk_member_add", R"({"team_id":"t1","all_users":true})", 200, R"("failed_additions":0)"},
      {"the budget is ours to link", "/team/update", R"({"team_id":"t1","metadata":{"team_member_budget_id":"x"}})",
       400, R"("param":"metadata")"},
  };
  run(gateway, steps);
}

TEST(TeamMembers, TakeTheirKeysWithThem) {
  TestGateway gateway;
  gateway.post("/team/new", R"({"team_id":"t1","members":["ann","bob"]})");
  const std::string anns = key_of(gateway, R"({"team_id":"t1","user_id":"ann"})");
  const std::string bobs = key_of(gateway, R"({"team_id":"t1","user_id":"bob"})");
  const std::string own = key_of(gateway, R"({"user_id":"ann"})");
  const std::string teams = key_of(gateway, R"({"team_id":"t1"})");
  EXPECT_EQ(gateway.post("/team/member_delete", R"({"team_id":"t1","user_id":"ann"})").status, 200);
  EXPECT_EQ(gateway.get("/v1/models", anns).status, 401);
  EXPECT_EQ(gateway.get("/v1/models", own).status, 200) << "only those of the team go";
  EXPECT_EQ(gateway.get("/v1/models", bobs).status, 200);
  EXPECT_EQ(gateway.post("/team/delete", R"({"team_ids":["t1"]})").status, 200);
  EXPECT_EQ(gateway.get("/v1/models", bobs).status, 401);
  EXPECT_EQ(gateway.get("/v1/models", teams).status, 401);
  EXPECT_EQ(gateway.get("/v1/models", own).status, 200);
}

TEST(Teams, AreTheirAdminsToShareOutAndNotToEnlarge) {
  TestGateway gateway;
  gateway.post("/team/new", R"({"team_id":"t1","models":["gpt-4o","fast"],"max_budget":5,"rpm_limit":9,
      "members_with_roles":[{"role":"admin","user_id":"ann"},{"role":"user","user_id":"bob"}]})");
  gateway.post("/team/new", R"({"team_id":"t2","admins":["zoe"]})");
  const std::string admin = key_of(gateway, R"({"user_id":"ann"})");
  const std::string member = key_of(gateway, R"({"user_id":"bob"})");
  const std::string loner = key_of(gateway, R"({"team_id":"t1"})");
  const Step admins[] = {
      {"sees his team", "/team/info?team_id=t1", "", 200, R"("team_id":"t1")"},
      {"and no other", "/team/info?team_id=t2", "", 403, "not allowed to access this team's info"},
      {"lists his own", "/team/list", "", 200, R"([{"team_id":"t1")"},
      {"not of others", "/team/list?user_id=zoe", "", 401, R"("param":"user_id")"},
      {"renames it", "/team/update", R"({"team_id":"t1","team_alias":"mine"})", 200, R"("team_alias":"mine")"},
      {"a smaller budget", "/team/update", R"({"team_id":"t1","max_budget":4})", 200, R"("max_budget":4)"},
      {"no larger one", "/team/update", R"({"team_id":"t1","max_budget":6})", 403, R"("param":"max_budget")"},
      {"nor none", "/team/update", R"({"team_id":"t1","max_budget":null})", 403, R"("param":"max_budget")"},
      {"no faster one", "/team/update", R"({"team_id":"t1","rpm_limit":10})", 403, R"("param":"rpm_limit")"},
      {"no other model", "/team/update", R"({"team_id":"t1","models":["gpt-4o","o1"]})", 403, R"("param":"models")"},
      {"nor all models", "/team/update", R"({"team_id":"t1","models":[]})", 403, R"("param":"models")"},
      {"nor by adding", "/team/model/add", R"({"team_id":"t1","models":["o1"]})", 403, R"("param":"models")"},
      {"fewer models", "/team/model/delete", R"({"team_id":"t1","models":["fast"]})", 200, R"("models":["gpt-4o"])"},
      {"no blocking", "/team/block", R"({"team_id":"t1"})", 403, "block and unblock"},
      {"nor by update", "/team/update", R"({"team_id":"t1","blocked":true})", 403, R"("param":"blocked")"},
      {"new members", "/team/member_add", R"({"team_id":"t1","member":{"role":"user","user_id":"cid"}})", 200,
       R"("user_id":"cid")"},
      {"not in other teams", "/team/member_add", R"({"team_id":"t2","member":{"role":"admin","user_id":"ann"}})", 403,
       "is not an admin of team=t2"},
      {"not many", "/team/bulk_member_add", R"({"team_id":"t1","all_users":true})", 401, "Only proxy admin"},
      {"no team of his own", "/team/new", "{}", 403, R"("param":"organization_id")"},
      {"does not delete others", "/team/delete", R"({"team_ids":["t2"]})", 403, "is not an admin"},
      {"no audit log", "/audit", "", 401, "Only proxy admin"},
  };
  run(gateway, admins, admin);
  const Step members[] = {
      {"sees his team", "/team/info?team_id=t1", "", 200, R"("keys":[])"},
      {"changes nothing", "/team/update", R"({"team_id":"t1","team_alias":"ours"})", 403, "is not an admin of team=t1"},
      {"makes nobody admin", "/team/member_update", R"({"team_id":"t1","user_id":"bob","role":"admin"})", 403,
       "is not an admin of team=t1"},
      {"sends nobody away", "/team/member_delete", R"({"team_id":"t1","user_id":"ann"})", 403, "is not an admin"},
  };
  run(gateway, members, member);
  const Step keys[] = {
      {"a key of the team reads it", "/team/info?team_id=t1", "", 200, R"("team_id":"t1")"},
      {"and only it", "/team/list", "", 200, R"([{"team_id":"t1")"},
      {"and changes nothing", "/team/update", R"({"team_id":"t1","team_alias":"ours"})", 401, "Only proxy admin"},
  };
  run(gateway, keys, loner);
}

TEST(Teams, ThatAreOpenAreJoinedByAnybodyForHimself) {
  TestGateway gateway;
  gateway.settings->litellm.available_teams = {"open"};
  gateway.use_settings();
  gateway.post("/team/new", R"({"team_id":"open","team_alias":"everybody"})");
  gateway.post("/team/new", R"({"team_id":"closed","members":["ann"]})");
  const Step steps[] = {
      {"shown", "/team/available", "", 200, R"([{"team_id":"open","team_alias":"everybody")"},
      {"not as its admin", "/team/member_add", R"({"team_id":"open","member":{"role":"admin","user_id":"ann"}})", 403,
       "is not an admin"},
      {"not for others", "/team/member_add", R"({"team_id":"open","member":{"role":"user","user_id":"bob"}})", 403,
       "is not an admin"},
      {"for himself", "/team/member_add", R"({"team_id":"open","member":{"role":"user","user_id":"ann"}})", 200,
       R"("members":["ann"])"},
      {"then it is his", "/team/available", "", 200, "[]"},
      {"and out again", "/team/member_delete", R"({"team_id":"open","user_id":"ann"})", 200, R"("members":[])"},
  };
  run(gateway, steps, key_of(gateway, R"({"user_id":"ann"})"));
}

TEST(Audit, TellsWhoChangedWhatInWhichRequest) {
  TestGateway gateway;
  const Sent made = gateway.call("POST", "/team/new", TestGateway::kMaster, R"({"team_id":"t1","team_alias":"red"})",
                                 {{"litellm-changed-by", "=Olga, \"the\" admin"}});
  ASSERT_EQ(made.status, 200) << made.body;
  gateway.post("/team/update", R"({"team_id":"t1","team_alias":"blue"})");
  gateway.post("/team/block", R"({"team_id":"t1"})");
  const Sent first = gateway.get("/audit?action=created&table_name=LiteLLM_TeamTable");
  EXPECT_TRUE(first.holds(R"("changed_by":"=Olga, \"the\" admin")")) << first.body;
  EXPECT_TRUE(first.holds(R"("before_value":null,"updated_values":{"team_id":"t1","team_alias":"red")")) << first.body;
  EXPECT_NE(made.fields.find("x-request-id: " + TestGateway::field(first, "request_id")), std::string::npos);
  const std::string id = TestGateway::field(first, "id");
  const Step steps[] = {
      {"what was before", "/audit?action=updated", "", 200, R"("before_value":{"team_id":"t1","team_alias":"red")"},
      {"the latest first", "/audit?object_id=t1&page_size=1", "", 200, R"({"audit_logs":[{"id")"},
      {"pages", "/audit?object_id=t1&page_size=1&page=3", "", 200,
       R"("total":3,"page":3,"page_size":1,"total_pages":3)"},
      {"by time", "/audit?object_id=t1&end_date=2020-01-01", "", 200, R"("total":0)"},
      {"from a day on", "/audit?object_id=t1&start_date=2020-01-01", "", 200, R"("total":3)"},
      {"no other order", "/audit?sort_by=before_value", "", 400, R"("param":"sort_by")"},
      {"no other time", "/audit?start_date=yesterday", "", 400, R"("param":"start_date")"},
      {"lines", "/audit?format=jsonl&object_id=t1&action=blocked", "", 200, R"("action":"blocked")"},
      {"no such line", "/audit/none", "", 404, "not found"},
  };
  run(gateway, steps);
  EXPECT_TRUE(gateway.get("/audit/" + id).holds(R"("action":"created")"));
  const Sent csv = gateway.get("/audit?format=csv&object_id=t1&action=created");
  EXPECT_EQ(csv.type, "text/csv; charset=utf-8");
  EXPECT_TRUE(csv.holds(R"("'=Olga, ""the"" admin")")) << "no formula, quotes doubled: " << csv.body;
}

TEST(Audit, CanBeSwitchedOff) {
  TestGateway gateway;
  gateway.settings->litellm.store_audit_logs = false;
  gateway.use_settings();
  EXPECT_EQ(gateway.post("/team/new", R"({"team_id":"t1"})").status, 200);
  EXPECT_TRUE(gateway.get("/audit").holds(R"("total":0)"));
}

}  // namespace
}  // namespace turnpike::api::teams_test
