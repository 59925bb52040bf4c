#include <gtest/gtest.h>

#include <map>
#include <string>

#include "router/deployment_metrics.h"
#include "router/router.h"

namespace turnpike::router::health_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds, at a full minute.
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;

/// "a" and "b" in one group; probes decide for a minute.
ModelGroup checked_group() {
  ModelGroup group;
  group.name = "g";
  group.routing.checks_us = kMinute;
  group.routing.checks_passing = true;
  for (const char* id : {"a", "b"}) {
    Deployment made;
    made.id = id;
    made.health = std::make_shared<Health>();
    group.deployments.push_back(std::make_shared<const Deployment>(std::move(made)));
  }
  return group;
}

Error error_of(ErrorKind kind) {
  Error error;
  error.kind = kind;
  return error;
}

/// Who is taken in eight draws, spread evenly: "a", "b" or "ab".
std::string taken(const ModelGroup& group, std::int64_t now_us, std::span<const std::string> tried = {}) {
  std::map<std::string, int> seen;
  for (std::uint64_t draw = 0; draw < 8; ++draw)
    ++seen[pick(group, {.tried = tried, .now_us = now_us, .random = draw << 61})->deployment->id];
  std::string names;
  for (const auto& [name, times] : seen) names += name;
  return names;
}

TEST(Checks, KeepAnUnwellDeploymentOutWhileTheyAreFresh) {
  ModelGroup group = checked_group();
  const Deployment& a = *group.deployments[0];
  EXPECT_EQ(taken(group, kNow), "ab");
  const Error refused = error_of(ErrorKind::UpstreamConnection);
  note_check(a, &refused, kNow);
  EXPECT_EQ(taken(group, kNow + kMinute - 1), "b");
  EXPECT_EQ(taken(group, kNow + kMinute), "ab") << "a stale result says nothing";
  note_check(a, nullptr, kNow + 1);
  EXPECT_EQ(taken(group, kNow + 2), "ab") << "a later probe found it well";

  note_check(a, &refused, kNow);
  group.routing.checks_us = 0;
  EXPECT_EQ(taken(group, kNow + 1), "ab") << "without enable_health_check_routing probes decide nothing";
}

TEST(Checks, AreBypassedWhenNobodyWouldBeLeft) {
  const ModelGroup group = checked_group();
  const Error refused = error_of(ErrorKind::UpstreamConnection);
  for (const DeploymentRef& member : group.deployments) note_check(*member, &refused, kNow);
  EXPECT_EQ(taken(group, kNow + 1), "ab");
  note_check(*group.deployments[1], nullptr, kNow);
  EXPECT_EQ(taken(group, kNow + 1), "b");
  group.deployments[1]->health->cooling_until_us = kNow + kMinute;
  EXPECT_EQ(taken(group, kNow + 1), "a") << "the well one rests";
}

TEST(Checks, DoNotSendARetryToWhoIsUnwell) {
  const ModelGroup group = checked_group();
  const Error refused = error_of(ErrorKind::UpstreamConnection);
  note_check(*group.deployments[1], &refused, kNow);
  const std::vector<std::string> tried = {"a"};
  EXPECT_EQ(taken(group, kNow + 1, tried), "a");
  EXPECT_FALSE(outlook(group, {.tried = tried, .now_us = kNow + 1}, group.deployments[0].get()).other_healthy);
}

TEST(Checks, TellPassingTroubleApart) {
  struct Case {
    ErrorKind kind;
    Checked checked;
  };
  for (const Case& test :
       {Case{ErrorKind::UpstreamRateLimited, Checked::Passing}, Case{ErrorKind::Timeout, Checked::Passing},
        Case{ErrorKind::UpstreamTimeout, Checked::Passing}, Case{ErrorKind::UpstreamUnauthenticated, Checked::Unwell},
        Case{ErrorKind::UpstreamInternal, Checked::Unwell}}) {
    ModelGroup group = checked_group();
    const Error error = error_of(test.kind);
    note_check(*group.deployments[0], &error, kNow);
    EXPECT_EQ(group.deployments[0]->health->checked.load(), test.checked);
    EXPECT_EQ(taken(group, kNow + 1), "b");
    group.routing.checks_passing = false;  // health_check_ignore_transient_errors
    EXPECT_EQ(taken(group, kNow + 1), test.checked == Checked::Passing ? "ab" : "b");
  }
}

TEST(Checks, FollowTheSettings) {
  config::RouterSettings settings;
  EXPECT_EQ(routing_of(settings, "g").checks_us, 0);
  settings.enable_health_check_routing = true;
  EXPECT_EQ(routing_of(settings, "g").checks_us, 600 * kSecond);
  EXPECT_TRUE(routing_of(settings, "g").checks_passing);
  settings.allowed_fails_policy.timeout = 3;
  EXPECT_EQ(routing_of(settings, "g").checks_us, 0) << "failed probes count among the failures instead";
}

TEST(Cooldown, KnowsSinceWhenAndWhy) {
  const ModelGroup group = checked_group();
  const Deployment& a = *group.deployments[0];
  const Health& health = *a.health;
  Error busy = error_of(ErrorKind::UpstreamRateLimited);
  busy.status = 429;
  EXPECT_FALSE(is_back(a, kNow));
  EXPECT_TRUE(note_failure(a, busy, 2, {}, kNow, false));
  EXPECT_EQ(health.cooling_since_us.load(), kNow);
  EXPECT_EQ(health.cooling_kind.load(), ErrorKind::UpstreamRateLimited);
  EXPECT_TRUE(note_failure(a, error_of(ErrorKind::UpstreamForbidden), 2, {}, kNow + kSecond, false));
  EXPECT_EQ(health.cooling_since_us.load(), kNow) << "still the same rest";
  EXPECT_EQ(health.cooling_kind.load(), ErrorKind::UpstreamForbidden);

  EXPECT_FALSE(is_back(a, kNow + 2 * kSecond)) << "an older call that ends well meanwhile";
  EXPECT_TRUE(is_back(a, kNow + 10 * kSecond));
  EXPECT_FALSE(is_back(a, kNow + 11 * kSecond)) << "once";
  EXPECT_TRUE(note_failure(a, busy, 2, {}, kNow + 20 * kSecond, false));
  EXPECT_EQ(health.cooling_since_us.load(), kNow + 20 * kSecond);
  note_success(a, kNow + 21 * kSecond, true);
  EXPECT_TRUE(is_back(a, kNow + 21 * kSecond)) << "a probe ended the rest";
}

TEST(Cooldown, StandsInTheMetrics) {
  Deployment made;
  made.id = "id-1";
  made.model_group = "g";
  const auto table = RoutingTable::build({{{made}}}, {}, nullptr, nullptr);
  const Deployment& deployment = *table->groups()[0]->deployments[0];
  const auto page = [&](std::int64_t now_us) {
    std::string text;
    append_deployment_metrics(text, *table, now_us);
    return text;
  };
  const std::string labels = R"({api_base="None",api_provider="None",litellm_model_name="None",model_id="id-1"} )";
  EXPECT_NE(page(kNow).find("litellm_deployment_state" + labels + "0.0\n"), std::string::npos) << page(kNow);
  note_failure(deployment, error_of(ErrorKind::UpstreamInternal), 1, {}, kNow, false);
  EXPECT_NE(page(kNow + 1).find("litellm_deployment_state" + labels + "1.0\n"), std::string::npos);
  EXPECT_NE(page(kNow + kMinute).find("litellm_deployment_state" + labels + "0.0\n"), std::string::npos);
  EXPECT_EQ(page(kNow + 1).find("turnpike_deployment_cooldown_seconds"), std::string::npos);
  note_failure(deployment, error_of(ErrorKind::UpstreamForbidden), 1, {}, kNow, false);
  EXPECT_NE(page(kNow + 1).find("litellm_deployment_state" + labels + "2.0\n"), std::string::npos);
  EXPECT_NE(page(kNow + 1).find("turnpike_deployment_cooldown_seconds" + labels + "5.0\n"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::router::health_test
