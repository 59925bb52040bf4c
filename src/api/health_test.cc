#include <gtest/gtest.h>

#include "api/test_gateway.h"
#include "telemetry/events.h"

namespace turnpike::api::health_test {
namespace {

const router::Deployment& first(TestGateway& gateway) {
  return *gateway.gateway.workers[0]->snapshot->routing->groups()[0]->deployments[0];
}

TEST(Health, ShowsAFailedProbeWhileItIsFresh) {
  TestGateway gateway;
  const router::Deployment& deployment = first(gateway);
  Error error;
  error.kind = ErrorKind::UpstreamConnection;
  router::note_check(deployment, &error, base::unix_now_us());
  const Sent unwell = gateway.get("/health");
  EXPECT_TRUE(unwell.holds(R"("unhealthy_count":1)")) << unwell.body;
  EXPECT_TRUE(unwell.holds("the latest probe failed"));
  router::note_check(deployment, &error, base::unix_now_us() - 601'000'000);
  EXPECT_TRUE(gateway.get("/health").holds(R"("unhealthy_count":0)")) << "older than two intervals";
}

TEST(Health, RefusesWordsThatItDoesNotKnow) {
  TestGateway gateway;
  EXPECT_TRUE(gateway.get("/health?probe=yes").holds("probe must be one of true, false."));
  EXPECT_EQ(gateway.get("/health?probe=false").status, 200);
  const Sent history = gateway.get("/health/history?status_filter=down");
  EXPECT_EQ(history.status, 400) << "an empty list would read as all well";
  EXPECT_TRUE(history.holds("status_filter must be one of healthy, unhealthy, skipped.")) << history.body;
  EXPECT_EQ(gateway.get("/health/history?status_filter=skipped").status, 200);
}

TEST(Health, IsShortWithoutDetails) {
  TestGateway gateway;
  gateway.settings->general.health_check_details = false;
  gateway.use_settings();
  EXPECT_TRUE(gateway.get("/health?model=fast")
                  .holds(R"("healthy_endpoints":[{"model":"groq/llama-3.1-8b-instant","model_name":"fast",)"
                         R"("model_id":"id-fast"}])"));
}

TEST(Health, ListsRests) {
  TestGateway gateway;
  EXPECT_EQ(gateway.get("/health/cooldowns").body, R"({"cooldowns":[],"count":0})");
  Error busy;
  busy.kind = ErrorKind::UpstreamRateLimited;
  busy.status = 429;
  router::note_failure(first(gateway), busy, 1, {}, base::unix_now_us(), false);
  const Sent one = gateway.get("/health/cooldowns");
  EXPECT_TRUE(one.holds(R"("model_id":"id-gpt-4o","model_name":"gpt-4o","model":"openai/gpt-4o","provider":"openai")"))
      << one.body;
  EXPECT_TRUE(one.holds(R"("seconds_left":5,"status":429,"error":"upstream_rate_limited","calls_this_minute":1,)"
                        R"("failures_this_minute":1,"cooldowns":1,"probe_out":false)"))
      << one.body;
}

TEST(Health, ListsEventsByKindAndNumber) {
  const auto events = telemetry::Events::start({.interval = std::chrono::hours(1)});
  TestGateway gateway;
  EXPECT_EQ(gateway.get("/health/events").body, R"({"events":[],"last_id":0})");
  gateway.gateway.events = events.get();
  telemetry::Sighting rest;
  rest.what = telemetry::Sighting::What::Rests;
  rest.at_us = 1'800'000'000'000'000;
  rest.model_group = "g";
  rest.deployment_id = "d";
  rest.provider = "openai";
  rest.error = ErrorKind::UpstreamRateLimited;
  rest.status = 429;
  rest.seconds = 2.5;
  events->see(0, rest);
  const Sent listed = gateway.get("/health/events?kind=cooldown_deployment");
  EXPECT_EQ(
      listed.body,
      R"({"events":[{"id":1,"kind":"cooldown_deployment","level":"Medium","at":"2027-01-15T08:00:00.000000Z",)"
      R"("model_name":"g","model_id":"d","provider":"openai","status":429,"value":2.5,)"
      R"("text":"deployment d of group g (openai) rests for 2.5 s: status 429, upstream_rate_limited"}],"last_id":1})");
  EXPECT_EQ(gateway.get("/health/events?since=1").body, R"({"events":[],"last_id":1})");
  EXPECT_EQ(gateway.get("/health/events?kind=other").status, 400);
  EXPECT_EQ(gateway.get("/health/events?limit=1001").status, 400);
  EXPECT_EQ(gateway.get("/health/events", "").status, 401);
}

TEST(Health, AnswersWithoutProbes) {
  TestGateway gateway;
  EXPECT_EQ(gateway.get("/health/history").body, R"({"health_checks":[],"total_records":0,"limit":100,"offset":0})");
  EXPECT_EQ(gateway.get("/health/latest").body, R"({"latest_health_checks":{},"total_models":0})");
  EXPECT_EQ(gateway.get("/health/backlog").body, R"({"in_flight_requests":0})");
  EXPECT_EQ(gateway.post("/health/test_connection", R"({"model_id":"id-fast"})").status, 503);
  for (const char* query : {"", "?service=slack", "?service=nobody"})
    EXPECT_EQ(gateway.get(std::string("/health/services") + query).status, 400) << query;
}

}  // namespace
}  // namespace turnpike::api::health_test
