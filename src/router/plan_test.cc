#include <gtest/gtest.h>

#include <string>

#include "router/router.h"

namespace turnpike::router::plan_test {
namespace {

const provider::Provider kOpenAi = [] {
  provider::Provider row;
  row.name = "openai";
  row.label = "OpenAI";
  return row;
}();

std::shared_ptr<const RoutingTable> table_of(const std::vector<std::string>& names, const config::Settings& settings) {
  RoutingTable::Source source;
  for (const std::string& name : names) {
    Deployment made;
    made.id = "id-" + name;
    made.model_group = name;
    made.wildcard = name.find('*') != std::string::npos;
    made.target.provider = &kOpenAi;
    made.target.model = name;
    source.deployments.push_back(std::move(made));
  }
  return RoutingTable::build({source}, settings, nullptr, nullptr);
}

/// "a > b > c": the stops in order.
std::string shown(const Result<RoutePlan>& plan) {
  if (!plan) return "error";
  std::string text;
  for (const RoutePlan::Stop& stop : plan->stops) text += (text.empty() ? "" : " > ") + stop.requested;
  return text;
}

struct Case {
  const char* name;
  std::vector<config::Fallback> fallbacks;
  std::vector<std::string> default_fallbacks;
  const char* forbidden;  // A group outside the caller's allow-list.
  const char* model;
  std::int64_t max_fallbacks;
  const char* stops;
};

const Case kCases[] = {
    {"no fallbacks", {}, {}, "", "a", 5, "a"},
    {"in order", {{"a", {"b", "c"}}}, {}, "", "a", 5, "a > b > c"},
    {"fallbacks of fallbacks come before neighbours",
     {{"a", {"b", "c"}}, {"b", {"d"}}},
     {},
     "",
     "a",
     5,
     "a > b > d > c"},
    {"a cycle ends", {{"a", {"b"}}, {"b", {"a", "c"}}}, {}, "", "a", 5, "a > b > c"},
    {"itself", {{"a", {"a", "b"}}}, {}, "", "a", 5, "a > b"},
    {"depth", {{"a", {"b"}}, {"b", {"c"}}, {"c", {"d"}}}, {}, "", "a", 2, "a > b > c"},
    {"none allowed", {{"a", {"b"}}}, {}, "", "a", 0, "a"},
    {"outside the allow-list", {{"a", {"b", "c"}}}, {}, "b", "a", 5, "a > c"},
    {"unknown target", {{"a", {"nobody", "c"}}}, {}, "", "a", 5, "a > c"},
    {"default", {{"a", {"b"}}}, {"c"}, "", "d", 5, "d > c"},
    {"unknown model, default", {}, {"c", "d"}, "", "nobody", 5, "c > d"},
    {"unknown model, default forbidden", {}, {"c"}, "c", "nobody", 5, "error"},
    {"unknown model", {{"a", {"b"}}}, {}, "", "nobody", 5, "error"},
    {"by deployment id", {{"a", {"b"}}}, {}, "", "id-a", 5, "id-a > b"},
    {"to a deployment id", {{"a", {"id-b"}}}, {}, "", "a", 5, "a > id-b"},
};

TEST(Plan, OrdersTheGroups) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    config::Settings settings;
    settings.router.fallbacks = row.fallbacks;
    settings.router.default_fallbacks = row.default_fallbacks;
    settings.router.max_fallbacks = row.max_fallbacks;
    const auto table = table_of({"a", "b", "c", "d"}, settings);
    GroupCache cache;
    const auto allowed = [&](std::string_view name) { return name != row.forbidden; };
    const protocol::CallRequest call;
    EXPECT_EQ(shown(plan({*table, settings, call, cache, allowed}, row.model)), row.stops);
  }
}

struct Request {
  const char* name;
  std::optional<std::vector<protocol::RequestFallback>> fallbacks;
  bool disable;
  const char* stops;
};

const Request kRequests[] = {
    {"configured", {}, false, "a > b"},
    {"disabled", {}, true, "a"},
    {"the request's own", {{{"d", ""}, {"c", R"({"temperature":0})"}}}, false, "a > d > c"},
    {"an empty list", {std::vector<protocol::RequestFallback>{}}, false, "a"},
    {"unknown", {{{"nobody", ""}}}, false, "error"},
    {"forbidden", {{{"x", ""}}}, false, "error"},
};

TEST(Plan, TheRequestsOwnFallbacksReplaceTheConfigured) {
  config::Settings settings;
  settings.router.fallbacks = {{"a", {"b"}}};
  const auto table = table_of({"a", "b", "c", "d", "x"}, settings);
  GroupCache cache;
  for (const Request& row : kRequests) {
    SCOPED_TRACE(row.name);
    protocol::CallRequest call;
    call.fallbacks = row.fallbacks;
    const auto allowed = [](std::string_view name) { return name != "x"; };
    const Result<RoutePlan> made = plan({*table, settings, call, cache, allowed, row.disable}, "a");
    EXPECT_EQ(shown(made), row.stops);
    if (made && made->stops.size() == 3) {
      EXPECT_EQ(made->stops[2].overrides_json, R"({"temperature":0})");
    }
  }
}

TEST(Plan, OffersTheNearestNamesTheCallerMayUse) {
  const auto table = table_of({"gpt-4o", "gpt-4o-large", "gpt-4x", "other/*"}, {});
  GroupCache cache;
  const auto allowed = [](std::string_view name) { return name != "gpt-4x"; };
  const config::Settings settings;
  const protocol::CallRequest call;
  const Result<RoutePlan> made = plan({*table, settings, call, cache, allowed}, "gpt-4");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::InvalidRequest);
  EXPECT_EQ(made.error().param, "model");
  EXPECT_EQ(
      made.error().message.find(
          "/chat/completions: Invalid model name passed in model=gpt-4. Call `/v1/models` to view available models"),
      0)
      << made.error().message;
  EXPECT_NE(made.error().message.find("gpt-4o"), std::string::npos);
  EXPECT_EQ(made.error().message.find("gpt-4x"), std::string::npos);
}

TEST(Plan, TheMostSpecialNumberOfRetriesCounts) {
  config::Settings settings;
  settings.router.num_retries = 4;
  const auto table = table_of({"a", "b"}, settings);
  GroupCache cache;
  protocol::CallRequest call;
  const Planning planning{*table, settings, call, cache, nullptr};
  EXPECT_EQ(plan(planning, "a")->policy.num_retries, 4);
  call.num_retries = 1;
  const RoutePlan made = *plan(planning, "a");
  EXPECT_EQ(made.policy.num_retries, 1);
  Deployment deployment;
  EXPECT_EQ(policy_for(made, 0, deployment, settings.router).num_retries, 1);
  deployment.num_retries = 0;
  EXPECT_EQ(policy_for(made, 0, deployment, settings.router).num_retries, 0);

  settings.router.retry_policy = {.timeout = 5, .rate_limit = 6};
  settings.router.model_group_retry_policy = {{"a", {.timeout = 7}}};
  const config::ErrorCounts of_a = policy_for(made, 0, deployment, settings.router).by_error;
  EXPECT_EQ(of_a.timeout, 7);
  EXPECT_EQ(of_a.rate_limit, 6);
  EXPECT_FALSE(of_a.internal);
  EXPECT_EQ(policy_for(*plan(planning, "b"), 0, deployment, settings.router).by_error.timeout, 5);
}

struct Turn {
  const char* name;
  ErrorKind kind;
  std::size_t at;
  const char* model;
  const char* stops;
};

TEST(Plan, AFailureLeadsAlongTheListOfItsKind) {
  constexpr auto kContext = ErrorKind::UpstreamContextWindow, kPolicy = ErrorKind::UpstreamContentPolicy;
  constexpr auto kOther = ErrorKind::UpstreamInternal;
  const Turn turns[] = {
      {"general", kOther, 0, "a", "a > b > e > c"},
      {"context", kContext, 0, "a", "a > d > e"},
      {"policy has none for it", kPolicy, 0, "a", "a"},
      {"policy, by the name without provider", kPolicy, 0, "openai/b", "openai/b > c"},
      {"in a fallback: its neighbours stay, the depth counts on", kContext, 1, "a", "a > b > d > c"},
      {"one that comes earlier now does not come again", kPolicy, 1, "a", "a > b > c"},
      {"context of one that has no list", kContext, 0, "e", "e"},
      {"general of the same", kOther, 0, "e", "e > c"},
  };
  config::Settings settings;
  settings.router.fallbacks = {{"a", {"b", "c"}}, {"b", {"e"}}, {"d", {"e"}}, {"e", {"c"}}};
  settings.router.fallbacks.back().targets = {"c"};
  settings.router.context_window_fallbacks = {{"a", {"a", "d"}}, {"b", {"d"}}};
  settings.router.content_policy_fallbacks = {{"b", {"c"}}};
  settings.router.max_fallbacks = 2;
  const auto table = table_of({"a", "b", "c", "d", "e", "openai/b"}, settings);
  GroupCache cache;
  const protocol::CallRequest call;
  const Planning planning{*table, settings, call, cache, nullptr};
  for (const Turn& turn : turns) {
    SCOPED_TRACE(turn.name);
    Result<RoutePlan> made = plan(planning, turn.model);
    ASSERT_TRUE(made);
    lead_on(*made, turn.at, turn.kind, planning);
    EXPECT_EQ(shown(made), turn.stops);
    lead_on(*made, turn.at, turn.kind, planning);
    EXPECT_EQ(shown(made), turn.stops) << "the same turn again changes nothing";
  }
  Result<RoutePlan> off = plan({*table, settings, call, cache, nullptr, true}, "a");
  lead_on(*off, 0, kContext, {*table, settings, call, cache, nullptr, true});
  EXPECT_EQ(shown(off), "a") << "disable_fallbacks";
}

TEST(Plan, TheRequestsOwnSpecialListsCome) {
  config::Settings settings;
  settings.router.fallbacks = {{"a", {"b"}}};
  settings.router.context_window_fallbacks = {{"a", {"c"}}};
  const auto table = table_of({"a", "b", "c", "d", "x"}, settings);
  GroupCache cache;
  protocol::CallRequest call;
  call.context_window_fallbacks = {{"d", R"({"top_p":1})"}, {"c", "", "b"}};
  const Planning planning{*table, settings, call, cache, [](std::string_view name) { return name != "x"; }};
  Result<RoutePlan> made = plan(planning, "a");
  EXPECT_EQ(shown(made), "a > b");
  lead_on(*made, 0, ErrorKind::UpstreamContextWindow, planning);
  EXPECT_EQ(shown(made), "a > d") << "what it says for b is not for a";
  EXPECT_EQ(made->stops[1].overrides_json, R"({"top_p":1})");

  call.content_policy_fallbacks = {{"x"}};
  made = plan(planning, "a");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().param, "content_policy_fallbacks");
  EXPECT_EQ(made.error().kind, ErrorKind::PermissionDenied);
}

struct KeyCase {
  const char* name;
  std::optional<std::vector<domain::FallbackWish>> request, key;
  const char* forbidden;
  const char* stops;
};

const KeyCase kKeys[] = {
    {"nobody says anything: the configured", {}, {}, "", "a > b > e"},
    {"the key's come in the place of the configured", {}, {{{"d", "", "a"}, {"c", "", "a"}}}, "", "a > d > c"},
    {"an empty list of the key", {}, std::vector<domain::FallbackWish>{}, "", "a"},
    {"the request's come before the key's", {{{"c"}}}, {{{"d", "", "a"}}}, "", "a > c"},
    {"a list for another group", {}, {{{"d", "", "b"}}}, "", "a"},
    {"its own fallbacks of fallbacks", {}, {{{"d", "", "a"}, {"c", "", "d"}}}, "", "a > d > c"},
    {"a name alone is for the group asked for", {}, {{{"d"}, {"c"}}}, "", "a > d > c"},
    {"for every group", {}, {{{"d", "", "*"}}}, "", "a > d"},
    {"outside of the key's models: passed over, not refused", {}, {{{"d", "", "a"}, {"c", "", "a"}}}, "d", "a > c"},
    {"nobody serves it", {}, {{{"nobody", "", "a"}, {"c", "", "a"}}}, "", "a > c"},
};

TEST(Plan, AKeysFallbacksStandBetweenTheRequestsAndTheConfigured) {
  config::Settings settings;
  settings.router.fallbacks = {{"a", {"b"}}, {"b", {"e"}}};
  const auto table = table_of({"a", "b", "c", "d", "e"}, settings);
  GroupCache cache;
  for (const KeyCase& row : kKeys) {
    SCOPED_TRACE(row.name);
    const auto allowed = [&](std::string_view name) { return name != row.forbidden; };
    protocol::CallRequest call;
    call.fallbacks = row.request;
    domain::KeyRouting key;
    key.fallbacks = row.key;
    const Planning planning{*table, settings, call, cache, allowed, false, &key};
    EXPECT_EQ(shown(plan(planning, "a")), row.stops);
    const Planning off{*table, settings, call, cache, allowed, true, &key};
    EXPECT_EQ(shown(plan(off, "a")), "a") << "disable_fallbacks";
  }
}

TEST(Plan, AKeysSpecialListsAndRetryPoliciesComeBeforeTheConfigured) {
  config::Settings settings;
  settings.router.fallbacks = {{"a", {"b"}}};
  settings.router.retry_policy = {.timeout = 1, .rate_limit = 2, .internal = 3};
  settings.router.model_group_retry_policy = {{"a", {.timeout = 4}}};
  const auto table = table_of({"a", "b", "c"}, settings);
  GroupCache cache;
  const protocol::CallRequest call;
  domain::KeyRouting key;
  key.context_window_fallbacks = {{"c", "", "a"}};
  key.content_policy_fallbacks = {{"c", "", "b"}};
  key.retry_policy = {.timeout = 5, .rate_limit = 6};
  key.model_group_retry_policy = {{"a", {.rate_limit = 7}}, {"b", {.rate_limit = 8}}};
  const Planning planning{*table, settings, call, cache, nullptr, false, &key};
  RoutePlan made = *plan(planning, "a");
  EXPECT_FALSE(catches_filtered(made, 0, planning)) << "its list says nothing of this group";
  const config::ErrorCounts counts = policy_for(made, 0, {}, settings.router).by_error;
  EXPECT_EQ(counts.timeout, 5);
  EXPECT_EQ(counts.rate_limit, 7);
  EXPECT_EQ(counts.internal, 3);
  lead_on(made, 0, ErrorKind::UpstreamContextWindow, planning);
  EXPECT_EQ(shown(made), "a > c");
}

TEST(Plan, AConfiguredFallbackMayChangeParameters) {
  config::Settings settings;
  settings.router.fallbacks = {{"a", {{"b", R"({"temperature":0})"}}}};
  const auto table = table_of({"a", "b"}, settings);
  GroupCache cache;
  const protocol::CallRequest call;
  const Result<RoutePlan> made = plan({*table, settings, call, cache, nullptr}, "a");
  EXPECT_EQ(shown(made), "a > b");
  EXPECT_EQ(made->stops[1].overrides_json, R"({"temperature":0})");
}

TEST(Plan, AFilteredAnswerIsARefusalWhereAFallbackWaitsForIt) {
  const protocol::CallRequest call;
  GroupCache cache;
  const auto caught = [&](const config::Settings& settings, bool disabled = false) {
    const auto table = table_of({"a", "b"}, settings);
    const Planning planning{*table, settings, call, cache, nullptr, disabled};
    return catches_filtered(*plan(planning, "a"), 0, planning);
  };
  config::Settings settings;
  settings.router.fallbacks = {{"a", {"b"}}};
  EXPECT_FALSE(caught(settings)) << "general fallbacks are for errors";
  settings.router.default_fallbacks = {"b"};
  EXPECT_TRUE(caught(settings));
  settings.router.content_policy_fallbacks = {{"b", {"a"}}};
  EXPECT_FALSE(caught(settings)) << "a list that says nothing of this group";
  settings.router.content_policy_fallbacks = {{"a", {"b"}}};
  EXPECT_TRUE(caught(settings));
  EXPECT_FALSE(caught(settings, true));
}

}  // namespace
}  // namespace turnpike::router::plan_test
