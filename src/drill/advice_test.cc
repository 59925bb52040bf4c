#include "drill/advice.h"

#include <gtest/gtest.h>

namespace turnpike::drill::advice_test {
namespace {

config::ModelEntry entry(std::string name, std::string model, std::string key) {
  config::ModelEntry made;
  made.model_name = std::move(name);
  made.model = std::move(model);
  made.api_key = base::Secret(std::move(key));
  return made;
}

/// A configuration of which all is well: two groups at two companies that fall back to each other.
config::Settings sound() {
  config::Settings settings;
  settings.models = {entry("gpt", "openai/gpt-4o", "a"), entry("claude", "anthropic/claude-opus-4-7", "b")};
  settings.router.fallbacks = {{"gpt", {"claude"}}, {"claude", {"gpt"}}};
  settings.router.timeout = std::chrono::seconds(60);
  settings.router.stream_timeout = std::chrono::seconds(10);
  return settings;
}

std::vector<Advice> advice_for(const config::Settings& settings, bool reached = false, bool only = false) {
  const Groups groups = groups_of(settings, {});
  const Fault* faults[] = {find_fault("500"), find_fault("silent")};
  const std::vector<Scenario> scenarios = scenarios_of(groups, faults);
  std::vector<Outcome> outcomes(scenarios.size());
  std::vector<Verdict> verdicts(scenarios.size());
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    outcomes[i].scenario = &scenarios[i];
    outcomes[i].seen.status = scenarios[i].fault == faults[1] ? 408 : 500;
    verdicts[i].reached = reached && scenarios[i].only.has_value() == only;
  }
  return advise(settings, groups, outcomes, verdicts);
}

std::string texts(const std::vector<Advice>& advice) {
  std::string text;
  for (const Advice& one : advice) text += one.text + "\n";
  return text;
}

TEST(Advice, IsSilentWhereAllIsWell) {
  EXPECT_EQ(texts(advice_for(sound())), "");
}

TEST(Advice, NamesTheFallbackThatIsMissing) {
  config::Settings settings = sound();
  settings.router.fallbacks.pop_back();
  const std::vector<Advice> advice = advice_for(settings, true);
  ASSERT_EQ(advice.size(), 1U) << texts(advice);
  EXPECT_EQ(advice[0].text, "claude has 1 deployment and no fallback: 2 of 2 faults reach its callers. Add:");
  EXPECT_EQ(advice[0].lines, (std::vector<std::string>{"router_settings:", "  fallbacks:", "    - claude: [gpt]"}));
}

TEST(Advice, QuotesNamesThatYamlWouldMisread) {
  config::Settings settings = sound();
  settings.models.push_back(entry("*", "*", "c"));
  const std::vector<Advice> advice = advice_for(settings, true);
  ASSERT_FALSE(advice.empty());
  EXPECT_EQ(advice[0].lines.back(), "    - \"*\": [gpt]");
}

TEST(Advice, ProposesAnotherAccountFirstAndNoneOfAnotherKind) {
  config::Settings settings = sound();
  settings.router.fallbacks.clear();
  settings.models = {entry("a", "openai/gpt-4o", "k"), entry("b", "openai/gpt-4.1", "k"),
                     entry("e", "openai/text-embedding-3-small", "k"), entry("c", "openai/gpt-4.1", "other")};
  settings.router.context_window_fallbacks = {{"a", {"b"}}, {"c", {"x"}}};
  const std::vector<Advice> advice = advice_for(settings, true);
  ASSERT_FALSE(advice.empty());
  const std::vector<std::string> lines = {
      "router_settings:", "  fallbacks:", "    - a: [c]", "    - b: [c]", "    - e: [a-group-at-another-provider]",
      "    - c: [a]"};
  EXPECT_EQ(advice[0].lines, lines);
}

TEST(Advice, TellsFallbacksThatShareTheAccount) {
  config::Settings settings = sound();
  settings.models[1] = entry("claude", "openai/gpt-4.1-mini", "a");
  settings.models[0].model = "openai/gpt-4.1";
  EXPECT_NE(texts(advice_for(settings)).find("gpt falls back only to groups at the same provider with the same key"),
            std::string::npos);
  settings.models[1].api_key = base::Secret("b");
  EXPECT_EQ(texts(advice_for(settings)), "");
  settings.models[1].api_key = base::Secret("a");
  settings.models[1].api_base = "https://elsewhere.example/v1";
  EXPECT_EQ(texts(advice_for(settings)), "");
}

TEST(Advice, TellsFallbacksThatNobodyServes) {
  config::Settings settings = sound();
  settings.router.fallbacks[0].targets.emplace_back("nobody");
  EXPECT_EQ(texts(advice_for(settings)), "The fallback nobody of gpt is not served.\n");
}

TEST(Advice, TellsPromptsThatALongerWindowWouldTake) {
  config::Settings settings = sound();
  settings.router.context_window_fallbacks = {{"claude", {"gpt"}}};
  const std::vector<Advice> advice = advice_for(settings);
  ASSERT_EQ(advice.size(), 1U) << texts(advice);
  EXPECT_NE(advice[0].text.find("gpt (128000 tokens; claude takes "), std::string::npos) << advice[0].text;
  EXPECT_EQ(advice[0].lines.back(), "    - gpt: [claude]");
}

TEST(Advice, TellsSiblingsThatWereWellAndNotAskedInTime) {
  config::Settings settings = sound();
  settings.models.push_back(entry("gpt", "openai/gpt-4o", "c"));
  const std::vector<Advice> advice = advice_for(settings, true, true);
  ASSERT_EQ(advice.size(), 1U) << texts(advice);
  EXPECT_NE(advice[0].text.find("one deployment of 2 falls silent"), std::string::npos) << advice[0].text;
}

TEST(Advice, LooksAtRetriesAndLimitsOfTime) {
  config::Settings settings = sound();
  settings.router.num_retries = 0;
  EXPECT_NE(texts(advice_for(settings)).find("num_retries is 0"), std::string::npos);
  settings = sound();
  settings.router.stream_timeout.reset();
  EXPECT_NE(texts(advice_for(settings)).find("stream_timeout is not set"), std::string::npos);
  settings = sound();
  settings.router.timeout = std::chrono::seconds(6000);
  EXPECT_NE(texts(advice_for(settings)).find("A call may take 6000 s"), std::string::npos);
  for (config::ModelEntry& one : settings.models) one.timeout = std::chrono::seconds(30);
  EXPECT_EQ(texts(advice_for(settings)), "") << "every deployment has a limit of its own";
}

}  // namespace
}  // namespace turnpike::drill::advice_test
