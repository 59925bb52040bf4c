#include <gtest/gtest.h>

#include <set>

#include "api/test_gateway.h"
#include "base/clock.h"
#include "base/hash.h"
#include "json/write.h"

namespace turnpike::api::handler_test {
namespace {

TEST(Handler, AnswersUnknownPathsAndMethods) {
  TestGateway gateway;
  const Sent unknown = gateway.post("/v1/chat/completion", "{}");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(TestGateway::field(unknown, "code"), "404");
  EXPECT_TRUE(unknown.holds("/v1/chat/completions")) << unknown.body;
  const Sent wrong = gateway.get("/key/generate");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_TRUE(wrong.fields.starts_with("Allow: POST\r\n")) << wrong.fields;
  EXPECT_EQ(gateway.get("/v1/models/broken%2").status, 404);
}

// AC-SEC-2: no spelling of a path changes the decision.
TEST(Handler, LetsNoSpellingAround) {
  TestGateway gateway;
  for (const char* path : {"//key/list", "/key//list", "/./key/list", "/health/../key/list", "/key/list/", "/KEY/LIST",
                           "/key/%6cist", "/key%2flist", "/key/list;a", "/%2e/key/list", "/v1/models/../../key/list"}) {
    EXPECT_EQ(gateway.get(path, "").status, 404) << path;
  }
  EXPECT_EQ(gateway.get("/key/list?x=/health", "").status, 401);
}

TEST(Handler, RefusesALargeManagementBody) {
  TestGateway gateway;
  EXPECT_EQ(gateway.post("/key/generate", "{\"metadata\":{\"a\":\"" + std::string(2 << 20, 'a') + "\"}}").status, 413);
}

struct KeyTextCase {
  const char* name;
  std::string header;
  int status;
  const char* type;
  std::string says;
};

// The rows of spec http-api 5.2 that are about keys.
TEST(Handler, RefusesKeysWithLitellmsTexts) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-expired-0001","duration":"1s"})").status, 200);
  ASSERT_TRUE(gateway.database->transact_now([&](db::Transaction& transaction) -> Status {
    const Result<db::Rows> done = transaction.run("UPDATE verification_key SET expires_us = 1", {});
    return done ? Status() : base::fail(done.error());
  }));
  const KeyTextCase cases[] = {
      {"none", "", 401, "auth_error",
       "Authentication Error, No api key passed in. Send one: Authorization: Bearer sk-..."},
      {"no scheme", "sk-plain", 401, "auth_error",
       "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix."},
      {"not a virtual key", "Bearer abcdefghijkl", 401, "auth_error",
       "Authentication Error, LiteLLM Virtual Key expected. Received=abcd****ijkl, expected to start with 'sk-'."},
      {"unknown", "Bearer sk-unknown-12345", 401, "token_not_found_in_db",
       "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...2345, Key Hash (Token) =" +
           base::sha256_hex("sk-unknown-12345") +
           ". Unable to find token in cache or `LiteLLM_VerificationTokenTable`. This gateway has no such key, or it "
           "was deleted: POST /key/generate with "
           "the master key makes one."},
      {"expired", "Bearer sk-expired-0001", 401, "expired_key",
       "Authentication Error - Expired Key. Key Expiry time 1970-"},
      {"quotes", "Bearer sk-'\\\" OR 1=1 --", 401, "token_not_found_in_db", "Invalid proxy server token"},
      {"a hash is no key", "Bearer " + base::sha256_hex("sk-expired-0001"), 401, "auth_error",
       "expected to start with 'sk-'"},
      {"one megabyte", "Bearer sk-" + std::string(1 << 20, 'a'), 401, "auth_error", "longer than any key"},
  };
  for (const KeyTextCase& c : cases) {
    SCOPED_TRACE(c.name);
    std::vector<std::pair<std::string, std::string>> fields;
    if (!c.header.empty()) fields.emplace_back("Authorization", c.header);
    const Sent refused = gateway.call("GET", "/v1/models", "", "", fields);
    EXPECT_EQ(refused.status, c.status);
    EXPECT_EQ(TestGateway::field(refused, "type"), c.type);
    EXPECT_EQ(TestGateway::field(refused, "code"), std::to_string(c.status));
    std::string escaped = json::quoted(c.says);
    escaped = escaped.substr(1, escaped.size() - 2);
    EXPECT_TRUE(refused.holds(escaped)) << refused.body;
  }
}

TEST(Models, AreThoseTheKeyMayCall) {
  TestGateway gateway;
  const Sent all = gateway.get("/v1/models");
  EXPECT_TRUE(all.holds(R"({"id":"gpt-4o","object":"model","created":1677610602,"owned_by":"openai"})")) << all.body;
  EXPECT_TRUE(all.holds(R"("id":"openai/gpt-4o-mini")"));
  EXPECT_FALSE(all.holds(R"("id":"openai/*")"));
  EXPECT_TRUE(all.body.ends_with(R"("object":"list"})"));
  EXPECT_TRUE(gateway.get("/models?return_wildcard_routes=true").holds(R"("id":"openai/*")"));
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-few-models-1","models":["fast"]})").status, 200);
  EXPECT_EQ(gateway.get("/v1/models", "sk-few-models-1").body,
            R"({"data":[{"id":"fast","object":"model","created":1677610602,"owned_by":"openai"}],"object":"list"})");
  EXPECT_EQ(gateway.get("/openai/models?api-version=2025-04-01-preview").body, all.body);
  EXPECT_EQ(gateway.get("/v1/models?fallback_type=odd").status, 400);
}

TEST(Models, OneByItsId) {
  TestGateway gateway;
  EXPECT_EQ(gateway.get("/v1/models/gpt-4o").status, 200);
  EXPECT_TRUE(gateway.get("/models/openai/gpt-4o-mini").holds(R"("id":"openai/gpt-4o-mini")"));
  EXPECT_EQ(gateway.get("/v1/models/openai%2Fgpt-4o-mini").status, 200);
  EXPECT_EQ(gateway.get("/openai/models/gpt-4o?api-version=2025-04-01-preview").status, 200);
  const Sent missing = gateway.get("/v1/models/gpt-4");
  EXPECT_EQ(missing.status, 404);
  EXPECT_TRUE(missing.holds(R"("detail":"The model 'gpt-4' does not exist)")) << missing.body;
  EXPECT_TRUE(missing.holds("gpt-4o"));
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-few-models-1","models":["fast"]})").status, 200);
  EXPECT_EQ(gateway.get("/v1/models/gpt-4o", "sk-few-models-1").status, 404);
}

TEST(ModelInfo, ShowsNoSecretAndOnlyAllowed) {
  TestGateway gateway;
  const Sent info = gateway.get("/model/info?litellm_model_id=id-gpt-4o");
  EXPECT_EQ(info.status, 200);
  EXPECT_TRUE(info.holds(R"("model_name":"gpt-4o")")) << info.body;
  EXPECT_TRUE(info.holds(R"("db_model":false)"));
  EXPECT_TRUE(info.holds(R"("api_base":"https://api.openai.com)")) << info.body;
  EXPECT_FALSE(info.holds("fast"));
  EXPECT_EQ(gateway.get("/v1/model/info?litellm_model_id=nobody").status, 400);
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-few-models-1","models":["fast"]})").status, 200);
  const Sent few = gateway.get("/model/info", "sk-few-models-1");
  EXPECT_FALSE(few.holds("gpt-4o")) << few.body;
  EXPECT_FALSE(few.holds("api_base"));
}

TEST(ModelInfo, ShowsTheParametersAsTheyWereWritten) {
  TestGateway gateway;
  config::ModelEntry& entry = gateway.settings->models.front();
  entry.prices = {{"input_cost_per_token", "2.5e-06"}, {"output_cost_per_token", ".5"}};
  entry.rpm = 7;
  entry.timeout = config::Milliseconds(2500);
  entry.order = 2;
  entry.drop_params = true;
  entry.default_params_json = R"({"temperature":0.5,"extra_body":{"token":"sk-provider-secret-value"}})";
  entry.default_params_shown = R"({"temperature":0.5,"extra_body":{"token":"***"}})";
  gateway.use_settings();
  const Sent info = gateway.get("/model/info?litellm_model_id=id-gpt-4o");
  EXPECT_TRUE(info.holds(R"("litellm_params":{"model":"openai/gpt-4o","rpm":7,"input_cost_per_token":2.5e-06,)"
                         R"("output_cost_per_token":0.5,"timeout":2.5,"order":2,"drop_params":true,)"))
      << info.body;
  EXPECT_TRUE(info.holds(R"("temperature":0.5,"extra_body":{"token":"***"})")) << info.body;
  EXPECT_FALSE(info.holds("secret")) << info.body;
  // Who is no administrator sees limits and prices.
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-few-models-1"})").status, 200);
  const Sent seen = gateway.get("/model/info?litellm_model_id=id-gpt-4o", "sk-few-models-1");
  EXPECT_TRUE(seen.holds(R"("output_cost_per_token":0.5})")) << seen.body;
  const Sent nobody = gateway.get("/model/info?litellm_model_id=nobody");
  EXPECT_TRUE(nobody.holds("Model id = nobody not found")) << nobody.body;
}

TEST(Health, IsAliveWithoutAKey) {
  TestGateway gateway;
  EXPECT_EQ(gateway.get("/health/liveliness", "").body, "\"I'm alive!\"");
  EXPECT_EQ(gateway.get("/health/liveness", "").status, 200);
  EXPECT_EQ(gateway.get("/health", "").status, 401);
}

TEST(Readiness, SaysWhyNot) {
  TestGateway gateway;
  const Sent ready = gateway.get("/health/readiness", "");
  EXPECT_EQ(ready.status, 200);
  EXPECT_TRUE(
      ready.holds(R"("status":"connected","db":"connected","cache":null,"replicas":1,"litellm_version":"9.9.9")"))
      << ready.body;
  EXPECT_TRUE(ready.holds("config.yaml:7: a problem"));
  EXPECT_EQ(TestGateway::field(ready, "price_table"), price::Catalogue::built_in()->version());
  gateway.ledger.refusal = "journal full";
  const Sent full = gateway.get("/health/readiness", "");
  EXPECT_EQ(full.status, 503);
  EXPECT_TRUE(full.holds(R"x("detail":"Service Unhealthy (journal full)")x")) << full.body;
  gateway.ledger.refusal.clear();
  gateway.gateway.draining = true;
  EXPECT_EQ(gateway.get("/health/readiness", "").status, 503);
  EXPECT_EQ(gateway.get("/health/liveliness", "").status, 200);
}

TEST(Health, TellsWhatTrafficHasShown) {
  TestGateway gateway;
  EXPECT_TRUE(gateway.get("/health").holds(R"("healthy_count":3,"unhealthy_count":0)"));
  gateway.gateway.workers[0]->snapshot->routing->groups()[0]->deployments[0]->health->cooling_until_us =
      base::unix_now_us() + 60'000'000;
  const Sent one = gateway.get("/health");
  EXPECT_TRUE(one.holds(R"("healthy_count":2,"unhealthy_count":1)")) << one.body;
  EXPECT_TRUE(one.holds("cooling down after"));
  EXPECT_EQ(gateway.get("/health?model=nobody").status, 404);
  EXPECT_TRUE(gateway.get("/health?model=fast").holds(R"("model_id":"id-fast")"));
}

TEST(Metrics, AskForAKeyWhenConfigured) {
  TestGateway gateway;
  const Sent open = gateway.get("/metrics", "");
  EXPECT_EQ(open.status, 200);
  EXPECT_EQ(open.type, "text/plain; version=0.0.4; charset=utf-8");
  gateway.settings = std::make_shared<config::Settings>(*gateway.settings);
  gateway.settings->litellm.require_auth_for_metrics_endpoint = true;
  gateway.use_settings();
  EXPECT_EQ(gateway.get("/metrics", "").status, 401);
  EXPECT_EQ(gateway.get("/metrics").status, 200);
}

TEST(Reload, ReportsWhatChangedOrWhyNot) {
  TestGateway gateway;
  const Sent done = gateway.post("/config/reload", "");
  EXPECT_EQ(done.status, 200);
  EXPECT_TRUE(done.holds(R"("changes":["router_settings.num_retries: 2 -> 5"])")) << done.body;
  gateway.reload_result = base::fail(ErrorKind::InvalidRequest, "config.yaml:3: model_list is missing");
  const Sent refused = gateway.post("/config/reload", "");
  EXPECT_EQ(refused.status, 400);
  EXPECT_TRUE(refused.holds("config.yaml:3"));
}

TEST(ConfigReads, NameTheCallbacksThatAreInForce) {
  TestGateway gateway;
  gateway.settings->litellm.callbacks = {"prometheus"};
  gateway.settings->router.timeout = config::Milliseconds(1500);
  gateway.use_settings();
  for (const char* path : {"/settings", "/active/callbacks"}) {
    const Sent active = gateway.get(path);
    EXPECT_EQ(active.status, 200) << active.body;
    EXPECT_TRUE(active.holds(R"("litellm.callbacks":["prometheus"])")) << active.body;
    EXPECT_TRUE(active.holds(R"("num_callbacks":1,"num_alerting":0,"litellm.request_timeout":1.5)")) << active.body;
  }
  // What is not there has no route that says it is empty; what is there is changed in the file.
  EXPECT_EQ(gateway.get("/config/pass_through_endpoint").status, 404);
  EXPECT_EQ(gateway.post("/config/update", "{}").status, 404);
}

TEST(System, ListsRoutesAndItself) {
  TestGateway gateway;
  EXPECT_TRUE(gateway.get("/routes", "").holds(R"({"path":"/v1/chat/completions","methods":["POST"])"));
  EXPECT_EQ(gateway.get("/test", "").body, R"({"route":"http://test.local:4000/test"})");
}

std::string value_of(const Sent& sent, const std::string& name) {
  const std::size_t at = sent.fields.find(name + ": ");
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size() + 2;
  return sent.fields.substr(begin, sent.fields.find("\r\n", begin) - begin);
}

TEST(Reply, HasAnIdAndAVersionWhateverItSays) {
  TestGateway gateway;
  std::set<std::string> ids;
  const std::vector<Sent> replies = {gateway.get("/v1/models"),       gateway.get("/no/such/route"),
                                     gateway.get("/key/generate"),    gateway.post("/key/generate", "{}"),
                                     gateway.get("/v1/models", "sk"), gateway.get("/health/liveliness", "")};
  for (const Sent& reply : replies) {
    const std::string id = value_of(reply, "x-request-id");
    EXPECT_EQ(id.size(), 36u) << reply.status << " " << reply.fields;
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_EQ(value_of(reply, "x-litellm-version"), TURNPIKE_VERSION);
  }
}

TEST(RootPath, EveryRouteIsServedBelowItToo) {
  TestGateway gateway(false, "/gateway/a");
  for (const char* path : {"/gateway/a/v1/models", "/v1/models", "/gateway/a/v1/models/gpt-4o", "/gateway/a",
                           "/gateway/a/", "/gateway/a/health/readiness"}) {
    EXPECT_EQ(gateway.get(path).status, 200) << path;
  }
  EXPECT_EQ(gateway.post("/gateway/a/key/generate", "{}").status, 200);
  for (const char* path : {"/gateway/v1/models", "/gateway/ab/v1/models", "/gateway/a/gateway/a/v1/models",
                           "/gateway/a//v1/models", "/gateway/a/../v1/models", "/Gateway/a/v1/models"}) {
    EXPECT_EQ(gateway.get(path).status, 404) << path;
  }
  EXPECT_EQ(gateway.get("/gateway/a/key/generate").status, 405);
  EXPECT_EQ(gateway.post("/gateway/a/key/generate", "{}", "sk-nobody").status, 401);
  EXPECT_EQ(gateway.get("/gateway/a/test", "").body, R"({"route":"http://test.local:4000/gateway/a/test"})");
  EXPECT_TRUE(gateway.get("/gateway/a/", "").holds("curl http://test.local:4000/gateway/a/v1/chat/completions"));
  const Sent html = gateway.call("GET", "/gateway/a/", "", "", {{"Accept", "text/html"}});
  EXPECT_TRUE(html.holds(R"(<a href="/gateway/a/metrics">)")) << html.body;
}

TEST(RootPath, IsCleanOrRefused) {
  for (const auto& [given, clean] : {std::pair{"", ""}, {"/", ""}, {"gateway", "/gateway"}, {" /a/b.c/ ", "/a/b.c"}}) {
    EXPECT_EQ(clean_root_path(given).value(), clean) << given;
  }
  for (const char* given : {"/a//b", "/a/../b", "/a?b", "/a b", "/a%2fb", "http://host/a", "/./", "//host"}) {
    ASSERT_FALSE(clean_root_path(given)) << given;
    EXPECT_NE(clean_root_path(given).error().message.find("SERVER_ROOT_PATH"), std::string::npos);
  }
}

TEST(FrontPage, ShowsAModelThatChats) {
  TestGateway gateway;
  gateway.settings = std::make_shared<config::Settings>(*gateway.settings);
  gateway.settings->models.clear();
  gateway.add_model("embed", "openai/text-embedding-3-small");
  gateway.settings->models.back().mode = "embedding";
  gateway.add_model("openai/*", "openai/*");
  gateway.use_settings();
  EXPECT_TRUE(gateway.get("/", "").holds(R"("model":"openai/gpt-4o-mini")")) << gateway.get("/", "").body;
}

TEST(FrontPage, IsHtmlForBrowsersAndTextForOthers) {
  TestGateway gateway;
  const Sent text = gateway.get("/", "");
  EXPECT_EQ(text.type, "text/plain; charset=utf-8");
  EXPECT_TRUE(text.holds("curl http://test.local:4000/v1/chat/completions")) << text.body;
  EXPECT_TRUE(text.holds(R"("model":"gpt-4o")")) << text.body;
  const Sent html = gateway.call("GET", "/", "", "", {{"Accept", "text/html,application/xhtml+xml"}});
  EXPECT_EQ(html.type, "text/html; charset=utf-8");
  EXPECT_NE(html.fields.find("Content-Security-Policy: default-src 'none'"), std::string::npos) << html.fields;
  EXPECT_EQ(gateway.call("HEAD", "/", "").status, 200);
}

void book(db::Database& database, int number, const std::string& hash, std::int64_t started_us, std::int64_t cost,
          int status) {
  ASSERT_TRUE(database.transact_now([&](db::Transaction& transaction) -> Status {
    const Result<db::Rows> done = transaction.run(
        "INSERT INTO entry (day, replica_no, entry_no, kind, record_id, call_id, provider_request_id, started_us, "
        "ended_us, "
        "status, http_status, cost_nano, prompt_tokens, completion_tokens, key_hash, user_id, model, model_group, "
        "error_text) "
        "VALUES ($1, 1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, 10, 20, $11, 'u1', 'gpt-4o', 'fast', 'bad thing')",
        {started_us / 86'400'000'000, std::int64_t{number}, "rec-" + std::to_string(number),
         "call-" + std::to_string(number), "prov-" + std::to_string(number), started_us, started_us + 1'500'000,
         std::int64_t{status}, std::int64_t{status == 0 ? 200 : 400}, cost, hash});
    if (!done) return base::fail(done.error());
    // What shipping adds to the aggregates with it.
    for (const auto& [kind, entity] : {std::pair{std::int64_t{6}, hash}, {std::int64_t{5}, std::string("u1")}}) {
      const Result<db::Rows> added = transaction.run(
          "INSERT INTO daily (day, entity_kind, entity, key_hash, model_group, model, provider, route, cost_nano, "
          "calls,"
          " failed, cached, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens) VALUES ($1, $2, "
          "$3,"
          " $4, 'fast', 'gpt-4o', '', '', $5, 1, $6, 0, 10, 20, 0, 0)",
          {started_us / 86'400'000'000, kind, entity, hash, cost, std::int64_t{status}});
      if (!added) return base::fail(added.error());
    }
    return {};
  }));
}

TEST(SpendLogs, FindsAndConfines) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-spender-00001"})").status, 200);
  const std::string mine = base::sha256_hex("sk-spender-00001"), other = base::sha256_hex("sk-other");
  constexpr std::int64_t kNoon = 1'771'200'000'000'000;  // 2026-02-16T00:00:00Z
  book(*gateway.database, 1, mine, kNoon, 54'399'000, 0);
  book(*gateway.database, 2, other, kNoon + 1, 1'000'000'000, 0);
  book(*gateway.database, 3, mine, kNoon + 86'400'000'000, 0, 1);

  const Sent one = gateway.get("/spend/logs?request_id=rec-1");
  EXPECT_TRUE(one.body.starts_with(R"([{"request_id":"prov-1")")) << one.body;
  EXPECT_TRUE(one.holds(R"("spend":0.054399,"total_tokens":30,"prompt_tokens":10,"completion_tokens":20)"));
  EXPECT_TRUE(one.holds(R"("startTime":"2026-02-16T00:00:00.000000Z")"));
  EXPECT_EQ(gateway.get("/spend/logs?request_id=call-1").body, one.body);
  EXPECT_EQ(gateway.get("/spend/logs?request_id=prov-1").body, one.body);

  const Sent failed = gateway.get("/spend/logs?request_id=call-3");
  EXPECT_TRUE(failed.body.starts_with(R"([{"request_id":"call-3")")) << failed.body;
  EXPECT_TRUE(failed.holds(R"("error_code":"400","error_class":"BadRequestError")"));

  const Sent own = gateway.get("/spend/logs", "sk-spender-00001");
  EXPECT_TRUE(own.holds("rec-1"));
  EXPECT_FALSE(own.holds("rec-2")) << own.body;
  EXPECT_EQ(gateway.get("/spend/logs?api_key=" + other, "sk-spender-00001").status, 403);
  EXPECT_EQ(gateway.get("/spend/logs?request_id=rec-2", "sk-spender-00001").body, "[]");

  const Sent days = gateway.get("/spend/logs?start_date=2026-02-16&end_date=2026-02-16");
  EXPECT_EQ(days.body,
            R"([{"startTime":"2026-02-16","spend":1.054399,"users":{"u1":1.054399},"models":{"gpt-4o":1.054399},)" +
                (mine < other ? "\"" + mine + "\":0.054399,\"" + other + "\":1"
                              : "\"" + other + "\":1,\"" + mine + "\":0.054399") +
                "}]");
  const Sent limited = gateway.get("/spend/logs?limit=1");
  EXPECT_NE(limited.fields.find("x-turnpike-truncated: 1"), std::string::npos) << limited.fields;
  for (const char* query : {"start_date=yesterday", "limit=0", "limit=x", "api_key=nonsense"}) {
    EXPECT_EQ(gateway.get("/spend/logs?" + std::string(query)).status, 400) << query;
  }
}

TEST(SpendKeys, ShowWhatIsSettledButNotYetShipped) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/key/generate", R"({"key":"sk-spender-00001","spend":2})").status, 200);
  EXPECT_TRUE(gateway.get("/spend/keys").holds(R"("spend":2,)"));
  auto account = std::make_shared<ledger::Account>(ledger::AccountFacts());
  const auto words = std::make_shared<lease::AccountWords>();
  account->windows.push_back(std::make_shared<ledger::AccountWindow>(*account, domain::BudgetWindow(), words, false));
  account->windows.back()->spent_before = 2'000'000'000;
  words->settled = 500'000'000;
  Result<std::int64_t> id = std::int64_t{0};
  ASSERT_TRUE(gateway.database->transact_now([&](db::Transaction& transaction) -> Status {
    const Result<db::Rows> rows = transaction.run("SELECT account_id FROM verification_key", {});
    if (!rows) return base::fail(rows.error());
    id = db::as_int(rows->rows[0][0]);
    return {};
  }));
  gateway.ledger.accounts[*id] = account;
  EXPECT_TRUE(gateway.get("/spend/keys").holds(R"("spend":2.5,)"));
  EXPECT_TRUE(gateway.get("/key/info", "sk-spender-00001").holds(R"("spend":2.5,)"));
}

TEST(ErrorBody, HasTheOpenAiShape) {
  EXPECT_EQ(error_body(431, "too many fields"),
            R"({"error":{"message":"too many fields","type":"invalid_request_error","param":null,"code":"431"}})");
}

}  // namespace
}  // namespace turnpike::api::handler_test
