#include <gtest/gtest.h>

#include <string>

#include "router/router.h"

namespace turnpike::router {
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
    EXPECT_EQ(shown(plan(*table, settings, {}, row.model, false, allowed, cache)), row.stops);
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
    const Result<RoutePlan> made = plan(*table, settings, call, "a", row.disable, allowed, cache);
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
  const Result<RoutePlan> made = plan(*table, {}, {}, "gpt-4", false, allowed, cache);
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

TEST(Plan, TheRequestsRetriesComeBeforeTheRoutersAndTheDeploymentsBeforeBoth) {
  config::Settings settings;
  settings.router.num_retries = 4;
  const auto table = table_of({"a"}, settings);
  GroupCache cache;
  protocol::CallRequest call;
  EXPECT_EQ(plan(*table, settings, call, "a", false, nullptr, cache)->policy.num_retries, 4);
  call.num_retries = 1;
  const RoutePlan made = *plan(*table, settings, call, "a", false, nullptr, cache);
  EXPECT_EQ(made.policy.num_retries, 1);
  Deployment deployment;
  EXPECT_EQ(policy_for(made.policy, deployment).num_retries, 1);
  deployment.num_retries = 0;
  EXPECT_EQ(policy_for(made.policy, deployment).num_retries, 0);
}

}  // namespace
}  // namespace turnpike::router
