#include <gtest/gtest.h>

#include "config/settings.h"

namespace turnpike::config::read_retention_test {
namespace {

Loaded load_with(const std::string& general, const std::string& turnpike = "{}") {
  LoadOptions options;
  options.environment = [](std::string_view) { return std::nullopt; };
  return load_text("model_list: [{model_name: m, litellm_params: {model: openai/m}}]\ngeneral_settings: " + general +
                       "\nturnpike: " + turnpike + "\n",
                   options);
}

struct Case {
  const char* period;
  std::int64_t seconds;  // 0: refused.
};
constexpr std::int64_t kDay = 86'400;
const Case kCases[] = {
    {"7d", 7 * kDay},   {"2w", 14 * kDay}, {"1mo", 30 * kDay},
    {"36h", 36 * 3600}, {"86400", kDay},   {"\"90d\"", 90 * kDay},
    {"1h", 0},          {"0d", 0},         {"forever", 0},
    {"-7d", 0},         {"60", 0},
};

TEST(Retention, IsADayAtLeast) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.period);
    const Loaded loaded = load_with(std::string("{maximum_spend_logs_retention_period: ") + c.period + "}");
    if (c.seconds == 0) {
      EXPECT_FALSE(loaded.settings);
      continue;
    }
    ASSERT_TRUE(loaded.settings);
    ASSERT_TRUE(loaded.settings->general.spend_logs_retention);
    EXPECT_EQ(loaded.settings->general.spend_logs_retention->count(), c.seconds);
    EXPECT_EQ(loaded.settings->general.spend_logs_retention_interval.count(), kDay);
  }
}

TEST(Retention, IsForEverUnlessSomebodySaysSo) {
  const Loaded loaded = load_with("{}");
  ASSERT_TRUE(loaded.settings);
  EXPECT_FALSE(loaded.settings->general.spend_logs_retention);
  EXPECT_EQ(loaded.settings->turnpike.ledger_retention_days, 0);
  EXPECT_EQ(load_with("{maximum_spend_logs_retention_interval: 10m}").settings->general.spend_logs_retention_interval,
            std::chrono::minutes(10));
  EXPECT_EQ(load_with("{}", "{ledger_retention_days: 30}").settings->turnpike.ledger_retention_days, 30);
  for (const char* wrong : {"0", "-1", "many"}) {
    EXPECT_FALSE(load_with("{}", std::string("{ledger_retention_days: ") + wrong + "}").settings) << wrong;
    EXPECT_FALSE(load_with("{}", std::string("{prompt_retention_days: ") + wrong + "}").settings) << wrong;
  }
}

TEST(Retention, OfPromptsIsShort) {
  EXPECT_EQ(load_with("{}").settings->turnpike.prompt_retention_days, 30);
  EXPECT_EQ(load_with("{}", "{prompt_retention_days: 2}").settings->turnpike.prompt_retention_days, 2);
  EXPECT_FALSE(load_with("{}").settings->general.store_prompts_in_spend_logs);
  EXPECT_TRUE(load_with("{store_prompts_in_spend_logs: true}").settings->general.store_prompts_in_spend_logs);
}

}  // namespace
}  // namespace turnpike::config::read_retention_test
