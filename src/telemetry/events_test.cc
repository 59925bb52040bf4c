#include "telemetry/events.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace turnpike::telemetry::events_test {
namespace {

Sighting rest_of(std::size_t number) {
  Sighting seen;
  seen.what = Sighting::What::Rests;
  seen.at_us = 1'800'000'000'000'000;
  seen.model_group = "chat";
  seen.deployment_id = "d" + std::to_string(number);
  seen.provider = "openai";
  return seen;
}

Events::Options slow_options() {
  Events::Options options;
  options.interval = std::chrono::hours(1);  // Only `find` collects.
  return options;
}

TEST(Events, KeepTheNewestAndFindByKindAndNumber) {
  Events::Options options = slow_options();
  options.kept = 3;
  const auto events = Events::start(options);
  for (std::size_t i = 1; i <= 5; ++i) events->see(0, rest_of(i));
  Sighting dark = rest_of(0);
  dark.what = Sighting::What::AllResting;
  events->see(0, dark);
  const std::vector<Event> all = events->find({});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].deployment_id, "d4");
  EXPECT_EQ(all[0].number, 4U);
  EXPECT_EQ(all[2].kind, EventKind::Outage);
  EXPECT_EQ(events->find({.since = 5}).size(), 1U);
  EXPECT_EQ(events->find({.since = 6}).size(), 0U);
  ASSERT_EQ(events->find({.limit = 1}).size(), 1U);
  EXPECT_EQ(events->find({.limit = 1})[0].number, 6U) << "the newest";
  EXPECT_EQ(events->find({.kind = EventKind::CooldownDeployment}).size(), 2U);
  EXPECT_EQ(events->raised()[static_cast<std::size_t>(EventKind::CooldownDeployment)], 5U);
  std::string page;
  append_event_metrics(page, *events);
  EXPECT_NE(page.find("turnpike_events_total{kind=\"cooldown_deployment\"} 5.0\n"), std::string::npos);
  EXPECT_NE(page.find("turnpike_events_total{kind=\"outage_alerts\"} 1.0\n"), std::string::npos);
}

TEST(Events, LoseAndCountWhatComesTooFast) {
  const auto events = Events::start(slow_options());
  for (std::size_t i = 0; i < Events::kSightingsMax + 7; ++i) events->see(0, rest_of(i));
  EXPECT_EQ(events->dropped(), 7U);
  EXPECT_EQ(events->find({}).size(), Events::kSightingsMax);
  events->see(0, rest_of(9'999));
  EXPECT_EQ(events->find({.since = Events::kSightingsMax}).size(), 1U) << "there is room again";
}

TEST(Events, HideWhatLooksLikeACredential) {
  const auto events = Events::start(slow_options());
  Sighting seen = rest_of(1);
  seen.model_group = "sk-abcdefghijklmnop0123456789";
  events->see(0, seen);
  EXPECT_EQ(events->find({})[0].text.find("abcdefghijklmnop"), std::string::npos);
}

/// Remembers, and says when it has been told for the n-th time.
class Remembering final : public EventSink {
 public:
  explicit Remembering(std::size_t expected) : expected_(expected) {}
  void raised(const Event& event) override {
    numbers.push_back(event.number);
    if (numbers.size() == expected_) all.set_value();
  }
  std::vector<std::uint64_t> numbers;
  std::promise<void> all;

 private:
  const std::size_t expected_;
};

TEST(Events, ReachTheSinksFromEveryThreadOnceAndInOrder) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kEach = 200;
  Events::Options options;
  options.threads = kThreads;
  options.interval = std::chrono::milliseconds(1);
  const auto events = Events::start(options);
  const auto sink = std::make_shared<Remembering>(kThreads * kEach);
  events->add_sink(sink);
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&events, thread] {
      for (std::size_t i = 0; i < kEach; ++i) events->see(thread, rest_of(thread * kEach + i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(sink->all.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  for (std::size_t i = 0; i < sink->numbers.size(); ++i) ASSERT_EQ(sink->numbers[i], i + 1);
  EXPECT_EQ(events->dropped(), 0U);
}

}  // namespace
}  // namespace turnpike::telemetry::events_test
