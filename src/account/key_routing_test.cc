#include "account/key_routing.h"

#include <gtest/gtest.h>

namespace turnpike::account::key_routing_test {
namespace {

TEST(KeyRouting, ReadsWhatHoldsForSingleCalls) {
  const Result<domain::KeyRouting> routing = parse_key_routing(
      R"({"fallbacks": [{"gpt-4o": ["claude", {"model": "mini", "temperature": 0}]}, "last"],
          "context_window_fallbacks": [{"*": ["roomy"]}], "content_policy_fallbacks": [],
          "max_fallbacks": 2, "num_retries": 0, "timeout": 2.5, "stream_timeout": 0.5,
          "retry_policy": {"RateLimitErrorRetries": 3, "TimeoutErrorRetries": null},
          "model_group_retry_policy": {"gpt-4o": {"InternalServerErrorRetries": 0}},
          "routing_strategy": "least-busy", "enable_tag_filtering": false, "model_group_alias": {}})");
  ASSERT_TRUE(routing) << routing.error().message;
  ASSERT_EQ(routing->fallbacks->size(), 3u);
  EXPECT_EQ(routing->fallbacks->at(0).group, "gpt-4o");
  EXPECT_EQ(routing->fallbacks->at(0).model, "claude");
  EXPECT_EQ(routing->fallbacks->at(1).overrides_json, R"({"temperature":0})");
  EXPECT_EQ(routing->fallbacks->at(2).group, "");
  EXPECT_EQ(routing->context_window_fallbacks->at(0).group, "*");
  EXPECT_TRUE(routing->content_policy_fallbacks->empty()) << "an empty list is one: no fallbacks";
  EXPECT_EQ(routing->routing_strategy, "least-busy");
  EXPECT_EQ(routing->enable_tag_filtering, false) << "said, so it holds: the configuration may say true";
  EXPECT_EQ(routing->max_fallbacks, 2u);
  EXPECT_EQ(routing->num_retries, 0u);
  EXPECT_EQ(routing->timeout_seconds, 2.5);
  EXPECT_EQ(routing->stream_timeout_seconds, 0.5);
  EXPECT_EQ(routing->retry_policy.rate_limit, 3);
  EXPECT_FALSE(routing->retry_policy.timeout);
  ASSERT_EQ(routing->model_group_retry_policy.size(), 1u);
  EXPECT_EQ(routing->model_group_retry_policy[0].second.internal, 0);
}

struct Case {
  const char* json;
  const char* param;
  const char* says;
};

const Case kRefused[] = {
    {"[]", "router_settings", "must be an object"},
    {R"({"fallbacks": {"a": ["b"]}})", "router_settings.fallbacks", "must be a list"},
    {R"({"fallbacks": [5]})", "router_settings.fallbacks", "must be a model name"},
    {R"({"fallbacks": [{"model": "m", "api_base": "http://x"}]})", "api_base", "is not allowed"},
    {R"({"num_retries": -1})", "router_settings.num_retries", "whole number from 0 to 100"},
    {R"({"num_retries": "2"})", "router_settings.num_retries", "whole number"},
    {R"({"timeout": 0})", "router_settings.timeout", "above 0"},
    {R"({"timeout": -1})", "router_settings.timeout", "above 0"},
    {R"({"stream_timeout": "1"})", "router_settings.stream_timeout", "seconds"},
    {R"({"retry_policy": 3})", "router_settings.retry_policy", "RateLimitErrorRetries"},
    {R"({"retry_policy": {"RateLimitErrorRetrys": 3}})", "router_settings.retry_policy",
     "did you mean RateLimitErrorRetries?"},
    {R"({"retry_policy": {"Foo": 1}})", "router_settings.retry_policy", "called Foo; use BadRequestErrorRetries, "},
    {R"({"retry_policy": {"TimeoutErrorRetries": 1.5}})", "router_settings.retry_policy.TimeoutErrorRetries",
     "whole number"},
    {R"({"model_group_retry_policy": {"a": 1}})", "router_settings.model_group_retry_policy.a", "object"},
    {R"({"routing_strategy": "best"})", "router_settings.routing_strategy",
     "must be one of simple-shuffle, least-busy"},
    {R"({"enable_tag_filtering": 1})", "router_settings.enable_tag_filtering", "true or false"},
    // What all calls share is no key's to set.
    {R"({"routing_strategy_args": {"ttl": 5}})", "router_settings.routing_strategy_args", "cannot be set for one key"},
    {R"({"allowed_fails": 3})", "router_settings.allowed_fails", "cannot be set for one key"},
    {R"({"default_fallbacks": ["a"]})", "router_settings.default_fallbacks", "cannot be set for one key"},
    {R"({"colour": "red"})", "router_settings.colour", "cannot be set for one key"},
};

TEST(KeyRouting, RefusesTheRestByName) {
  for (const Case& c : kRefused) {
    SCOPED_TRACE(c.json);
    const Result<domain::KeyRouting> routing = parse_key_routing(c.json);
    ASSERT_FALSE(routing);
    EXPECT_EQ(routing.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(routing.error().param, c.param);
    EXPECT_NE(routing.error().message.find(c.says), std::string::npos) << routing.error().message;
  }
}

TEST(RoutingWishes, TheNumbersOfARequestComeBeforeThoseOfItsKey) {
  domain::RoutingWishes request;
  request.num_retries = 5;
  domain::KeyRouting key;
  key.num_retries = 1;
  key.max_fallbacks = 2;
  key.timeout_seconds = 3.0;
  key.fallbacks.emplace();
  request.complete(key);
  EXPECT_EQ(request.num_retries, 5u);
  EXPECT_EQ(request.max_fallbacks, 2u);
  EXPECT_EQ(request.timeout_seconds, 3.0);
  EXPECT_FALSE(request.stream_timeout_seconds);
  EXPECT_FALSE(request.fallbacks) << "a key's list is no list of the request: it is passed over, not refused";
}

}  // namespace
}  // namespace turnpike::account::key_routing_test
