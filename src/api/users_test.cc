#include <gtest/gtest.h>

#include "api/test_gateway.h"
#include "base/text.h"

namespace turnpike::api::users_test {
namespace {

constexpr const char* kUser = R"({"user_id":"u1","user_email":"u1@example.com","key_alias":"first")";

Sent make_user(TestGateway& gateway, const std::string& more = {}) {
  return gateway.post("/user/new", kUser + more + "}");
}

/// One value of the database.
std::string value_of(TestGateway& gateway, const std::string& sql) {
  std::string value = "(none)";
  EXPECT_TRUE(gateway.database->transact_now([&](db::Transaction& transaction) -> Status {
    const Result<db::Rows> rows = transaction.run(sql, {});
    if (!rows) return base::fail(rows.error());
    if (!rows->rows.empty()) {
      const db::Value& first = rows->rows[0].at(0);
      value = std::holds_alternative<std::int64_t>(first) ? std::to_string(db::as_int(first)) : db::as_text(first);
    }
    return {};
  }));
  return value;
}

TEST(UserNew, MakesTheUserAndAKeyOfHis) {
  TestGateway gateway;
  const Sent made = make_user(gateway, R"(,"max_budget":5,"models":["fast"],"budget_duration":"1d")");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string key = TestGateway::field(made, "key");
  EXPECT_TRUE(key.starts_with("sk-"));
  EXPECT_TRUE(made.holds(R"("user_id":"u1")"));
  EXPECT_TRUE(made.holds(R"("user_role":"internal_user")"));
  EXPECT_TRUE(made.holds(R"("max_budget":5)")) << made.body;
  EXPECT_TRUE(made.holds(R"("key_alias":"first")"));
  EXPECT_TRUE(made.fields.find("unenforced") == std::string::npos) << made.fields;
  const std::optional<std::int64_t> reset_us = base::parse_iso_time(TestGateway::field(made, "budget_reset_at"));
  ASSERT_TRUE(reset_us) << made.body;
  EXPECT_EQ(*reset_us % 86'400'000'000, 0) << "midnight";
  // Its limits are the user's.
  const Sent info = gateway.get("/user/info?user_id=u1");
  EXPECT_TRUE(info.holds(R"("key_alias":"first")")) << info.body;
  EXPECT_FALSE(info.holds("password")) << info.body;
  EXPECT_EQ(value_of(gateway, "SELECT max_budget_nano FROM internal_user"), "5000000000");

  const Sent bare = gateway.post("/user/new", R"({"user_id":"u2","auto_create_key":false})");
  ASSERT_EQ(bare.status, 200) << bare.body;
  EXPECT_TRUE(bare.holds(R"("key":null)")) << bare.body;
  EXPECT_EQ(value_of(gateway, "SELECT count(*) FROM verification_key WHERE user_id = 'u2'"), "0");
}

struct RefusedCase {
  const char* body;
  int status;
  const char* param;
  const char* says;
};

TEST(UserNew, RefusesWithTheFieldNamed) {
  TestGateway gateway;
  ASSERT_EQ(make_user(gateway).status, 200);
  const RefusedCase cases[] = {
      {R"({"user_id":"u1"})", 409, "user_id", "User with id u1 already exists"},
      {R"({"user_id":"u2","user_email":"u1@example.com"})", 409, "user_email",
       "User with email u1@example.com already exists"},
      {R"({"user_role":"emperor"})", 400, "user_role", "must be proxy_admin"},
      {R"({"max_budget":-1})", 400, "max_budget", "from 0"},
      {R"({"max_budget":"5"})", 400, "max_budget", "number"},
      {R"({"budget_duration":"1y"})", 400, "budget_duration", "30d"},
      {R"({"teams":["nowhere"]})", 404, "teams", "Team not found, passed team_id=nowhere"},
      {R"({"organizations":["nowhere"]})", 404, "organizations", "Organization not found"},
      {R"({"key_alias":"first"})", 400, "key_alias", "already exists"},
      {R"({"duration":"soon"})", 400, "duration", "30d"},
      {R"([])", 400, "body", "object"},
  };
  for (const RefusedCase& c : cases) {
    SCOPED_TRACE(c.body);
    const Sent refused = gateway.post("/user/new", c.body);
    EXPECT_EQ(refused.status, c.status) << refused.body;
    EXPECT_EQ(TestGateway::field(refused, "param"), c.param);
    EXPECT_EQ(TestGateway::field(refused, "code"), std::to_string(c.status));
    EXPECT_TRUE(refused.holds(c.says)) << refused.body;
  }
  EXPECT_EQ(value_of(gateway, "SELECT count(*) FROM internal_user"), "1") << "what is refused leaves nothing behind";
}

TEST(UserNew, WithATeamBecomesItsMemberAndGetsAKeyOfIt) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/team/new", R"({"team_id":"t1","models":["gpt-4o","fast"]})").status, 200);
  const Sent made = make_user(gateway, R"(,"team_id":"t1","models":["fast"],"duration":"1d")");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("team_id":"t1")")) << made.body;
  EXPECT_TRUE(made.holds(R"("teams":["t1"])")) << made.body;
  EXPECT_EQ(made.fields.find("x-turnpike-ignored-fields"), std::string::npos) << made.fields;
  const Sent key = gateway.get("/key/info", TestGateway::field(made, "key"));
  EXPECT_TRUE(key.holds(R"("team_id":"t1")")) << key.body;
  EXPECT_TRUE(key.holds(R"("models":["fast"])")) << "in a team the user's own list does not hold: " << key.body;
  EXPECT_NE(TestGateway::field(key, "expires"), "null");

  // Who calls with keys of teams only calls with this one.
  const Sent bound = gateway.post("/user/new", R"({"user_id":"u2","team_id":"t1","models":["no-default-models"]})");
  EXPECT_TRUE(gateway.get("/key/info", TestGateway::field(bound, "key")).holds(R"("models":[])")) << bound.body;
  const Sent twice = gateway.post("/user/new", R"({"user_id":"u3","team_id":"t1","teams":["t1"]})");
  EXPECT_EQ(twice.status, 200) << twice.body;
  const Sent keyless = gateway.post("/user/new", R"({"user_id":"u4","team_id":"t1","auto_create_key":false})");
  EXPECT_TRUE(keyless.holds(R"("teams":["t1"])")) << keyless.body;

  EXPECT_EQ(gateway.post("/user/new", R"({"user_id":"u5","team_id":"nowhere"})").status, 404);
  const Sent more = gateway.post("/user/new", R"({"user_id":"u5","team_id":"t1","models":["claude"]})");
  EXPECT_EQ(more.status, 403) << more.body;
  EXPECT_EQ(TestGateway::field(more, "param"), "models");
  EXPECT_EQ(gateway.get("/user/info?user_id=u5").status, 404) << "what is refused leaves nothing behind";
}

TEST(UserInfo, ShowsTeamsWithTheirMembersAndWhatHeMaySpendThere) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/team/new", R"({"team_id":"t1","models":["fast"]})").status, 200);
  ASSERT_EQ(make_user(gateway).status, 200);
  for (const char* user : {"u1", "u2"}) {
    const std::string body = R"({"team_id":"t1","max_budget_in_team":3,"member":{"role":"user","user_id":")";
    ASSERT_EQ(gateway.post("/team/member_add", body + user + "\"}}").status, 200);
  }
  const Sent info = gateway.get("/user/info?user_id=u1");
  const std::size_t teams = info.body.find(R"("teams":[{"team_id":"t1")");
  ASSERT_NE(teams, std::string::npos) << info.body;
  const std::string shown = info.body.substr(teams);
  EXPECT_NE(shown.find(R"("members_with_roles":[{"user_id":"u1","user_email":"u1@example.com","role":"user"},)"),
            std::string::npos)
      << shown;
  const std::size_t memberships = shown.find(R"("team_memberships":[{"user_id":"u1","team_id":"t1")");
  ASSERT_NE(memberships, std::string::npos) << shown;
  EXPECT_NE(shown.find(R"("max_budget":3)", memberships), std::string::npos) << shown;
  EXPECT_EQ(shown.find(R"("user_id":"u2")", memberships), std::string::npos) << "what others may spend is theirs";
  EXPECT_TRUE(gateway.get("/user/info").holds(R"("teams":[{"team_id":"t1")")) << "an administrator's: everybody's";
}

TEST(UserInfo, ShowsTheAdminOfAnOrganisationNothingOfAnother) {
  TestGateway gateway;
  for (const char* id : {"ours", "theirs"}) {
    const std::string name(id);
    ASSERT_EQ(
        gateway.post("/organization/new", R"({"organization_id":")" + name + R"(","organization_alias":"o"})").status,
        200);
    ASSERT_EQ(
        gateway.post("/team/new", R"({"team_id":"team-)" + name + R"(","organization_id":")" + name + "\"}").status,
        200);
  }
  ASSERT_EQ(make_user(gateway, R"(,"organizations":["ours","theirs"],"teams":["team-ours","team-theirs"])").status,
            200);
  for (const char* team : {"team-ours", "team-theirs"}) {
    const std::string name(team);
    ASSERT_EQ(
        gateway
            .post("/key/generate", R"({"user_id":"u1","team_id":")" + name + R"(","key_alias":"key-of-)" + name + "\"}")
            .status,
        200);
  }
  const std::string admin = R"({"organization_id":"ours","member":{"role":"org_admin","user_id":"orga"}})";
  ASSERT_EQ(gateway.post("/organization/member_add", admin).status, 200);
  ASSERT_EQ(gateway.post("/user/update", R"({"user_id":"orga","user_role":"internal_user"})").status, 200);
  const Sent key = gateway.post("/key/generate", R"({"user_id":"orga"})");
  const Sent info = gateway.get("/user/info?user_id=u1", TestGateway::field(key, "key"));
  ASSERT_EQ(info.status, 200) << info.body;
  EXPECT_TRUE(info.holds("key-of-team-ours")) << info.body;
  EXPECT_FALSE(info.holds("key-of-team-theirs")) << info.body;
  EXPECT_TRUE(info.holds(R"("teams":[{"team_id":"team-ours")")) << info.body;
  EXPECT_FALSE(info.holds(R"({"team_id":"team-theirs")")) << info.body;
}

TEST(UserNew, GetsWhatTheSettingsSay) {
  TestGateway gateway;
  gateway.settings->litellm.users.defaults_json = R"({"user_role":"internal_user_viewer","models":["fast"]})";
  gateway.settings->litellm.users.max_budget = Money::from_nano(3'000'000'000);
  gateway.settings->litellm.users.budget_duration = "30d";
  gateway.settings->litellm.timezone = "Europe/Berlin";
  gateway.use_settings();
  const Sent made = make_user(gateway);
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("user_role":"internal_user_viewer")")) << made.body;
  EXPECT_TRUE(made.holds(R"("models":["fast"])"));
  EXPECT_TRUE(made.holds(R"("max_budget":3)"));
  EXPECT_TRUE(made.holds(R"("budget_duration":"30d")"));
  const std::string reset = TestGateway::field(made, "budget_reset_at");
  EXPECT_TRUE(reset.find("T22:00:00") != std::string::npos || reset.find("T23:00:00") != std::string::npos) << reset;
  const Sent own = gateway.post("/user/new", R"({"user_id":"u2","max_budget":9,"models":[]})");
  EXPECT_TRUE(own.holds(R"("max_budget":9)")) << own.body;
  EXPECT_TRUE(own.holds(R"("models":[])"));
  const Sent admin = gateway.post("/user/new", R"({"user_id":"u3","user_role":"proxy_admin"})");
  EXPECT_TRUE(admin.holds(R"("max_budget":null)")) << admin.body;
}

TEST(UserUpdate, ChangesOnlyWhatIsSent) {
  TestGateway gateway;
  ASSERT_EQ(make_user(gateway, R"(,"max_budget":5,"metadata":{"a":1})").status, 200);
  const Sent updated = gateway.post("/user/update", R"({"user_id":"u1","user_alias":"Una","spend":2})");
  ASSERT_EQ(updated.status, 200) << updated.body;
  EXPECT_TRUE(updated.body.starts_with(R"({"user_id":"u1","data":{)")) << updated.body;
  EXPECT_TRUE(updated.holds(R"("max_budget":5)"));
  EXPECT_TRUE(updated.holds(R"("metadata":{"a":1})"));
  EXPECT_TRUE(updated.holds(R"("spend":2)"));
  EXPECT_TRUE(gateway.post("/user/update", R"({"user_email":"u1@example.com","max_budget":null})")
                  .holds(R"("max_budget":null)"));
  const Sent unknown = gateway.post("/user/update", R"({"user_id":"new-one","user_alias":"N"})");
  EXPECT_EQ(unknown.status, 200) << unknown.body;
  EXPECT_EQ(gateway.get("/user/info?user_id=new-one").status, 200);
  EXPECT_EQ(gateway.post("/user/update", R"({"user_id":"new-one","user_email":"u1@example.com"})").status, 409);
  EXPECT_EQ(gateway.post("/user/update", R"({"user_alias":"who"})").status, 400);
}

TEST(UserUpdate, KeepsPasswordsAsScryptAndShowsNone) {
  TestGateway gateway;
  ASSERT_EQ(make_user(gateway).status, 200);
  const Sent updated = gateway.post("/user/update", R"({"user_id":"u1","password":"correct horse"})");
  ASSERT_EQ(updated.status, 200) << updated.body;
  const std::string stored = value_of(gateway, "SELECT password FROM internal_user");
  EXPECT_TRUE(stored.starts_with("scrypt$15$8$1$")) << stored;
  EXPECT_EQ(stored.find("horse"), std::string::npos);
  for (const Sent& sent : {updated, gateway.get("/user/info?user_id=u1"), gateway.get("/user/list")}) {
    EXPECT_FALSE(sent.holds("scrypt")) << sent.body;
    EXPECT_FALSE(sent.holds("horse")) << sent.body;
  }
  EXPECT_EQ(value_of(gateway,
                     "SELECT count(*) FROM audit WHERE before_value LIKE '%scrypt%' OR updated_values LIKE "
                     "'%scrypt%'"),
            "0");
}

TEST(UserBulkUpdate, DoesEachByItself) {
  TestGateway gateway;
  ASSERT_EQ(make_user(gateway).status, 200);
  const Sent done = gateway.post(
      "/user/bulk_update", R"({"users":[{"user_id":"u1","max_budget":7},{"user_id":"u1","user_role":"emperor"}]})");
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_TRUE(done.holds(R"("total_requested":2,"successful_updates":1,"failed_updates":1)")) << done.body;
  EXPECT_TRUE(done.holds(R"("success":false,"error":"user_role must be)")) << done.body;
  const Sent all = gateway.post("/user/bulk_update", R"({"all_users":true,"user_updates":{"max_budget":8}})");
  EXPECT_TRUE(all.holds(R"("successful_updates":1)")) << all.body;
  EXPECT_TRUE(gateway.get("/user/info?user_id=u1").holds(R"("max_budget":8)"));
  EXPECT_EQ(gateway.post("/user/bulk_update", R"({"users":[]})").status, 400);
}

TEST(UserList, FiltersSortsAndPages) {
  TestGateway gateway;
  for (const char* name : {"a", "b", "c"}) {
    const std::string id(name);
    ASSERT_EQ(gateway
                  .post("/user/new", R"({"user_id":")" + id + R"(","user_email":")" + id + "@x.org\",\"user_role\":\"" +
                                         (id == "c" ? "proxy_admin_viewer" : "internal_user") + "\"}")
                  .status,
              200);
  }
  struct ListCase {
    const char* query;
    std::vector<std::string> ids;
    const char* total;
  };
  const ListCase cases[] = {
      {"?sort_by=user_id", {"a", "b", "c"}, "3"},
      {"?sort_by=user_id&sort_order=desc", {"c", "b", "a"}, "3"},
      {"?sort_by=user_id&page=2&page_size=2", {"c"}, "3"},
      {"?role=proxy_admin_viewer", {"c"}, "1"},
      {"?user_ids=a,c&sort_by=user_id", {"a", "c"}, "2"},
      {"?user_email=B%40X", {"b"}, "1"},
      {"?user_email=%25", {}, "0"},
      {"?team=none", {}, "0"},
  };
  for (const ListCase& c : cases) {
    SCOPED_TRACE(c.query);
    const Sent list = gateway.get(std::string("/user/list") + c.query);
    ASSERT_EQ(list.status, 200) << list.body;
    EXPECT_EQ(TestGateway::field(list, "total"), c.total);
    std::size_t at = 0;
    std::size_t count = 0;
    for (std::size_t found = list.body.find(R"({"user_id":)"); found != std::string::npos;
         found = list.body.find(R"({"user_id":)", found + 1)) {
      ++count;
    }
    EXPECT_EQ(count, c.ids.size());
    for (const std::string& id : c.ids) {
      const std::size_t found = list.body.find(R"({"user_id":")" + id, at);
      ASSERT_NE(found, std::string::npos) << list.body;
      at = found + 1;
    }
  }
  EXPECT_TRUE(gateway.get("/user/list?user_ids=a").holds(R"("key_count":1)"));
  for (const char* query : {"?page=0", "?page_size=101", "?sort_by=password", "?sort_order=up"}) {
    EXPECT_EQ(gateway.get(std::string("/user/list") + query).status, 400) << query;
  }
}

TEST(UserDelete, TakesKeysAndMembershipsAlong) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/organization/new", R"({"organization_id":"o1","organization_alias":"One"})").status, 200);
  ASSERT_EQ(make_user(gateway, R"(,"organizations":["o1"])").status, 200);
  EXPECT_EQ(value_of(gateway, "SELECT count(*) FROM organization_member"), "1");
  EXPECT_EQ(gateway.post("/user/delete", R"({"user_ids":["u1","nobody"]})").status, 404);
  EXPECT_EQ(value_of(gateway, "SELECT count(*) FROM internal_user"), "1") << "all or nothing";
  const Sent gone = gateway.post("/user/delete", R"({"user_ids":["u1"]})");
  EXPECT_EQ(gone.status, 200);
  EXPECT_EQ(gone.body, "1");
  for (const char* table : {"internal_user", "verification_key", "organization_member"}) {
    EXPECT_EQ(value_of(gateway, std::string("SELECT count(*) FROM ") + table), "0") << table;
  }
  EXPECT_EQ(gateway.ledger.closed.size(), 3u);
  EXPECT_EQ(gateway.get("/user/info?user_id=u1").status, 404);
}

TEST(Invitations, AreMadeForUsersAndGoWithThem) {
  TestGateway gateway;
  ASSERT_EQ(make_user(gateway).status, 200);
  const Sent made = gateway.post("/invitation/new", R"({"user_id":"u1"})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string id = TestGateway::field(made, "id");
  EXPECT_TRUE(made.holds(R"("user_id":"u1","is_accepted":false,"accepted_at":null,"expires_at":")")) << made.body;
  const std::optional<std::int64_t> created_us = base::parse_iso_time(TestGateway::field(made, "created_at"));
  const std::optional<std::int64_t> expires_us = base::parse_iso_time(TestGateway::field(made, "expires_at"));
  ASSERT_TRUE(created_us && expires_us) << made.body;
  EXPECT_EQ(*expires_us - *created_us, 7 * 86'400'000'000) << "a week";
  EXPECT_EQ(gateway.get("/invitation/info?invitation_id=" + id).body, made.body);
  EXPECT_EQ(value_of(gateway, "SELECT count(*) FROM invitation WHERE id = '" + id + "'"), "0")
      << "only its hash is kept";
  EXPECT_FALSE(gateway.get("/audit?table_name=LiteLLM_InvitationLink").holds(id));

  const std::string named = R"({"invitation_id":")" + id + "\"";
  const Sent accepted = gateway.post("/invitation/update", named + R"(,"is_accepted":true})");
  EXPECT_TRUE(accepted.holds(R"("is_accepted":true)")) << accepted.body;
  EXPECT_NE(TestGateway::field(accepted, "accepted_at"), "null") << accepted.body;
  EXPECT_EQ(gateway.post("/invitation/update", named + "}").status, 400) << "what is to change is said";
  EXPECT_EQ(gateway.post("/invitation/delete", named + "}").status, 200);
  EXPECT_EQ(gateway.get("/invitation/info?invitation_id=" + id).status, 400) << "as LiteLLM";
  EXPECT_EQ(gateway.post("/invitation/new", R"({"user_id":"nobody"})").status, 400);
  EXPECT_EQ(gateway.post("/invitation/new", "{}").status, 400);

  ASSERT_EQ(gateway.post("/invitation/new", R"({"user_id":"u1"})").status, 200);
  ASSERT_EQ(gateway.post("/user/delete", R"({"user_ids":["u1"]})").status, 200);
  EXPECT_EQ(value_of(gateway, "SELECT count(*) FROM invitation"), "0");
}

TEST(UserRoutes, GiveNobodyWhatIsNotHis) {
  TestGateway gateway;
  const std::string own = TestGateway::field(make_user(gateway, R"(,"max_budget":5)"), "key");
  ASSERT_EQ(gateway.post("/user/new", R"({"user_id":"u2"})").status, 200);
  struct RightCase {
    const char* method;
    const char* path;
    const char* body;
    int status;
  };
  const RightCase cases[] = {
      {"GET", "/user/info", "", 200},
      {"GET", "/user/info?user_id=u1", "", 200},
      {"GET", "/user/info?user_id=u2", "", 403},
      {"GET", "/user/list", "", 401},
      {"GET", "/user/available_roles", "", 200},
      {"GET", "/user/filter/ui", "", 403},
      {"POST", "/user/new", R"({"user_id":"u3"})", 403},
      {"POST", "/user/new", R"({"user_id":"u3","organizations":["o1"]})", 403},
      {"POST", "/user/update", R"({"user_id":"u1","user_alias":"me"})", 200},
      {"POST", "/user/update", R"({"user_id":"u1","max_budget":500})", 403},
      {"POST", "/user/update", R"({"user_id":"u1","user_role":"proxy_admin"})", 403},
      {"POST", "/user/update", R"({"user_id":"u1","models":[]})", 403},
      {"POST", "/user/update", R"({"user_id":"u1","metadata":{}})", 403},
      {"POST", "/user/update", R"({"user_id":"u1","spend":0})", 403},
      {"POST", "/user/update", R"({"user_id":"u2","user_alias":"you"})", 403},
      {"POST", "/user/update", R"({"user_id":"u9","user_alias":"new"})", 403},
      {"POST", "/user/bulk_update", R"({"users":[{"user_id":"u1","max_budget":1}]})", 401},
      {"POST", "/user/delete", R"({"user_ids":["u2"]})", 401},
      {"POST", "/organization/new", R"({"organization_alias":"mine"})", 401},
      {"GET", "/organization/list", "", 200},
      {"POST", "/budget/new", R"({"budget_id":"b"})", 401},
      {"GET", "/budget/list", "", 401},
      {"POST", "/customer/new", R"({"user_id":"c"})", 401},
      {"GET", "/customer/list", "", 401},
      {"POST", "/tag/new", R"({"name":"t"})", 401},
      {"GET", "/tag/list", "", 200},
  };
  for (const RightCase& c : cases) {
    const Sent sent = gateway.call(c.method, c.path, own, c.body);
    EXPECT_EQ(sent.status, c.status) << c.method << " " << c.path << " " << c.body << ": " << sent.body;
  }
  EXPECT_TRUE(gateway.get("/user/info?user_id=u1").holds(R"("max_budget":5)"));
}

}  // namespace
}  // namespace turnpike::api::users_test
