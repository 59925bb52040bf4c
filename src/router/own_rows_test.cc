// Rows of the configuration live as long as a deployment points at them.
#include <gtest/gtest.h>

#include "config/settings.h"
#include "router/router.h"

namespace turnpike::router::own_rows_test {
namespace {

TEST(OwnRows, OutliveTheSettingsThatBroughtThem) {
  std::vector<Deployment> deployments;
  {
    config::Settings settings;
    config::ProviderRow row;
    row.name = "acme";
    row.base_url = "https://llm.acme.example/v1";
    row.drop = {"a_parameter_with_a_name_that_is_not_short"};
    settings.turnpike.providers = {row};
    config::ModelEntry entry;
    entry.model_name = "small";
    entry.model = "acme/small-1";
    entry.api_key = base::Secret("key-of-acme");
    entry.default_params_json = "{}";
    settings.models = {entry};
    std::vector<Problem> problems;
    deployments = deployments_of(settings, problems);
    EXPECT_TRUE(problems.empty());
  }
  ASSERT_EQ(deployments.size(), 1U);
  const provider::Target& target = deployments[0].target;
  EXPECT_EQ(target.provider->name, "acme");
  EXPECT_EQ(target.provider->rules[0].from, "a_parameter_with_a_name_that_is_not_short");
  EXPECT_EQ(target.shown_base, "https://llm.acme.example/v1");
  EXPECT_FALSE(target.self_hosted);
}

TEST(OwnRows, AreOfferedWhereANameIsNearlyRight) {
  config::ProviderRow row;
  row.name = "acme-inference";
  row.base_url = "https://llm.acme.example/v1";
  config::ModelEntry entry;
  entry.model = "acme-inferense/small";
  const auto refusal = refusal_of(entry, {}, {row}, nullptr);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_NE(refusal->why.find("did you mean acme-inference?"), std::string::npos) << refusal->why;
  entry.model = "acme-inference/small";
  EXPECT_FALSE(refusal_of(entry, {}, {row}, nullptr).has_value());
}

}  // namespace
}  // namespace turnpike::router::own_rows_test
