#include "router/sticky.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "router/router.h"

namespace turnpike::router::sticky_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds, at a full minute.
constexpr std::int64_t kSecond = 1'000'000;
constexpr int kCallers = 40'000;

struct Member {
  std::string id;
  std::optional<double> weight = {};
};

ModelGroup group_of(const std::vector<Member>& members, Strategy strategy = Strategy::SimpleShuffle) {
  ModelGroup group;
  group.name = "g";
  group.routing.strategy = strategy;
  for (const Member& member : members) {
    Deployment made;
    made.id = member.id;
    made.weight = member.weight;
    made.seed = seed_of(member.id);
    made.health = std::make_shared<Health>();
    group.deployments.push_back(std::make_shared<const Deployment>(std::move(made)));
  }
  return group;
}

/// Who gets the calls of each caller; `random` must not matter.
std::vector<std::string> assigned(const ModelGroup& group, std::uint64_t random = 0, int callers = kCallers) {
  std::vector<std::string> ids;
  for (int i = 0; i < callers; ++i) {
    const std::uint64_t sticky = sticky_of(group.name, "user-" + std::to_string(i));
    ids.push_back(pick(group, {.now_us = kNow, .random = random + i, .sticky = sticky})->deployment->id);
  }
  return ids;
}

std::map<std::string, double> percent(const std::vector<std::string>& ids) {
  std::map<std::string, double> shares;
  for (const std::string& id : ids) shares[id] += 100.0 / static_cast<double>(ids.size());
  return shares;
}

struct Case {
  const char* name;
  std::vector<Member> members;
  std::map<std::string, double> percent;
};

const Case kCases[] = {
    {"evenly", {{"a"}, {"b"}, {"c"}, {"d"}}, {{"a", 25}, {"b", 25}, {"c", 25}, {"d", 25}}},
    {"a canary of one in twenty", {{"a", 95}, {"b", 5}}, {{"a", 95}, {"b", 5}}},
    {"three versions", {{"a", 6}, {"b", 3}, {"c", 1}}, {{"a", 60}, {"b", 30}, {"c", 10}}},
    {"weight 0 gets nobody", {{"a", 0}, {"b", 1}}, {{"b", 100}}},
    {"all weights 0", {{"a", 0}, {"b", 0}}, {{"a", 50}, {"b", 50}}},
    {"one without the weight others have", {{"a"}, {"b", 3}, {"c", 1}}, {{"b", 75}, {"c", 25}}},
};

TEST(Sticky, TheSharesFollowTheWeights) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    const std::map<std::string, double> drawn = percent(assigned(group_of(row.members)));
    EXPECT_EQ(drawn.size(), row.percent.size());
    for (const auto& [id, share] : row.percent) {
      ASSERT_TRUE(drawn.contains(id)) << id;
      EXPECT_NEAR(drawn.at(id), share, 1.0) << id;  // Four standard deviations of 40,000 draws.
    }
  }
}

TEST(Sticky, TheSameEverywhereAndAlways) {
  const std::vector<Member> members = {{"a", 3}, {"b", 2}, {"c", 1}};
  const std::vector<std::string> here = assigned(group_of(members), 7);
  EXPECT_EQ(here, assigned(group_of(members), 1'000'000)) << "another process, another draw of random";
  EXPECT_EQ(here, assigned(group_of({{"c", 1}, {"b", 2}, {"a", 3}}))) << "in another order of the file";
  EXPECT_EQ(here, assigned(group_of(members, Strategy::LeastBusy))) << "whatever the strategy";
}

TEST(Sticky, WhoGoesHandsOverOnlyItsOwnAndTakesThemBack) {
  const ModelGroup group = group_of({{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}});
  const std::vector<std::string> before = assigned(group);
  group.deployments[1]->health->cooling_until_us = kNow + kSecond;
  const std::vector<std::string> meanwhile = assigned(group);
  std::map<std::string, double> heirs;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == "b") {
      heirs[meanwhile[i]] += 1;
    } else {
      ASSERT_EQ(meanwhile[i], before[i]) << i;
    }
  }
  EXPECT_EQ(heirs.size(), 3U) << "and the others share them";
  for (const auto& [id, calls] : heirs) EXPECT_NEAR(calls / (kCallers / 4.0), 1.0 / 3, 0.02) << id;
  group.deployments[1]->health->cooling_until_us = 0;
  EXPECT_EQ(assigned(group), before);
}

TEST(Sticky, AnotherWeightMovesNoMoreThanItMust) {
  const std::vector<std::string> before = assigned(group_of({{"a", 95}, {"b", 5}}));
  const std::vector<std::string> after = assigned(group_of({{"a", 90}, {"b", 10}}));
  double moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (before[i] == after[i]) continue;
    EXPECT_EQ(after[i], "b") << "nobody leaves the canary that grows";
    moved += 100.0 / kCallers;
  }
  EXPECT_NEAR(moved, 5, 0.6);
}

TEST(Sticky, ARetryGoesToTheSecondDraw) {
  const ModelGroup group = group_of({{"a"}, {"b"}, {"c"}});
  std::set<std::string> seen;
  std::vector<std::string> tried;
  const std::uint64_t sticky = sticky_of("g", "somebody");
  for (int i = 0; i < 3; ++i) {
    tried.push_back(pick(group, {.tried = tried, .now_us = kNow, .sticky = sticky})->deployment->id);
    seen.insert(tried.back());
  }
  EXPECT_EQ(seen.size(), 3U);
}

TEST(Sticky, GroupsDrawForThemselves) {
  int same = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::string who = "user-" + std::to_string(i);
    const double first = sticky_cost(sticky_of("g", who), 1, 1);
    same += first < sticky_cost(sticky_of("h", who), 1, 1) ? 1 : 0;
    EXPECT_NE(sticky_of("g", who), 0U);
  }
  EXPECT_NEAR(same, 500, 64) << "four standard deviations";
}

TEST(StickOfAGroup, ItsOwnComesBeforeThatOfAll) {
  config::Settings settings;
  settings.turnpike.sticky = {{"*", config::StickyBy::User, ""}, {"chat", config::StickyBy::Header, "x-cohort"}};
  settings.router.affinity.prompt_caching = true;
  settings.router.model_group_affinity_config = {{"chat", {.session = true}}};
  EXPECT_EQ(stick_of(settings, "chat").by, config::StickyBy::Header);
  EXPECT_EQ(stick_of(settings, "chat").header, "x-cohort");
  EXPECT_EQ(stick_of(settings, "chat").affinity, (config::Affinity{.session = true}));
  EXPECT_EQ(stick_of(settings, "other").by, config::StickyBy::User);
  EXPECT_EQ(stick_of(settings, "other").affinity, (config::Affinity{.prompt_caching = true}));
  EXPECT_FALSE(stick_of({}, "other").any());
}

}  // namespace
}  // namespace turnpike::router::sticky_test
