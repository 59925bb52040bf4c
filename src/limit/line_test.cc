#include "limit/line.h"

#include <gtest/gtest.h>

#include <mutex>
#include <optional>
#include <thread>

#include "limit/meter.h"

namespace turnpike::limit::line_test {
namespace {

MeterRef meter(std::string entity) {
  return std::make_shared<Meter>(Subject{Kind::Key, std::move(entity), {}}, Unit::Calls, std::chrono::seconds(60));
}

/// A waiter and how often it was woken.
struct Caller {
  int woken = 0;
  Waiter waiter{[this] { ++woken; }};
};

TEST(Line, WhoCameFirstIsFirstAndWhoeverIsNextIsWokenWhenHeLeaves) {
  const MeterRef one = meter("one");
  EXPECT_TRUE(one->line().lets_pass(Line::kNone)) << "nobody waits";
  std::optional<Caller> first(std::in_place), second(std::in_place), third(std::in_place);
  EXPECT_TRUE(third->waiter.join(one));
  EXPECT_TRUE(first->waiter.join(one));
  EXPECT_TRUE(second->waiter.join(one)) << "whatever the order in which they joined";
  EXPECT_TRUE(first->waiter.first());
  EXPECT_FALSE(second->waiter.first());
  EXPECT_FALSE(one->line().lets_pass(Line::kNone)) << "a call that comes now does not pass them";
  second.reset();
  EXPECT_EQ(first->woken, 0);
  EXPECT_EQ(third->woken, 0) << "it was not the turn of who left";
  first.reset();
  EXPECT_EQ(third->woken, 1);
  EXPECT_TRUE(third->waiter.first());
  third.reset();
  EXPECT_TRUE(one->line().lets_pass(Line::kNone));
}

TEST(Line, TwoWhoWaitForTwoLimitsDoNotWaitForEachOther) {
  const MeterRef one = meter("one"), other = meter("other");
  Caller first, second;
  EXPECT_TRUE(second.waiter.join(one));
  EXPECT_TRUE(first.waiter.join(other));
  EXPECT_TRUE(second.waiter.join(other));
  EXPECT_TRUE(first.waiter.join(one));
  EXPECT_TRUE(first.waiter.first()) << "in both, though he came to one of them later";
  EXPECT_FALSE(second.waiter.first());
  EXPECT_TRUE(first.waiter.join(one)) << "a second time is the same place";
}

TEST(Line, OneWhoWaitsForSomethingElseMayPassThoseWhoCameLater) {
  const MeterRef one = meter("one"), other = meter("other");
  Caller first, second;
  EXPECT_TRUE(first.waiter.join(other));
  EXPECT_TRUE(second.waiter.join(one));
  EXPECT_TRUE(one->line().lets_pass(first.waiter.ticket()));
  EXPECT_FALSE(other->line().lets_pass(second.waiter.ticket()));
}

TEST(Line, IsFullAtItsBound) {
  const MeterRef one = meter("one");
  std::vector<std::unique_ptr<Waiter>> waiters;
  for (std::size_t i = 0; i < Line::kWaitersMax; ++i) {
    waiters.push_back(std::make_unique<Waiter>([] {}));
    ASSERT_TRUE(waiters.back()->join(one)) << i;
  }
  Caller late;
  EXPECT_FALSE(late.waiter.join(one));
  waiters.pop_back();
  EXPECT_TRUE(late.waiter.join(one));
}

TEST(Line, ThreadsAreServedOneAtATime) {
  const MeterRef one = meter("one");
  std::atomic<int> inside{0}, served{0};
  std::mutex coming;  // Who comes first joins first: else he may join when one who came later is inside already.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        const auto woken = std::make_shared<std::atomic<bool>>(false);
        std::optional<Waiter> waiter;
        {
          const std::lock_guard lock(coming);
          waiter.emplace([woken] {
            *woken = true;
            woken->notify_one();
          });
          ASSERT_TRUE(waiter->join(one));
        }
        if (!waiter->first()) woken->wait(false);
        EXPECT_EQ(++inside, 1);
        --inside;
        ++served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 800);
}

}  // namespace
}  // namespace turnpike::limit::line_test
