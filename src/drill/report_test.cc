#include "drill/report.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "json/document.h"

namespace turnpike::drill::report_test {
namespace {

/// A group whose whole answers of one fault came from a fallback and whose streams did not.
struct Drilled {
  explicit Drilled(const char* fault) {
    config::ModelEntry entry;
    entry.model_name = "gpt";
    entry.model = "openai/gpt-4o";
    settings.models = {entry};
    const Fault* faults[] = {&no_fault(), find_fault(fault)};
    groups = groups_of(settings, {});
    scenarios = scenarios_of(groups, faults);
    for (const Scenario& scenario : scenarios) {
      Outcome outcome;
      outcome.scenario = &scenario;
      outcome.struck = true;
      outcome.seen.end = End::Answer;
      outcome.seen.status = 200;
      outcome.seen.group = "claude";
      outcome.seen.ms = scenario.stream ? 31 : 7;
      outcome.entry = Entry();
      outcome.entry->success = true;
      outcome.entry->spend = Money::from_nano(210'000);
      outcome.entry->attempts = {{"claude", "b", 200, true, outcome.entry->spend}};
      outcomes.push_back(std::move(outcome));
    }
  }
  Drilled(const Drilled&) = delete;

  Report report() const {
    Report made{"config.yaml", settings, groups, {}, outcomes, {}, {}, {}};
    made.clock.written = std::chrono::seconds(60);
    made.clock.deadline = std::chrono::seconds(5);
    for (const Outcome& outcome : outcomes) made.verdicts.push_back(judge(outcome, made.clock, {}));
    return made;
  }

  config::Settings settings;
  Groups groups;
  std::vector<Scenario> scenarios;
  std::vector<Outcome> outcomes;
};

std::string line_with(const std::string& text, std::string_view part) {
  for (const std::string_view line : base::split(text, '\n')) {
    if (line.find(part) != std::string_view::npos) return std::string(line);
  }
  return "";
}

TEST(Report, ShowsBothFormsOfAnswerInOneLineWhereTheyEndedAlike) {
  const Drilled drilled("500");
  const std::string text = to_text(drilled.report());
  EXPECT_EQ(line_with(text, "  500 "),
            "  500                        answer from claude                     1    $0.00021    31  ok");
  EXPECT_EQ(line_with(text, "(none)"),
            "  (none)                     answer from claude                     1    $0.00021    31  -");
  EXPECT_EQ(line_with(text, "all of these"),
            "  all of these                                         100 % (2 of 2)       -");
  EXPECT_NE(text.find("a call may take 5 s here"), std::string::npos);
}

TEST(Report, ShowsTheFormsApartWhereTheyDidNot) {
  Drilled drilled("429-retry-after");
  Outcome& streamed = drilled.outcomes.back();
  streamed.seen.end = End::Error;
  streamed.seen.status = 429;
  streamed.seen.error_type = "tokens";
  streamed.seen.error_code = "rate_limit_exceeded";
  streamed.seen.retry_after = 7;
  streamed.entry->success = false;
  streamed.entry->marks = "estimated";
  const std::string text = to_text(drilled.report());
  EXPECT_NE(line_with(text, "429 with Retry-After, whole"), "");
  const std::string line = line_with(text, "429 with Retry-After, stream");
  EXPECT_NE(line.find(" 429, retry in 7 s "), std::string::npos) << line;
  EXPECT_NE(line.find("~$0.00021"), std::string::npos) << line;
  EXPECT_TRUE(line.ends_with("no fallback")) << line;
  streamed.seen.retry_after = 0;
  EXPECT_NE(to_text(drilled.report()).find(" 429 rate_limit_exceeded "), std::string::npos);
  streamed.seen.error_code = "429";
  EXPECT_NE(to_text(drilled.report()).find(" 429 tokens "), std::string::npos) << "no number twice";
}

TEST(Report, TellsWhatFailedInALineOfItsOwn) {
  Drilled drilled("500");
  for (Outcome& outcome : drilled.outcomes) outcome.accounts = {{"b", 2, {}, {}, false}};
  const std::string text = to_text(drilled.report());
  EXPECT_TRUE(line_with(text, "  500 ").ends_with("FAILED"));
  EXPECT_NE(line_with(text, "the provider was asked more often than is booked"), "");
}

TEST(Report, BreaksLongLines) {
  const Drilled drilled("500");
  Report report = drilled.report();
  const std::string words = "a sentence that is repeated until no line would hold it; ";
  report.notes = {words + words + words};
  report.advice = {{words + words + words, {"router_settings:"}}};
  for (const std::string_view line : base::split(to_text(report), '\n')) EXPECT_LE(line.size(), 100U) << line;
}

TEST(Report, IsOneJsonObjectForPrograms) {
  Drilled drilled("500");
  drilled.outcomes.back().trouble = "no gateway: \"port\" taken";
  Report report = drilled.report();
  report.advice = {{"Add:", {"a: b"}}};
  report.groups.left_out = {{"pictures", "not drilled"}};
  const std::string text = to_json(report);
  json::Document document;
  ASSERT_TRUE(document.parse(text)) << text;
  const json::Value root = document.root();
  EXPECT_EQ(root.find("score").find("all").find("passed").find("met").whole(), 1U);
  EXPECT_EQ(root.find("score").find("all").find("passed").find("of").whole(), 2U);
  std::size_t results = 0;
  json::Value last;
  for (const json::Value result : root.find("results").elements()) ++results, last = result;
  EXPECT_EQ(results, drilled.outcomes.size());
  EXPECT_EQ(last.find("why").text(), "no gateway: \"port\" taken");
  EXPECT_EQ(last.find("billed").raw(), "0.00021");
  EXPECT_FALSE(last.find("passed").boolean().value_or(true));
}

}  // namespace
}  // namespace turnpike::drill::report_test
