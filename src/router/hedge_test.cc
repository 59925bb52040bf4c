#include "router/hedge.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace turnpike::router::hedge_test {
namespace {

TEST(RecentQuantile, SaysNothingOfAFewSamplesAndIsASeventhTooLongAtMost) {
  RecentQuantile recent;
  for (std::uint32_t i = 0; i + 1 < RecentQuantile::kSamplesMin; ++i) recent.add(0.1);
  EXPECT_FALSE(recent.at(0.95));
  recent.add(0.1);
  ASSERT_TRUE(recent.at(0.95));
  EXPECT_GE(*recent.at(0.95), 0.1);
  EXPECT_LE(*recent.at(0.95), 0.1 * 8 / 7 + 1e-9);
}

TEST(RecentQuantile, FindsTheSlowTwentieth) {
  RecentQuantile recent;
  for (int i = 1; i <= 1000; ++i) recent.add(i / 1000.0);  // Evenly up to a second.
  EXPECT_NEAR(*recent.at(0.95), 0.95, 0.95 / 7);
  EXPECT_NEAR(*recent.at(0.50), 0.50, 0.50 / 7);
  EXPECT_LE(*recent.at(0.0), 0.001 * 8 / 7);
}

TEST(RecentQuantile, ForgetsTheOldTimes) {
  RecentQuantile recent;
  for (int i = 0; i < 2'000; ++i) recent.add(10);
  for (int i = 0; i < 12'000; ++i) recent.add(0.1);
  EXPECT_LT(*recent.at(0.95), 0.12);
}

TEST(RecentQuantile, OddDurationsHaveABucketToo) {
  RecentQuantile recent;
  for (int i = 0; i < 30; ++i) {
    recent.add(0);
    recent.add(-1);
    recent.add(1e9);
  }
  EXPECT_LE(*recent.at(0.3), 0.001);
  EXPECT_GT(*recent.at(0.99), 600);
}

TEST(HedgeState, TheExtraCostStaysWithinItsShareOfTheCost) {
  HedgeState state;
  const Money each = Money::from_nano(1'000);
  EXPECT_FALSE(state.take(50'000)) << "nothing has been earned yet";
  for (int i = 0; i < 100; ++i) state.booked(each);
  int taken = 0;
  while (state.take(50'000)) ++taken;
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(state.extra(), Money::from_nano(5'000));
  EXPECT_EQ(state.refused(), 2U);
}

TEST(HedgeState, WhatTheLoserReallyCostStandsInThePlaceOfWhatWasExpected) {
  HedgeState state;
  for (int i = 0; i < 20; ++i) state.booked(Money::from_nano(1'000));
  const std::optional<Money> taken = state.take(50'000);
  ASSERT_EQ(taken, Money::from_nano(1'000)) << "the mean of a call";
  EXPECT_FALSE(state.take(50'000));
  state.correct(*taken, Money());  // It was ended before its provider had answered anything.
  EXPECT_EQ(state.extra(), Money());
  EXPECT_TRUE(state.take(50'000));
}

TEST(HedgeState, WhatCostsNothingIsCountedByCalls) {
  HedgeState state;
  for (int i = 0; i < 40; ++i) state.booked(Money());
  const std::optional<Money> unused = state.take(50'000);
  ASSERT_TRUE(unused);
  state.give_back(*unused);  // The budget did not cover it.
  int taken = 0;
  while (state.take(50'000)) ++taken;
  EXPECT_EQ(taken, 2);
  EXPECT_EQ(state.races(), 0U) << "none was made";
}

TEST(HedgeState, ManyThreadsLoseNoCost) {
  HedgeState state;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&state] {
      for (int i = 0; i < 10'000; ++i) {
        state.booked(Money::from_nano(100));
        state.first_content.add(0.01 * (i % 100));
        const auto taken = state.take(1'000'000);
        if (!taken) continue;
        state.begun();
        state.correct(*taken, Money::from_nano(30));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(state.extra().nano(), static_cast<std::int64_t>(state.races()) * 30);
  EXPECT_TRUE(state.first_content.at(0.5));
}

}  // namespace
}  // namespace turnpike::router::hedge_test
