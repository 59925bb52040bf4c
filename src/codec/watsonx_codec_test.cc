#include "codec/watsonx_codec.h"

#include "codec/test_call.h"

namespace turnpike::codec::watsonx_codec_test {
namespace {

struct PathCase {
  const char* model;
  const char* base;
  bool stream;
  const char* path;  // Empty: refused.
};

TEST(WatsonxPath, NamesVersionStreamAndDeployment) {
  const PathCase cases[] = {
      {"ibm/granite", "", false, "/ml/v1/text/chat?version=2025-02-06"},
      {"ibm/granite", "", true, "/ml/v1/text/chat_stream?version=2025-02-06"},
      {"ibm/granite", "/ml/v1", false, "/ml/v1/text/chat?version=2025-02-06"},
      {"ibm/granite", "/cpd", false, "/cpd/ml/v1/text/chat?version=2025-02-06"},
      {"deployment/my-dep", "", false, "/ml/v1/deployments/my-dep/text/chat?version=2025-02-06"},
      {"deployment/a/../b", "", true, "/ml/v1/deployments/a%2F..%2Fb/text/chat_stream?version=2025-02-06"},
      {"deployment/..", "", false, ""},
      {"deployment/", "", false, ""},
  };
  for (const PathCase& c : cases) {
    SCOPED_TRACE(c.model);
    provider::Target target;
    target.model = c.model;
    target.base.path = c.base;
    target.api_version = "2025-02-06";
    EXPECT_EQ(watsonx_path(target, c.stream).value_or(""), c.path);
  }
}

struct BodyCase {
  const char* name;
  const char* model;
  const char* project;
  const char* sent;
  const char* wire;
};

TEST(WatsonxCodec, WritesItsFrameAndKeepsTheRest) {
  const BodyCase cases[] = {
      {"a model of a project", "ibm/granite", "p1", R"({"model":"m","messages":[{"role":"user","content":"a\n"}]})",
       R"({"model_id":"ibm/granite","messages":[{"role":"user","content":"a\n"}],"project_id":"p1"})"},
      {"the caller's space", "ibm/granite", "p1", R"({"model":"m","messages":[],"space_id":"s"})",
       R"({"model_id":"ibm/granite","messages":[],"space_id":"s"})"},
      {"a deployment knows both", "deployment/d", "p1", R"({"model":"m","messages":[],"project_id":"x"})",
       R"({"messages":[]})"},
      {"streams are asked for by the path", "ibm/granite", "",
       R"({"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]})",
       R"({"model_id":"ibm/granite","messages":[]})"},
      {"a choice in a word", "ibm/granite", "",
       R"({"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required"})",
       R"({"model_id":"ibm/granite","messages":[],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice_option":"required"})"},
      {"a choice by name", "ibm/granite", "",
       R"({"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","additionalProperties":false}}}],"tool_choice":{"type":"function","function":{"name":"f"}}})",
       R"({"model_id":"ibm/granite","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"f"}}})"},
  };
  for (const BodyCase& c : cases) {
    SCOPED_TRACE(c.name);
    TestCall call("watsonx", c.sent);
    call.target.model = c.model;
    call.target.base.path = "";
    if (*c.project != '\0') call.target.params.emplace_back("watsonx_project_id", base::Secret(c.project));
    const Result<Encoded> encoded = call.encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(body_of(*encoded), c.wire);
  }
}

TEST(WatsonxCodec, SendsATokenOrAZenKey) {
  TestCall call("watsonx", R"({"model":"m","messages":[]})");
  EXPECT_NE(call.encode()->fields.find("Authorization: ZenApiKey sk-secret\r\n"), std::string::npos);
  call.credential.kind = credential::Credential::Kind::Bearer;
  EXPECT_NE(call.encode()->fields.find("Authorization: Bearer sk-secret\r\n"), std::string::npos);
}

TEST(WatsonxCodec, ServesChatOnly) {
  TestCall call("watsonx", R"({"model":"m","input":"a"})", domain::Operation::Embedding);
  const Result<Encoded> encoded = call.encode();
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
}

}  // namespace
}  // namespace turnpike::codec::watsonx_codec_test
