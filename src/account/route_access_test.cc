#include "account/route_access.h"

#include <gtest/gtest.h>

namespace turnpike::account::route_access_test {
namespace {

using Texts = std::vector<std::string>;

TEST(RouteAccess, EntriesArePathsPatternsAndGroups) {
  const struct {
    Texts allowed;
    RouteFacts route;
    bool in;
  } rows[] = {
      {{"/key/info"}, {"/key/info"}, true},
      {{"/key/info"}, {"/key/info2"}, false},
      {{"/key/*"}, {"/key/list"}, true},
      {{"/key/*"}, {"/v2/key/info"}, false},
      {{"llm_api_routes"}, {"/v1/chat/completions", true}, true},
      {{"llm_api_routes"}, {"/models"}, true},
      {{"llm_api_routes"}, {"/key/info"}, false},
      {{"openai_routes"}, {"/openai/deployments/{model}/embeddings", true}, true},
      {{"management_routes"}, {"/team/new"}, true},
      {{"management_routes"}, {"/v1/chat/completions", true}, false},
      {{"info_routes"}, {"/team/info"}, true},
      {{"info_routes"}, {"/team/new"}, false},
      {{"internal_user_routes"}, {"/spend/logs"}, true},
      {{"spend_tracking_routes", "/health"}, {"/health"}, true},
      {{"no such group"}, {"/key/info"}, false},
      {{"/openai/deployments/*"}, {"/openai/deployments/{model}/embeddings", true}, true},
  };
  for (const auto& row : rows) EXPECT_EQ(route_in(row.allowed, row.route), row.in) << row.allowed[0] << row.route.path;
}

TEST(RouteAccess, WhatIsGivenLiesWithinWhatIsHeld) {
  const struct {
    Texts given, held;
    bool within;
  } rows[] = {
      {{}, {}, true},
      {{"/key/info"}, {}, true},
      {{}, {"/key/info"}, false},
      {{"/key/info"}, {"/key/*"}, true},
      {{"/key/*"}, {"/key/info"}, false},
      {{"/key/*"}, {"management_routes"}, true},
      {{"info_routes"}, {"management_routes"}, true},
      {{"management_routes"}, {"info_routes"}, false},
      {{"llm_api_routes"}, {"openai_routes"}, false},
      {{"openai_routes"}, {"llm_api_routes"}, true},
      {{"llm_api_routes"}, {"management_routes"}, false},
      {{"/key/info", "/v1/chat/completions"}, {"info_routes"}, false},
  };
  for (const auto& row : rows)
    EXPECT_EQ(routes_within(row.given, row.held), row.within) << (row.given.empty() ? "every" : row.given[0]);
}

}  // namespace
}  // namespace turnpike::account::route_access_test
