#include "drill/plan.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace turnpike::drill::plan_test {
namespace {

config::ModelEntry entry(std::string name, std::string model) {
  config::ModelEntry made;
  made.model_name = std::move(name);
  made.model = std::move(model);
  return made;
}

config::Settings settings_of(std::vector<config::ModelEntry> models) {
  config::Settings settings;
  settings.models = std::move(models);
  return settings;
}

TEST(Groups, AreThoseOfTheConfigurationWithWhatTheyAreAskedFor) {
  config::Settings settings = settings_of({
      entry("gpt", "openai/gpt-4o"),
      entry("emb", "openai/text-embedding-3-small"),
      entry("gpt", "azure/my-gpt"),
      entry("pictures", "openai/dall-e-3"),
      entry("claude-*", "anthropic/claude-*"),
      entry("*", "*"),
      entry("mock", "openai/gpt-4o"),
  });
  settings.models.back().mock_response_json = "\"hi\"";
  const Groups groups = groups_of(settings, {});
  ASSERT_EQ(groups.drilled.size(), 4U);
  EXPECT_EQ(groups.drilled[0].name, "gpt");
  EXPECT_EQ(groups.drilled[0].deployments, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(groups.drilled[0].input_tokens_max, 128'000U);
  EXPECT_EQ(groups.drilled[1].operation, domain::Operation::Embedding);
  EXPECT_TRUE(groups.drilled[2].asked.starts_with("claude-")) << groups.drilled[2].asked;
  EXPECT_EQ(groups.drilled[2].asked.find('*'), std::string::npos);
  EXPECT_TRUE(groups.drilled[3].asked.starts_with("openai/gpt-4o")) << groups.drilled[3].asked;
  ASSERT_EQ(groups.left_out.size(), 2U);
  EXPECT_EQ(groups.left_out[0].name, "pictures");
  EXPECT_EQ(groups.left_out[1].name, "mock");
  const std::vector<std::string> wanted = {"emb"};
  EXPECT_EQ(groups_of(settings, wanted).drilled.size(), 1U);
}

TEST(Groups, KnowTheirFallbacks) {
  config::Settings settings = settings_of({entry("a", "openai/gpt-4o"), entry("openai/b", "openai/gpt-4o"),
                                           entry("c", "openai/gpt-4o"), entry("d", "openai/gpt-4o")});
  settings.router.fallbacks = {{"a", {"b", "c"}}, {"b", {"a"}}, {"*", {"d"}}};
  settings.router.context_window_fallbacks = {{"a", {"d"}}};
  const Groups groups = groups_of(settings, {});
  EXPECT_EQ(groups.drilled[0].fallbacks, (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(groups.drilled[1].fallbacks, (std::vector<std::string>{"a"})) << "by the name without its provider";
  EXPECT_EQ(groups.drilled[2].fallbacks, (std::vector<std::string>{"d"}));
  EXPECT_TRUE(groups.drilled[3].fallbacks.empty()) << "nobody is his own fallback";
  EXPECT_EQ(groups.drilled[0].context_window_fallbacks, (std::vector<std::string>{"d"}));
  EXPECT_TRUE(groups.drilled[1].context_window_fallbacks.empty()) << "once such a list is set, it alone counts";
  EXPECT_EQ(groups.drilled[0].content_policy_fallbacks, groups.drilled[0].fallbacks);
  settings.router.fallbacks.clear();
  settings.router.default_fallbacks = {"c"};
  EXPECT_EQ(groups_of(settings, {}).drilled[0].fallbacks, (std::vector<std::string>{"c"}));
}

TEST(Scenarios, AreEveryFaultInEveryFormOnAllAndOnOne) {
  config::Settings settings =
      settings_of({entry("lone", "openai/gpt-4o"), entry("pair", "openai/gpt-4o"), entry("pair", "openai/gpt-4o"),
                   entry("emb", "openai/text-embedding-3-small")});
  settings.router.fallbacks = {{"lone", {"pair"}}, {"emb", {"nobody"}}};
  const Groups groups = groups_of(settings, {});
  struct {
    const char* fault;
    const char* group;
    int whole, streamed, on_one, rescued;
  } const cases[] = {
      {"500", "lone", 1, 1, 0, 2},
      {"500", "pair", 2, 2, 2, 2},
      {"500", "emb", 1, 0, 0, 0},
      {"cut", "pair", 2, 0, 1, 0},             // May be billed: the other one is not asked.
      {"cut-mid-stream", "lone", 0, 1, 0, 1},  // Streams alone have a middle.
      {"context-too-long", "pair", 1, 1, 0, 0},
      {"missing-usage", "pair", 1, 1, 0, 0},
      {"none", "lone", 1, 1, 0, 2},
  };
  for (const auto& c : cases) {
    const Fault* fault = find_fault(c.fault);
    ASSERT_NE(fault, nullptr) << c.fault;
    int whole = 0, streamed = 0, on_one = 0, rescued = 0;
    for (const Scenario& scenario : scenarios_of(groups, {&fault, 1})) {
      if (groups.drilled[scenario.group].name != c.group) continue;
      ++(scenario.stream ? streamed : whole);
      on_one += scenario.only ? 1 : 0;
      rescued += scenario.rescue ? 1 : 0;
    }
    EXPECT_EQ(whole, c.whole) << c.fault << " " << c.group;
    EXPECT_EQ(streamed, c.streamed) << c.fault << " " << c.group;
    EXPECT_EQ(on_one, c.on_one) << c.fault << " " << c.group;
    EXPECT_EQ(rescued, c.rescued) << c.fault << " " << c.group;
  }
}

TEST(Bodies, AreWhatApplicationsSend) {
  Group group;
  group.asked = "gpt";
  EXPECT_TRUE(body_of(group, true).starts_with(R"({"model":"gpt","messages":[{"role":"user","content":")"));
  EXPECT_TRUE(body_of(group, true).ends_with(R"("stream":true})"));
  EXPECT_EQ(body_of(group, false).find("stream"), std::string::npos);
  group.operation = domain::Operation::Embedding;
  EXPECT_NE(body_of(group, false).find(R"("input":")"), std::string::npos);
  EXPECT_EQ(path_of(group.operation), "/v1/embeddings");
}

}  // namespace
}  // namespace turnpike::drill::plan_test
