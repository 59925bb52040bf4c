#include <gtest/gtest.h>

#include "api/test_gateway.h"
#include "base/hash.h"

namespace turnpike::api::keys_test {
namespace {

constexpr const char* kSecret = "sk-custom-secret-abcd";
const std::string kHash = base::sha256_hex(kSecret);

Sent make_key(TestGateway& gateway, std::string_view rest = "") {
  return gateway.post("/key/generate", R"({"key":"sk-custom-secret-abcd")" + std::string(rest) + "}");
}

TEST(KeyGenerate, ShowsTheSecretOnceAndStoresItsHash) {
  TestGateway gateway;
  const Sent made = gateway.post("/key/generate", "{}");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string secret = TestGateway::field(made, "key");
  EXPECT_EQ(secret.size(), 25u);
  EXPECT_TRUE(secret.starts_with("sk-"));
  EXPECT_EQ(TestGateway::field(made, "token"), base::sha256_hex(secret));
  EXPECT_EQ(TestGateway::field(made, "token_id"), base::sha256_hex(secret));
  EXPECT_EQ(TestGateway::field(made, "key_name"), "sk-..." + secret.substr(21));
  EXPECT_NE(made.fields.find("no-store"), std::string::npos);
  EXPECT_EQ(gateway.get("/v1/models", secret).status, 200);
}

TEST(KeyGenerate, AnswersEveryFieldAsked) {
  TestGateway gateway;
  const Sent made = make_key(gateway, R"(,"key_alias":"app","models":["gpt-4o"],"max_budget":5.5,"user_id":"u1",
      "team_id":"t1","metadata":{"cost_centre":"42"},"tags":["x"],"duration":"1h","aliases":{"a":"gpt-4o"},"odd":1)");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_TRUE(made.holds(R"("models":["gpt-4o"])")) << made.body;
  EXPECT_TRUE(made.holds(R"("max_budget":5.5)"));
  EXPECT_TRUE(made.holds(R"("metadata":{"cost_centre":"42","tags":["x"]})")) << made.body;
  EXPECT_TRUE(made.holds(R"("aliases":{"a":"gpt-4o"})"));
  EXPECT_EQ(TestGateway::field(made, "duration"), "1h");
  EXPECT_EQ(TestGateway::field(made, "user_id"), "u1");
  EXPECT_EQ(TestGateway::field(made, "created_by"), "default_user_id");
  EXPECT_NE(TestGateway::field(made, "expires"), "null");
  EXPECT_NE(made.fields.find("x-turnpike-ignored-fields: odd"), std::string::npos) << made.fields;
}

TEST(KeyUpdate, ChangesAndClearsTheRoutingOfAKey) {
  TestGateway gateway;
  ASSERT_TRUE(make_key(gateway, R"(,"router_settings":{"num_retries":1,"fallbacks":["fast"]})")
                  .holds(R"("router_settings":{"num_retries":1,"fallbacks":["fast"]})"));
  const auto shown = [&] { return gateway.get("/key/info?key=" + kHash); };
  EXPECT_EQ(gateway.post("/key/update", R"({"key":"sk-custom-secret-abcd","router_settings":null})").status, 200);
  EXPECT_TRUE(shown().holds(R"("router_settings":{"num_retries":1,"fallbacks":["fast"]})")) << "null is not sent";
  EXPECT_EQ(gateway.post("/key/update", R"({"key":"sk-custom-secret-abcd","router_settings":{}})").status, 200);
  EXPECT_TRUE(shown().holds(R"("router_settings":{})")) << shown().body;
}

struct RefusedCase {
  const char* body;
  const char* param;
  const char* says;
};
const RefusedCase kRefused[] = {
    {R"({"key":"pk-12345678"})", "key", "LiteLLM Virtual Key must start with 'sk-'"},
    {R"({"key":"sk-"})", "key", "4 to 256"},
    {R"({"key":"sk-a b"})", "key", "visible ASCII"},
    {R"({"key":"sk-master-0123456789"})", "key", "in use already"},
    {R"({"key":"sk-custom-secret-abcd"})", "key", "exists already"},
    {R"({"key_alias":"taken"})", "key_alias",
     "Key with alias 'taken' already exists. Unique key aliases across all keys are required."},
    {R"({"rpm_limit":-5})", "rpm_limit", "whole number"},
    {R"({"max_budget":-5})", "max_budget", "cannot be negative"},
};

TEST(KeyGenerate, RefusesWithTheFieldNamed) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"key_alias":"taken")").status, 200);
  for (const RefusedCase& c : kRefused) {
    SCOPED_TRACE(c.body);
    const Sent refused = gateway.post("/key/generate", c.body);
    EXPECT_EQ(refused.status, 400);
    EXPECT_EQ(TestGateway::field(refused, "param"), c.param);
    EXPECT_TRUE(refused.holds(c.says)) << refused.body;
    EXPECT_EQ(TestGateway::field(refused, "code"), "400");
  }
}

TEST(KeyUpdate, ChangesOnlyWhatIsSent) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"key_alias":"app","models":["gpt-4o"],"max_budget":5,"metadata":{"a":1})").status,
            200);
  const Sent updated = gateway.post("/key/update", R"({"key":"sk-custom-secret-abcd","max_budget":7,"tags":["t"]})");
  ASSERT_EQ(updated.status, 200) << updated.body;
  const Sent info = gateway.get("/key/info?key=" + kHash);
  EXPECT_TRUE(info.holds(R"("max_budget":7)")) << info.body;
  EXPECT_TRUE(info.holds(R"("models":["gpt-4o"])"));
  EXPECT_TRUE(info.holds(R"("key_alias":"app")"));
  EXPECT_TRUE(info.holds(R"("metadata":{"a":1,"tags":["t"]})")) << info.body;
  EXPECT_FALSE(info.holds("\"token\"")) << info.body;
  ASSERT_EQ(gateway.ledger.limits.size(), 1u);
  EXPECT_EQ(gateway.ledger.limits.begin()->second, Money::from_nano(7'000'000'000));

  ASSERT_EQ(gateway.post("/key/update", R"({"key":")" + kHash + R"(","max_budget":null})").status, 200);
  EXPECT_TRUE(gateway.get("/key/info?key=" + kHash).holds(R"("max_budget":null)"));
  EXPECT_EQ(gateway.ledger.limits.begin()->second, std::nullopt);
  const std::vector<std::int64_t>& versions = gateway.ledger.versions;
  EXPECT_TRUE(std::ranges::is_sorted(versions)) << "what came later is newer";
  EXPECT_LT(versions.front(), versions.back());
}

TEST(KeyUpdate, BooksAnEditedSpendAsARow) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  ASSERT_EQ(gateway.post("/key/update", R"({"key":")" + kHash + R"(","spend":1.25})").status, 200);
  EXPECT_TRUE(gateway.get("/key/info?key=" + kHash).holds(R"("spend":1.25)"));
  ASSERT_EQ(gateway.ledger.spends.size(), 1u);
  EXPECT_EQ(gateway.ledger.spends.begin()->second, Money::from_nano(1'250'000'000));
  std::int64_t booked = 0;
  ASSERT_TRUE(gateway.database->transact_now([&](db::Transaction& transaction) -> Status {
    const Result<db::Rows> rows = transaction.run("SELECT SUM(cost_nano) FROM entry WHERE kind = 1", {});
    if (!rows) return base::fail(rows.error());
    booked = db::as_int(rows->rows[0][0]);
    return {};
  }));
  EXPECT_EQ(booked, 1'250'000'000);
}

TEST(KeyUpdate, RefusesUnknownKeysAndTakenAliases) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"key_alias":"one")").status, 200);
  ASSERT_EQ(gateway.post("/key/generate", R"({"key_alias":"two"})").status, 200);
  EXPECT_EQ(gateway.post("/key/update", R"({"key":"sk-nobody"})").status, 404);
  EXPECT_EQ(gateway.post("/key/update", R"({"key":"nonsense"})").status, 400);
  EXPECT_EQ(gateway.post("/key/update", R"({"max_budget":1})").status, 400);
  EXPECT_EQ(gateway.post("/key/update", R"({"key":")" + kHash + R"(","key_alias":"two"})").status, 400);
  EXPECT_EQ(gateway.post("/key/update", R"({"key":")" + kHash + R"(","key_alias":"one"})").status, 200);
}

TEST(KeyBlock, TakesEffectAtTheNextCall) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  EXPECT_EQ(gateway.get("/v1/models", kSecret).status, 200);
  const Sent blocked = gateway.post("/key/block", R"({"key":"sk-custom-secret-abcd"})");
  EXPECT_EQ(blocked.status, 200);
  EXPECT_TRUE(blocked.holds(R"("blocked":true)"));
  const Sent refused = gateway.get("/v1/models", kSecret);
  EXPECT_EQ(refused.status, 401);
  EXPECT_TRUE(refused.holds("Key is blocked. Update via `/key/unblock` if you're admin.")) << refused.body;
  EXPECT_EQ(gateway.post("/key/unblock", R"({"key":"sk-custom-secret-abcd"})").status, 200);
  EXPECT_EQ(gateway.get("/v1/models", kSecret).status, 200);
  EXPECT_EQ(gateway.post("/key/block", R"({"key":"sk-nobody"})").status, 404);
}

TEST(KeyDelete, RemovesByKeyHashOrAlias) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"key_alias":"app")").status, 200);
  EXPECT_EQ(gateway.post("/key/delete", R"({"key_aliases":["nobody"]})").status, 404);
  const Sent deleted = gateway.post("/key/delete", R"({"key_aliases":["app"]})");
  EXPECT_EQ(gateway.ledger.closed.size(), 1u) << "the ledger hears of it";
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.body, R"({"deleted_keys":["app"]})");
  EXPECT_EQ(gateway.get("/v1/models", kSecret).status, 401);
  EXPECT_EQ(gateway.get("/key/info?key=" + kHash).status, 404);
  ASSERT_EQ(make_key(gateway).status, 200);
  EXPECT_EQ(gateway.post("/key/delete", R"({"keys":["sk-custom-secret-abcd"]})").status, 200);
  for (const char* body : {"{}", R"({"keys":[]})", R"({"keys":"sk-a"})", R"({"keys":[1]})", R"({"keys":["x"]})",
                           R"({"keys":["sk-a"],"key_aliases":["a"]})", "["}) {
    EXPECT_EQ(gateway.post("/key/delete", body).status, 400) << body;
  }
}

TEST(KeyInfo, IsForTheKeyItselfAndTheMasterKey) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-other-secret-wxyz"})").status, 200);
  EXPECT_EQ(gateway.get("/key/info", kSecret).status, 200);
  EXPECT_EQ(gateway.get("/key/info?key=" + kHash, kSecret).status, 200);
  EXPECT_EQ(gateway.get("/key/info?key=" + std::string(kSecret), kSecret).status, 200);
  const Sent refused = gateway.get("/key/info?key=sk-other-secret-wxyz", kSecret);
  EXPECT_EQ(refused.status, 403);
  EXPECT_TRUE(refused.holds("You are not allowed to access this key's info.")) << refused.body;
  EXPECT_EQ(gateway.get("/key/info?key=nonsense", kSecret).status, 400) << "neither a key nor a hash";
  EXPECT_EQ(gateway.get("/key/info").status, 400);
  const Sent missing = gateway.get("/key/info?key=sk-nobody");
  EXPECT_EQ(missing.status, 404);
  EXPECT_TRUE(missing.holds("Key not found in database"));
}

TEST(KeyList, PagesFiltersAndSorts) {
  TestGateway gateway;
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(gateway
                  .post("/key/generate",
                        R"({"key_alias":"k)" + std::to_string(i) + R"(","team_id":"t)" + std::to_string(i % 2) + "\"}")
                  .status,
              200);
  }
  const Sent first = gateway.get("/key/list");
  EXPECT_TRUE(first.holds(R"("total_count":12,"current_page":1,"total_pages":2)")) << first.body;
  const Sent second = gateway.get("/key/list?page=2&size=5&team_id=t1&return_full_object=true");
  EXPECT_TRUE(second.holds(R"("total_count":6,"current_page":2,"total_pages":2)")) << second.body;
  const Sent alias = gateway.get("/key/list?key_alias=k3&return_full_object=true");
  EXPECT_TRUE(alias.holds(R"("key_alias":"k3")"));
  for (const char* query : {"page=0", "page=x", "size=101", "size=-1", "sort_by=key_alias;DROP", "sort_order=up",
                            "key_hash=xyz", "status=gone", "expand=team", "include_team_keys=maybe"}) {
    EXPECT_EQ(gateway.get("/key/list?" + std::string(query)).status, 400) << query;
  }
}

TEST(KeyList, ShowsDeletedKeysWithWhoAndWhen) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"key_alias":"app","spend":2.5)").status, 200);
  ASSERT_EQ(gateway
                .call("POST", "/key/delete", TestGateway::kMaster, R"({"keys":["sk-custom-secret-abcd"]})",
                      {{"litellm-changed-by", "ada"}})
                .status,
            200);
  EXPECT_TRUE(gateway.get("/key/list").holds(R"("total_count":0)"));
  const Sent deleted = gateway.get("/key/list?status=deleted&return_full_object=true");
  EXPECT_TRUE(deleted.holds(R"("total_count":1)")) << deleted.body;
  EXPECT_TRUE(deleted.holds(R"("token":")" + kHash)) << deleted.body;
  EXPECT_TRUE(deleted.holds(R"("key_alias":"app")"));
  EXPECT_TRUE(deleted.holds(R"("spend":2.5)"));
  EXPECT_TRUE(deleted.holds(R"("deleted_by":"ada")"));
  EXPECT_TRUE(deleted.holds(R"("deleted_at":"20)"));
}

TEST(KeyRegenerate, ReplacesTheSecretAndNothingElse) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"key_alias":"app","spend":1.5,"max_budget":9)").status, 200);
  ASSERT_EQ(gateway.get("/v1/models", kSecret).status, 200);
  const Sent rotated =
      gateway.post("/key/" + kHash + "/regenerate", R"({"new_key":"sk-second-secret","max_budget":7})");
  ASSERT_EQ(rotated.status, 200) << rotated.body;
  EXPECT_EQ(TestGateway::field(rotated, "key"), "sk-second-secret");
  EXPECT_EQ(TestGateway::field(rotated, "token"), base::sha256_hex("sk-second-secret"));
  EXPECT_EQ(TestGateway::field(rotated, "key_alias"), "app");
  EXPECT_EQ(TestGateway::field(rotated, "rotation_count"), "1");
  EXPECT_EQ(TestGateway::field(rotated, "spend"), "1.5");
  EXPECT_EQ(TestGateway::field(rotated, "max_budget"), "7");
  EXPECT_EQ(gateway.get("/v1/models", kSecret).status, 401) << "no grace was asked for";
  EXPECT_EQ(gateway.get("/v1/models", "sk-second-secret").status, 200);
}

TEST(KeyRegenerate, LeavesTheOldSecretItsGracePeriod) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  const Sent rotated = gateway.post("/key/regenerate", R"({"key":"sk-custom-secret-abcd","grace_period":"1h"})");
  ASSERT_EQ(rotated.status, 200) << rotated.body;
  const std::string second = TestGateway::field(rotated, "key");
  EXPECT_EQ(gateway.get("/v1/models", kSecret).status, 200);
  EXPECT_EQ(gateway.get("/v1/models", second).status, 200);
  EXPECT_EQ(gateway.post("/key/block", R"({"key":")" + second + "\"}").status, 200);
  EXPECT_EQ(gateway.get("/v1/models", kSecret).status, 401) << "both secrets are the same key";
  EXPECT_EQ(gateway.post("/key/generate", R"({"key":"sk-custom-secret-abcd"})").status, 400)
      << "the old secret is nobody else's while it works";
  EXPECT_EQ(gateway.post("/key/regenerate", R"({"key":"sk-nobody"})").status, 404);
  EXPECT_EQ(gateway.post("/key/regenerate", R"({"key":")" + second + R"(","grace_period":"soon"})").status, 400);
  EXPECT_EQ(gateway.post("/key/regenerate", R"({"key":")" + second + R"(","new_key":"pk-x"})").status, 400);
}

TEST(KeyResetSpend, StaysWithinSpendAndBudget) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"spend":4,"max_budget":3)").status, 200);
  const std::string path = "/key/" + kHash + "/reset_spend";
  for (const char* body :
       {"{}", R"({"reset_to":-1})", R"({"reset_to":4.5})", R"({"reset_to":3.5})", R"({"reset_to":"1"})"})
    EXPECT_EQ(gateway.post(path, body).status, 400) << body;
  const Sent reset = gateway.post(path, R"({"reset_to":1.25})");
  EXPECT_EQ(reset.body,
            R"({"key_hash":")" + kHash + R"(","spend":1.25,"previous_spend":4,"max_budget":3,"budget_reset_at":null})");
}

TEST(KeyBulkUpdate, TellsEachKeyApart) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  const Sent updated = gateway.post(
      "/key/bulk_update",
      R"({"keys":[{"key":"sk-custom-secret-abcd","max_budget":5,"tags":["t"]},{"key":"sk-nobody","max_budget":1}]})");
  EXPECT_TRUE(updated.holds(R"("total_requested":2)")) << updated.body;
  EXPECT_TRUE(updated.holds(R"("max_budget":5)")) << updated.body;
  EXPECT_TRUE(updated.holds(R"("failed_reason":"Key not found in database")")) << updated.body;
  EXPECT_TRUE(updated.holds(R"({"key":"sk-custom-secret-abcd","key_info":)")) << updated.body;
}

TEST(KeyGenerate, HoldsToWhatTheConfigurationSays) {
  TestGateway gateway;
  gateway.settings->litellm.keys.defaults_json = R"({"max_budget":3,"metadata":{"from":"config"}})";
  gateway.settings->litellm.keys.max_budget_ceiling = Money::from_nano(10'000'000'000);
  gateway.settings->litellm.keys.duration_ceiling = "30d";
  gateway.settings->litellm.keys.personal.required_params = {"key_alias"};
  gateway.use_settings();
  const Sent made = make_key(gateway, R"(,"key_alias":"app")");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(TestGateway::field(made, "max_budget"), "3");
  EXPECT_EQ(TestGateway::field(made, "duration"), "30d");
  EXPECT_TRUE(made.holds(R"("metadata":{"from":"config"})"));
  const struct {
    const char* path;
    const char* body;
    const char* says;
  } refused[] = {
      {"/key/generate", "{}", "Required param key_alias not in the body"},
      {"/key/generate", R"({"key_alias":"b","max_budget":11})",
       "max_budget is over max limit set in config - user_value=11; max_value=10"},
      {"/key/generate", R"({"key_alias":"b","duration":"31d"})",
       "duration is over max limit set in config - user_value=31d; max_value=30d"},
      {"/key/update", R"({"key":"sk-custom-secret-abcd","max_budget":null})", "user_value=None"},
      {"/key/update", R"({"key":"sk-custom-secret-abcd","duration":"-1"})", "user_value=-1"},
      {"/key/regenerate", R"({"key":"sk-custom-secret-abcd","max_budget":11})", "over max limit"},
      {"/key/generate", R"({"key_alias":"b","auto_rotate":true,"rotation_interval":"1d"})", "rotated_keys_dir"},
      {"/key/service-account/generate", R"({"key_alias":"b"})", "team_id is required"},
  };
  for (const auto& c : refused) {
    const Sent sent = gateway.post(c.path, c.body);
    EXPECT_EQ(sent.status, 400) << c.body;
    EXPECT_TRUE(sent.holds(c.says)) << sent.body;
  }
}

TEST(KeyGenerate, MakesServiceAccountsAndLinkedBudgets) {
  TestGateway gateway;
  const Sent service =
      gateway.post("/key/service-account/generate", R"({"team_id":"t","key_alias":"ci","user_id":"u"})");
  ASSERT_EQ(service.status, 200) << service.body;
  EXPECT_TRUE(service.holds(R"("service_account_id":"ci")"));
  EXPECT_EQ(TestGateway::field(service, "user_id"), "null");
  const Sent soft = make_key(gateway, R"(,"soft_budget":2,"key_type":"llm_api","allowed_ips":["10.0.0.0/8"])");
  ASSERT_EQ(soft.status, 200) << soft.body;
  EXPECT_TRUE(soft.holds(R"("litellm_budget_table":{"budget_id":")")) << soft.body;
  EXPECT_TRUE(soft.holds(R"("allowed_routes":["llm_api_routes"])"));
  EXPECT_EQ(soft.fields.find("unenforced"), std::string::npos) << soft.fields;
  EXPECT_EQ(gateway.post("/key/generate", R"({"budget_id":"none"})").status, 404);
}

TEST(KeyUpdate, RaisesABudgetForATime) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway, R"(,"max_budget":5)").status, 200);
  const Sent raised = gateway.post(
      "/key/update",
      R"({"key":"sk-custom-secret-abcd","temp_budget_increase":2,"temp_budget_expiry":"2999-01-01T00:00:00Z"})");
  ASSERT_EQ(raised.status, 200) << raised.body;
  EXPECT_EQ(TestGateway::field(raised, "max_budget"), "5");
  EXPECT_EQ(gateway.ledger.limits.begin()->second, Money::from_nano(7'000'000'000));
  ASSERT_EQ(gateway
                .post("/key/update", R"({"key":"sk-custom-secret-abcd","temp_budget_increase":2,
                                         "temp_budget_expiry":"2001-01-01T00:00:00Z"})")
                .status,
            200);
  EXPECT_EQ(gateway.ledger.limits.begin()->second, Money::from_nano(5'000'000'000)) << "its time is over";
}

TEST(KeyList, ReadsFlagsAsLitellmDoes) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  const std::string whole = R"({"keys":[{"token":)", hashes = R"({"keys":[")" + kHash;
  const struct {
    const char* flag;
    const std::string& answer;
  } cases[] = {{"true", whole},   {"True", whole},   {"1", whole},  {"yes", whole}, {"on", whole},   {"TRUE", whole},
               {"false", hashes}, {"False", hashes}, {"0", hashes}, {"no", hashes}, {"off", hashes}, {"", hashes}};
  for (const auto& c : cases) {
    const Sent list = gateway.get(std::string("/key/list?return_full_object=") + c.flag);
    EXPECT_TRUE(list.body.starts_with(c.answer)) << c.flag << ": " << list.body;
  }
  EXPECT_EQ(gateway.get("/key/list?return_full_object=maybe").status, 400);
}

TEST(KeyRegenerate, NamesWhatChangesTheMasterKey) {
  TestGateway gateway;
  const Sent refused = gateway.post("/key/regenerate", R"({"new_master_key":"sk-another-master"})");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(TestGateway::field(refused, "param"), "new_master_key");
  EXPECT_TRUE(refused.holds("turnpike rotate-salt-key")) << refused.body;
  EXPECT_FALSE(refused.holds("sk-another-master"));
}

TEST(ManagementRoutes, AnswerTheTextsOfAnOlderRelease) {
  TestGateway gateway;
  const Sent now = gateway.post("/key/update", R"({"key":"sk-nobody"})");
  EXPECT_TRUE(now.holds("Key not found in database")) << now.body;
  gateway.use_settings(protocol::Compat::V1_81);
  const Sent then = gateway.post("/key/update", R"({"key":"sk-nobody"})");
  EXPECT_EQ(then.status, 404);
  EXPECT_TRUE(then.holds("Team not found, passed team_id=" + base::sha256_hex("sk-nobody"))) << then.body;
}

// The matrix of the permission column (AC-SEC-4), and LiteLLM's text for it.
TEST(ManagementRoutes, AreForTheMasterKey) {
  TestGateway gateway;
  ASSERT_EQ(make_key(gateway).status, 200);
  const char* const posts[] = {"/key/generate", "/key/update",  "/key/delete",
                               "/key/block",    "/key/unblock", "/config/reload"};
  for (const char* path : posts) {
    const Sent refused = gateway.post(path, R"({"key":"sk-custom-secret-abcd"})", kSecret);
    EXPECT_EQ(refused.status, 401) << path;
    EXPECT_EQ(TestGateway::field(refused, "type"), "auth_error");
    EXPECT_TRUE(
        refused.holds("Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route=" +
                      std::string(path)))
        << refused.body;
    EXPECT_EQ(gateway.post(path, "{}", "").status, 401) << path;
    EXPECT_EQ(gateway.post(path, "{}", "sk-unknown").status, 401) << path;
  }
  EXPECT_TRUE(gateway.get("/key/list", kSecret).holds(R"({"keys":[")" + kHash + R"("],"total_count":1,)"))
      << "a key behind which no user stands sees itself";
  EXPECT_EQ(gateway.get("/key/list?key_hash=" + std::string(64, 'a'), kSecret).status, 403);
  EXPECT_EQ(gateway.get("/key/aliases", kSecret).body, R"({"aliases":[]})");
  for (const char* path : {"/spend/keys"}) {
    EXPECT_EQ(gateway.get(path, kSecret).status, 401) << path;
    EXPECT_EQ(gateway.get(path, "").status, 401) << path;
    EXPECT_EQ(gateway.get(path).status, 200) << path;
  }
}

// Secrets are shown once: by /key/generate, in `key`.
TEST(ManagementRoutes, NeverShowASecretAgain) {
  TestGateway gateway;
  const Sent made = make_key(gateway, R"(,"key_alias":"app")");
  ASSERT_EQ(made.status, 200);
  EXPECT_EQ(made.body.find(kSecret), made.body.rfind(kSecret));
  EXPECT_EQ(TestGateway::field(made, "key"), kSecret);
  const std::string by_secret = R"({"key":"sk-custom-secret-abcd"})", by_hash = R"({"key":")" + kHash + R"("})";
  EXPECT_EQ(TestGateway::field(gateway.post("/key/update", by_secret), "key"), kSecret) << "what was sent comes back";
  const Sent replies[] = {
      gateway.post("/key/update", by_hash),
      gateway.post("/key/block", by_secret),
      gateway.post("/key/unblock", by_secret),
      gateway.get("/key/info?key=" + kHash),
      gateway.get("/key/info", kSecret),
      gateway.get("/key/list?return_full_object=true"),
      gateway.get("/spend/keys"),
      gateway.get("/spend/logs?api_key=" + std::string(kSecret)),
      gateway.post("/key/generate", by_secret),
      gateway.get("/model/info"),
      gateway.get("/health"),
      gateway.get("/v1/models"),
      gateway.get("/", ""),
      gateway.get("/routes", ""),
      gateway.get("/health/readiness", ""),
      gateway.post("/key/delete", R"({"keys":[")" + kHash + R"("]})"),
  };
  for (const Sent& reply : replies) {
    for (const char* secret : {kSecret, TestGateway::kMaster, "sk-provider-secret-value"}) {
      EXPECT_FALSE(reply.holds(secret)) << reply.body;
      EXPECT_EQ(reply.fields.find(secret), std::string::npos);
    }
  }
}

TEST(ManagementRoutes, AreOpenWhereThereIsNoMasterKey) {
  TestGateway gateway(true);
  EXPECT_EQ(gateway.post("/key/generate", "{}", "").status, 200);
  EXPECT_EQ(gateway.get("/key/list", "").status, 200);
}

}  // namespace
}  // namespace turnpike::api::keys_test
