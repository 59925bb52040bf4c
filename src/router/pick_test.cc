#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <map>
#include <string>
#include <thread>

#include "base/id.h"
#include "router/router.h"

namespace turnpike::router::pick_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds, at a full minute.
constexpr std::int64_t kSecond = 1'000'000;

/// What the test says of one member of a group.
struct Member {
  const char* id;
  std::optional<double> weight;
  std::optional<int> order;
  std::int64_t cooling_for_us = 0;
  std::optional<double> rpm = {};
  std::optional<double> tpm = {};
};

ModelGroup group_of(const std::vector<Member>& members) {
  ModelGroup group;
  group.name = "g";
  for (const Member& member : members) {
    Deployment made;
    made.id = member.id;
    made.weight = member.weight;
    made.order = member.order;
    made.rpm = member.rpm;
    made.tpm = member.tpm;
    made.health = std::make_shared<Health>();
    if (member.cooling_for_us > 0) made.health->cooling_until_us = kNow + member.cooling_for_us;
    group.deployments.push_back(std::make_shared<const Deployment>(std::move(made)));
  }
  return group;
}

/// How often each member is drawn, in percent, over a seeded run.
std::map<std::string, double> shares(const ModelGroup& group, const std::vector<std::string>& tried = {}) {
  constexpr int kDraws = 40'000;
  base::Random random(42);
  std::map<std::string, double> drawn;
  for (int i = 0; i < kDraws; ++i)
    drawn[pick(group, {.tried = tried, .now_us = kNow, .random = random.next()})->deployment->id] += 100.0 / kDraws;
  return drawn;
}

struct Case {
  const char* name;
  std::vector<Member> members;
  std::vector<std::string> tried;
  std::map<std::string, double> percent;
};

const Case kCases[] = {
    {"evenly",
     {{"a", {}, {}}, {"b", {}, {}}, {"c", {}, {}}, {"d", {}, {}}},
     {},
     {{"a", 25}, {"b", 25}, {"c", 25}, {"d", 25}}},
    {"by weight", {{"a", 9, {}}, {"b", 1, {}}}, {}, {{"a", 90}, {"b", 10}}},
    {"one without the weight others have", {{"a", {}, {}}, {"b", 3, {}}, {"c", 1, {}}}, {}, {{"b", 75}, {"c", 25}}},
    {"weight 0 is never drawn", {{"a", 0, {}}, {"b", 2, {}}}, {}, {{"b", 100}}},
    {"all weights 0", {{"a", 0, {}}, {"b", 0, {}}}, {}, {{"a", 50}, {"b", 50}}},
    {"by rpm", {{"a", {}, {}, 0, 600}, {"b", {}, {}, 0, 200}}, {}, {{"a", 75}, {"b", 25}}},
    {"by tpm", {{"a", {}, {}, 0, {}, 1000}, {"b", {}, {}, 0, {}, 4000}}, {}, {{"a", 20}, {"b", 80}}},
    {"weight comes before rpm", {{"a", 1, {}, 0, 900}, {"b", 1, {}, 0, 100}}, {}, {{"a", 50}, {"b", 50}}},
    {"smallest order", {{"a", {}, 2}, {"b", {}, 1}, {"c", {}, 1}, {"d", {}, {}}}, {}, {{"b", 50}, {"c", 50}}},
    {"next order when the first cools", {{"a", {}, 2}, {"b", {}, 1, kSecond}, {"c", {}, {}}}, {}, {{"a", 100}}},
    {"cooling is left out", {{"a", {}, {}, kSecond}, {"b", {}, {}}}, {}, {{"b", 100}}},
    {"tried is left out", {{"a", {}, {}}, {"b", {}, {}}}, {"a"}, {{"b", 100}}},
    {"tried again when no other is healthy", {{"a", {}, {}}, {"b", {}, {}, kSecond}}, {"a"}, {{"a", 100}}},
};

TEST(Pick, ShufflesByTheSharesOfTheTable) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    const std::map<std::string, double> drawn = shares(group_of(row.members), row.tried);
    EXPECT_EQ(drawn.size(), row.percent.size());
    for (const auto& [id, percent] : row.percent) {
      ASSERT_TRUE(drawn.contains(id)) << id;
      EXPECT_NEAR(drawn.at(id), percent, 1.0) << id;  // Four standard deviations of 40,000 draws.
    }
  }
}

TEST(Pick, NeverFallsOffTheEnd) {
  const ModelGroup group = group_of({{"a", 1e-300, {}}, {"b", 1e300, {}}, {"c", 0, {}}});
  for (const std::uint64_t random : {0ULL, 1ULL, ~0ULL, ~0ULL >> 1}) {
    EXPECT_NE(pick(group, {.now_us = kNow, .random = random})->deployment->id, "c");
  }
  std::vector<Member> many(100, Member{"x", {}, {}});
  EXPECT_TRUE(pick(group_of(many), {.now_us = kNow, .random = ~0ULL})) << "more members than fit the stack";
}

TEST(Pick, ADeploymentNamedByItsIdIsTakenAsItIs) {
  ModelGroup group = group_of({{"a", {}, {}, 9 * kSecond}});
  group.precise = true;
  EXPECT_EQ(pick(group, {.now_us = kNow, .random = 0})->deployment->id, "a");
  EXPECT_FALSE(pick(group, {.now_us = kNow, .random = 0})->probe);
}

TEST(Pick, PassesOverWhoOthersKnowToBeFullOrSpent) {
  const std::vector<std::string> a = {"a"}, both = {"a", "b"};
  const ModelGroup group = group_of({{"a", {}, 1}, {"b", {}, 2}});
  EXPECT_EQ(pick(group, {.full = a, .now_us = kNow})->deployment->id, "b");
  EXPECT_EQ(pick(group, {.full = both, .now_us = kNow})->deployment, nullptr) << "somebody's call will end";
  EXPECT_EQ(pick(group, {.spent = a, .now_us = kNow})->deployment->id, "b");
  const Result<Pick> refused =
      pick(group, {.spent = both, .room_after_us = 17 * kSecond + 1, .now_us = kNow + 59 * kSecond});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry_after, std::chrono::seconds(18)) << "not what is left of the minute";

  ModelGroup named = group_of({{"a", {}, {}}});
  named.precise = true;
  EXPECT_EQ(pick(named, {.full = a, .now_us = kNow})->deployment, nullptr);
  ASSERT_FALSE(pick(named, {.spent = a, .now_us = kNow}));
}

TEST(Pick, OneProbeGoesOutWhenAllAreCooling) {
  const ModelGroup group = group_of({{"a", {}, {}, 9 * kSecond}, {"b", {}, {}, 4 * kSecond + 1}});
  group.deployments[1]->health->cooling_status = 503;
  const Result<Pick> first = pick(group, {.now_us = kNow, .random = 0});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->deployment->id, "b") << "the one that is back first";
  EXPECT_TRUE(first->probe);

  const Result<Pick> second = pick(group, {.now_us = kNow, .random = 0});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::NoDeployment);
  EXPECT_EQ(second.error().retry_after, std::chrono::milliseconds(4'001));
  EXPECT_EQ(second.error().message,
            "No deployments available for selected model, Try again in 5 seconds. Passed model=g. "
            "pre-call-checks=False, cooldown_list=[2 cooling]. The provider last answered with status 503");

  note_success(*first->deployment, kNow, true);
  EXPECT_FALSE(pick(group, {.now_us = kNow, .random = 0})->probe) << "it is back for everybody";
  EXPECT_EQ(pick(group, {.now_us = kNow, .random = 0})->deployment->id, "b");
}

TEST(Pick, AProbeNobodyReportsOnIsGivenUpAfterAMinute) {
  const ModelGroup group = group_of({{"a", {}, {}, 900 * kSecond}});
  EXPECT_TRUE(pick(group, {.now_us = kNow, .random = 0})->probe);
  EXPECT_FALSE(pick(group, {.now_us = kNow + 60 * kSecond, .random = 0}));
  EXPECT_TRUE(pick(group, {.now_us = kNow + 61 * kSecond, .random = 0})->probe);
}

TEST(Pick, ManyThreadsSendOneProbe) {
  const ModelGroup group = group_of({{"a", {}, {}, 9 * kSecond}, {"b", {}, {}, 9 * kSecond}});
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> probes{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        const Result<Pick> picked = pick(group, {.now_us = kNow, .random = 0});
        if (picked && picked->probe) ++probes;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(probes, 1);
    Error gone;
    gone.kind = ErrorKind::CallerGone;
    for (const DeploymentRef& member : group.deployments) note_failure(*member, gone, 2, {}, kNow, true);
  }
}

TEST(Pick, AnEmptyGroupIsAnError) {
  EXPECT_FALSE(pick(ModelGroup{"g", {}}, {.now_us = kNow}));
}

Error failure(ErrorKind kind, int status = 0) {
  Error error;
  error.kind = kind;
  error.status = status;
  return error;
}

TEST(NoteFailure, AFailedProbeExtendsTheRest) {
  const ModelGroup group = group_of({{"a", {}, {}, kSecond}});
  const Pick probe = *pick(group, {.now_us = kNow, .random = 0});
  EXPECT_TRUE(note_failure(*probe.deployment, failure(ErrorKind::UpstreamInternal, 500), 1, {}, kNow, true));
  EXPECT_EQ(probe.deployment->health->cooling_until_us, kNow + 5 * kSecond);
  EXPECT_TRUE(pick(group, {.now_us = kNow, .random = 0})->probe) << "the next probe may go";
}

TEST(NoteFailure, AProbeThatBlamesTheRequestBringsTheDeploymentBack) {
  const ModelGroup group = group_of({{"a", {}, {}, kSecond}});
  const Pick probe = *pick(group, {.now_us = kNow, .random = 0});
  EXPECT_FALSE(note_failure(*probe.deployment, failure(ErrorKind::UpstreamBadRequest, 400), 1, {}, kNow, true));
  EXPECT_FALSE(pick(group, {.now_us = kNow, .random = 0})->probe);
}

TEST(NoteFailure, AProbeWhoseCallerWentSaysNothing) {
  const ModelGroup group = group_of({{"a", {}, {}, kSecond}});
  const Pick probe = *pick(group, {.now_us = kNow, .random = 0});
  EXPECT_FALSE(note_failure(*probe.deployment, failure(ErrorKind::CallerGone), 1, {}, kNow, true));
  EXPECT_TRUE(pick(group, {.now_us = kNow, .random = 0})->probe);
}

TEST(NoteFailure, KeepsTheLaterOfTwoDeadlines) {
  const ModelGroup group = group_of({{"a", {}, {}}, {"b", {}, {}}});
  const Deployment& deployment = *group.deployments[0];
  Error error = failure(ErrorKind::UpstreamRateLimited, 429);
  error.retry_after = std::chrono::seconds(60);
  EXPECT_TRUE(note_failure(deployment, error, 2, {}, kNow, false));
  error.retry_after = std::chrono::seconds(2);
  EXPECT_TRUE(note_failure(deployment, error, 2, {}, kNow, false));
  EXPECT_EQ(deployment.health->cooling_until_us, kNow + 60 * kSecond);
  EXPECT_EQ(deployment.health->cooling_status, 429);
  EXPECT_EQ(deployment.health->cooldowns, 2u);
  note_success(deployment, kNow + kSecond, false);
  EXPECT_EQ(deployment.health->cooling_until_us, kNow + 60 * kSecond) << "a call from before is no sign";
}

TEST(NoteFailure, TheRatioIsCountedPerMinute) {
  const ModelGroup group = group_of({{"a", {}, {}}, {"b", {}, {}}});
  const Deployment& deployment = *group.deployments[0];
  const Error error = failure(ErrorKind::UpstreamConnection);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(note_failure(deployment, error, 2, {}, kNow, false)) << i;
  EXPECT_FALSE(note_failure(deployment, error, 2, {}, kNow + 60 * kSecond, false)) << "a new minute starts at zero";
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(note_failure(deployment, error, 2, {}, kNow + 60 * kSecond, false)) << i;
  EXPECT_TRUE(note_failure(deployment, error, 2, {}, kNow + 60 * kSecond, false)) << "five of five";
}

TEST(NoteBroken, StreamsThatBreakLaterCountAsFailuresOfTheirCalls) {
  const ModelGroup group = group_of({{"a", {}, {}}, {"b", {}, {}}});
  const Deployment& deployment = *group.deployments[0];
  Error error = failure(ErrorKind::UpstreamTruncated);
  bool cooled = false;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(cooled) << i;
    note_success(deployment, kNow, false);
    cooled = note_broken(deployment, error, 2, {}, kNow);
  }
  EXPECT_TRUE(cooled) << "five of five";
  EXPECT_EQ(deployment.health->calls, 5U);
  error.kind = ErrorKind::UpstreamContentPolicy;
  EXPECT_FALSE(note_broken(*group.deployments[1], error, 2, {.allowed_fails = 0}, kNow)) << "no fault of its own";
  EXPECT_EQ(group.deployments[1]->health->fails, 0U);
}

TEST(NoteUnasked, FreesTheProbe) {
  const ModelGroup group = group_of({{"a", {}, {}, kSecond}});
  note_unasked(*pick(group, {.now_us = kNow, .random = 0})->deployment, true);
  EXPECT_TRUE(pick(group, {.now_us = kNow, .random = 0})->probe);
}

TEST(NoteFailure, AFourOhFourAboutTheRequestTouchesNobody) {
  const ModelGroup group = group_of({{"a", {}, {}}});
  Error error = failure(ErrorKind::UpstreamNotFound, 404);
  error.detail = "No such File object: file-abc123";
  EXPECT_FALSE(note_failure(*group.deployments[0], error, 1, {.allowed_fails = 0}, kNow, false));
  EXPECT_EQ(group.deployments[0]->health->fails, 0U);
  error.detail = "The model `gpt-9` does not exist";
  EXPECT_TRUE(note_failure(*group.deployments[0], error, 1, {}, kNow, false));
}

TEST(NoteFailure, TheCallersMistakesTouchNobody) {
  const ModelGroup group = group_of({{"a", {}, {}}, {"b", {}, {}}});
  const Deployment& deployment = *group.deployments[0];
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(
        note_failure(deployment, failure(ErrorKind::UpstreamBadRequest, 400), 2, {.allowed_fails = 0}, kNow, false));
    EXPECT_FALSE(note_failure(deployment, failure(ErrorKind::UpstreamContextWindow, 400), 2, {}, kNow, false));
  }
  EXPECT_EQ(deployment.health->fails, 0u);
  EXPECT_EQ(deployment.health->cooling_until_us, 0);
}

TEST(Pick, WhoHasNoMoneyLeftIsPassedOver) {
  const ModelGroup group = group_of({{"a", {}, {}}, {"b", {}, {}, kSecond}});
  const std::vector<std::string> one = {"a"};
  const Result<Pick> resting = pick(group, {.spent = one, .now_us = kNow});
  ASSERT_TRUE(resting && resting->deployment);
  EXPECT_EQ(resting->deployment->id, "b") << "better a probe of one that rests";
  const std::vector<std::string> all = {"a", "b"};
  const Result<Pick> nobody = pick(group, {.spent = all, .now_us = kNow});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::NoDeployment);
}

}  // namespace
}  // namespace turnpike::router::pick_test
