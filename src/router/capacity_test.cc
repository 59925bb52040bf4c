#include "router/capacity.h"

#include <gtest/gtest.h>

#include "router/router.h"

namespace turnpike::router::capacity_test {
namespace {

using config::PriorityShare;
using Of = PriorityShare::Of;

DeploymentRef deployment(std::optional<double> rpm, std::optional<double> tpm) {
  Deployment made;
  made.rpm = rpm;
  made.tpm = tpm;
  made.health = std::make_shared<Health>();
  return std::make_shared<const Deployment>(std::move(made));
}

TEST(Capacity, IsTheSumOfWhatDeploymentsSay) {
  const std::vector<DeploymentRef> both = {deployment(60, 1000), deployment(40, {})};
  const Capacity capacity = capacity_of("gpt", both, {});
  EXPECT_EQ(capacity.requests, 100);
  EXPECT_EQ(capacity.tokens, 1000);
  EXPECT_EQ(capacity_of("gpt", std::vector{deployment({}, {})}, {}).requests, std::nullopt);
  EXPECT_EQ(capacity_of("gpt", std::vector{deployment(0, {})}, {}).requests, 0);
}

struct Case {
  const char* name;
  std::map<std::string, PriorityShare> reserved;
  std::optional<double> rpm, tpm;
  const char* priority;
  std::int64_t requests, tokens;  // Of its share; of what is not there 0.
};

TEST(Capacity, IsDividedAsTheConfigurationSays) {
  const Case cases[] = {
      {"a fraction", {{"prod", {Of::Capacity, 0.9}}, {"dev", {Of::Capacity, 0.1}}}, 100, 1000, "dev", 10, 100},
      {"of an odd capacity", {{"prod", {Of::Capacity, 0.9}}}, 7, {}, "prod", 6, 0},
      {"a third of three", {{"one", {Of::Capacity, 1.0 / 3}}}, 3, {}, "one", 1, 0},
      {"so many requests", {{"prod", {Of::Requests, 25}}}, 100, 1000, "prod", 25, 250},
      {"so many tokens", {{"prod", {Of::Tokens, 100}}}, 100, 1000, "prod", 10, 100},
      {"more than there are", {{"prod", {Of::Requests, 500}}}, 100, {}, "prod", 100, 0},
      {"all together more", {{"a", {Of::Requests, 80}}, {"b", {Of::Requests, 120}}}, 100, {}, "a", 44, 0},
      {"of what the model does not say", {{"prod", {Of::Requests, 25}}}, {}, 1000, "prod", 0, 1000},
      {"nobody's priority", {{"prod", {Of::Capacity, 0.9}}}, 100, 1000, "", 50, 500},
      {"an unknown one", {{"prod", {Of::Capacity, 0.9}}}, 100, 1000, "test", 50, 500},
      {"none of it", {{"prod", {Of::Capacity, 0}}}, 100, 1000, "prod", 0, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    config::PrioritySettings settings;
    settings.reserved = c.reserved;
    const Capacity capacity = capacity_of("gpt", std::vector{deployment(c.rpm, c.tpm)}, settings);
    const Capacity::Share& share = capacity.share_of(c.priority);
    EXPECT_EQ(share.of(capacity.requests.value_or(0)), c.requests);
    EXPECT_EQ(share.of(capacity.tokens.value_or(0)), c.tokens);
    EXPECT_EQ(capacity.crowded_at(100), 50);
  }
}

TEST(Trouble, IsARestOrAFailureInThisMinute) {
  constexpr std::int64_t kMinuteUs = 60'000'000;
  ModelGroup group;
  group.deployments = {deployment({}, {}), deployment({}, {})};
  EXPECT_FALSE(has_trouble(group, kMinuteUs));
  Error error;
  error.kind = ErrorKind::UpstreamRateLimited;
  note_failure(*group.deployments[1], error, 1, CooldownPolicy{.disabled = true}, kMinuteUs, false);
  EXPECT_TRUE(has_trouble(group, 2 * kMinuteUs - 1));
  EXPECT_FALSE(has_trouble(group, 2 * kMinuteUs));
  rest_as_told(*group.deployments[0], std::chrono::seconds(5), error.kind, 429, 2 * kMinuteUs);
  EXPECT_TRUE(has_trouble(group, 2 * kMinuteUs + 4'999'999));
  EXPECT_FALSE(has_trouble(group, 2 * kMinuteUs + 5'000'000));
}

}  // namespace
}  // namespace turnpike::router::capacity_test
