#include <gtest/gtest.h>

#include "config/settings.h"

namespace turnpike::config::read_priorities_test {
namespace {

Loaded load_with(const std::string& litellm, const std::string& limits = "rpm: 100") {
  LoadOptions options;
  options.path = "config.yaml";
  options.environment = [](const std::string&) { return std::nullopt; };
  return load_text("model_list:\n  - model_name: gpt\n    litellm_params: {model: openai/gpt-4o, api_key: sk-x, " +
                       limits + "}\nlitellm_settings:\n" + litellm,
                   options);
}

TEST(Priorities, AreFractionsOrRates) {
  const Loaded loaded = load_with(
      "  priority_reservation: {prod: 0.7, dev: {type: percent, value: 0.3}, night: {type: rpm, value: 20}}\n"
      "  priority_reservation_settings: {default_priority: 0.25, saturation_threshold: 0.8, "
      "saturation_check_cache_ttl: 60}\n");
  ASSERT_NE(loaded.settings, nullptr) << format(loaded.diagnostics.front());
  const PrioritySettings& settings = loaded.settings->litellm.priorities;
  ASSERT_EQ(settings.reserved.size(), 3U);
  EXPECT_EQ(settings.reserved.at("prod"), (PriorityShare{PriorityShare::Of::Capacity, 0.7}));
  EXPECT_EQ(settings.reserved.at("dev"), (PriorityShare{PriorityShare::Of::Capacity, 0.3}));
  EXPECT_EQ(settings.reserved.at("night"), (PriorityShare{PriorityShare::Of::Requests, 20}));
  EXPECT_EQ(settings.default_priority, 0.25);
  EXPECT_EQ(settings.saturation_threshold, 0.8);
  EXPECT_TRUE(settings.capacity_holds);
}

TEST(Priorities, CapacityHoldsWithoutSharesWhereTheCallbackAsksForIt) {
  EXPECT_FALSE(load_with("  drop_params: true\n").settings->litellm.priorities.capacity_holds);
  const Loaded loaded = load_with("  callbacks: [dynamic_rate_limiter_v3]\n");
  ASSERT_NE(loaded.settings, nullptr) << format(loaded.diagnostics.front());
  EXPECT_TRUE(loaded.settings->litellm.priorities.capacity_holds);
  EXPECT_TRUE(loaded.settings->litellm.priorities.reserved.empty());
}

TEST(Priorities, ThatCannotBeKeptStopTheStart) {
  struct Case {
    const char* litellm;
    const char* told;
    const char* limits = "rpm: 100";
  };
  const Case cases[] = {
      {"  priority_reservation: {prod: 0.9, dev: 0.2}\n", "gives away 1.1 of a capacity of 1"},
      {"  priority_reservation: {prod: 1.5}\n", "priority_reservation.prod: write a fraction"},
      {"  priority_reservation: {prod: -0.1}\n", "priority_reservation.prod: write a fraction"},
      {"  priority_reservation: {prod: much}\n", "priority_reservation.prod: write a fraction"},
      {"  priority_reservation: {prod: {type: percent, value: 90}}\n", "write a fraction"},
      {"  priority_reservation: {prod: {type: rpm}}\n", "value is missing"},
      {"  priority_reservation: {prod: {type: calls, value: 1}}\n", "write one of percent, rpm, tpm"},
      {"  priority_reservation: {prod: {type: rpm, value: 5, per: hour}}\n", "is not known here"},
      {"  priority_reservation: {prod: {type: tpm, value: 5}}\n", "is a share of tpm, and no deployment has tpm"},
      {"  priority_reservation: {prod: 0.5}\n", "divides the rpm and tpm of deployments, and none has any", "order: 1"},
      {"  priority_reservation_settings: {saturation_threshold: 2}\n", "saturation_threshold: write a fraction"},
      {"  priority_reservation_settings: {default_priority: -1}\n", "default_priority: write a fraction"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.litellm);
    const Loaded loaded = load_with(c.litellm, c.limits);
    EXPECT_EQ(loaded.settings, nullptr);
    std::string told;
    for (const Diagnostic& diagnostic : loaded.diagnostics) told += format(diagnostic) + "\n";
    EXPECT_NE(told.find(c.told), std::string::npos) << told;
  }
}

}  // namespace
}  // namespace turnpike::config::read_priorities_test
