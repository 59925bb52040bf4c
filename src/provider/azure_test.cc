#include <gtest/gtest.h>

#include "provider/aim.h"

namespace turnpike::provider::azure_test {
namespace {

struct Case {
  const char* name;
  const char* provider;
  const char* model;
  const char* api_base;
  const char* api_version;  // Of the config line.
  const char* variable;     // AZURE_API_VERSION
  Shape shape;
  const char* path;
  const char* version;
};

TEST(CompleteTarget, GivesAzureItsVersionAndFoundryItsPath) {
  const Case cases[] = {
      {"default", "azure", "gpt", "https://c.openai.azure.com", "", "", Shape::AzureOpenAi, "", "2025-02-01-preview"},
      {"line", "azure", "gpt", "https://c.openai.azure.com", "2024-10-21", "v1", Shape::AzureOpenAi, "", "2024-10-21"},
      {"variable", "azure", "gpt", "https://c.openai.azure.com", "", "v1", Shape::AzureOpenAi, "", "v1"},
      {"in the address", "azure", "gpt", "https://c.openai.azure.com/openai/deployments/d?x=1&api-version=2024-06-01&y",
       "", "v1", Shape::AzureOpenAi, "/openai/deployments/d", "2024-06-01"},
      {"text", "azure_text", "gpt", "https://c.openai.azure.com", "", "", Shape::AzureOpenAi, "", "2025-02-01-preview"},
      {"Foundry's models", "azure_ai", "grok-4", "https://c.services.ai.azure.com", "", "", Shape::AzureOpenAi,
       "/models", "2024-05-01-preview"},
      {"a whole address", "azure_ai", "grok-4",
       "https://c.services.ai.azure.com/models/chat/completions?api-version=2025-04-01", "", "", Shape::AzureOpenAi,
       "/models/chat/completions", "2025-04-01"},
      {"Foundry's OpenAI", "azure_ai", "gpt-5", "https://c.services.ai.azure.com/openai/v1", "v1", "",
       Shape::AzureOpenAi, "/openai/v1", "v1"},
      {"a deployment", "azure_ai", "gpt-5", "https://c.cognitiveservices.azure.com", "", "", Shape::AzureOpenAi, "",
       "2025-02-01-preview"},
      {"serverless", "azure_ai", "Mistral", "https://m.eastus2.models.ai.azure.com", "", "", Shape::OpenAi, "/v1",
       "2025-02-01-preview"},
      {"Claude", "azure_ai", "claude-sonnet-4-5", "https://c.services.ai.azure.com", "", "", Shape::Anthropic,
       "/anthropic", "2025-02-01-preview"},
      {"Claude's own address", "azure_ai", "claude-sonnet-4-5", "https://c.services.ai.azure.com/anthropic/v1", "", "",
       Shape::Anthropic, "/anthropic/v1", "2025-02-01-preview"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    AimInput input;
    input.provider = find_provider(c.provider);
    ASSERT_NE(input.provider, nullptr);
    input.model = c.model;
    input.shape = shape_of(*input.provider, c.model);
    input.api_version = c.api_version;
    input.api_base = c.api_base;
    input.environment = [&c](const std::string& name) -> std::optional<std::string> {
      return name == "AZURE_API_VERSION" ? c.variable : "";
    };
    Target target;
    target.provider = input.provider;
    target.shape = input.shape;
    target.model = c.model;
    const std::string address = c.api_base;
    target.base = *http::parse_base_url(address.substr(0, address.find('?')));
    complete_target(input, target);
    EXPECT_EQ(target.shape, c.shape);
    EXPECT_EQ(target.base.path, c.path);
    EXPECT_EQ(target.api_version, c.version);
  }
}

}  // namespace
}  // namespace turnpike::provider::azure_test
