#include <gtest/gtest.h>

#include <algorithm>

#include "config/settings.h"

namespace turnpike::config::read_budgets_test {
namespace {

Loaded load(const std::string& text) {
  LoadOptions options;
  options.path = "config.yaml";
  options.environment = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  return load_text(text, options);
}

std::string with(const std::string& params) {
  return "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a" + params + "}\n";
}

TEST(BudgetSettings, AreReadFromAllSections) {
  const Loaded loaded = load(with(", max_budget: 3, budget_duration: 7d") +
                             "litellm_settings:\n"
                             "  max_budget: 100\n"
                             "  budget_duration: 30d\n"
                             "  max_end_user_budget: 0.5\n"
                             "  max_end_user_budget_id: customers\n"
                             "  tag_budget_config: {batch: {max_budget: 2.5, budget_duration: 1d}}\n"
                             "router_settings:\n"
                             "  provider_budget_config: {openai: {budget_limit: 1e-7, time_period: 1mo}, groq: "
                             "{max_budget: 4}}\n");
  ASSERT_TRUE(loaded.settings);
  EXPECT_TRUE(loaded.diagnostics.empty());
  const BudgetSettings& budgets = loaded.settings->litellm.budgets;
  EXPECT_EQ(budgets.proxy, (BudgetEntry{Money::from_nano(100'000'000'000), "30d"}));
  EXPECT_EQ(budgets.end_user_budget_id, "customers");
  EXPECT_EQ(budgets.end_user_budget, Money::from_nano(500'000'000));
  EXPECT_EQ(budgets.tags.at("batch"), (BudgetEntry{Money::from_nano(2'500'000'000), "1d"}));
  EXPECT_EQ(budgets.providers.at("openai"), (BudgetEntry{Money::from_nano(100), "1mo"}));
  EXPECT_EQ(budgets.providers.at("groq"), (BudgetEntry{Money::from_nano(4'000'000'000), ""}));
  EXPECT_EQ(loaded.settings->models.at(0).budget, (BudgetEntry{Money::from_nano(3'000'000'000), "7d"}));
}

TEST(BudgetSettings, OfTheWholeGatewayZeroIsNone) {
  const Loaded loaded = load(with("") + "litellm_settings: {max_budget: 0}\n");
  ASSERT_TRUE(loaded.settings);
  EXPECT_EQ(loaded.settings->litellm.budgets, BudgetSettings());
  EXPECT_EQ(load(with(", max_budget: 0")).settings->models.at(0).budget, (BudgetEntry{Money(), ""}))
      << "a deployment's is no call";
}

TEST(BudgetSettings, AreInTokensBesideDollarsOrInsteadOfThem) {
  const Loaded loaded =
      load(with(", max_budget_tokens: 7") +
           "litellm_settings:\n"
           "  max_budget: 0\n"
           "  max_budget_tokens: 1000\n"
           "  tag_budget_config: {batch: {max_budget: 1, max_budget_tokens: 5, budget_duration: 1d}}\n"
           "router_settings:\n"
           "  provider_budget_config: {openai: {budget_limit_tokens: 9, time_period: 1mo}}\n");
  ASSERT_TRUE(loaded.settings);
  EXPECT_TRUE(loaded.diagnostics.empty());
  const BudgetSettings& budgets = loaded.settings->litellm.budgets;
  EXPECT_EQ(budgets.proxy, (BudgetEntry{std::nullopt, "", 1000}));
  EXPECT_EQ(budgets.tags.at("batch"), (BudgetEntry{Money::from_nano(1'000'000'000), "1d", 5}));
  EXPECT_EQ(budgets.providers.at("openai"), (BudgetEntry{std::nullopt, "1mo", 9}));
  EXPECT_EQ(loaded.settings->models.at(0).budget, (BudgetEntry{std::nullopt, "", 7}));
  EXPECT_EQ(budget_json(budgets.tags.at("batch")),
            R"({"max_budget": 1, "max_budget_tokens": 5, "budget_duration": "1d"})");
}

TEST(BudgetSettings, AreRefusedWhereTheySayNothing) {
  const char* const cases[] = {
      "litellm_settings: {max_budget: 5, budget_duration: soon}\n",
      "litellm_settings: {max_budget: -1}\n",
      "litellm_settings: {max_budget_tokens: -1}\n",
      "litellm_settings: {max_budget_tokens: 1.5}\n",
      "router_settings: {provider_budget_config: {openai: {budget_limit_tokens: many}}}\n",
      "litellm_settings: {max_end_user_budget: -1}\n",
      "litellm_settings: {tag_budget_config: {batch: {budget_duration: 1d}}}\n",
      "router_settings: {provider_budget_config: {openai: {budget_limit: 1, time_period: often}}}\n",
      "router_settings: {provider_budget_config: {openai: 5}}\n",
  };
  for (const char* text : cases) {
    const Loaded loaded = load(with("") + text);
    EXPECT_FALSE(loaded.settings) << text;
    const bool told = std::ranges::any_of(
        loaded.diagnostics, [](const Diagnostic& one) { return one.severity == Severity::Error && one.line > 0; });
    EXPECT_TRUE(told) << text;
  }
}

}  // namespace
}  // namespace turnpike::config::read_budgets_test
