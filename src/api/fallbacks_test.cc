#include <gtest/gtest.h>

#include "api/test_gateway.h"

namespace turnpike::api::fallbacks_test {
namespace {

constexpr const char* kSet = R"({"model":"gpt-4o","fallback_models":["fast","openai/gpt-4o-mini"]})";

TEST(Fallbacks, AreSetShownChangedAndDeletedInLiteLlmsShape) {
  TestGateway gateway;
  const Sent made = gateway.post("/fallback", kSet);
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.body, R"({"model":"gpt-4o","fallback_models":["fast","openai/gpt-4o-mini"],"fallback_type":"general",)"
                       R"("message":"Fallback configuration created successfully"})");
  EXPECT_EQ(gateway.get("/fallback/gpt-4o").body,
            R"({"model":"gpt-4o","fallback_models":["fast","openai/gpt-4o-mini"],"fallback_type":"general"})");
  EXPECT_TRUE(gateway.get("/v1/models?include_metadata=true").holds(R"("fallbacks":["fast","openai/gpt-4o-mini"])"));

  const Sent changed = gateway.post("/fallback", R"({"model":"gpt-4o","fallback_models":["fast"],"colour":"red"})");
  EXPECT_TRUE(changed.holds("Fallback configuration updated successfully")) << changed.body;
  EXPECT_NE(changed.fields.find("x-turnpike-ignored-fields: colour"), std::string::npos) << changed.fields;
  EXPECT_TRUE(gateway.get("/fallback/gpt-4o").holds(R"("fallback_models":["fast"])"));

  const Sent gone = gateway.call("DELETE", "/fallback/gpt-4o");
  EXPECT_EQ(gone.body,
            R"({"model":"gpt-4o","fallback_type":"general","message":"Fallback configuration deleted successfully"})");
  const Sent none = gateway.get("/fallback/gpt-4o");
  EXPECT_EQ(none.status, 404);
  EXPECT_TRUE(none.holds("No general fallbacks configured for model 'gpt-4o'")) << none.body;
  EXPECT_EQ(gateway.call("DELETE", "/fallback/gpt-4o").status, 404);
}

TEST(Fallbacks, EachKindIsAListOfItsOwn) {
  TestGateway gateway;
  for (const std::string type : {"context_window", "content_policy"}) {
    SCOPED_TRACE(type);
    EXPECT_EQ(gateway.get("/fallback/gpt-4o?fallback_type=" + type).status, 404);
    EXPECT_EQ(
        gateway.post("/fallback", R"({"model":"gpt-4o","fallback_models":["fast"],"fallback_type":")" + type + "\"}")
            .status,
        200);
    EXPECT_TRUE(gateway.get("/fallback/gpt-4o?fallback_type=" + type).holds("\"fallback_type\":\"" + type + "\""));
    EXPECT_EQ(gateway.get("/fallback/gpt-4o").status, 404);
    EXPECT_EQ(gateway.call("DELETE", "/fallback/gpt-4o?fallback_type=" + type).status, 200);
  }
}

TEST(Fallbacks, StandInThePlaceOfTheConfiguredOnesAndOutliveAReload) {
  TestGateway gateway;
  gateway.settings->router.fallbacks = {{"gpt-4o", {"openai/o3"}}, {"*", {"fast"}}};
  gateway.use_settings();
  EXPECT_TRUE(gateway.get("/fallback/gpt-4o").holds(R"(["openai/o3"])"));
  EXPECT_TRUE(gateway.get("/fallback/openai/gpt-5").holds(R"(["fast"])")) << "what holds for every model";
  EXPECT_EQ(gateway.call("DELETE", "/fallback/openai/gpt-5").status, 404) << "it is none of its own";

  EXPECT_TRUE(gateway.post("/fallback", R"({"model":"gpt-4o","fallback_models":["openai/gpt-5"]})").holds("updated"));
  const auto reload = [&] {
    gateway.use_settings();
    ASSERT_TRUE(gateway.use_fallbacks());
  };
  reload();
  EXPECT_TRUE(gateway.get("/fallback/gpt-4o").holds(R"(["openai/gpt-5"])"));

  EXPECT_EQ(gateway.call("DELETE", "/fallback/gpt-4o").status, 200);
  reload();
  EXPECT_TRUE(gateway.get("/fallback/gpt-4o").holds(R"(["fast"])")) << "deleted, whatever the file says of it";
  EXPECT_TRUE(gateway.post("/fallback", kSet).holds("created"));
}

struct Case {
  const char* body;
  int status;
  const char* param;
  const char* says;
};

const Case kRefused[] = {
    {"[]", 400, "null", "must be a JSON object"},
    {"{", 400, "null", ""},
    {R"({"fallback_models":["fast"]})", 400, "model", "must name a model"},
    {R"({"model":" ","fallback_models":["fast"]})", 400, "model", "must name a model"},
    {R"({"model":"gpt-4o"})", 400, "fallback_models", "at least one model"},
    {R"({"model":"gpt-4o","fallback_models":[]})", 400, "fallback_models", "at least one model"},
    {R"({"model":"gpt-4o","fallback_models":"fast"})", 400, "fallback_models", "must be a list"},
    {R"({"model":"gpt-4o","fallback_models":[{"model":"fast"}]})", 400, "fallback_models", "must name a model"},
    {R"({"model":"gpt-4o","fallback_models":["fast","fast"]})", 400, "fallback_models", "twice"},
    {R"({"model":"gpt-4o","fallback_models":["fast"],"fallback_type":"any"})", 400, "fallback_type",
     "general, context_window or content_policy"},
    {R"({"model":"fasst","fallback_models":["gpt-4o"]})", 404, "model", "not found in router. Did you mean fast?"},
    {R"({"model":"openai/*","fallback_models":["fast"]})", 404, "model", "not found"},
    {R"({"model":"gpt-4o","fallback_models":["fats"]})", 400, "fallback_models",
     "Invalid fallback models: ['fats']. Did you mean fast?"},
    {R"({"model":"gpt-4o","fallback_models":["fast","gpt-4o"]})", 400, "fallback_models", "cannot be its own fallback"},
    {R"({"model":"gpt-4o","fallback_models":["id-gpt-4o"]})", 200, "", "created"},
};

TEST(Fallbacks, WhatCannotLeadAnywhereIsRefused) {
  for (const Case& c : kRefused) {
    SCOPED_TRACE(c.body);
    TestGateway gateway;
    const Sent sent = gateway.post("/fallback", c.body);
    EXPECT_EQ(sent.status, c.status) << sent.body;
    EXPECT_TRUE(sent.holds(c.says)) << sent.body;
    if (c.status == 200) continue;
    EXPECT_EQ(TestGateway::field(sent, "param"), c.param);
    EXPECT_EQ(gateway.get("/fallback/gpt-4o").status, 404) << "nothing was stored";
  }
}

TEST(Fallbacks, AreTheAdministrators) {
  TestGateway gateway;
  const std::string key = TestGateway::field(gateway.post("/key/generate", "{}"), "key");
  EXPECT_EQ(gateway.post("/fallback", kSet, key).status, 401);
  EXPECT_EQ(gateway.get("/fallback/gpt-4o", key).status, 401);
  EXPECT_EQ(gateway.call("DELETE", "/fallback/gpt-4o", key).status, 401);
  EXPECT_EQ(gateway.post("/fallback", kSet, "").status, 401);
}

}  // namespace
}  // namespace turnpike::api::fallbacks_test
