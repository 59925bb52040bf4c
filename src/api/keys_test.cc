#include <gtest/gtest.h>

#include "api/test_gateway.h"
#include "base/hash.h"

namespace turnpike::api {
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
    {R"({"rpm_limit":5})", "rpm_limit", "not enforced"},
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
  EXPECT_EQ(deleted.body, R"({"deleted_keys":[")" + kHash + R"("]})");
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
  EXPECT_EQ(gateway.get("/key/info?key=nonsense", kSecret).status, 403);
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
                            "key_hash=xyz", "status=deleted"}) {
    EXPECT_EQ(gateway.get("/key/list?" + std::string(query)).status, 400) << query;
  }
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
  for (const char* path : {"/key/list", "/spend/keys"}) {
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
  const std::string by_secret = R"({"key":"sk-custom-secret-abcd"})";
  const Sent replies[] = {
      gateway.post("/key/update", by_secret),
      gateway.post("/key/block", by_secret),
      gateway.post("/key/unblock", by_secret),
      gateway.get("/key/info?key=" + std::string(kSecret)),
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
      gateway.post("/key/delete", R"({"keys":["sk-custom-secret-abcd"]})"),
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
}  // namespace turnpike::api
