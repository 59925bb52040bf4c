#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "router/router.h"

namespace turnpike::router::outlook_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds, at a full minute.
constexpr std::int64_t kSecond = 1'000'000;

/// "a" has just failed; what is said of the second member "b" decides what is left.
struct Case {
  const char* name;
  std::function<void(Deployment&)> b;
  std::function<void(ModelGroup&, PickInput&)> call = [](ModelGroup&, PickInput&) {};
  std::size_t members = 2;
  bool other_healthy = true;
  bool level_left = false;
  bool same_healthy = true;
};

const std::vector<std::string> kFree = {"free"};
const std::vector<std::string> kTriedBoth = {"a", "b"};

const Case kCases[] = {
    {.name = "b is well", .b = [](Deployment&) {}},
    {.name = "b rests",
     .b = [](Deployment& b) { b.health->cooling_until_us = kNow + kSecond; },
     .other_healthy = false},
    {.name = "b was tried",
     .b = [](Deployment&) {},
     .call = [](ModelGroup&, PickInput& input) { input.tried = kTriedBoth; },
     .other_healthy = false},
    {.name = "b has no free place now, but will",
     .b =
         [](Deployment& b) {
           b.parallel_max = 1;
           b.health->load.in_flight = 1;
         }},
    {.name = "b stands on a higher order", .b = [](Deployment& b) { b.order = 2; }, .level_left = true},
    {.name = "b is in another region",
     .b = [](Deployment& b) { b.region = "us"; },
     .call = [](ModelGroup&, PickInput& input) { input.region = "eu"; },
     .members = 1,
     .other_healthy = false},
    {.name = "b lacks the tag",
     .b = [](Deployment&) {},
     .call =
         [](ModelGroup& group, PickInput& input) {
           group.routing.tags = true;
           input.tags = kFree;
         },
     .members = 1,
     .other_healthy = false},
    {.name = "b takes no prompt so long",
     .b = [](Deployment& b) { b.input_tokens_max = 99; },
     .call =
         [](ModelGroup& group, PickInput& input) {
           group.routing.context = true;
           input.prompt_tokens = 100;
         },
     .members = 1,
     .other_healthy = false},
    {.name = "b has used its minute up",
     .b =
         [](Deployment& b) {
           b.rpm = 1;
           b.health->load.requests.add(1, kNow);
         },
     .call = [](ModelGroup& group, PickInput&) { group.routing.limits = true; },
     .members = 1,
     .other_healthy = false},
    {.name = "b is all right, of those that the call may have",
     .b =
         [](Deployment& b) {
           b.region = "eu";
           b.tags = kFree;
         },
     .call =
         [](ModelGroup& group, PickInput& input) {
           group.routing.tags = true;
           input.tags = kFree;
           input.region = "eu";
         }},
};

DeploymentRef made(const char* id, const std::function<void(Deployment&)>& set) {
  Deployment deployment;
  deployment.id = id;
  deployment.health = std::make_shared<Health>();
  set(deployment);
  return std::make_shared<const Deployment>(std::move(deployment));
}

TEST(Outlook, LooksOnlyAtWhomTheCallMayHave) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    ModelGroup group;
    group.name = "g";
    const std::vector<std::string> tried = {"a"};
    PickInput input{.tried = tried, .now_us = kNow};
    group.deployments.push_back(made("a", [](Deployment& a) {
      a.order = 1;
      a.region = "eu";
      a.tags = kFree;
    }));
    group.deployments.push_back(made("b", [&](Deployment& b) {
      b.order = 1;
      row.b(b);
    }));
    row.call(group, input);
    const Outlook seen = outlook(group, input, group.deployments.front().get());
    EXPECT_EQ(seen.members, row.members);
    EXPECT_EQ(seen.other_healthy, row.other_healthy);
    EXPECT_EQ(seen.level_left, row.level_left);
    EXPECT_EQ(seen.same_healthy, row.same_healthy);
  }
}

TEST(Outlook, OfOneThatRestsNothingIsLeft) {
  ModelGroup group;
  group.deployments.push_back(made("a", [](Deployment& a) { a.health->cooling_until_us = kNow + kSecond; }));
  const Outlook seen = outlook(group, {.now_us = kNow}, group.deployments.front().get());
  EXPECT_EQ(seen.members, 1U);
  EXPECT_FALSE(seen.same_healthy);
  EXPECT_FALSE(seen.other_healthy);
}

TEST(Outlook, OfADeploymentNamedByItsIdTagsDoNotCount) {
  ModelGroup group;
  group.precise = true;
  group.routing.tags = true;
  group.deployments.push_back(made("a", [](Deployment&) {}));
  const Outlook seen = outlook(group, {.now_us = kNow, .tags = kFree}, group.deployments.front().get());
  EXPECT_EQ(seen.members, 1U);
  EXPECT_TRUE(seen.same_healthy);
}

}  // namespace
}  // namespace turnpike::router::outlook_test
