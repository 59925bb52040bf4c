#include "codec/azure_codec.h"

#include "codec/test_call.h"

namespace turnpike::codec::azure_codec_test {
namespace {

using domain::Operation;

struct PathCase {
  const char* base;
  const char* version;
  Operation operation;
  const char* path;
};

TEST(AzurePath, FollowsTheFormOfTheAddressAndTheVersion) {
  const PathCase cases[] = {
      {"", "2024-10-21", Operation::Chat, "/openai/deployments/my-dep/chat/completions?api-version=2024-10-21"},
      {"", "2024-10-21", Operation::Completion, "/openai/deployments/my-dep/completions?api-version=2024-10-21"},
      {"", "2024-10-21", Operation::Embedding, "/openai/deployments/my-dep/embeddings?api-version=2024-10-21"},
      {"/openai", "2024-10-21", Operation::Chat, "/openai/deployments/my-dep/chat/completions?api-version=2024-10-21"},
      {"/gateway", "a b", Operation::Chat, "/gateway/openai/deployments/my-dep/chat/completions?api-version=a%20b"},
      {"", "", Operation::Chat, "/openai/deployments/my-dep/chat/completions"},
      {"", "v1", Operation::Chat, "/openai/v1/chat/completions"},
      {"", "latest", Operation::Embedding, "/openai/v1/embeddings"},
      {"/openai", "preview", Operation::Chat, "/openai/v1/chat/completions?api-version=preview"},
      {"/openai/v1", "2024-10-21", Operation::Chat, "/openai/v1/chat/completions"},
      {"/openai/v1/chat/completions", "", Operation::Embedding, "/openai/v1/embeddings"},
      {"/x/openai/deployments/other", "v", Operation::Chat,
       "/x/openai/deployments/other/chat/completions?api-version=v"},
      {"/openai/deployments/other/chat/completions", "v", Operation::Embedding,
       "/openai/deployments/other/embeddings?api-version=v"},
      {"/models", "2024-05-01-preview", Operation::Chat, "/models/chat/completions?api-version=2024-05-01-preview"},
      {"/models/chat/completions", "2024-05-01-preview", Operation::Embedding,
       "/models/embeddings?api-version=2024-05-01-preview"},
  };
  for (const PathCase& c : cases) {
    SCOPED_TRACE(std::string(c.base) + " " + c.version);
    provider::Target target;
    target.model = "my-dep";
    target.base.path = c.base;
    target.api_version = c.version;
    const Result<std::string> path = azure_path(target, c.operation);
    ASSERT_TRUE(path);
    EXPECT_EQ(*path, c.path);
  }
}

TEST(AzurePath, HoldsNoNameThatLeadsElsewhere) {
  provider::Target target;
  target.model = "a/../b?c";
  EXPECT_EQ(*azure_path(target, Operation::Chat), "/openai/deployments/a%2F..%2Fb%3Fc/chat/completions");
  for (const char* name : {"", ".", ".."}) {
    target.model = name;
    EXPECT_FALSE(azure_path(target, Operation::Chat)) << name;
  }
}

TEST(AzureCodec, SendsAKeyOrATokenAndNeverBoth) {
  TestCall call("azure", R"({"model":"m","messages":[]})");
  Result<Encoded> encoded = call.encode();
  ASSERT_TRUE(encoded);
  EXPECT_NE(encoded->fields.find("api-key: sk-secret\r\n"), std::string::npos);
  EXPECT_EQ(encoded->fields.find("Authorization"), std::string::npos);
  call.credential.kind = credential::Credential::Kind::Bearer;
  encoded = call.encode();
  ASSERT_TRUE(encoded);
  EXPECT_NE(encoded->fields.find("Authorization: Bearer sk-secret\r\n"), std::string::npos);
  EXPECT_EQ(encoded->fields.find("api-key"), std::string::npos);
  call.credential.kind = credential::Credential::Kind::Key;
  call.target.extra_fields = "Authorization: Bearer own\r\n";
  encoded = call.encode();
  ASSERT_TRUE(encoded);
  EXPECT_EQ(encoded->fields.find("api-key"), std::string::npos);
}

struct BodyCase {
  const char* name;
  const char* sent;  // `messages`, or `messages,"tools":...`
  const char* wire;
};

TEST(AzureCodec, CutsWhatAzureRefusesAndNothingElse) {
  const BodyCase cases[] = {
      {"nothing to do", R"([{"role":"user",  "content":"null image_url"}])",
       R"([{"role":"user",  "content":"null image_url"}])"},
      {"marks of messages and parts",
       R"([{"role":"system","cache_control":{"type":"ephemeral"},"content":[{"cache_control":{},"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}])",
       R"([{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])"},
      {"marks of tools",
       R"([],"tools":[{"type":"function","function":{"name":"f","cache_control":{},"parameters":{"cache_control":1}},"cache_control":{}}])",
       R"([],"tools":[{"type":"function","function":{"name":"f","parameters":{"cache_control":1}}}])"},
      {"nulls",
       R"([{"role":"user","name":null,"content":"a"},{"role":"assistant","content":null,"function_call":null}])",
       R"([{"role":"user","content":"a"},{"role":"assistant","content":null}])"},
      {"a name that is one", R"([{"role":"user","name":"null","content":"a"}])",
       R"([{"role":"user","name":"null","content":"a"}])"},
      {"an image by a bare string",
       R"([{"role":"user","content":[{"type":"image_url","image_url":"https://x/y\"z"}]}])",
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y\"z"}}]}])"},
  };
  for (const BodyCase& c : cases) {
    SCOPED_TRACE(c.name);
    TestCall call("azure", R"({"model":"m","messages":)" + std::string(c.sent) + "}");
    const Result<Encoded> encoded = call.encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(body_of(*encoded), R"({"model":"wire-model","messages":)" + std::string(c.wire) + "}");
  }
}

struct ErrorCase {
  int status;
  const char* body;
  const char* retry_after;
  ErrorKind kind;
  std::int64_t wait_ms;  // -1: none.
};

TEST(AzureCodec, ReadsItsErrors) {
  const ErrorCase cases[] = {
      {400,
       R"({"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}})",
       "", ErrorKind::UpstreamContentPolicy, -1},
      {404,
       R"({"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}})",
       "", ErrorKind::UpstreamNotFound, -1},
      {401, R"({"error":{"code":"401","message":"Access denied due to invalid subscription key."}})", "",
       ErrorKind::UpstreamUnauthenticated, -1},
      {429,
       R"({"error":{"code":"429","message":"Requests have exceeded the call rate limit. Please retry after 12 seconds."}})",
       "", ErrorKind::UpstreamRateLimited, 12'000},
      {429, R"({"error":{"code":"429","message":"Please retry after 12 seconds."}})", "3",
       ErrorKind::UpstreamRateLimited, 3'000},
      {429, R"({"error":{"code":"429","message":"Please retry after 1 second."}})", "", ErrorKind::UpstreamRateLimited,
       1'000},
      {429, R"({"error":{"code":"429","message":"Please retry after 99999999999 seconds or retry after noon."}})", "",
       ErrorKind::UpstreamRateLimited, -1},
  };
  for (const ErrorCase& c : cases) {
    SCOPED_TRACE(c.body);
    Refusal refusal;
    refusal.status = c.status;
    refusal.body = c.body;
    refusal.label = "Azure";
    refusal.retry_after = c.retry_after;
    const Error error = AzureCodec().read_error(refusal);
    EXPECT_EQ(error.kind, c.kind);
    EXPECT_EQ(error.retry_after ? error.retry_after->count() : -1, c.wait_ms);
  }
}

}  // namespace
}  // namespace turnpike::codec::azure_codec_test
