#include "router/strategy.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <thread>

#include "base/id.h"
#include "router/router.h"

namespace turnpike::router::strategy_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds, at a full minute.
constexpr std::int64_t kMillisecond = 1'000;
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;

Deployment named(std::string id) {
  Deployment made;
  made.id = std::move(id);
  made.health = std::make_shared<Health>();
  return made;
}

ModelGroup group_of(std::vector<Deployment> members, Routing routing) {
  ModelGroup group;
  group.name = "g";
  group.routing = routing;
  for (Deployment& member : members) group.deployments.push_back(std::make_shared<const Deployment>(std::move(member)));
  return group;
}

ModelGroup plain(std::size_t count, Routing routing) {
  std::vector<Deployment> members;
  for (std::size_t i = 0; i < count; ++i) members.push_back(named(std::string(1, static_cast<char>('a' + i))));
  return group_of(std::move(members), routing);
}

Load& load(const ModelGroup& group, std::size_t i) {
  return group.deployments[i]->health->load;
}

/// How often each member is drawn, in percent; nothing is learned from the draws.
std::map<std::string, double> shares(const ModelGroup& group, PickInput input) {
  constexpr int kDraws = 20'000;
  base::Random random(42);
  std::map<std::string, double> drawn;
  for (int i = 0; i < kDraws; ++i) {
    input.random = random.next();
    const Result<Pick> picked = pick(group, input);
    drawn[picked->deployment->id] += 100.0 / kDraws;
    note_unasked(*picked->deployment, picked->probe);
  }
  return drawn;
}

/// The evenly shared percentages of these, within what chance allows (four standard deviations).
void expect_even(const std::map<std::string, double>& drawn, const std::vector<std::string>& ids) {
  ASSERT_EQ(drawn.size(), ids.size());
  const double share = 1.0 / static_cast<double>(ids.size());
  const double tolerance = 400 * std::sqrt(share * (1 - share) / 20'000) + 1e-6;
  for (const std::string& id : ids) EXPECT_NEAR(drawn.count(id) ? drawn.at(id) : 0, 100 * share, tolerance) << id;
}

void answered(const ModelGroup& group, std::size_t i, std::int64_t microseconds_per_token, std::int64_t now_us,
              int times = 10) {
  for (int n = 0; n < times; ++n) {
    note_answer(*group.deployments[i],
                {.duration_us = 100 * microseconds_per_token, .tokens = 120, .tokens_written = 100}, now_us);
  }
}

TEST(LeastBusy, TakesThoseWithTheFewestCallsUnderWayEvenly) {
  const ModelGroup group = plain(4, {.strategy = Strategy::LeastBusy});
  load(group, 0).in_flight = 3;
  load(group, 2).in_flight = 1;
  expect_even(shares(group, {.now_us = kNow}), {"b", "d"});
}

TEST(KeyRouting, StandsInThePlaceOfTheGroups) {
  const ModelGroup shuffled = plain(3, {});
  load(shuffled, 0).in_flight = 3;
  load(shuffled, 2).in_flight = 1;
  expect_even(shares(shuffled, {.now_us = kNow}), {"a", "b", "c"});
  expect_even(shares(shuffled, {.now_us = kNow, .strategy = Strategy::LeastBusy}), {"b"});

  std::vector<Deployment> members = {named("a"), named("b")};
  members[0].tags = {"paid"};
  members[0].rpm = 1;
  const ModelGroup mixed = group_of(std::move(members), {});
  const std::vector<std::string> paid = {"paid"};
  expect_even(shares(mixed, {.now_us = kNow, .tags = paid, .tag_filtering = true}), {"a"});
  load(mixed, 0).requests.add(1, kNow);
  expect_even(shares(mixed, {.now_us = kNow, .strategy = Strategy::UsageBasedV2}), {"b"});  // Its limits hold, then.

  const ModelGroup tagged = group_of({named("a"), named("b")}, {.limits = true, .tags = true});
  EXPECT_FALSE(pick(tagged, {.now_us = kNow, .tags = paid}));
  expect_even(shares(tagged, {.now_us = kNow, .tags = paid, .tag_filtering = false}), {"a", "b"});
  EXPECT_TRUE(PickInput{.strategy = Strategy::LeastBusy}.apply_to(tagged.routing).limits) << "no key takes limits off";
}

TEST(LeastBusy, LooksOnlyAtTheHealthy) {
  const ModelGroup group = plain(3, {.strategy = Strategy::LeastBusy});
  load(group, 1).in_flight = 5;
  load(group, 2).in_flight = 6;
  group.deployments[0]->health->cooling_until_us = kNow + kSecond;
  expect_even(shares(group, {.now_us = kNow}), {"b"});
}

TEST(LeastBusy, SpreadsCallsSoThatFewerGoWhereTheyTakeLonger) {
  // One call arrives each millisecond; a answers in 10 ms, b in 40: they settle at 4 to 1.
  const ModelGroup group = plain(2, {.strategy = Strategy::LeastBusy});
  base::Random random(7);
  std::multimap<std::int64_t, Slot> under_way;
  std::map<std::string, int> drawn;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t now = kNow + i * kMillisecond;
    under_way.erase(under_way.begin(), under_way.upper_bound(now));
    Pick picked = *pick(group, {.now_us = now, .random = random.next()});
    ++drawn[picked.deployment->id];
    const std::int64_t length = (picked.deployment->id == "a" ? 10 : 40) * kMillisecond;
    under_way.emplace(now + length, std::move(picked.slot));
  }
  EXPECT_NEAR(static_cast<double>(drawn["a"]) / drawn["b"], 4.0, 0.3);
  under_way.clear();
  EXPECT_EQ(load(group, 0).in_flight, 0);
  EXPECT_EQ(load(group, 1).in_flight, 0);
}

TEST(LatencyBased, TakesTheLeastMiddleAndAllWithinTheBuffer) {
  ModelGroup group = plain(4, {.strategy = Strategy::LatencyBased, .limits = true});
  answered(group, 0, 10'000, kNow);
  answered(group, 1, 13'000, kNow);
  answered(group, 2, 16'000, kNow);
  answered(group, 3, 10'000, kNow);
  expect_even(shares(group, {.now_us = kNow}), {"a", "d"});
  group.routing.buffer = 0.5;
  expect_even(shares(group, {.now_us = kNow}), {"a", "b", "d"});
}

TEST(LatencyBased, OneSlowAnswerDoesNotMoveTheMiddle) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased});
  answered(group, 0, 10'000, kNow, 9);
  answered(group, 0, 5'000'000, kNow, 1);
  answered(group, 1, 12'000, kNow);
  expect_even(shares(group, {.now_us = kNow}), {"a"});
}

TEST(LatencyBased, UnseenComesFirstButOneCallIsEnoughToSeeIt) {
  const ModelGroup group = plain(3, {.strategy = Strategy::LatencyBased});
  answered(group, 0, 10'000, kNow);
  answered(group, 1, 20'000, kNow);
  expect_even(shares(group, {.now_us = kNow}), {"c"});
  const Pick first = *pick(group, {.now_us = kNow});
  EXPECT_EQ(first.deployment->id, "c");
  expect_even(shares(group, {.now_us = kNow}), {"a"});
}

TEST(LatencyBased, StreamsAreChosenByTheirFirstContent) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased});
  answered(group, 0, 10'000, kNow);
  answered(group, 1, 20'000, kNow);
  note_first_content(*group.deployments[0], 900 * kMillisecond, 10, kMinute, kNow);
  note_first_content(*group.deployments[1], 200 * kMillisecond, 10, kMinute, kNow);
  expect_even(shares(group, {.now_us = kNow, .stream = true}), {"b"});
  expect_even(shares(group, {.now_us = kNow}), {"a"});
}

TEST(LatencyBased, FollowsAChangeWithinTheWindow) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased});
  answered(group, 0, 10'000, kNow);
  answered(group, 1, 20'000, kNow);
  int calls = 0;
  for (; calls < 20; ++calls) {  // From now on a takes 50 ms for a token.
    const Pick picked = *pick(group, {.now_us = kNow, .random = 1});
    if (picked.deployment->id == "b") break;
    answered(group, 0, 50'000, kNow, 1);
  }
  EXPECT_EQ(calls, 6) << "the middle of ten";
}

TEST(LatencyBased, WhatNobodyHasAskedForLongIsLookedAtAgain) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased, .ttl_us = kMinute});
  answered(group, 0, 10'000, kNow);
  answered(group, 1, 50'000, kNow);
  expect_even(shares(group, {.now_us = kNow + kSecond}), {"a"});
  answered(group, 0, 10'000, kNow + 50 * kSecond);
  expect_even(shares(group, {.now_us = kNow + kMinute + kSecond}), {"b"});
  note_answer(*group.deployments[1], {.duration_us = 2'000, .tokens_written = 1, .ttl_us = kMinute},
              kNow + kMinute + kSecond);
  expect_even(shares(group, {.now_us = kNow + kMinute + kSecond}), {"b"});
}

TEST(LatencyBased, ATimeOutIsForgivenInTime) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased});
  answered(group, 0, 10'000, kNow);
  answered(group, 1, 100'000, kNow);
  Error error;
  error.kind = ErrorKind::Timeout;
  note_failure(*group.deployments[0], error, 2, {.disabled = true}, kNow, false);
  expect_even(shares(group, {.now_us = kNow}), {"b"});
  expect_even(shares(group, {.now_us = kNow + 60 * kSecond}), {"b"});
  expect_even(shares(group, {.now_us = kNow + 180 * kSecond}), {"a"});
}

TEST(LatencyBased, AStreamThatTimesOutInItsMiddleIsATimeOut) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased});
  for (std::size_t i = 0; i < 2; ++i)
    note_first_content(*group.deployments[i], (i + 1) * 100 * kMillisecond, 10, kMinute, kNow);
  const PickInput stream{.now_us = kNow, .stream = true};
  expect_even(shares(group, stream), {"a"});
  Error error;
  error.kind = ErrorKind::Timeout;
  note_broken(*group.deployments[0], error, 2, {}, kNow);
  expect_even(shares(group, stream), {"b"});
}

TEST(LatencyBased, WhoOnlyEverTimesOutIsNotUnseen) {
  const ModelGroup group = plain(2, {.strategy = Strategy::LatencyBased});
  answered(group, 1, 100'000, kNow);
  Error error;
  error.kind = ErrorKind::UpstreamTimeout;
  note_failure(*group.deployments[0], error, 2, {.disabled = true}, kNow, false);
  expect_even(shares(group, {.now_us = kNow + kSecond}), {"b"});
}

Deployment limited(std::string id, std::optional<double> rpm, std::optional<double> tpm) {
  Deployment made = named(std::move(id));
  made.rpm = rpm;
  made.tpm = tpm;
  return made;
}

TEST(UsageBased, TakesTheMostRemainingShareOfItsLimits) {
  for (const Strategy strategy : {Strategy::UsageBased, Strategy::UsageBasedV2}) {
    const ModelGroup group = group_of({limited("a", 100, {}), limited("b", {}, 10'000), limited("c", 50, 100'000)},
                                      {.strategy = strategy, .limits = true});
    for (const std::size_t i : {0U, 2U}) {
      for (int n = 0; n < 10; ++n) {
        load(group, i).requests.add(1, kNow);
        load(group, i).answered.add(1, kNow);
      }
    }
    load(group, 1).tokens.add(1'500, kNow);
    expect_even(shares(group, {.now_us = kNow}), {"a"});  // 10 % used; b 15 %, c 20 %.
    load(group, 0).tokens.add(9'000, kNow);
    expect_even(shares(group, {.now_us = kNow}), {"a"});  // It has no tpm.
    expect_even(shares(group, {.now_us = kNow + kMinute}), {"a", "b", "c"});
  }
}

TEST(UsageBased, WithoutLimitsTheFewestTokens) {
  const ModelGroup group = plain(3, {.strategy = Strategy::UsageBased, .limits = true});
  load(group, 0).tokens.add(10, kNow);
  load(group, 2).tokens.add(5, kNow);
  expect_even(shares(group, {.now_us = kNow}), {"b"});
}

TEST(UsageBased, VersionTwoCountsBeforeTheCallVersionOneAfterIt) {
  for (const Strategy strategy : {Strategy::UsageBased, Strategy::UsageBasedV2}) {
    const ModelGroup group =
        group_of({limited("a", 300, {}), limited("b", 100, {})}, {.strategy = strategy, .limits = true});
    base::Random random(3);
    std::map<std::string, int> drawn;
    for (int i = 0; i < 200; ++i) ++drawn[pick(group, {.now_us = kNow, .random = random.next()})->deployment->id];
    // Nobody has ended: the first version sees nothing and draws evenly, the second keeps the shares level.
    EXPECT_NEAR(drawn["a"], strategy == Strategy::UsageBasedV2 ? 150 : 100,
                strategy == Strategy::UsageBasedV2 ? 1 : 28);
  }
}

TEST(UsageBased, KeepsSharesLevelAfterAChangeOfLoad) {
  const ModelGroup group = group_of({limited("a", {}, 60'000), limited("b", {}, 20'000)},
                                    {.strategy = Strategy::UsageBased, .limits = true});
  load(group, 0).tokens.add(30'000, kNow);  // Somebody else's large call.
  base::Random random(3);
  std::map<std::string, int> drawn;
  for (int i = 0; i < 300; ++i) {
    const Pick picked = *pick(group, {.now_us = kNow, .random = random.next()});
    ++drawn[picked.deployment->id];
    note_answer(*picked.deployment, {.duration_us = 1, .tokens = 100}, kNow);
  }
  EXPECT_NEAR(load(group, 0).tokens.get(kNow) / 60'000.0, load(group, 1).tokens.get(kNow) / 20'000.0, 0.01);
  EXPECT_EQ(drawn["a"] + drawn["b"], 300);
}

TEST(UsageBased, RpmOfVersionTwoHoldsExactlyBetweenThreads) {
  const ModelGroup group =
      group_of({limited("a", 500, {}), limited("b", 700, {})}, {.strategy = Strategy::UsageBasedV2, .limits = true});
  std::atomic<int> picked{0};
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      base::Random random(seed);
      for (int i = 0; i < 1'000; ++i) {
        if (pick(group, {.now_us = kNow, .random = random.next()})) ++picked;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(picked, 1'200);
  EXPECT_EQ(load(group, 0).requests.get(kNow), 500U);
  EXPECT_EQ(load(group, 1).requests.get(kNow), 700U);
  const Result<Pick> refused = pick(group, {.now_us = kNow + 20 * kSecond});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::NoDeployment);
  EXPECT_EQ(refused.error().retry_after, std::chrono::seconds(40));
  EXPECT_TRUE(pick(group, {.now_us = kNow + kMinute})) << "the next minute";
}

TEST(CostBased, TakesTheCheapestAndTheUnknownLast) {
  std::vector<Deployment> members;
  for (const char* id : {"a", "b", "c", "d"}) members.push_back(named(id));
  members[1].token_cost_femto = 3'000'000'000;
  members[2].token_cost_femto = 2'000'000'000;
  members[3].token_cost_femto = 2'000'000'000;
  const ModelGroup group = group_of(std::move(members), {.strategy = Strategy::CostBased, .limits = true});
  expect_even(shares(group, {.now_us = kNow}), {"c", "d"});
  group.deployments[2]->health->cooling_until_us = kNow + kSecond;
  group.deployments[3]->health->cooling_until_us = kNow + kSecond;
  expect_even(shares(group, {.now_us = kNow}), {"b"});
  const std::vector<std::string> tried = {"b"};
  expect_even(shares(group, {.tried = tried, .now_us = kNow}), {"a"});
}

TEST(Filters, RpmAndTpmLimitOnlyWhereTheyAreAskedTo) {
  ModelGroup group = group_of({limited("a", 1, 100), limited("b", 1, 100)}, {});
  for (const std::uint64_t random : {0ULL, ~0ULL}) {
    EXPECT_TRUE(pick(group, {.now_us = kNow, .random = random, .prompt_tokens = 1'000}));
  }
  group.routing.limits = true;
  EXPECT_FALSE(pick(group, {.now_us = kNow}));
  EXPECT_TRUE(pick(group, {.now_us = kNow + kMinute, .prompt_tokens = 100}));
  EXPECT_FALSE(pick(group, {.now_us = kNow + kMinute, .prompt_tokens = 101}));
}

TEST(Filters, APromptGoesWhereItFitsBeforeTheOrderCounts) {
  std::vector<Deployment> members = {named("small"), named("large"), named("unknown")};
  members[0].input_tokens_max = 1'000;
  members[0].order = 1;
  members[1].input_tokens_max = 100'000;
  members[1].order = 2;
  ModelGroup group = group_of(std::move(members), {.context = true});
  EXPECT_EQ(pick(group, {.now_us = kNow, .prompt_tokens = 1'000})->deployment->id, "small");
  EXPECT_EQ(pick(group, {.now_us = kNow, .prompt_tokens = 1'001})->deployment->id, "large");
  EXPECT_EQ(pick(group, {.now_us = kNow, .prompt_tokens = 100'001})->deployment->id, "unknown");
  group.deployments.pop_back();
  const Result<Pick> refused = pick(group, {.now_us = kNow, .prompt_tokens = 100'001});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::UpstreamContextWindow);
  EXPECT_EQ(refused.error().code, "context_length_exceeded");
}

TEST(Filters, ACallThatNamesARegionStaysInIt) {
  std::vector<Deployment> members = {named("eu"), named("us"), named("unsaid")};
  members[0].region = "eu";
  members[1].region = "us";
  const ModelGroup group = group_of(std::move(members), {});
  expect_even(shares(group, {.now_us = kNow, .region = "eu"}), {"eu"});
  expect_even(shares(group, {.now_us = kNow}), {"eu", "us", "unsaid"});
  const Result<Pick> refused = pick(group, {.now_us = kNow, .region = "mars"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "allowed_model_region");
}

TEST(Filters, Tags) {
  struct Case {
    std::vector<std::string> tags;
    bool any;
    std::vector<std::string> ids;  // Empty: refused.
  };
  const Case kCases[] = {
      {{"paid"}, true, {"paid", "both"}},
      {{"paid", "eu"}, true, {"paid", "both"}},
      {{"paid", "eu"}, false, {"both"}},
      {{"other"}, true, {"plain"}},  // Nobody has it: the default.
      {{}, true, {"plain"}},
  };
  std::vector<Deployment> members = {named("paid"), named("both"), named("plain"), named("none")};
  members[0].tags = {"paid"};
  members[1].tags = {"paid", "eu"};
  members[2].tags = {"default"};
  ModelGroup group = group_of(std::move(members), {.tags = true});
  for (const Case& test : kCases) {
    group.routing.tags_any = test.any;
    expect_even(shares(group, {.now_us = kNow, .tags = test.tags}), test.ids);
  }
  group.routing.tags_any = true;
  const std::vector<std::string> paid = {"paid"};
  for (const std::size_t i : {0U, 1U}) group.deployments[i]->health->cooling_until_us = kNow + kSecond;
  EXPECT_TRUE(pick(group, {.now_us = kNow, .tags = paid})->probe) << "rest is no way past the tags";

  group.deployments.erase(group.deployments.begin() + 2);  // No default any more.
  expect_even(shares(group, {.now_us = kNow}), {"none"});
  const std::vector<std::string> other = {"other"};
  const Result<Pick> refused = pick(group, {.now_us = kNow, .tags = other});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::Unauthenticated);
  EXPECT_EQ(refused.error().message,
            "Not allowed to access model due to tags configuration. Passed model=g and tags=['other']");
}

TEST(Filters, APatternOfTheCallersProgramIsAsGoodAsATag) {
  std::vector<Deployment> members;
  members.push_back(named("cli"));
  members.back().tag_regex.push_back(*base::Regex::compile("^User-Agent: claude-code/"));
  members.push_back(named("paid"));
  members.back().tags = {"paid"};
  members.push_back(named("rest"));
  members.back().tags = {"default"};
  const ModelGroup group = group_of(std::move(members), {.tags = true});
  const std::vector<std::string> paid = {"paid"};
  expect_even(shares(group, {.now_us = kNow, .user_agent = "claude-code/2.0"}), {"cli"});
  expect_even(shares(group, {.now_us = kNow, .tags = paid, .user_agent = "claude-code/2.0"}), {"cli", "paid"});
  expect_even(shares(group, {.now_us = kNow, .tags = paid, .user_agent = "curl/8"}), {"paid"});
  expect_even(shares(group, {.now_us = kNow, .user_agent = "curl/8"}), {"rest"});
  expect_even(shares(group, {.now_us = kNow}), {"rest"});
}

TEST(Filters, AKeyOfAnAccessGroupSeesOnlyItsDeployments) {
  std::vector<Deployment> members;
  members.push_back(named("beta"));
  members.back().access_groups = {"beta", "all"};
  members.push_back(named("open"));
  members.back().access_groups = {"all"};
  members.push_back(named("none"));
  const ModelGroup group = group_of(std::move(members), {});
  const auto held = [&](const std::vector<std::string>& groups) {
    return shares(group, {.now_us = kNow, .access_groups = groups});
  };
  expect_even(held({"beta"}), {"beta"});
  expect_even(held({"beta", "all"}), {"beta", "open"});
  expect_even(held({}), {"beta", "open", "none"});
  const std::vector<std::string> other = {"other"};
  const Result<Pick> nobody = pick(group, {.now_us = kNow, .access_groups = other});
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::PermissionDenied);
}

TEST(Filters, ATeamSeesItsOwnDeploymentsAndEverybodys) {
  std::vector<Deployment> members;
  for (const char* id : {"red", "blue", "open"}) members.push_back(named(id));
  members[0].team_id = "red";
  members[1].team_id = "blue";
  const ModelGroup group = group_of(std::move(members), {});
  const auto seen = [&](std::optional<std::string_view> team) { return shares(group, {.now_us = kNow, .team = team}); };
  expect_even(seen("red"), {"red", "open"});
  expect_even(seen("blue"), {"blue", "open"});
  expect_even(seen(""), {"open"});
  expect_even(seen(std::nullopt), {"red", "blue", "open"});
  std::vector<Deployment> one(1, named("red"));
  one.back().team_id = "red";
  ModelGroup alone = group_of(std::move(one), {});
  for (const bool precise : {false, true}) {  // Also who is named by id.
    alone.precise = precise;
    const Result<Pick> nobody = pick(alone, {.now_us = kNow, .team = "blue"});
    ASSERT_FALSE(nobody) << precise;
    EXPECT_EQ(nobody.error().kind, ErrorKind::PermissionDenied);
    EXPECT_TRUE(pick(alone, {.now_us = kNow, .team = "red"})) << precise;
  }
}

TEST(Filters, WhatAModelSurelyCannotDoGoesElsewhere) {
  std::vector<Deployment> members;
  for (const char* id : {"can", "cannot", "unknown", "drops", "insists"}) members.push_back(named(id));
  members[0].traits.set(domain::Trait::FunctionCalling, true);
  for (const std::size_t i : {1U, 3U, 4U}) members[i].traits.set(domain::Trait::FunctionCalling, false);
  members[3].target.drop_unsupported = true;
  members[4].target.allowed_params = {"tools"};
  const ModelGroup group = group_of(members, {.context = true});
  const std::bitset<kNeeds.size()> tools = 1;  // The first of them.
  expect_even(shares(group, {.now_us = kNow, .needs = tools}), {"can", "unknown", "drops", "insists"});
  expect_even(shares(group_of(members, {}), {.now_us = kNow, .needs = tools}),
              {"can", "cannot", "unknown", "drops", "insists"});

  const ModelGroup lone = group_of({members[1]}, {.context = true});
  EXPECT_TRUE(pick(lone, {.now_us = kNow, .needs = tools})) << "the catalogue is not always right";
  members[1].input_tokens_max = 10;
  const ModelGroup small = group_of({members[1]}, {.context = true});
  const Result<Pick> refused = pick(small, {.now_us = kNow, .prompt_tokens = 11, .needs = tools});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::UpstreamContextWindow);
}

TEST(Filters, AFallbackToADeploymentByItsIdStaysInTheRegion) {
  Deployment named_one = named("a");
  named_one.region = "us";
  ModelGroup group = group_of({named_one}, {});
  group.precise = true;
  EXPECT_TRUE(pick(group, {.now_us = kNow, .region = "us"}));
  const Result<Pick> refused = pick(group, {.now_us = kNow, .region = "eu"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "allowed_model_region");
}

TEST(Filters, CallsAtATimeHoldExactlyAndGoElsewhereFirst) {
  std::vector<Deployment> members = {named("a"), named("b")};
  members[0].parallel_max = 2;
  members[0].order = 1;
  members[1].parallel_max = 1;
  const ModelGroup group = group_of(std::move(members), {});
  std::vector<Pick> held;
  for (const char* id : {"a", "a", "b"}) {
    held.push_back(*pick(group, {.now_us = kNow}));
    EXPECT_EQ(held.back().deployment->id, id);
  }
  EXPECT_EQ(pick(group, {.now_us = kNow})->deployment, nullptr) << "wait";
  ModelGroup precise = group;
  precise.precise = true;
  EXPECT_EQ(pick(precise, {.now_us = kNow})->deployment, nullptr) << "also who is named by id";
  held.erase(held.begin());
  EXPECT_EQ(pick(group, {.now_us = kNow})->deployment->id, "a");
}

TEST(MinuteCount, BelongsToItsMinute) {
  MinuteCount count;
  count.add(5, kNow);
  EXPECT_EQ(count.get(kNow + kMinute - 1), 5U);
  EXPECT_EQ(count.get(kNow + kMinute), 0U);
  EXPECT_TRUE(count.take(1, kNow + kMinute));
  EXPECT_FALSE(count.take(1, kNow + kMinute));
  count.add(1, kNow);  // A late one counts now.
  EXPECT_EQ(count.get(kNow + kMinute), 2U);
  count.add(~0ULL, kNow + kMinute);
  EXPECT_EQ(count.get(kNow + kMinute), 0xffff'ffffU) << "no spill into the minute";
}

TEST(StrategyOfAGroup, ItsOwnComesBeforeTheGlobal) {
  config::RouterSettings settings;
  settings.routing_strategy = "cost-based-routing";
  settings.model_group_routing_strategy = {{"fast", "latency-based-routing"}};
  EXPECT_EQ(routing_of(settings, "fast").strategy, Strategy::LatencyBased);
  EXPECT_EQ(routing_of(settings, "other").strategy, Strategy::CostBased);
}

}  // namespace
}  // namespace turnpike::router::strategy_test
