#include "telemetry/event_rules.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::telemetry::event_rules_test {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kNow = 1'800'000'000'000'000;

Sighting sighting(Sighting::What what, const char* deployment, double at_s = 0,
                  ErrorKind error = ErrorKind::UpstreamInternal) {
  Sighting seen;
  seen.what = what;
  seen.at_us = kNow + static_cast<std::int64_t>(at_s * kSecond);
  seen.model_group = "chat";
  seen.deployment_id = deployment;
  seen.provider = "openai";
  seen.error = error;
  seen.status = 500;
  seen.seconds = 5;
  return seen;
}

/// What is told of a row of sightings: "kind:level ...".
std::string told(EventRules& rules, const std::vector<Sighting>& row) {
  std::vector<Event> events;
  for (const Sighting& seen : row) rules.take(seen, events);
  std::string text;
  for (const Event& event : events) {
    text.append(text.empty() ? "" : " ").append(event_kind_name(event.kind)).append(":");
    text.append(event_level_name(event.level));
  }
  return text;
}

std::vector<Sighting> failures(int count, double first_s = 0, double step_s = 1, const char* deployment = "d1",
                               const char* region = "") {
  std::vector<Sighting> row;
  for (int i = 0; i < count; ++i) {
    row.push_back(sighting(Sighting::What::Failed, deployment, first_s + i * step_s));
    row.back().region = region;
  }
  return row;
}

TEST(EventRules, TellWhatIsWorthTelling) {
  using What = Sighting::What;
  struct Case {
    const char* name;
    std::vector<Sighting> row;
    const char* told;
  };
  const Case cases[] = {
      {"one failure", failures(1), "llm_exceptions:Medium"},
      {"four failures are no outage", failures(4), "llm_exceptions:Medium"},
      {"five are a minor one", failures(5), "llm_exceptions:Medium outage_alerts:Medium"},
      {"nine still are", failures(9, 0, 1), "llm_exceptions:Medium outage_alerts:Medium"},
      {"ten are a major one", failures(10), "llm_exceptions:Medium outage_alerts:Medium outage_alerts:High"},
      {"fifty are the same outage", failures(50), "llm_exceptions:Medium outage_alerts:Medium outage_alerts:High"},
      {"five within more than a minute are none", failures(5, 0, 15.1), "llm_exceptions:Medium llm_exceptions:Medium"},
      {"a wrong key is no outage",
       std::vector<Sighting>(6, sighting(What::Failed, "d1", 0, ErrorKind::UpstreamUnauthenticated)),
       "llm_exceptions:Medium"},
      {"two kinds of failure are told each",
       {sighting(What::Failed, "d1"), sighting(What::Failed, "d1", 1, ErrorKind::Timeout)},
       "llm_exceptions:Medium llm_exceptions:Medium"},
      {"a rest", {sighting(What::Rests, "d1")}, "cooldown_deployment:Medium"},
      {"the same rest prolonged",
       {sighting(What::Rests, "d1"), sighting(What::Rests, "d1", 5)},
       "cooldown_deployment:Medium"},
      {"a rest a minute later",
       {sighting(What::Rests, "d1"), sighting(What::Rests, "d1", 60)},
       "cooldown_deployment:Medium cooldown_deployment:Medium"},
      {"rests of two deployments",
       {sighting(What::Rests, "d1"), sighting(What::Rests, "d2")},
       "cooldown_deployment:Medium cooldown_deployment:Medium"},
      {"all rest", {sighting(What::AllResting, ""), sighting(What::AllResting, "", 3)}, "outage_alerts:High"},
      {"it is back", {sighting(What::Back, "d1")}, "deployment_recovered:Low"},
      {"slow answers", {sighting(What::Slow, "d1"), sighting(What::Slow, "d1", 9)}, "llm_too_slow:Low"},
      {"a hanging call", {sighting(What::Hangs, "d1")}, "llm_requests_hanging:Medium"},
  };
  for (const Case& test : cases) {
    EventRules rules({});
    EXPECT_EQ(told(rules, test.row), test.told) << test.name;
  }
}

TEST(EventRules, TellAnOutageOnceInItsTime) {
  EventRules rules({});
  told(rules, failures(20, 0, 0.1));
  EXPECT_EQ(told(rules, failures(20, 30, 0.1)), "") << "the same minute";
  EXPECT_EQ(told(rules, failures(1, 60.9, 1)), "llm_exceptions:Medium outage_alerts:High") << "it goes on";
}

TEST(EventRules, TellOfARegionWhenSeveralDeploymentsFail) {
  EventRules rules({});
  told(rules, failures(4, 0, 1, "d1", "eu"));
  EXPECT_EQ(told(rules, failures(1, 5, 1, "d2", "eu")), "llm_exceptions:Medium region_outage_alerts:Medium");
  EXPECT_EQ(told(rules, failures(1, 6, 1, "d3", "us")), "llm_exceptions:Medium") << "another region";
  EventRules lone({});
  EXPECT_EQ(told(lone, failures(5, 0, 1, "d1", "eu")), "llm_exceptions:Medium outage_alerts:Medium")
      << "one deployment is not the region";
}

TEST(EventRules, FollowTheirSettings) {
  config::AlertSettings settings;
  settings.minor_outage_threshold = 2;
  settings.major_outage_threshold = 3;
  settings.outage_ttl = std::chrono::seconds(1);
  EventRules rules(settings);
  EXPECT_EQ(told(rules, failures(3, 0, 0.1)), "llm_exceptions:Medium outage_alerts:Medium outage_alerts:High");
  EXPECT_EQ(told(rules, {sighting(Sighting::What::Rests, "d1", 0), sighting(Sighting::What::Rests, "d1", 1)}),
            "cooldown_deployment:Medium cooldown_deployment:Medium");
}

TEST(EventRules, SayWhoAndWhy) {
  EventRules rules({});
  std::vector<Event> events;
  rules.take(sighting(Sighting::What::Rests, "d1"), events);
  rules.take(sighting(Sighting::What::AllResting, ""), events);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].text, "deployment d1 of group chat (openai) rests for 5 s: status 500, upstream_internal");
  EXPECT_EQ(events[0].value, 5);
  EXPECT_EQ(events[1].text, "all deployments of group chat rest, the first one for 5 s");
}

TEST(EventRules, RememberNoMoreThanTheyMay) {
  EventRules rules({});
  std::vector<Event> events;
  for (std::size_t i = 0; i < EventRules::kTracesMax * 2; ++i) {
    events.clear();
    rules.take(sighting(Sighting::What::Failed, ("d" + std::to_string(i)).c_str()), events);
    ASSERT_LE(rules.traces(), EventRules::kTracesMax + 2);
  }
}

}  // namespace
}  // namespace turnpike::telemetry::event_rules_test
