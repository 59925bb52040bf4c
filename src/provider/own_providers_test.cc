#include "provider/own_providers.h"

#include <gtest/gtest.h>

namespace turnpike::provider::own_providers_test {
namespace {

config::ProviderRow row(std::string name, config::ProviderShape shape = config::ProviderShape::OpenAi) {
  config::ProviderRow written;
  written.name = std::move(name);
  written.base_url = "https://llm.acme.example/v1";
  written.shape = shape;
  written.key_env = "ACME_KEY";
  written.rename = {{"max_completion_tokens", "max_tokens"}};
  written.drop = {"user"};
  return written;
}

TEST(OwnProviders, AreRowsLikeAnyOther) {
  const OwnProviders own({row("acme"), row("acme-claude", config::ProviderShape::Anthropic)});
  const Provider* acme = own.find("acme");
  ASSERT_NE(acme, nullptr);
  EXPECT_EQ(acme->label, "acme");
  EXPECT_EQ(acme->base_url, "https://llm.acme.example/v1");
  ASSERT_EQ(acme->key_variables.size(), 1U);
  EXPECT_EQ(acme->key_variables[0], "ACME_KEY");
  ASSERT_EQ(acme->rules.size(), 2U);
  EXPECT_EQ(acme->rules[0].to, "max_tokens");
  EXPECT_EQ(acme->rules[1].from, "user");
  EXPECT_FALSE(acme->self_hosted);
  EXPECT_EQ(own.find("acme-claude")->shape, Shape::Anthropic);
  EXPECT_EQ(own.find("nobody"), nullptr);
  EXPECT_FALSE(is_self_hosted(*acme, "llm.acme.example")) << "it has a price or is refused on a budget";

  config::ProviderRow open = row("bench");
  open.auth = config::ProviderAuth::None;
  EXPECT_TRUE(OwnProviders({open}).find("bench")->self_hosted);
}

TEST(OwnProviders, AreFoundWhereAModelNamesThem) {
  const OwnProviders own({row("acme")});
  EXPECT_EQ(resolve_model("acme/small/1", "", "", nullptr, &own).provider, own.find("acme"));
  EXPECT_EQ(resolve_model("acme/small/1", "", "", nullptr, &own).model, "small/1");
  EXPECT_EQ(resolve_model("small", "acme", "", nullptr, &own).provider, own.find("acme"));
  EXPECT_EQ(resolve_model("acme/small", "", "", nullptr).provider, nullptr);
  EXPECT_EQ(resolve_model("openai/small", "", "", nullptr, &own).provider, find_provider("openai"));
}

TEST(BaseUrlOfModel, IsBasetensForItsOwnDeployments) {
  const Provider& baseten = *find_provider("baseten");
  EXPECT_EQ(base_url_of_model(baseten, "abcd1234"),
            "https://model-abcd1234.api.baseten.co/environments/production/sync/v1");
  EXPECT_EQ(base_url_of_model(baseten, "deepseek-ai/x"), "");
  EXPECT_EQ(base_url_of_model(baseten, "ABCD-234"), "");
  EXPECT_EQ(base_url_of_model(*find_provider("groq"), "abcd1234"), "");
}

}  // namespace
}  // namespace turnpike::provider::own_providers_test
