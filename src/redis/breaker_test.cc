#include "redis/breaker.h"

#include <gtest/gtest.h>

#include <vector>

namespace turnpike::redis::breaker_test {
namespace {

enum class Event { Refused, TimedOut, Good, Bad };
struct Step {
  int at_ms;
  Event event;
  bool open_after;
};
struct Case {
  const char* name;
  std::vector<Step> steps;
};

const Case kCases[] = {
    {"one refusal opens it", {{0, Event::Refused, true}}},
    {"one time-out does not", {{0, Event::TimedOut, false}}},
    {"two within a second do", {{0, Event::TimedOut, false}, {1000, Event::TimedOut, true}}},
    {"two further apart do not", {{0, Event::TimedOut, false}, {1001, Event::TimedOut, false}}},
    {"two good probes in a row close it",
     {{0, Event::Refused, true}, {500, Event::Good, true}, {1000, Event::Good, false}}},
    {"a bad one between starts anew",
     {{0, Event::Refused, true},
      {500, Event::Good, true},
      {1000, Event::Bad, true},
      {1500, Event::Good, true},
      {2000, Event::Good, false}}},
    {"a time-out of before does not count after closing",
     {{0, Event::TimedOut, false},
      {10, Event::TimedOut, true},
      {500, Event::Good, true},
      {900, Event::Good, false},
      {950, Event::TimedOut, false},
      {960, Event::TimedOut, true}}},
};

TEST(Breaker, OpensAndCloses) {
  for (const Case& c : kCases) {
    Breaker breaker;
    EXPECT_FALSE(breaker.open());
    for (std::size_t i = 0; i < c.steps.size(); ++i) {
      SCOPED_TRACE(std::string(c.name) + ", step " + std::to_string(i));
      const Step& step = c.steps[i];
      const base::Monotonic now{std::chrono::seconds(1000) + std::chrono::milliseconds(step.at_ms)};
      const bool before = breaker.open();
      bool turned = false;
      if (step.event == Event::Refused || step.event == Event::TimedOut) {
        const auto failure = step.event == Event::Refused ? Breaker::Failure::Refused : Breaker::Failure::TimedOut;
        turned = breaker.failed(failure, now);
      } else {
        turned = breaker.probed(step.event == Event::Good, now);
      }
      EXPECT_EQ(breaker.open(), step.open_after);
      EXPECT_EQ(turned, before != step.open_after);
    }
  }
}

TEST(Breaker, TellsForHowLongItHasBeenClosed) {
  Breaker breaker;
  const base::Monotonic start{std::chrono::seconds(1000)};
  EXPECT_FALSE(breaker.has_closed());
  breaker.failed(Breaker::Failure::Refused, start);
  breaker.probed(true, start);
  breaker.probed(true, start + std::chrono::seconds(1));
  EXPECT_TRUE(breaker.has_closed());
  EXPECT_EQ(breaker.closed_for(start + std::chrono::seconds(31)), std::chrono::seconds(30));
  EXPECT_EQ(breaker.openings(), 1u);
}

}  // namespace
}  // namespace turnpike::redis::breaker_test
