#include "provider/provider.h"

#include <gtest/gtest.h>

#include <set>

namespace turnpike::provider::provider_test {
namespace {

TEST(Catalogue, EveryRowIsComplete) {
  for (const Provider& row : catalogue()) {
    SCOPED_TRACE(row.name);
    EXPECT_FALSE(row.label.empty());
    EXPECT_EQ(find_provider(row.name), &row);
    if (!row.base_url.empty()) {
      EXPECT_TRUE(row.base_url.starts_with("https://") || row.self_hosted) << row.base_url;
      EXPECT_FALSE(row.base_url.ends_with('/'));
    }
    if (row.shape == Shape::OpenAi) {
      EXPECT_TRUE(!row.base_url.empty() || !row.base_url_variables.empty()) << "nobody could say where it is";
      EXPECT_TRUE(!row.key_variables.empty() || row.self_hosted);
    }
    EXPECT_EQ(row.auth == AuthScheme::ApiKeyHeader, !row.auth_header.empty());
    std::set<std::string_view> from;
    for (const FieldRule& rule : row.rules) EXPECT_TRUE(from.insert(rule.from).second) << rule.from;
  }
  EXPECT_EQ(find_provider("nobody"), nullptr);
  EXPECT_EQ(find_provider(""), nullptr);
  EXPECT_GE(catalogue().size(), 140U);
}

TEST(Catalogue, AtLeast110ProvidersNeedNothingButAKey) {
  std::size_t usable = 0;
  for (const Provider& row : catalogue()) {
    SCOPED_TRACE(row.name);
    const bool fixed = !row.base_url.empty() && row.base_url.find('{') == std::string_view::npos;
    if (row.shape != Shape::Other && fixed && !row.self_hosted && !row.key_variables.empty()) ++usable;
    EXPECT_FALSE(row.serves.empty());
    for (const HeaderRule& rule : row.headers) EXPECT_FALSE(rule.name.empty() || rule.variable.empty());
  }
  EXPECT_GE(usable, 110U);
}

TEST(Catalogue, SpotRows) {
  const Provider* groq = find_provider("groq");
  ASSERT_NE(groq, nullptr);
  EXPECT_EQ(groq->base_url, "https://api.groq.com/openai/v1");
  ASSERT_EQ(groq->key_variables.size(), 1U);
  EXPECT_EQ(groq->key_variables[0], "GROQ_API_KEY");
  EXPECT_EQ(find_provider("together_ai")->key_variables.size(), 4U);
  EXPECT_EQ(find_provider("assemblyai")->auth, AuthScheme::RawAuthorization);
  EXPECT_EQ(find_provider("sarvam")->auth_header, "api-subscription-key");
  EXPECT_TRUE(find_provider("hosted_vllm")->self_hosted);
  EXPECT_FALSE(find_provider("mistral")->stream_usage);
  EXPECT_EQ(find_provider("anthropic")->shape, Shape::Anthropic);
}

TEST(IsSelfHosted, ByItsRowOrByAnAddressThatIsNoProviders) {
  struct {
    const char* provider;
    const char* host;
    bool own;
  } const cases[] = {
      {"hosted_vllm", "llm.example.com", true},
      {"openai", "127.0.0.1", true},
      {"openai", "vllm", true},
      {"openai", "llm.example.com", true},
      {"openai", "api.deepseek.com.example.net", true},
      {"openai", "api.openai.com", false},
      {"openai", "eu.api.openai.com", false},
      {"openai", "api.deepseek.com", false},
      {"openai", "generativelanguage.googleapis.com", false},
      {"openai", "estate.openai.azure.com", false},
      {"groq", "api.groq.com", false},
      {"azure_ai", "estate.example.com", false},
      {"openai", "openai.com", false},
      {"openai", "notopenai.com", true},
      {"openai", "com", true},
      {"openai", "", true},
  };
  for (const auto& c : cases) {
    const Provider* provider = find_provider(c.provider);
    ASSERT_NE(provider, nullptr) << c.provider;
    EXPECT_EQ(is_self_hosted(*provider, c.host), c.own) << c.provider << " at " << c.host;
  }
  for (const Provider& row : catalogue()) {
    if (row.self_hosted || !row.base_url.starts_with("https://") || row.base_url.find('{') != std::string_view::npos)
      continue;
    const std::string_view rest = row.base_url.substr(8);
    EXPECT_FALSE(is_self_hosted(*find_provider("openai"), rest.substr(0, rest.find('/')))) << row.name;
  }
}

struct Case {
  const char* model;
  const char* custom;
  const char* api_base;
  const char* provider;  // Empty: nobody.
  const char* wire_model;
};

TEST(ResolveModel, FollowsTheOrderOfTheRules) {
  const Case cases[] = {
      {"openai/gpt-4o", "", "", "openai", "gpt-4o"},
      {"groq/meta-llama/llama-4:x", "", "", "groq", "meta-llama/llama-4:x"},
      {"openai/my/own.model", "", "http://localhost:9/v1", "openai", "my/own.model"},
      {"gpt-4o", "groq", "", "groq", "gpt-4o"},
      {"groq/llama", "groq", "", "groq", "llama"},
      {"openai/gpt-4o", "openrouter", "", "openrouter", "openai/gpt-4o"},
      {"groq/llama", "nobody", "", "", "groq/llama"},
      {"llama", "", "https://api.groq.com/openai/v1", "groq", "llama"},
      {"llama", "", "https://api.deepseek.com.example.net/v1", "", "llama"},
      {"llama", "", "https://api.deepseek.com/beta", "deepseek", "llama"},
      {"meta/llama", "", "https://integrate.api.nvidia.com/v1/", "nvidia_nim", "meta/llama"},
      {"priced-by-groq", "", "", "groq", "priced-by-groq"},
      {"gpt-9", "", "", "openai", "gpt-9"},
      {"o3-mini", "", "", "openai", "o3-mini"},
      {"claude-9", "", "", "anthropic", "claude-9"},
      {"whatever", "", "", "", "whatever"},
      {"whatever/model", "", "", "", "whatever/model"},
      {"", "", "", "", ""},
      {"fireworks_ai/llama-v3", "", "", "fireworks_ai", "accounts/fireworks/models/llama-v3"},
      {"fireworks_ai/accounts/me/models/x", "", "", "fireworks_ai", "accounts/me/models/x"},
      {"huggingface/novita/org/name", "", "", "huggingface", "org/name:novita"},
      {"huggingface/org/name", "", "", "huggingface", "org/name"},
      {"azure/o_series/my-o3", "", "", "azure", "my-o3"},
      {"azure/gpt5_series/my-gpt", "", "", "azure", "my-gpt"},
      {"clarifai/openai.chat.gpt", "", "", "clarifai", "https://clarifai.com/openai/chat/models/gpt"},
  };
  const FindListing listing = [](std::string_view model) -> Listing {
    return {model == "priced-by-groq" ? "groq" : ""};
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.model);
    const Resolved resolved = resolve_model(c.model, c.custom, c.api_base, listing);
    EXPECT_EQ(resolved.provider == nullptr ? "" : resolved.provider->name, c.provider);
    EXPECT_EQ(resolved.model, c.wire_model);
  }
  EXPECT_EQ(resolve_model("gpt-4o", "", "", nullptr).provider, find_provider("openai"));
}

}  // namespace
}  // namespace turnpike::provider::provider_test
