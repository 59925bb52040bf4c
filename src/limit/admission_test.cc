#include "limit/admission.h"

#include <gtest/gtest.h>

#include <thread>

#include "base/id.h"

namespace turnpike::limit::admission_test {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kNowUs = 50'000 * kSecondUs;

MeterRef meter(Kind kind, Unit unit) {
  return std::make_shared<Meter>(Subject{kind, "x", {}}, unit, std::chrono::seconds(60));
}
Terms terms(std::int64_t tokens = 0, std::int64_t now_us = kNowUs) {
  return {.tokens = tokens, .basis = Basis::Whole, .share = {}, .now_us = now_us};
}

struct Case {
  const char* name;
  Kind kind;
  Unit unit;
  std::int64_t most;  // Of the one limit without room, among others that have it.
};
const Case kCases[] = {
    {"requests of a key", Kind::Key, Unit::Requests, 3},    {"tokens of a team", Kind::Team, Unit::Tokens, 30},
    {"calls of a user", Kind::User, Unit::Calls, 3},        {"requests of a tag", Kind::Tag, Unit::Requests, 3},
    {"tokens per model", Kind::KeyModel, Unit::Tokens, 30}, {"calls of all", Kind::Proxy, Unit::Calls, 3},
};

TEST(Admission, ARefusalByOneLimitConsumesNothingOfAnyOther) {
  for (const Case& c : kCases) {
    for (std::size_t place = 0; place < 4; ++place) {
      SCOPED_TRACE(std::string(c.name) + " at place " + std::to_string(place));
      Limits limits = {{meter(Kind::Team, Unit::Requests), 100},
                       {meter(Kind::Key, Unit::Tokens), 1000},
                       {meter(Kind::Key, Unit::Calls), 50}};
      limits.insert(limits.begin() + static_cast<std::ptrdiff_t>(place), {meter(c.kind, c.unit), c.most});
      std::vector<Admission> admitted;
      for (int i = 0; i < 3; ++i) admitted.push_back(admit(limits, terms(10)).value());
      std::vector<std::int64_t> before;
      for (const Limit& limit : limits) before.push_back(limit.meter->used(kNowUs));
      const auto refused = admit(limits, terms(10));
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().subject.kind, c.kind);
      EXPECT_EQ(refused.error().unit, c.unit);
      EXPECT_EQ(refused.error().limit, c.most);
      EXPECT_EQ(refused.error().used, c.most);
      EXPECT_EQ(look(limits, terms(10))->unit, c.unit);
      for (std::size_t i = 0; i < limits.size(); ++i) EXPECT_EQ(limits[i].meter->used(kNowUs), before[i]) << i;
    }
  }
}

TEST(Admission, OfSeveralLimitsWithoutRoomTheLongestWaitIsTold) {
  const MeterRef late = meter(Kind::Key, Unit::Requests);
  const MeterRef soon = meter(Kind::Team, Unit::Requests);
  const MeterRef calls = meter(Kind::Key, Unit::Calls);
  soon->add(1, kNowUs);
  late->add(1, kNowUs + 20 * kSecondUs);
  calls->add(1, kNowUs);
  const Limits limits = {{soon, 1}, {late, 1}, {calls, 1}};
  const auto refused = admit(limits, terms(0, kNowUs + 30 * kSecondUs));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().subject.kind, Kind::Key);
  EXPECT_EQ(refused.error().unit, Unit::Requests);
  EXPECT_EQ(refused.error().retry_seconds(), 51);
}

TEST(Admission, ACallThatCanNeverPassIsToldSo) {
  const auto refused = admit({{meter(Kind::Key, Unit::Tokens), 100}}, terms(101));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().why, Refusal::Why::TooLarge);
  const auto zero = admit({{meter(Kind::Key, Unit::Requests), 0}}, terms(0));
  ASSERT_FALSE(zero);
  EXPECT_EQ(zero.error().why, Refusal::Why::Full);
}

TEST(Admission, TokensAreSetRightWhenTheCallEnds) {
  struct Row {
    const char* name;
    std::int64_t used;
    std::int64_t then, after_reservation_left;
  };
  // Reserved 100 at 0 s, ended at 30 s; looked at 30 s and at 61 s, when the bucket of the admission has gone.
  const Row rows[] = {
      {"as reserved", 100, 100, 0},
      {"more: the rest counts from now", 130, 130, 30},
      {"less: the bucket of the admission is relieved", 40, 40, 0},
      {"nothing", 0, 0, 0},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const MeterRef tokens = meter(Kind::Key, Unit::Tokens);
    Admission admission = admit({{tokens, 1000}}, terms(100)).value();
    EXPECT_EQ(tokens->used(kNowUs), 100);
    admission.settle(row.used, kNowUs + 30 * kSecondUs);
    EXPECT_EQ(tokens->used(kNowUs + 30 * kSecondUs), row.then);
    EXPECT_EQ(tokens->used(kNowUs + 61 * kSecondUs), row.after_reservation_left);
  }
}

TEST(Admission, UndoneItIsAsIfItHadNeverCome) {
  const Limits limits = {
      {meter(Kind::Key, Unit::Requests), 1}, {meter(Kind::Key, Unit::Tokens), 50}, {meter(Kind::Key, Unit::Calls), 1}};
  for (int i = 0; i < 5; ++i) {
    auto admission = admit(limits, terms(50));
    ASSERT_TRUE(admission);
    admission->undo(kNowUs);
  }
  for (const Limit& limit : limits) EXPECT_EQ(limit.meter->used(kNowUs), 0);
}

TEST(Admission, PlacesComeBackOnEveryWayOut) {
  const MeterRef calls = meter(Kind::Key, Unit::Calls);
  const Limits limits = {{calls, 2}, {meter(Kind::Key, Unit::Tokens), 1'000'000'000}};
  base::Random random(3);
  std::vector<Admission> under_way;
  for (int i = 0; i < 10'000; ++i) {
    auto admission = admit(limits, terms(10));
    if (admission) under_way.push_back(std::move(*admission));
    ASSERT_LE(calls->used(kNowUs), 2);
    ASSERT_EQ(calls->used(kNowUs), static_cast<std::int64_t>(under_way.size()));
    if (under_way.empty() || random.next() % 2 == 0) continue;
    switch (random.next() % 4) {
      case 0:
        under_way.back().settle(5, kNowUs);
        break;
      case 1:
        under_way.back().undo(kNowUs);
        break;
      case 2:
        under_way.back() = Admission();
        break;
      default:
        break;  // Just dropped.
    }
    under_way.pop_back();
  }
  under_way.clear();
  EXPECT_EQ(calls->used(kNowUs), 0);
}

TEST(Admission, HoldsToTheShareOfTheLiveReplicas) {
  const MeterRef requests = meter(Kind::Key, Unit::Requests);
  Terms shared = terms();
  shared.basis = Basis::Share;
  shared.share = {.replicas = 3, .rank = 0};
  const auto count = [&](Terms with) {
    int admitted = 0;
    while (admitted < 100 && admit({{requests, 10}}, with)) ++admitted;
    return admitted;
  };
  EXPECT_EQ(count(shared), 4);
  const auto refused = admit({{requests, 10}}, shared);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().limit, 4);
  EXPECT_EQ(refused.error().whole, 10);
  shared.basis = Basis::Whole;
  EXPECT_EQ(count(shared), 6);
  shared.basis = Basis::None;
  EXPECT_EQ(count(shared), 100);
  EXPECT_EQ(requests->used(kNowUs), 110);
}

TEST(Admission, EightThreadsShareOneLimitExactly) {
  const Limits limits = {{meter(Kind::Team, Unit::Requests), 5'000},
                         {meter(Kind::Key, Unit::Requests), 1'000},
                         {meter(Kind::Key, Unit::Calls), 100'000}};
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int tries = 0; tries < 500; ++tries) {
        if (admit(limits, terms())) ++admitted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 1'000);
  EXPECT_EQ(limits[0].meter->used(kNowUs), 1'000);
  EXPECT_EQ(limits[2].meter->used(kNowUs), 0);
}

TEST(Admission, TellsWhatIsLeftOfTheTightestLimit) {
  const Limits limits = {{meter(Kind::Team, Unit::Requests), 100},
                         {meter(Kind::Key, Unit::Requests), 5},
                         {meter(Kind::Key, Unit::Tokens), 1'000},
                         {meter(Kind::Key, Unit::Calls), 1}};
  const Admission admission = admit(limits, terms(300)).value();
  const Rates rates = rates_of(limits, terms(0, kNowUs + 10 * kSecondUs));
  EXPECT_EQ(rates.requests->limit, 5);
  EXPECT_EQ(rates.requests->remaining, 4);
  EXPECT_EQ(rates.requests->reset_seconds, 51);
  EXPECT_EQ(rates.tokens->remaining, 700);
}

struct ShareRow {
  std::int64_t limit;
  std::uint32_t replicas;
  std::vector<std::int64_t> shares;
};

TEST(Share, TheSharesOfAllReplicasAreTheLimit) {
  const ShareRow rows[] = {
      {60, 1, {60}}, {60, 2, {30, 30}}, {10, 3, {4, 3, 3}}, {11, 3, {4, 4, 3}}, {2, 4, {1, 1, 1, 1}}, {0, 2, {0, 0}},
  };
  LiveReplicas live;
  EXPECT_EQ(live.get(), Share{});
  for (const ShareRow& row : rows) {
    for (std::uint32_t rank = 0; rank < row.replicas; ++rank) {
      live.set({row.replicas, rank});
      EXPECT_EQ(live.get().of(row.limit), row.shares[rank]) << row.limit << " over " << row.replicas;
    }
  }
}

/// A model that takes `whole` requests, of which one priority has `share`; shares hold with more than half in use.
struct Shares {
  MeterRef model = meter(Kind::ModelGroup, Unit::Requests);
  std::int64_t whole = 10, crowded_at = 5;
  Limits of(const MeterRef& priority, std::int64_t share) const {
    return {{model, whole, Held::Always, true, crowded_at}, {priority, share, Held::WhenCrowded, true}};
  }
};

TEST(Shares, AreLentUntilTheModelIsCrowdedAndHeldToFromThenOn) {
  const Shares shares;
  const MeterRef dev = meter(Kind::Priority, Unit::Requests);
  const MeterRef prod = meter(Kind::Priority, Unit::Requests);
  const auto admitted = [&](const MeterRef& who, std::int64_t share, int tries) {
    int passed = 0;
    for (int i = 0; i < tries; ++i) passed += admit(shares.of(who, share), terms()).has_value() ? 1 : 0;
    return passed;
  };
  EXPECT_EQ(admitted(dev, 1, 20), 5) << "as long as it is not crowded, more than the share of one";
  EXPECT_EQ(admitted(prod, 9, 20), 5) << "what is left of the model";
  EXPECT_EQ(shares.model->used(kNowUs), 10);
  EXPECT_EQ(dev->used(kNowUs), 5) << "what was refused is not counted";

  const auto refused = admit(shares.of(dev, 1), terms());
  ASSERT_FALSE(refused);
  EXPECT_EQ(look(shares.of(dev, 1), terms())->subject, refused.error().subject);
}

TEST(Shares, ARefusalSaysInWhatItIsAShareAndWhenItIsOver) {
  const Shares shares;
  const MeterRef dev = meter(Kind::Priority, Unit::Requests);
  const MeterRef prod = meter(Kind::Priority, Unit::Requests);
  ASSERT_TRUE(admit(shares.of(dev, 2), terms(0, kNowUs)));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(admit(shares.of(prod, 8), terms(0, kNowUs + 10 * kSecondUs)));
  ASSERT_TRUE(admit(shares.of(dev, 2), terms(0, kNowUs + 20 * kSecondUs)));
  const auto refused = admit(shares.of(dev, 2), terms(0, kNowUs + 30 * kSecondUs));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().subject.kind, Kind::Priority);
  EXPECT_EQ(refused.error().limit, 2);
  EXPECT_EQ(refused.error().used, 2);
  EXPECT_EQ(refused.error().share_of, 10);
  EXPECT_EQ(refused.error().retry_seconds(), 31) << "its own first one is over then; the crowd lasts longer";
  // The crowd is over sooner than a share of none has room.
  const auto never = admit(shares.of(meter(Kind::Priority, Unit::Requests), 0), terms(0, kNowUs + 30 * kSecondUs));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().retry_seconds(), 41);
  EXPECT_TRUE(admit(shares.of(meter(Kind::Priority, Unit::Requests), 0), terms(0, kNowUs + 71 * kSecondUs)));
}

TEST(Shares, AreThoseOfThisReplicaWhereNothingCountsOverAll) {
  const Shares shares;
  const MeterRef dev = meter(Kind::Priority, Unit::Requests);
  Terms half = terms();
  half.basis = Basis::Share;
  half.share = {2, 0};
  int passed = 0;
  for (int i = 0; i < 10; ++i) passed += admit(shares.of(dev, 2), half).has_value() ? 1 : 0;
  EXPECT_EQ(passed, 3) << "half of 10 is 5, crowded with more than half of 5; half of the share is long used up";
}

TEST(Admission, ALimitThatGivesIsCountedAndRefusesNobody) {
  const MeterRef key = meter(Kind::Key, Unit::Requests);
  const Limits gives = {{key, 2, Held::Never}};
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(admit(gives, terms()));
  EXPECT_EQ(key->used(kNowUs), 5);
  EXPECT_FALSE(look(gives, terms()));
  EXPECT_FALSE(rates_of(gives, terms()).requests);
  const auto held = admit({{key, 2}}, terms());
  ASSERT_FALSE(held) << "as soon as it is held to, all that was counted stands in the way";
  EXPECT_EQ(held.error().used, 5);
}

}  // namespace
}  // namespace turnpike::limit::admission_test
