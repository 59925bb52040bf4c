#include <gtest/gtest.h>

#include <string>

#include "router/router.h"

namespace turnpike::router::table_test {
namespace {

const provider::Provider kOpenAi = [] {
  provider::Provider row;
  row.name = "openai";
  row.label = "OpenAI";
  return row;
}();

Deployment deployment(std::string id, std::string group, std::string model) {
  Deployment made;
  made.id = std::move(id);
  made.wildcard = group.find('*') != std::string::npos;
  made.model_group = std::move(group);
  made.config_model = "openai/" + model;
  made.target.provider = &kOpenAi;
  made.target.model = std::move(model);
  return made;
}

config::Settings settings() {
  config::Settings made;
  made.router.model_group_alias = {{"fast", "small", false}, {"secret", "large", true}};
  return made;
}

std::vector<RoutingTable::Source> sources() {
  return {{{deployment("id-a", "large", "gpt-4o"), deployment("id-b", "large", "gpt-4o-eu"),
            deployment("id-c", "small", "gpt-4o-mini")}},
          {{deployment("id-d", "openai/*", "*"), deployment("id-e", "openai/gpt-5*", "gpt-5-at-*"),
            deployment("id-c", "small", "said twice")}}};
}

Pricer counting(int& asked) {
  return [&asked](const Deployment& priced) {
    ++asked;
    return std::make_shared<const std::string>(priced.target.model);
  };
}

/// "group: model model"
std::string shown(const ModelGroupRef& group) {
  if (!group) return "none";
  std::string text = group->name + ":";
  for (const DeploymentRef& member : group->deployments) text += " " + member->target.model;
  return text;
}

struct Case {
  const char* name;
  const char* asked;
  const char* found;
};

const Case kCases[] = {
    {"exact name", "large", "large: gpt-4o gpt-4o-eu"},
    {"deployment id", "id-b", "large: gpt-4o-eu"},
    {"alias", "fast", "small: gpt-4o-mini"},
    {"hidden alias", "secret", "large: gpt-4o gpt-4o-eu"},
    {"wildcard", "openai/o3", "openai/o3: o3"},
    {"longest pattern first", "openai/gpt-5-nano", "openai/gpt-5-nano: gpt-5-at--nano"},
    {"wildcard before upstream model", "openai/gpt-4o-eu", "openai/gpt-4o-eu: gpt-4o-eu"},
    {"a pattern is no name", "openai/*", "none"},
    {"the id of a wildcard is no model", "id-d", "none"},
    {"unknown", "claude", "none"},
    {"empty", "", "none"},
};

TEST(RoutingTable, FindsNamesInOrder) {
  int asked = 0;
  const auto table = RoutingTable::build(sources(), settings(), nullptr, counting(asked));
  GroupCache cache;
  for (const Case& row : kCases) EXPECT_EQ(shown(table->find(row.asked, cache)), row.found) << row.name;
  EXPECT_TRUE(table->find("id-a", cache)->precise);
  EXPECT_FALSE(table->find("large", cache)->precise);
}

TEST(RoutingTable, FindsTheUpstreamModelWhenNothingElseMatches) {
  const auto table = RoutingTable::build({{{deployment("a", "large", "gpt-4o")}}}, {}, nullptr, nullptr);
  GroupCache cache;
  EXPECT_EQ(shown(table->find("openai/gpt-4o", cache)), "large: gpt-4o");
}

TEST(RoutingTable, DefaultFallbacksServeUnknownNames) {
  config::Settings with = settings();
  with.router.default_fallbacks = {"small"};
  const auto table = RoutingTable::build(sources(), with, nullptr, nullptr);
  GroupCache cache;
  EXPECT_EQ(shown(table->find("claude", cache)), "small: gpt-4o-mini");
  EXPECT_EQ(shown(table->find_named("claude", cache)), "none");
}

TEST(RoutingTable, ListsNamesWithoutHiddenAliases) {
  const auto table = RoutingTable::build(sources(), settings(), nullptr, nullptr);
  const std::vector<std::string> expected = {"large", "small", "openai/*", "openai/gpt-5*", "fast"};
  EXPECT_EQ(table->public_names(), expected);
}

TEST(RoutingTable, PricesAWildcardOncePerNameAndThread) {
  int asked = 0;
  const auto table = RoutingTable::build({{{deployment("d", "openai/*", "*")}}}, {}, nullptr, counting(asked));
  EXPECT_EQ(asked, 0) << "a pattern has no price";
  GroupCache cache;
  const ModelGroupRef group = table->find("openai/o3", cache);
  EXPECT_EQ(table->find("openai/o3", cache), group);
  EXPECT_EQ(asked, 1);
  EXPECT_EQ(*std::static_pointer_cast<const std::string>(group->deployments[0]->prices), "o3");
  EXPECT_EQ(group->deployments[0]->price_name, "openai/o3");
}

TEST(RoutingTable, RemembersABoundedNumberOfWildcardGroups) {
  const auto table = RoutingTable::build({{{deployment("d", "*", "*")}}}, {}, nullptr, nullptr);
  GroupCache cache;
  for (std::size_t i = 0; i < GroupCache::kGroupsMax + 10; ++i) table->find("m" + std::to_string(i), cache);
  EXPECT_LE(cache.groups.size(), GroupCache::kGroupsMax);
}

TEST(RoutingTable, HealthFollowsTheIdentityThroughAReload) {
  Deployment before = deployment("id-1", "large", "gpt-4o");
  before.identity = "large/gpt-4o/0";
  const auto old_table =
      RoutingTable::build({{{before, deployment("id-2", "small", "gpt-4o-mini")}}}, {}, nullptr, nullptr);
  old_table->groups()[0]->deployments[0]->health->cooling_until_us = 77;

  Deployment after = deployment("id-1-with-a-new-timeout", "large", "gpt-4o");
  after.identity = before.identity;
  const auto new_table =
      RoutingTable::build({{{after, deployment("id-3", "small", "gpt-4o-mini")}}}, {}, old_table.get(), nullptr);
  EXPECT_EQ(new_table->groups()[0]->deployments[0]->health->cooling_until_us, 77);
  EXPECT_NE(new_table->groups()[1]->deployments[0]->health, old_table->groups()[1]->deployments[0]->health);
}

TEST(RoutingTable, FallbacksAreLookedUpByNameThenWithoutProviderThenForAll) {
  config::Settings with;
  with.router.fallbacks = {{"large", {"small"}}, {"gpt-4o", {"b", "c"}}};
  with.router.default_fallbacks = {"last"};
  const auto table = RoutingTable::build(sources(), with, nullptr, nullptr);
  using Targets = std::vector<config::FallbackTarget>;
  EXPECT_EQ(*table->fallbacks_of("large"), Targets({"small"}));
  EXPECT_EQ(*table->fallbacks_of("openai/gpt-4o"), Targets({"b", "c"}));
  EXPECT_EQ(*table->fallbacks_of("small"), Targets({"last"}));
  EXPECT_EQ(table->fallbacks_of("large", FallbackList::ContextWindow), nullptr);
  EXPECT_FALSE(table->has(FallbackList::ContextWindow));
  EXPECT_EQ(RoutingTable::build(sources(), {}, nullptr, nullptr)->fallbacks_of("large"), nullptr);
}

TEST(RoutingTable, StoredFallbacksStandInThePlaceOfTheConfigured) {
  config::Settings made = settings();
  made.router.fallbacks = {{"large", {"small"}}, {"small", {"large"}}};
  made.router.context_window_fallbacks = {{"small", {"large"}}};
  made.router.default_fallbacks = {"small"};
  const auto table = RoutingTable::build(sources(), made, nullptr, nullptr);
  const std::vector<StoredFallbacks> stored = {{"large", FallbackList::General, {"openai/a", "small"}},
                                               {"small", FallbackList::General, {}},
                                               {"small", FallbackList::ContextWindow, {}},
                                               {"large", FallbackList::ContentPolicy, {"small"}}};
  const auto changed = table->with_fallbacks(made, stored);
  GroupCache cache;
  EXPECT_EQ(changed->find_named("large", cache), table->find_named("large", cache)) << "the groups are the same";
  EXPECT_EQ(*changed->own_fallbacks_of("large", FallbackList::General),
            (std::vector<config::FallbackTarget>{"openai/a", "small"}));
  EXPECT_EQ(changed->own_fallbacks_of("small", FallbackList::General), nullptr);
  EXPECT_EQ(*changed->fallbacks_of("small"), (std::vector<config::FallbackTarget>{"small"})) << "as every other model";
  EXPECT_FALSE(changed->has(FallbackList::ContextWindow)) << "its only list is gone";
  EXPECT_TRUE(changed->has(FallbackList::ContentPolicy));
  EXPECT_FALSE(table->has(FallbackList::ContentPolicy)) << "the table it was made from stays as it is";

  const auto back = changed->with_fallbacks(made, {});
  EXPECT_EQ(*back->fallbacks_of("large"), (std::vector<config::FallbackTarget>{"small"}));
}

}  // namespace
}  // namespace turnpike::router::table_test
