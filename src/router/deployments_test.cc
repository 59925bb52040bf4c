#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "router/deployment_metrics.h"
#include "router/router.h"

namespace turnpike::router::deployments_test {
namespace {

config::ModelEntry entry(std::string group, std::string model) {
  config::ModelEntry made;
  made.id = "id-" + group;
  made.model_name = std::move(group);
  made.model = std::move(model);
  made.file = "config.yaml";
  made.line = 7;
  made.default_params_json = "{}";
  return made;
}

/// A variable of the environment for the length of a test.
struct Variable {
  Variable(const char* name_in, const char* value) : name(name_in) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  const char* name;
};

TEST(DeploymentsOf, BuildsATargetFromAnEntry) {
  config::Settings settings;
  config::ModelEntry written = entry("fast", "openai/gpt-4o");
  written.api_base = "http://127.0.0.1:9/v1";
  written.api_key = base::Secret("sk-test");
  written.organization = "org-1";
  written.extra_headers.emplace_back("x-extra", base::Secret("1"));
  written.extra_headers.emplace_back("x-bad", base::Secret("1\r\nhost: evil"));
  written.rpm = 60;
  written.default_params_json = R"({"temperature":0})";
  settings.models.push_back(written);
  std::vector<Problem> problems;
  const std::vector<Deployment> made = deployments_of(settings, problems);
  ASSERT_EQ(made.size(), 1u) << (problems.empty() ? "" : problems[0].text);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(made[0].target.model, "gpt-4o");
  EXPECT_EQ(made[0].target.provider->name, "openai");
  EXPECT_EQ(made[0].target.shown_base, "http://127.0.0.1:9/v1");
  EXPECT_EQ(made[0].target.extra_fields, "x-extra: 1\r\nOpenAI-Organization: org-1\r\n") << "no line is smuggled in";
  EXPECT_EQ(made[0].target.default_params_json, R"({"temperature":0})");
  EXPECT_EQ(made[0].price_name, "openai/gpt-4o");
  EXPECT_EQ(made[0].config_position, "config.yaml:7");
  EXPECT_EQ(made[0].rpm, 60);
}

TEST(DeploymentsOf, NamesWhatItLeavesOutAndWhatLacksAKey) {
  ::unsetenv("OPENAI_API_KEY");
  config::Settings settings;
  settings.models = {entry("a", "nobody-knows-this"), entry("b", "openai/gpt-4o")};
  std::vector<Problem> problems;
  const std::vector<Deployment> made = deployments_of(settings, problems);
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].model_group, "b");
  ASSERT_EQ(problems.size(), 2u);
  EXPECT_TRUE(problems[0].left_out);
  EXPECT_EQ(problems[0].position, "config.yaml:7");
  EXPECT_NE(problems[0].text.find("provider/model"), std::string::npos);
  EXPECT_FALSE(problems[1].left_out);
  EXPECT_NE(problems[1].text.find("OPENAI_API_KEY"), std::string::npos);

  const Variable key("OPENAI_API_KEY", "sk-from-the-environment");
  problems.clear();
  settings.models = {entry("b", "openai/gpt-4o")};
  EXPECT_EQ(deployments_of(settings, problems).size(), 1u);
  EXPECT_TRUE(problems.empty());
}

TEST(DeploymentsOf, AStarServedByAStarFindsItsProviderWithTheName) {
  const Variable key("OPENAI_API_KEY", "sk-from-the-environment");
  config::Settings settings;
  settings.models = {entry("*", "*")};
  std::vector<Problem> problems;
  std::vector<RoutingTable::Source> sources = {{deployments_of(settings, problems)}};
  EXPECT_TRUE(problems.empty());
  const auto table = RoutingTable::build(std::move(sources), settings, nullptr, nullptr);
  GroupCache cache;
  const ModelGroupRef group = table->find("openai/gpt-4o", cache);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->deployments[0]->target.model, "gpt-4o");
  EXPECT_FALSE(table->find("nobody-knows-this", cache));
}

TEST(DeploymentsOf, AppliesModelAliases) {
  const Variable key("OPENAI_API_KEY", "sk-from-the-environment");
  config::Settings settings;
  settings.litellm.model_alias_map = {{"openai/old", "openai/new"}};
  settings.models = {entry("a", "openai/old")};
  std::vector<Problem> problems;
  EXPECT_EQ(deployments_of(settings, problems).at(0).target.model, "new");
}

TEST(DeploymentMetrics, ShowStateAndCooldowns) {
  Deployment made;
  made.id = "id-1";
  made.model_group = "g";
  made.target.model = "gpt-4o";
  made.target.shown_base = "https://x/v1";
  made.rpm = 60;
  const auto table = RoutingTable::build({{{made}}}, {}, nullptr, nullptr);
  Health& health = *table->groups()[0]->deployments[0]->health;
  health.cooling_until_us = 100;
  health.cooling_status = 429;
  health.cooldowns = 3;
  std::string page;
  append_deployment_metrics(page, *table, 99);
  const std::string labels = R"(api_base="https://x/v1",api_provider="None",)";
  const std::string model = R"(litellm_model_name="gpt-4o",model_id="id-1"} )";
  EXPECT_NE(page.find("litellm_deployment_state{" + labels + model + "2.0\n"), std::string::npos) << page;
  EXPECT_NE(
      page.find("litellm_deployment_cooled_down_total{" + labels + R"(exception_status="429",)" + model + "3.0\n"),
      std::string::npos);
  EXPECT_NE(page.find("litellm_deployment_rpm_limit{" + labels + model + "60.0\n"), std::string::npos);
  EXPECT_EQ(page.find("tpm_limit"), std::string::npos);
  page.clear();
  append_deployment_metrics(page, *table, 101);
  EXPECT_NE(page.find("litellm_deployment_state{" + labels + model + "0.0\n"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::router::deployments_test
