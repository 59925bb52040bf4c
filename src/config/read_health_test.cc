#include <gtest/gtest.h>

#include "config/effective.h"
#include "config/settings.h"

namespace turnpike::config::read_health_test {
namespace {

constexpr std::string_view kOneModel = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a}\n";

Loaded loaded(std::string_view more) {
  LoadOptions options;
  options.path = "config.yaml";
  options.environment = [](const std::string&) { return std::nullopt; };
  return load_text(std::string(kOneModel) + std::string(more), options);
}

TEST(ReadHealth, HasTheDefaultsOfLiteLlm) {
  const Loaded plain = loaded("");
  ASSERT_TRUE(plain.settings);
  const GeneralSettings& general = plain.settings->general;
  EXPECT_FALSE(general.background_health_checks);
  EXPECT_EQ(general.health_check_interval, std::chrono::seconds(300));
  EXPECT_TRUE(general.health_check_details);
  EXPECT_EQ(general.alerts.threshold, std::chrono::seconds(300));
  EXPECT_EQ(general.alerts.outage_ttl, std::chrono::seconds(60));
  EXPECT_EQ(general.alerts.minor_outage_threshold, 5);
  EXPECT_EQ(general.alerts.major_outage_threshold, 10);
  EXPECT_FALSE(plain.settings->router.enable_health_check_routing);
  EXPECT_EQ(plain.settings->router.health_check_staleness_threshold, std::chrono::seconds(600));
  EXPECT_EQ(plain.settings->turnpike.health_check_budget_per_day.to_string(), "1");
}

TEST(ReadHealth, ReadsEveryKey) {
  const Loaded all = loaded(
      "    model_info: {health_check_model: openai/b, health_check_timeout: 3, health_check_max_tokens: 7,\n"
      "      health_check_max_tokens_reasoning: 99, disable_background_health_check: true}\n"
      "general_settings:\n"
      "  background_health_checks: true\n"
      "  health_check_interval: 20\n"
      "  health_check_details: false\n"
      "  health_check_concurrency: 2\n"
      "  health_check_ignore_transient_errors: true\n"
      "  alerting_threshold: 30\n"
      "  alerting_args: {outage_alert_ttl: 5, minor_outage_alert_threshold: 2, major_outage_alert_threshold: 3}\n"
      "router_settings: {enable_health_check_routing: true}\n"
      "turnpike: {health_check_budget_per_day: 0.25}\n");
  ASSERT_TRUE(all.settings) << format(all.diagnostics.front());
  const ModelEntry& entry = all.settings->models.front();
  EXPECT_EQ(entry.health_check_model, "openai/b");
  EXPECT_EQ(entry.health_check_timeout, std::chrono::seconds(3));
  EXPECT_EQ(entry.health_check_max_tokens, 7);
  EXPECT_EQ(entry.health_check_max_tokens_reasoning, 99);
  EXPECT_TRUE(entry.disable_background_health_check);
  const GeneralSettings& general = all.settings->general;
  EXPECT_TRUE(general.background_health_checks);
  EXPECT_EQ(general.health_check_interval, std::chrono::seconds(20));
  EXPECT_FALSE(general.health_check_details);
  EXPECT_EQ(general.health_check_concurrency, 2);
  EXPECT_EQ(general.alerts.threshold, std::chrono::seconds(30));
  EXPECT_EQ(general.alerts.outage_ttl, std::chrono::seconds(5));
  EXPECT_EQ(general.alerts.minor_outage_threshold, 2);
  EXPECT_EQ(general.alerts.major_outage_threshold, 3);
  const RouterSettings& router = all.settings->router;
  EXPECT_TRUE(router.enable_health_check_routing);
  EXPECT_TRUE(router.health_check_ignore_transient_errors);
  EXPECT_EQ(router.health_check_staleness_threshold, std::chrono::seconds(40)) << "two intervals";
  EXPECT_EQ(all.settings->turnpike.health_check_budget_per_day.to_string(), "0.25");

  const std::string shown = to_yaml(*all.settings);
  EXPECT_NE(shown.find("background_health_checks: true"), std::string::npos);
  EXPECT_NE(shown.find("health_check_budget_per_day: 0.25"), std::string::npos);
  EXPECT_NE(shown.find("\"minor_outage_alert_threshold\": 2"), std::string::npos);
  EXPECT_NE(all.settings->fingerprint, loaded("").settings->fingerprint);
  EXPECT_FALSE(diff(*loaded("").settings, *all.settings).empty());
}

TEST(ReadHealth, RefusesWhatMakesNoSense) {
  for (const char* wrong :
       {"general_settings: {health_check_interval: 0}\n", "general_settings: {health_check_concurrency: 0}\n",
        "general_settings: {alerting_args: {minor_outage_alert_threshold: 0}}\n",
        "turnpike: {health_check_budget_per_day: -1}\n"}) {
    EXPECT_FALSE(loaded(wrong).settings) << wrong;
  }
}

}  // namespace
}  // namespace turnpike::config::read_health_test
