#include "limit/meter.h"

#include <gtest/gtest.h>

#include <set>

namespace turnpike::limit::meter_test {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kNowUs = 9'000 * kSecondUs;

Subject key(const std::string& id, const std::string& model = {}) {
  return {model.empty() ? Kind::Key : Kind::KeyModel, id, model};
}

TEST(Meters, TheSameSubjectAndUnitIsTheSameMeter) {
  Meters meters;
  NearMeters near(meters), elsewhere(meters);
  const MeterRef one = near.find(key("a"), Unit::Requests, kNowUs);
  EXPECT_EQ(near.find(key("a"), Unit::Requests, kNowUs), one);
  EXPECT_EQ(elsewhere.find(key("a"), Unit::Requests, kNowUs), one);
  EXPECT_NE(near.find(key("a"), Unit::Tokens, kNowUs), one);
  EXPECT_NE(near.find(key("b"), Unit::Requests, kNowUs), one);
  EXPECT_NE(near.find({Kind::User, "a", {}}, Unit::Requests, kNowUs), one);
  EXPECT_EQ(meters.count(), 4u);
}

TEST(Meters, OneSubjectCountsItsUnitsApartInOneCacheLine) {
  Meters meters(std::chrono::seconds(60), 4);
  const MeterRef requests = meters.find(key("a"), Unit::Requests, kNowUs);
  const MeterRef tokens = meters.find(key("a"), Unit::Tokens, kNowUs),
                 calls = meters.find(key("a"), Unit::Calls, kNowUs);
  EXPECT_EQ(requests->words(), tokens->words());
  EXPECT_EQ(requests->words(), calls->words());
  EXPECT_NE(meters.find(key("b"), Unit::Tokens, kNowUs)->words(), tokens->words());
  requests->add(1, kNowUs);
  tokens->add(20, kNowUs);
  calls->add(3, kNowUs);
  EXPECT_EQ(requests->used(kNowUs), 1);
  EXPECT_EQ(tokens->used(kNowUs), 20);
  EXPECT_EQ(calls->used(kNowUs), 3);
}

TEST(Meters, AUnitThatWasForgottenCountsOnFromZeroBesideTheOthers) {
  Meters meters(std::chrono::seconds(60), 2);
  const MeterRef tokens = meters.find(key("a"), Unit::Tokens, kNowUs);
  EXPECT_TRUE(meters.find(key("a"), Unit::Requests, kNowUs)->take(5, 5, kNowUs));
  meters.find(key("b"), Unit::Requests, kNowUs);  // In the place of the requests of "a".
  const MeterRef again = meters.find(key("a"), Unit::Requests, kNowUs);
  EXPECT_EQ(again->words(), tokens->words());
  EXPECT_TRUE(again->take(5, 5, kNowUs));
  EXPECT_FALSE(again->take(1, 5, kNowUs));
  EXPECT_TRUE(again->take(5, 5, kNowUs + 61 * kSecondUs));
}

TEST(Meters, NoTwoSubjectsShareAName) {
  std::set<std::string> names;
  for (const Subject& subject : {key("a"), key("a:b"), key("a", "b"), key("a:b", "c"), key("a", "b:c"),
                                 Subject{Kind::Team, "a", {}}, Subject{Kind::KeyModel, "a:1:b", "c"}}) {
    for (const Unit unit : {Unit::Requests, Unit::Tokens, Unit::Calls}) {
      EXPECT_TRUE(names.insert(Meter(subject, unit, std::chrono::seconds(60)).shared_name()).second);
    }
  }
}

TEST(Meters, TheOnesUsedLongestAgoMakeRoomForNewOnes) {
  Meters meters(std::chrono::seconds(60), 20);
  const MeterRef held = meters.find(key("held"), Unit::Requests, kNowUs);
  EXPECT_TRUE(meters.find(key("busy"), Unit::Requests, kNowUs)->take(1, 1, kNowUs + 200 * kSecondUs));
  for (int i = 0; i < 500; ++i) {
    const std::int64_t now = kNowUs + (i < 250 ? 100 : 201) * kSecondUs;
    EXPECT_TRUE(
        meters.find(key("end user " + std::to_string(i)), Unit::Requests, now)->take(1, 1, now - 99 * kSecondUs));
    if (i == 250) EXPECT_FALSE(meters.find(key("busy"), Unit::Requests, now)->take(1, 1, now));
  }
  EXPECT_EQ(meters.count(), 20u);
  EXPECT_EQ(meters.find(key("held"), Unit::Requests, kNowUs), held);
  EXPECT_EQ(meters.forgotten(), 0u);
  for (int i = 0; i < 25; ++i) {
    const std::int64_t now = kNowUs + 300 * kSecondUs;
    EXPECT_TRUE(meters.find(key("burst " + std::to_string(i)), Unit::Requests, now)->take(1, 1, now));
  }
  EXPECT_GT(meters.forgotten(), 0u);
}

TEST(Meters, GrowBeyondTheLimitOnlyForWhatIsReferredTo) {
  Meters meters(std::chrono::seconds(60), 5);
  std::vector<MeterRef> held;
  for (int i = 0; i < 40; ++i) held.push_back(meters.find(key(std::to_string(i)), Unit::Calls, kNowUs));
  EXPECT_EQ(meters.count(), 40u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(meters.find(key(std::to_string(i)), Unit::Calls, kNowUs), held[i]);
}

TEST(NearMeters, KeepNoMeterAlive) {
  Meters meters(std::chrono::seconds(60), 1);
  NearMeters near(meters);
  const std::weak_ptr<Meter> first = near.find(key("a"), Unit::Requests, kNowUs);
  EXPECT_FALSE(first.expired());
  near.find(key("b"), Unit::Requests, kNowUs);
  EXPECT_TRUE(first.expired());
  EXPECT_EQ(near.find(key("a"), Unit::Requests, kNowUs)->used(kNowUs), 0);
}

TEST(Meter, CountsCallsUnderWay) {
  Meter calls(key("a"), Unit::Calls, std::chrono::seconds(60));
  EXPECT_TRUE(calls.take(1, 2, kNowUs));
  EXPECT_TRUE(calls.take(1, 2, kNowUs));
  EXPECT_FALSE(calls.take(1, 2, kNowUs));
  EXPECT_EQ(calls.wait_us(1, 2, kNowUs), kSecondUs);
  calls.give_back(1, kNowUs, kNowUs + 500 * kSecondUs);
  EXPECT_EQ(calls.used(kNowUs), 1);
  EXPECT_EQ(calls.wait_us(1, 2, kNowUs), 0);
}

}  // namespace
}  // namespace turnpike::limit::meter_test
