#include <gtest/gtest.h>

#include <algorithm>

#include "config/settings.h"

namespace turnpike::config::read_users_test {
namespace {

constexpr std::string_view kModel = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a}\n";

Loaded load(std::string_view section) {
  LoadOptions options;
  options.path = "config.yaml";
  options.environment = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
  return load_text(std::string(kModel) + "litellm_settings:\n" + std::string(section), options);
}

TEST(UserSettings, AreReadForNewUsers) {
  const Loaded loaded = load(
      "  max_internal_user_budget: 12.5\n"
      "  internal_user_budget_duration: 30d\n"
      "  default_internal_user_params: {user_role: internal_user, max_budget: 5, models: [gpt-4o]}\n");
  ASSERT_TRUE(loaded.settings);
  const UserSettings& users = loaded.settings->litellm.users;
  EXPECT_EQ(users.max_budget, Money::from_nano(12'500'000'000));
  EXPECT_EQ(users.budget_duration, "30d");
  EXPECT_TRUE(users.defaults_json.find("\"models\"") != std::string::npos) << users.defaults_json;
  EXPECT_TRUE(users.defaults_json.find("gpt-4o") != std::string::npos) << users.defaults_json;
}

TEST(UserSettings, AreRefusedWhereNobodyCouldApplyThem) {
  struct Case {
    const char* section;
    const char* says;
  };
  const Case cases[] = {
      {"  max_internal_user_budget: -1\n", "not below zero"},
      {"  internal_user_budget_duration: soon\n", "write a number and a unit"},
      {"  default_internal_user_params: {budget_duration: soon}\n", "write a number and a unit"},
  };
  for (const Case& c : cases) {
    const Loaded loaded = load(c.section);
    const bool told = std::ranges::any_of(loaded.diagnostics, [&](const Diagnostic& diagnostic) {
      return diagnostic.severity == Severity::Error && format(diagnostic).find(c.says) != std::string::npos;
    });
    std::string lines;
    for (const Diagnostic& diagnostic : loaded.diagnostics) lines += format(diagnostic) + "\n";
    EXPECT_TRUE(told) << c.section << lines;
  }
}

}  // namespace
}  // namespace turnpike::config::read_users_test
