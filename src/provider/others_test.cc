#include <gtest/gtest.h>

#include <map>

#include "provider/aim.h"

namespace turnpike::provider::others_test {
namespace {

struct UrlCase {
  const char* provider;
  std::map<std::string, std::string> variables;
  const char* url;  // Empty: refused.
};

AimInput input_for(const char* provider, std::map<std::string, std::string> variables) {
  AimInput input;
  input.provider = find_provider(provider);
  input.environment = [set = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = set.find(name);
    return found == set.end() ? std::nullopt : std::optional(found->second);
  };
  return input;
}

TEST(OwnBaseUrl, IsBuiltFromTheCustomersAccount) {
  const UrlCase cases[] = {
      {"cloudflare", {{"CLOUDFLARE_ACCOUNT_ID", "a1"}}, "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1"},
      {"workers-ai", {{"CF_ACCOUNT_ID", "a1"}}, "https://api.cloudflare.com/client/v4/accounts/a1/ai/v1"},
      {"cloudflare", {}, ""},
      {"snowflake", {{"SNOWFLAKE_ACCOUNT_ID", "org-acc"}}, "https://org-acc.snowflakecomputing.com"},
      {"snowflake", {}, ""},
      {"watsonx", {{"WATSONX_REGION", "eu-de"}}, "https://eu-de.ml.cloud.ibm.com"},
      {"watsonx", {}, ""},
      {"databricks", {{"DATABRICKS_HOST", "dbc-1.cloud.databricks.com"}}, "https://dbc-1.cloud.databricks.com"},
      {"databricks", {{"DATABRICKS_HOST", "https://dbc-1.cloud.databricks.com"}}, "https://dbc-1.cloud.databricks.com"},
      {"databricks", {}, ""},
  };
  for (const UrlCase& c : cases) {
    SCOPED_TRACE(c.provider);
    const Result<std::string> url = own_base_url(input_for(c.provider, c.variables));
    EXPECT_EQ(url ? *url : "", c.url);
    if (!url) EXPECT_NE(url.error().message.find("set api_base or"), std::string::npos) << url.error().message;
  }
  EXPECT_EQ(*own_base_url(input_for("openai", {})), "");
}

struct PathCase {
  const char* provider;
  const char* base;
  const char* path;
};

TEST(CompleteTarget, PutsInFrontWhatABareAddressLacks) {
  const PathCase cases[] = {
      {"databricks", "", "/serving-endpoints"},
      {"databricks", "/serving-endpoints", "/serving-endpoints"},
      {"snowflake", "", "/api/v2/cortex/v1"},
      {"datarobot", "", "/api/v2/genai/llmgw"},
      {"datarobot", "/api/v2", "/api/v2/genai/llmgw"},
      {"datarobot", "/api/v2/deployments/d", "/api/v2/deployments/d"},
      {"cloudflare", "/client/v4/accounts/a1/ai/run", "/client/v4/accounts/a1/ai/v1"},
      {"cloudflare", "/client/v4/accounts/a1/ai/v1", "/client/v4/accounts/a1/ai/v1"},
      {"openai", "", ""},
  };
  for (const PathCase& c : cases) {
    SCOPED_TRACE(std::string(c.provider) + " " + c.base);
    Target target;
    target.base.path = c.base;
    complete_target(input_for(c.provider, {}), target);
    EXPECT_EQ(target.base.path, c.path);
  }
}

TEST(CompleteTarget, TellsSnowflakeWhatKindOfTokenItGets) {
  const std::pair<std::pair<const char*, const char*>, const char*> cases[] = {
      {{"SNOWFLAKE_JWT", "eyJhbGciOi"}, "X-Snowflake-Authorization-Token-Type: KEYPAIR_JWT\r\n"},
      {{"SNOWFLAKE_JWT", "pat/abc"}, "X-Snowflake-Authorization-Token-Type: PROGRAMMATIC_ACCESS_TOKEN\r\n"},
      {{"SNOWFLAKE_PAT", "abc"}, "X-Snowflake-Authorization-Token-Type: PROGRAMMATIC_ACCESS_TOKEN\r\n"},
      {{"SNOWFLAKE_JWT", "oauth-token"}, ""},
  };
  for (const auto& [variable, fields] : cases) {
    SCOPED_TRACE(variable.second);
    const AimInput input = input_for("snowflake", {{variable.first, variable.second}});
    Target target;
    complete_target(input, target);
    complete_target(input, target);
    EXPECT_EQ(target.extra_fields, fields);
    const Result<std::shared_ptr<credential::CredentialSource>> source = own_credential(input);
    ASSERT_TRUE(source);
    EXPECT_EQ(*source != nullptr, std::string_view(fields).find("PROGRAMMATIC") != std::string_view::npos);
  }
}

TEST(CompleteTarget, GivesWatsonxItsVersionAndProject) {
  Target target;
  complete_target(input_for("watsonx", {}), target);
  EXPECT_EQ(target.api_version, "2024-03-13");
  EXPECT_TRUE(target.params.empty());
  target.api_version = "2025-02-06";
  complete_target(input_for("watsonx", {{"WATSONX_API_VERSION", "2026-01-01"}, {"WATSONX_PROJECT_ID", "p"}}), target);
  EXPECT_EQ(target.api_version, "2025-02-06");
  EXPECT_EQ(target.param("watsonx_project_id"), "p");
  // Aimed again, as for a wildcard: nothing is doubled.
  complete_target(input_for("watsonx", {{"WATSONX_PROJECT_ID", "q"}, {"WATSONX_SPACE_ID", "s"}}), target);
  EXPECT_EQ(target.param("watsonx_project_id"), "p");
  EXPECT_EQ(target.params.size(), 2u);
}

}  // namespace
}  // namespace turnpike::provider::others_test
