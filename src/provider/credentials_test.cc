#include <gtest/gtest.h>

#include <map>

#include "credential/renewed.h"
#include "credential/test_source.h"
#include "provider/aim.h"

namespace turnpike::provider::credentials_test {
namespace {

using credential::Credential;
using credential::CredentialSource;
using Values = std::map<std::string, std::string>;
using Params = std::vector<std::pair<std::string, base::Secret>>;

std::shared_ptr<CredentialSource> source_of(std::string_view provider, const Values& line, const Values& variables,
                                            const std::string& api_key = {}, const std::string& api_base = {}) {
  Params params;
  for (const auto& [name, value] : line) params.emplace_back(name, base::Secret(value));
  AimInput input;
  input.provider = find_provider(provider);
  input.shape = input.provider->shape;
  input.api_key = base::Secret(api_key);
  input.params = &params;
  input.api_base = api_base;
  input.environment = [&variables](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  };
  return own_credential(input).value();
}

/// "key", when a plain key is all there is, else what is given: "bearer TOKEN", "zen TOKEN", or "fetched" for a source
/// that would ask somebody.
std::string kind_of(const std::shared_ptr<CredentialSource>& source) {
  if (source == nullptr) return "key";
  if (dynamic_cast<credential::RenewedSource*>(source.get()) != nullptr) return "fetched";
  const Result<credential::CredentialRef> given = credential::get(source);
  return ((*given)->kind == Credential::Kind::Bearer ? "bearer " : "zen ") + (*given)->token.reveal();
}

TEST(OwnCredential, IsFoundInItsOrder) {
  const Values application = {{"tenant_id", "t"}, {"client_id", "c"}, {"client_secret", "s"}};
  const Values application_variables = {
      {"AZURE_TENANT_ID", "t"}, {"AZURE_CLIENT_ID", "c"}, {"AZURE_CLIENT_SECRET", "s"}};
  struct Case {
    const char* name;
    const char* provider;
    Values line;
    Values variables;
    const char* api_key;
    const char* kind;
  };
  const Case cases[] = {
      {"no way of its own", "openai", {}, {{"OPENAI_API_KEY", "k"}}, "", "key"},
      {"Vertex: a service account", "vertex_ai", {{"vertex_credentials", "/key.json"}}, {}, "", "fetched"},
      {"Vertex: nothing set, the metadata server", "vertex_ai", {}, {}, "", "fetched"},
      {"Vertex: express mode", "vertex_ai", {}, {}, "AQ.key", "key"},
      {"Bedrock: an API key of the line", "bedrock", {{"aws_role_name", "r"}}, {}, "b-key", "bearer b-key"},
      {"Bedrock: an API key of the environment", "bedrock", {}, {{"AWS_BEARER_TOKEN_BEDROCK", "b"}}, "", "bearer b"},
      {"Bedrock: keys of the line are nearer",
       "bedrock",
       {{"aws_access_key_id", "a"}, {"aws_secret_access_key", "s"}},
       {{"AWS_BEARER_TOKEN_BEDROCK", "b"}},
       "",
       "fetched"},
      {"SageMaker knows no bearer key", "sagemaker", {}, {{"AWS_BEARER_TOKEN_BEDROCK", "b"}}, "", "fetched"},
      {"Azure: a key of the line", "azure", application, {}, "k", "key"},
      {"Azure: a token of the line", "azure", {{"azure_ad_token", "eyJ"}}, {{"AZURE_API_KEY", "k"}}, "", "bearer eyJ"},
      {"Azure: a token to exchange",
       "azure",
       {{"azure_ad_token", "oidc/file//t"}, {"tenant_id", "t"}, {"client_id", "c"}},
       {{"AZURE_API_KEY", "k"}},
       "",
       "fetched"},
      {"Azure: a token to exchange for nobody", "azure", {{"azure_ad_token", "oidc/file//t"}}, {}, "", "key"},
      {"Azure: an application of the line", "azure", application, {{"AZURE_API_KEY", "k"}}, "", "fetched"},
      {"Azure: half an application", "azure", {{"tenant_id", "t"}}, {}, "", "key"},
      {"Azure: the rest of it in the environment",
       "azure",
       {{"tenant_id", "t"}, {"client_id", "c"}},
       {{"AZURE_CLIENT_SECRET", "s"}},
       "",
       "fetched"},
      {"Azure: a key of the environment", "azure", {}, {{"AZURE_API_KEY", "k"}, {"AZURE_AD_TOKEN", "t"}}, "", "key"},
      {"Azure: a token of the environment", "azure", {}, {{"AZURE_AD_TOKEN", "t"}}, "", "bearer t"},
      {"Azure: an application of the environment", "azure", {}, application_variables, "", "fetched"},
      {"Azure: workload identity",
       "azure",
       {},
       {{"AZURE_TENANT_ID", "t"}, {"AZURE_CLIENT_ID", "c"}, {"AZURE_FEDERATED_TOKEN_FILE", "/t"}},
       "",
       "fetched"},
      {"Azure: the machine's identity, when wanted",
       "azure",
       {},
       {{"AZURE_CREDENTIAL", "ManagedIdentityCredential"}},
       "",
       "fetched"},
      {"Azure: nothing", "azure", {}, {}, "", "key"},
      {"watsonx: a key", "watsonx", {}, {{"WATSONX_APIKEY", "k"}}, "", "fetched"},
      {"watsonx: a token", "watsonx", {}, {{"WATSONX_TOKEN", "t"}, {"WATSONX_APIKEY", "k"}}, "", "bearer t"},
      {"watsonx: a Zen key", "watsonx", {{"zen_api_key", "z"}}, {}, "", "zen z"},
      {"watsonx: nothing", "watsonx", {}, {}, "", "key"},
      {"Databricks: a token",
       "databricks",
       {},
       {{"DATABRICKS_API_KEY", "k"}, {"DATABRICKS_CLIENT_ID", "c"}},
       "",
       "key"},
      {"Databricks: a service principal",
       "databricks",
       {{"client_id", "c"}, {"client_secret", "s"}},
       {{"DATABRICKS_HOST", "w.example"}},
       "",
       "fetched"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(kind_of(source_of(c.provider, c.line, c.variables, c.api_key)), c.kind);
  }
}

TEST(OwnCredential, IsSharedByDeploymentsThatMeanTheSame) {
  const Values one = {{"vertex_credentials", "/a.json"}, {"vertex_location", "us"}};
  const Values same = {{"vertex_credentials", "/a.json"}, {"vertex_location", "eu"}};
  const Values other = {{"vertex_credentials", "/b.json"}};
  const std::shared_ptr<CredentialSource> first = source_of("vertex_ai", one, {});
  EXPECT_EQ(source_of("vertex_ai", same, {}), first);
  EXPECT_NE(source_of("vertex_ai", other, {}), first);
  EXPECT_NE(source_of("vertex_ai", one, {{"GCE_METADATA_HOST", "h"}}), first);
}

// STS is asked in the region that the calls themselves are signed for.
TEST(OwnCredential, OfAwsKnowsTheRegionAsTheAddressDoes) {
  const auto role_in = [](std::string name, std::string value) {
    return source_of("bedrock", {{"aws_role_name", "arn:aws:iam::1:role/r"}, {std::move(name), std::move(value)}}, {});
  };
  const std::shared_ptr<CredentialSource> first = role_in("aws_region_name", "eu-west-1");
  EXPECT_EQ(role_in("model_id", "arn:aws:bedrock:eu-west-1:1:inference-profile/p"), first);
  EXPECT_NE(role_in("model_id", "arn:aws:bedrock:us-east-1:1:inference-profile/p"), first);
}

TEST(OwnCredential, ADatabricksWorkspaceIsTheHostOfTheAddress) {
  credential::TokenServer server([](const credential::Asked&) { return std::string(R"({"access_token":"t"})"); });
  const auto source = source_of("databricks", {{"client_id", "c"}, {"client_secret", "s"}}, {}, "",
                                server.url() + "/serving-endpoints");
  EXPECT_EQ(credential::token_of(source), "t");
  EXPECT_EQ(server.asked().back().line, "POST /oidc/v1/token");
}

}  // namespace
}  // namespace turnpike::provider::credentials_test
