#include <gtest/gtest.h>

#include "api/test_gateway.h"

namespace turnpike::api::organizations_test {
namespace {

constexpr const char* kOne = R"({"organization_id":"o1","organization_alias":"One","max_budget":10)";

Sent make_one(TestGateway& gateway, const std::string& more = {}) {
  return gateway.post("/organization/new", kOne + more + "}");
}

std::int64_t count_of(TestGateway& gateway, const std::string& table) {
  std::int64_t count = -1;
  EXPECT_TRUE(gateway.database->transact_now([&](db::Transaction& transaction) -> Status {
    const Result<db::Rows> rows = transaction.run("SELECT count(*) FROM " + table, {});
    if (!rows) return base::fail(rows.error());
    count = db::as_int(rows->rows.at(0).at(0));
    return {};
  }));
  return count;
}

TEST(Organizations, HaveTheirLimitsInABudget) {
  TestGateway gateway;
  const Sent made = make_one(gateway, R"(,"tpm_limit":100,"models":["fast"])");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("litellm_budget_table":{"budget_id":)")) << made.body;
  EXPECT_TRUE(made.holds(R"("max_budget":10)"));
  EXPECT_TRUE(made.holds(R"("tpm_limit":100)"));
  EXPECT_TRUE(made.fields.find("unenforced") == std::string::npos) << made.fields;
  EXPECT_TRUE(made.fields.find("ignored") == std::string::npos) << made.fields;

  const Sent changed = gateway.call("PATCH", "/organization/update", TestGateway::kMaster,
                                    R"({"organization_id":"o1","max_budget":20,"organization_alias":"Uno"})");
  ASSERT_EQ(changed.status, 200) << changed.body;
  EXPECT_TRUE(changed.holds(R"("max_budget":20)")) << changed.body;
  EXPECT_TRUE(changed.holds(R"("models":["fast"])"));
  EXPECT_EQ(count_of(gateway, "budget"), 1);
  ASSERT_FALSE(gateway.ledger.limits.empty());
  EXPECT_EQ(gateway.ledger.limits.begin()->second, Money::from_nano(20'000'000'000));

  EXPECT_TRUE(gateway.get("/organization/list?org_alias=un").holds(R"("organization_id":"o1")"));
  EXPECT_EQ(gateway.get("/organization/list?org_id=o2").body, "[]");
  EXPECT_EQ(gateway.get("/organization/info?organization_id=o2").status, 404);
  EXPECT_TRUE(gateway.post("/organization/info", R"({"organizations":["o1"]})").body.starts_with("[{"));
  EXPECT_EQ(make_one(gateway).status, 400);
  EXPECT_EQ(gateway.post("/organization/new", "{}").status, 400);
}

TEST(Organizations, TakeABudgetThatIsThere) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/budget/new", R"({"budget_id":"b1","max_budget":3})").status, 200);
  const auto make = [&](const char* rest) {
    return gateway.post("/organization/new", std::string(R"({"organization_alias":"x",)") + rest + "}");
  };
  EXPECT_TRUE(make(R"("budget_id":"b1")").holds(R"("max_budget":3)"));
  EXPECT_EQ(make(R"("budget_id":"none")").status, 404);
  EXPECT_EQ(make(R"("budget_id":"b1","max_budget":4)").status, 400);
  // One edit of the budget reaches whoever is linked to it.
  ASSERT_EQ(gateway.post("/budget/update", R"({"budget_id":"b1","max_budget":6})").status, 200);
  ASSERT_FALSE(gateway.ledger.limits.empty());
  EXPECT_EQ(gateway.ledger.limits.rbegin()->second, Money::from_nano(6'000'000'000));
  const Sent used = gateway.post("/budget/delete", R"({"id":"b1"})");
  EXPECT_EQ(used.status, 400);
  EXPECT_TRUE(used.holds("is in use by 1")) << used.body;
}

TEST(OrganizationMembers, ComeChangeAndGo) {
  TestGateway gateway;
  ASSERT_EQ(make_one(gateway).status, 200);
  const Sent added = gateway.post(
      "/organization/member_add",
      R"({"organization_id":"o1","member":[{"role":"org_admin","user_id":"boss"},{"role":"internal_user","user_email":"w@x.org"}],"max_budget_in_organization":2})");
  ASSERT_EQ(added.status, 200) << added.body;
  EXPECT_TRUE(added.holds(R"("user_id":"boss")")) << added.body;
  EXPECT_TRUE(added.holds(R"("user_email":"w@x.org")"));
  EXPECT_TRUE(added.holds(R"("user_role":"org_admin")"));
  EXPECT_TRUE(added.holds(R"("max_budget":2)"));
  EXPECT_EQ(count_of(gateway, "organization_member"), 2);
  EXPECT_EQ(count_of(gateway, "internal_user"), 2);

  struct MemberCase {
    const char* method;
    const char* path;
    const char* body;
    int status;
  };
  const MemberCase refused[] = {
      {"POST", "/organization/member_add", R"({"organization_id":"o1","member":{"role":"org_admin","user_id":"boss"}})",
       400},
      {"POST", "/organization/member_add", R"({"organization_id":"o1","member":{"role":"king","user_id":"k"}})", 400},
      {"POST", "/organization/member_add", R"({"organization_id":"o1","member":{"user_id":"k"}})", 400},
      {"POST", "/organization/member_add", R"({"organization_id":"o1","member":{"role":"internal_user"}})", 400},
      {"POST", "/organization/member_add", R"({"organization_id":"o1"})", 400},
      {"POST", "/organization/member_add", R"({"organization_id":"o9","member":{"role":"org_admin","user_id":"k"}})",
       404},
      {"PATCH", "/organization/member_update", R"({"organization_id":"o1","user_id":"nobody"})", 404},
      {"DELETE", "/organization/member_delete", R"({"organization_id":"o1","user_id":"nobody"})", 404},
  };
  for (const MemberCase& c : refused) {
    const Sent sent = gateway.call(c.method, c.path, TestGateway::kMaster, c.body);
    EXPECT_EQ(sent.status, c.status) << c.path << " " << c.body << ": " << sent.body;
  }
  EXPECT_EQ(count_of(gateway, "internal_user"), 2) << "what is refused makes nobody";

  const Sent changed = gateway.call(
      "PATCH", "/organization/member_update", TestGateway::kMaster,
      R"({"organization_id":"o1","user_email":"w@x.org","role":"internal_user_viewer","max_budget_in_organization":4})");
  EXPECT_TRUE(changed.holds(R"("user_role":"internal_user_viewer")")) << changed.body;
  EXPECT_TRUE(changed.holds(R"("max_budget":4)"));
  const Sent gone = gateway.call("DELETE", "/organization/member_delete", TestGateway::kMaster,
                                 R"({"organization_id":"o1","user_id":"boss"})");
  EXPECT_EQ(gone.status, 200) << gone.body;
  EXPECT_EQ(count_of(gateway, "organization_member"), 1);
}

TEST(OrganizationAdmins, ManageTheirsAndNoOther) {
  TestGateway gateway;
  ASSERT_EQ(make_one(gateway).status, 200);
  ASSERT_EQ(gateway.post("/organization/new", R"({"organization_id":"o2","organization_alias":"Two"})").status, 200);
  const Sent user = gateway.post("/user/new", R"({"user_id":"boss"})");
  const std::string key = TestGateway::field(user, "key");
  ASSERT_EQ(gateway
                .post("/organization/member_add",
                      R"({"organization_id":"o1","member":{"role":"org_admin","user_id":"boss"}})")
                .status,
            200);
  struct AdminCase {
    const char* method;
    const char* path;
    const char* body;
    int status;
  };
  const AdminCase cases[] = {
      {"GET", "/organization/info?organization_id=o1", "", 200},
      {"GET", "/organization/info?organization_id=o2", "", 403},
      {"POST", "/organization/info", R"({"organizations":["o1","o2"]})", 403},
      {"PATCH", "/organization/update", R"({"organization_id":"o1","organization_alias":"Mine"})", 200},
      {"PATCH", "/organization/update", R"({"organization_id":"o1","max_budget":1000})", 403},
      {"PATCH", "/organization/update", R"({"organization_id":"o1","budget_id":"b"})", 403},
      {"PATCH", "/organization/update", R"({"organization_id":"o2","organization_alias":"Mine"})", 403},
      {"DELETE", "/organization/delete", R"({"organization_ids":["o1"]})", 401},
      {"POST", "/organization/member_add",
       R"({"organization_id":"o1","member":{"role":"internal_user","user_id":"w"}})", 200},
      {"POST", "/organization/member_add", R"({"organization_id":"o2","member":{"role":"org_admin","user_id":"boss"}})",
       403},
      {"DELETE", "/organization/member_delete", R"({"organization_id":"o2","user_id":"boss"})", 403},
      {"POST", "/user/new", R"({"user_id":"n1","organizations":["o1"],"max_budget":1})", 200},
      {"POST", "/user/new", R"({"user_id":"n2","organizations":["o1","o2"]})", 403},
      {"POST", "/user/new", R"({"user_id":"n3","organizations":["o1"],"user_role":"proxy_admin"})", 403},
      {"GET", "/user/info?user_id=n1", "", 200},
      {"POST", "/user/update", R"({"user_id":"n1","max_budget":50})", 403},
      {"GET", "/user/filter/ui?user_id=n", "", 200},
  };
  for (const AdminCase& c : cases) {
    const Sent sent = gateway.call(c.method, c.path, key, c.body);
    EXPECT_EQ(sent.status, c.status) << c.method << " " << c.path << " " << c.body << ": " << sent.body;
  }
  const Sent own = gateway.get("/organization/list", key);
  EXPECT_TRUE(own.holds("\"o1\"")) << own.body;
  EXPECT_FALSE(own.holds("\"o2\"")) << own.body;
}

TEST(OrganizationDelete, TakesEverythingBelowAlong) {
  TestGateway gateway;
  ASSERT_EQ(make_one(gateway).status, 200);
  ASSERT_EQ(gateway.post("/team/new", R"({"team_id":"t1","organization_id":"o1"})").status, 200);
  ASSERT_EQ(gateway.post("/key/generate", R"({"team_id":"t1"})").status, 200);
  ASSERT_EQ(gateway.post("/key/generate", R"({"organization_id":"o1"})").status, 200);
  ASSERT_EQ(gateway.post("/key/generate", R"({"key_alias":"stays"})").status, 200);
  ASSERT_EQ(gateway.post("/user/new", R"({"user_id":"u","organizations":["o1"],"auto_create_key":false})").status, 200);
  const auto remove = [&](const char* body) {
    return gateway.call("DELETE", "/organization/delete", TestGateway::kMaster, body);
  };
  EXPECT_EQ(remove(R"({"organization_ids":["o1","o9"]})").status, 404);
  EXPECT_EQ(count_of(gateway, "organization"), 1) << "all or nothing";
  const Sent gone = remove(R"({"organization_ids":["o1"]})");
  ASSERT_EQ(gone.status, 200) << gone.body;
  EXPECT_TRUE(gone.body.starts_with(R"([{"organization_id":"o1")")) << gone.body;
  for (const char* table : {"organization", "team", "team_member", "organization_member"}) {
    EXPECT_EQ(count_of(gateway, table), 0) << table;
  }
  EXPECT_EQ(count_of(gateway, "verification_key"), 1);
  EXPECT_EQ(count_of(gateway, "internal_user"), 1) << "a user is nobody's property";
}

TEST(Budgets, AreRowsOfTheirOwn) {
  TestGateway gateway;
  const Sent made =
      gateway.post("/budget/new", R"({"budget_id":"b1","max_budget":3,"budget_duration":"1h","rpm_limit":5})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_NE(TestGateway::field(made, "budget_reset_at"), "null");
  EXPECT_EQ(gateway.post("/budget/new", R"({"budget_id":"b1"})").status, 400);
  EXPECT_EQ(gateway.post("/budget/new", R"({"max_budget":-1})").status, 400);
  EXPECT_TRUE(gateway.post("/budget/update", R"({"budget_id":"b1","budget_duration":null})")
                  .holds(R"("budget_reset_at":null)"));
  EXPECT_EQ(gateway.post("/budget/update", R"({"budget_id":"b9"})").status, 404);
  EXPECT_TRUE(gateway.post("/budget/info", R"({"budgets":["b1","b9"]})").body.starts_with(R"([{"budget_id":"b1")"));
  EXPECT_TRUE(gateway.get("/budget/list").holds(R"("budget_id":"b1")"));
  const Sent settings = gateway.get("/budget/settings?budget_id=b1");
  EXPECT_TRUE(settings.holds(R"("field_name":"max_budget","field_type":"Float")")) << settings.body;
  EXPECT_TRUE(settings.holds(R"("field_value":3,"stored_in_db":true)")) << settings.body;
  EXPECT_TRUE(gateway.post("/budget/delete", R"({"id":"b1"})").holds(R"("budget_id":"b1")"));
  EXPECT_EQ(gateway.post("/budget/delete", R"({"id":"b1"})").status, 404);
}

TEST(Customers, AreTheSameUnderBothNames) {
  TestGateway gateway;
  const Sent made = gateway.post("/customer/new", R"({"user_id":"c1","alias":"Cee","max_budget":2})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("litellm_budget_table":{)")) << made.body;
  EXPECT_TRUE(made.holds(R"("blocked":false)"));
  EXPECT_EQ(gateway.post("/end_user/new", R"({"user_id":"c1"})").status, 400);
  EXPECT_EQ(gateway.post("/customer/new", "{}").status, 400);
  EXPECT_EQ(gateway.post("/customer/new", R"({"user_id":"c2","allowed_model_region":"mars"})").status, 400);
  EXPECT_TRUE(gateway.get("/end_user/info?end_user_id=c1").holds(R"("alias":"Cee")"));

  const Sent unknown = gateway.get("/customer/info?end_user_id=c9");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(TestGateway::field(unknown, "type"), "not_found");
  EXPECT_EQ(TestGateway::field(unknown, "param"), "end_user_id");
  EXPECT_TRUE(unknown.holds("End User Id=c9 does not exist in db"));
  const Sent lost = gateway.post("/customer/update", R"({"user_id":"c9","alias":"x"})");
  EXPECT_EQ(lost.status, 404);
  EXPECT_EQ(TestGateway::field(lost, "param"), "user_id");

  EXPECT_TRUE(gateway.post("/customer/update", R"({"user_id":"c1","max_budget":5})").holds(R"("max_budget":5)"));
  ASSERT_FALSE(gateway.ledger.limits.empty());
  EXPECT_EQ(gateway.ledger.limits.begin()->second, Money::from_nano(5'000'000'000));
  const Sent blocked = gateway.post("/customer/block", R"({"user_ids":["c1","c3"]})");
  EXPECT_TRUE(blocked.holds(R"("blocked_users":[{"user_id":"c1")")) << blocked.body;
  EXPECT_TRUE(gateway.get("/customer/info?end_user_id=c3").holds(R"("blocked":true)"));
  EXPECT_EQ(gateway.post("/customer/unblock", R"({"user_ids":["c1"]})").status, 200);
  EXPECT_TRUE(gateway.get("/customer/list").holds(R"("user_id":"c3")"));
  const Sent gone = gateway.post("/customer/delete", R"({"user_ids":["c1","c3"]})");
  EXPECT_TRUE(gone.holds(R"("deleted_customers":2)")) << gone.body;
  EXPECT_EQ(count_of(gateway, "end_user"), 0);
}

TEST(Tags, HaveModelsAndABudget) {
  TestGateway gateway;
  const Sent made = gateway.post("/tag/new", R"({"name":"prod","description":"live","max_budget":9})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("message":"Tag prod created successfully","tag":{"name":"prod","description":"live")"))
      << made.body;
  EXPECT_EQ(gateway.post("/tag/new", R"({"name":"prod"})").status, 400);
  EXPECT_TRUE(gateway.post("/tag/update", R"({"name":"prod","max_budget":null})").holds(R"("max_budget":null)"));
  EXPECT_EQ(gateway.post("/tag/update", R"({"name":"none"})").status, 404);
  EXPECT_TRUE(gateway.post("/tag/info", R"({"names":["prod"]})").body.starts_with(R"({"prod":{"name":"prod")"));
  EXPECT_EQ(gateway.post("/tag/info", R"({"names":["none"]})").status, 404);
  EXPECT_TRUE(gateway.get("/tag/list").body.starts_with(R"([{"name":"prod")"));
  EXPECT_TRUE(gateway.post("/tag/delete", R"({"name":"prod"})").holds("deleted successfully"));
  EXPECT_EQ(gateway.get("/tag/list").body, "[]");
}

}  // namespace
}  // namespace turnpike::api::organizations_test
