#include "limit/redis_count.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "limit/limiter.h"
#include "redis/test_redis.h"

namespace turnpike::limit::redis_count_test {
namespace {

using redis::run_on;
using redis::TestRedis;
using redis::until;
using std::chrono::milliseconds;

struct Config {
  StoreFailure on_store_failure = StoreFailure::Local;
  milliseconds window{60'000};
  milliseconds renew_every{2000};
  milliseconds alive{6000};
  Share share = {};
  std::size_t threads = 1;
  std::uint32_t shards = 1;
  milliseconds timeout = redis::kPatience;
  std::string user = {};  // Of the server's ACL, with the password "secret".
};

/// A replica of the gateway, as far as limits go.
class Replica {
 public:
  Replica(const TestRedis& server, const std::string& name, const Config& setup = {})
      : meters(setup.window), threads(net::IoThreads::start(setup.threads)) {
    installation.replica = name;
    installation.window = setup.window;
    installation.shards = setup.shards;
    installation.renew_every = setup.renew_every;
    installation.alive = setup.alive;
    live.set(setup.share);
    config::RedisSettings settings = server.settings();
    settings.timeout = setup.timeout;
    settings.user = setup.user;
    if (!setup.user.empty()) settings.password = base::Secret("secret");
    redis = std::make_shared<redis::Redis>(settings, threads->all(), RedisCount::probe(installation));
    for (net::IoThread* const thread : threads->all()) {
      counts.push_back(std::make_unique<RedisCount>(redis->client(*thread), installation));
      limiters.push_back(std::make_unique<Limiter>(live, counts.back().get(), &redis->breaker(),
                                                   Limiter::Options{setup.on_store_failure, setup.window}));
    }
    redis->start();
    for_each([](RedisCount& count) { count.start(); });
  }
  ~Replica() {
    if (!dead) die();
  }
  /// Stops as a killed process does: nothing more is said to the server.
  void die() {
    dead = true;
    for_each([](RedisCount& count) { count.stop(); });
    redis->stop();
  }

  Limit limit(Unit unit, std::int64_t most, const std::string& id = "key", Kind kind = Kind::Key) {
    return {meters.find({kind, id, {}}, unit, 0), most};
  }

  /// Takes and confirms on a thread.
  tl::expected<Admission, Refusal> admit(const Limits& limits, std::int64_t tokens = 0, std::size_t thread = 0,
                                         std::uint32_t shard = 0) {
    tl::expected<Admission, Refusal> result;
    run_on(*threads->all()[thread], [&] { return admit_on(*limiters[thread], limits, tokens, shard, result); });
    return result;
  }
  /// Whether a call that is over at once is admitted.
  bool passes(const Limits& limits, std::int64_t tokens = 0, std::uint32_t shard = 0) {
    auto admission = admit(limits, tokens, 0, shard);
    if (!admission) return false;
    drop(std::move(*admission));
    return true;
  }
  int admitted_of(int tries, const Limits& limits, std::uint32_t shard = 0) {
    int admitted = 0;
    for (int i = 0; i < tries; ++i) admitted += passes(limits, 0, shard) ? 1 : 0;
    return admitted;
  }
  void undo(Admission admission, std::size_t thread = 0) {
    run_on(*threads->all()[thread], [&] { return take_back(std::move(admission)); });
  }
  /// Ends an admission on its thread.
  void end(Admission admission, std::int64_t tokens = 0, std::size_t thread = 0) {
    run_on(*threads->all()[thread], [&] { return settle(std::move(admission), tokens); });
  }
  /// Drops it there, as a call does that broke.
  void drop(Admission admission, std::size_t thread = 0) {
    run_on(*threads->all()[thread], [&] { return forget(std::move(admission)); });
  }
  bool usable() {
    bool all = true;
    for_each([&](RedisCount& count) { all = all && count.usable(); });
    return all;
  }
  /// What the server answers, through this replica.
  redis::Reply ask(redis::Command command) {
    redis::Reply reply;
    run_on(*threads->all()[0], [&] { return ask_on(redis->client(*threads->all()[0]), std::move(command), reply); });
    return reply;
  }
  std::int64_t places(const std::string& id = "key") {
    const redis::Reply all = ask({"HVALS", key_of(Unit::Calls, id)});
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < all.list.size(); ++i) sum += all.integer_at(i, 0);
    return sum;
  }
  std::int64_t sum(Unit unit, const std::string& id = "key") {
    const redis::Reply reply = ask({"HGET", key_of(unit, id), "s"});
    return reply.kind == redis::Reply::Kind::Text ? std::stoll(reply.text) : 0;
  }
  std::string key_of(Unit unit, const std::string& id) {
    return shared_key(installation.name, meters.find({Kind::Key, id, {}}, unit, 0)->shared_name());
  }

  Installation installation;
  LiveReplicas live;
  Meters meters;
  std::unique_ptr<net::IoThreads> threads;
  std::shared_ptr<redis::Redis> redis;
  std::vector<std::unique_ptr<RedisCount>> counts;
  std::vector<std::unique_ptr<Limiter>> limiters;
  bool dead = false;

 private:
  static Task<void> admit_on(Limiter& limiter, Limits limits, std::int64_t tokens, std::uint32_t shard,
                             tl::expected<Admission, Refusal>& result) {
    result = limiter.take(std::move(limits), limiter.terms(tokens, shard));
    if (!result) co_return;
    const tl::expected<void, Refusal> confirmed = co_await limiter.confirm(*result);
    if (!confirmed) result = tl::unexpected(confirmed.error());
  }
  static Task<void> settle(Admission admission, std::int64_t tokens) {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now().time_since_epoch());
    admission.settle(tokens, now.count());
    co_return;
  }
  static Task<void> take_back(Admission admission) {
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now().time_since_epoch());
    admission.undo(now.count());
    co_return;
  }
  static Task<void> forget(Admission admission) {
    const Admission gone = std::move(admission);
    co_return;
  }
  static Task<void> ask_on(redis::Client& client, redis::Command command, redis::Reply& reply) {
    auto answer = co_await client.run(std::move(command));
    EXPECT_TRUE(answer) << answer.error().detail;
    if (answer) reply = std::move(*answer);
  }
  static Task<void> call_with(const std::function<void(RedisCount&)>& work, RedisCount& count) {
    work(count);
    co_return;
  }
  void for_each(const std::function<void(RedisCount&)>& work) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      run_on(*threads->all()[i], [&] { return call_with(work, *counts[i]); });
    }
  }
};

TEST(RedisCount, TwoReplicasCountOneLimit) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  int first = 0, second = 0;
  for (int i = 0; i < 100; ++i) {
    first += one.passes({one.limit(Unit::Requests, 60)}) ? 1 : 0;
    if (i % 3 == 0) second += two.passes({two.limit(Unit::Requests, 60)}) ? 1 : 0;
  }
  EXPECT_EQ(first + second, 60);
  EXPECT_EQ(second, 15);  // As the calls come, not half each.
  const auto refused = two.admit({two.limit(Unit::Requests, 60)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().limit, 60);
  EXPECT_EQ(refused.error().used, 60);
  EXPECT_TRUE(refused.error().retry_seconds() >= 1 && refused.error().retry_seconds() <= 61);
}

TEST(RedisCount, ARefusalConsumesNothingHereOrThere) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  const auto limits = [](Replica& replica) {
    return Limits{replica.limit(Unit::Requests, 100, "team"), replica.limit(Unit::Tokens, 10'000),
                  replica.limit(Unit::Requests, 3), replica.limit(Unit::Calls, 50)};
  };
  std::vector<Admission> held;
  for (int i = 0; i < 3; ++i) held.push_back(one.admit(limits(one), 10).value());
  for (int i = 0; i < 5; ++i) {
    const auto refused = two.admit(limits(two), 10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().unit, Unit::Requests);
    EXPECT_EQ(refused.error().subject.entity, "key");
  }
  EXPECT_EQ(two.sum(Unit::Requests, "team"), 3);
  EXPECT_EQ(two.sum(Unit::Tokens), 30);
  EXPECT_EQ(two.places(), 3);
  for (const Limit& limit : limits(two))
    EXPECT_EQ(limit.meter->used(base::monotonic_now().time_since_epoch().count() / 1000), 0);
  for (Admission& admission : held) one.drop(std::move(admission));
}

TEST(RedisCount, WhatIsLeftOverAllReplicasComesWithTheAdmission) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  const auto limits = [](Replica& replica) {
    return Limits{replica.limit(Unit::Requests, 10), replica.limit(Unit::Tokens, 100), replica.limit(Unit::Calls, 5)};
  };
  auto first = one.admit(limits(one), 30);
  auto second = two.admit(limits(two), 30);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->shared.left, (std::vector<std::int64_t>{9, 70, 4}));
  EXPECT_EQ(second->shared.left, (std::vector<std::int64_t>{8, 40, 3}));
  one.drop(std::move(*first));
  two.drop(std::move(*second));
}

TEST(RedisCount, TheLongestWaitIsToldAndACallThatNeverPasses) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  auto held = one.admit({one.limit(Unit::Calls, 1), one.limit(Unit::Requests, 1)});
  ASSERT_TRUE(held);
  const auto refused = two.admit({two.limit(Unit::Calls, 1), two.limit(Unit::Requests, 1)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().unit, Unit::Requests);
  EXPECT_GT(refused.error().retry_seconds(), 50);
  one.drop(std::move(*held));
}

TEST(RedisCount, TokensAreSetRightWhenTheCallEnds) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  struct Row {
    const char* id;
    std::int64_t used;
  };
  for (const Row& row : {Row{"more", 150}, Row{"less", 30}, Row{"as reserved", 100}, Row{"nothing", 0}}) {
    SCOPED_TRACE(row.id);
    auto admission = one.admit({one.limit(Unit::Tokens, 1'000, row.id)}, 100);
    ASSERT_TRUE(admission);
    EXPECT_EQ(one.sum(Unit::Tokens, row.id), 100);
    one.end(std::move(*admission), row.used);
    EXPECT_TRUE(until([&] { return one.sum(Unit::Tokens, row.id) == row.used; }));
    EXPECT_TRUE(two.passes({two.limit(Unit::Tokens, 1'000, row.id)}, 1'000 - row.used));
    EXPECT_FALSE(two.passes({two.limit(Unit::Tokens, 1'000, row.id)}, 1));
  }
}

TEST(RedisCount, PlacesAreSharedAndComeBack) {
  TestRedis server;
  Replica one(server, "one", {.threads = 2}), two(server, "two");
  auto first = one.admit({one.limit(Unit::Calls, 2)}, 0, 0);
  auto second = one.admit({one.limit(Unit::Calls, 2)}, 0, 1);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(two.passes({two.limit(Unit::Calls, 2)}));
  one.drop(std::move(*second), 1);
  EXPECT_TRUE(until([&] { return two.places() == 1; }));
  auto third = two.admit({two.limit(Unit::Calls, 2)});
  ASSERT_TRUE(third);
  EXPECT_FALSE(one.passes({one.limit(Unit::Calls, 2)}));
  one.drop(std::move(*first));
  two.end(std::move(*third));
  EXPECT_TRUE(until([&] { return two.places() == 0; }));
}

TEST(RedisCount, ARenewalBetweenTheTwoStepsTakesNoPlaceTwice) {
  TestRedis server;
  Replica one(server, "one", {.renew_every = milliseconds(30)});
  struct Runner {
    static Task<void> run(Replica& replica, bool& confirmed, Admission& kept) {
      auto taken = replica.limiters[0]->take({replica.limit(Unit::Calls, 1)}, replica.limiters[0]->terms(0));
      co_await replica.redis->client(*replica.threads->all()[0]).loop().sleep(milliseconds(200));
      confirmed = bool(co_await replica.limiters[0]->confirm(*taken));
      kept = std::move(*taken);
    }
  };
  bool confirmed = false;
  Admission kept;
  run_on(*one.threads->all()[0], [&] { return Runner::run(one, confirmed, kept); });
  EXPECT_TRUE(confirmed);
  EXPECT_EQ(one.places(), 1);
  one.drop(std::move(kept));
}

TEST(RedisCount, WhatAKilledReplicaHeldIsFreeWhenItsSignOfLifeEnds) {
  TestRedis server;
  const Config quick{.renew_every = milliseconds(100), .alive = milliseconds(1'200)};
  Replica one(server, "one", quick), two(server, "two", quick);
  std::vector<Admission> held;
  for (int i = 0; i < 2; ++i) held.push_back(one.admit({one.limit(Unit::Calls, 2)}).value());
  EXPECT_FALSE(two.passes({two.limit(Unit::Calls, 2)}));
  // Longer than a life: as long as it is renewed, it holds.
  const base::Monotonic end = base::monotonic_now() + milliseconds(1'500);
  while (base::monotonic_now() < end) ASSERT_FALSE(two.passes({two.limit(Unit::Calls, 2)}));
  one.die();
  EXPECT_TRUE(until([&] { return two.passes({two.limit(Unit::Calls, 2)}); }));
  for (Admission& admission : held) one.drop(std::move(admission));
}

TEST(RedisCount, ALostDoneHealsWithTheNextRenewal) {
  TestRedis server;
  const Config quick{.renew_every = milliseconds(100)};
  Replica one(server, "one", quick), two(server, "two", quick);
  auto held = one.admit({one.limit(Unit::Calls, 3)});
  ASSERT_TRUE(held);
  // As if two others had ended and the server had not heard of it.
  const redis::Reply holders = one.ask({"HKEYS", one.key_of(Unit::Calls, "key")});
  ASSERT_EQ(holders.list.size(), 1u);
  one.ask({"HINCRBY", one.key_of(Unit::Calls, "key"), holders.list[0].text, "2"});
  EXPECT_TRUE(until([&] { return two.places() == 1; }));
  EXPECT_TRUE(two.passes({two.limit(Unit::Calls, 3)}));
  one.drop(std::move(*held));
}

TEST(RedisCount, AConnectionThatBreaksLeavesNoPlaceBehind) {
  TestRedis server;
  const Config quick{.renew_every = milliseconds(100)};
  Replica one(server, "one", quick), two(server, "two", quick);
  auto kept = one.admit({one.limit(Unit::Calls, 5)});
  auto ended = one.admit({one.limit(Unit::Calls, 5)});
  ASSERT_TRUE(kept && ended);
  two.ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  EXPECT_TRUE(until([&] { return one.redis->breaker().open(); }));
  one.drop(std::move(*ended));  // Nobody can be told.
  EXPECT_TRUE(until([&] { return one.usable(); }));
  EXPECT_TRUE(until([&] { return two.passes({two.limit(Unit::Calls, 5)}) && two.places() == 1; }));
  one.drop(std::move(*kept));
  EXPECT_TRUE(until([&] { return two.places() == 0; }));
}

TEST(RedisCount, FlushedInMidTrafficItDoublesNoLimit) {
  TestRedis server;
  Replica one(server, "one", {.renew_every = milliseconds(100), .share = {2, 0}});
  Replica two(server, "two", {.renew_every = milliseconds(100), .share = {2, 1}});
  EXPECT_EQ(one.admitted_of(5, {one.limit(Unit::Requests, 10)}), 5);
  EXPECT_EQ(two.admitted_of(5, {two.limit(Unit::Requests, 10)}), 5);
  auto held = one.admit({one.limit(Unit::Calls, 1)});
  ASSERT_TRUE(held);
  one.ask({"FLUSHALL"});
  // Each replica learns of it from its next admission; from then on both counts have to agree.
  const int more =
      one.admitted_of(20, {one.limit(Unit::Requests, 10)}) + two.admitted_of(20, {two.limit(Unit::Requests, 10)});
  EXPECT_LE(more, 2);
  EXPECT_TRUE(until([&] { return two.places() == 1; }));  // Renewed.
  EXPECT_FALSE(two.passes({two.limit(Unit::Calls, 1)}));
  one.drop(std::move(*held));
}

TEST(Limiter, WithoutTheStoreEachReplicaKeepsToItsShareAndAfterwardsToBoth) {
  TestRedis server;
  Replica one(server, "one", {.share = {2, 0}});
  server.end(SIGKILL);
  EXPECT_TRUE(until([&] { return !one.usable(); }));
  EXPECT_EQ(one.admitted_of(20, {one.limit(Unit::Requests, 11)}), 6);
  server.start();
  EXPECT_TRUE(until([&] { return one.usable(); }));
  EXPECT_EQ(one.admitted_of(20, {one.limit(Unit::Requests, 11)}), 0);  // The server knows none of the six.
  EXPECT_EQ(one.admitted_of(20, {one.limit(Unit::Requests, 11, "other")}), 6);
}

TEST(Limiter, WithoutTheStoreTheConfigurationDecides) {
  struct Row {
    StoreFailure setting;
    int admitted;
  };
  for (const Row& row : {Row{StoreFailure::Local, 5}, Row{StoreFailure::Open, 20}, Row{StoreFailure::Closed, 0}}) {
    TestRedis server;
    Replica one(server, "one", {.on_store_failure = row.setting, .share = {2, 0}});
    server.end(SIGKILL);
    EXPECT_TRUE(until([&] { return !one.usable(); }));
    EXPECT_EQ(one.admitted_of(20, {one.limit(Unit::Requests, 10)}), row.admitted);
    EXPECT_EQ(one.admitted_of(5, {}), 5);  // Who has no limit is not concerned.
    if (row.setting != StoreFailure::Closed) continue;
    EXPECT_EQ(one.admit({one.limit(Unit::Requests, 10)}).error().why, Refusal::Why::StoreAway);
  }
}

TEST(Limiter, CallsThatWaitForASilentStoreGoOnWithTheShare) {
  TestRedis server;
  Replica one(server, "one", {.share = {2, 0}, .timeout = milliseconds(300)});
  EXPECT_EQ(one.admitted_of(2, {one.limit(Unit::Requests, 10)}), 2);
  server.freeze();
  const base::Monotonic before = base::monotonic_now();
  EXPECT_EQ(one.admitted_of(20, {one.limit(Unit::Requests, 10)}), 3);  // Of the share of five.
  const auto took = base::monotonic_now() - before;
  EXPECT_TRUE(one.redis->breaker().open());
  EXPECT_LT(took, milliseconds(3'000));  // Two time-outs of 300 ms, not twenty.
  server.thaw();
}

TEST(RedisCount, NeedsNoMoreRightsThanTheManualSays) {
  TestRedis server({"--user", "limits", "on",      ">secret", "~{tp:*",   "+eval",    "+evalsha", "+script",
                    "+ping",  "+auth",  "+select", "+time",   "+get",     "+set",     "+del",     "+mget",
                    "+hget",  "+hset",  "+hmget",  "+hdel",   "+hgetall", "+hincrby", "+pexpire"});
  Replica one(server, "one", {.renew_every = milliseconds(30), .user = "limits"}),
      two(server, "two", {.user = "limits"});
  auto held = one.admit({one.limit(Unit::Calls, 1), one.limit(Unit::Tokens, 100)}, 60);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->shared.state, Admission::Shared::State::Counted);
  EXPECT_FALSE(two.passes({two.limit(Unit::Tokens, 100)}, 60));
  EXPECT_FALSE(two.passes({two.limit(Unit::Calls, 1)}));
  one.end(std::move(*held), 20);
  EXPECT_TRUE(until([&] { return two.passes({two.limit(Unit::Tokens, 100)}, 60); }));
  EXPECT_TRUE(one.usable() && two.usable());
}

/// Calls on two replicas of two threads that end in every way, against what they add up to.
TEST(RedisCount, WhateverBecomesOfCallsTheServerCountsWhatIsTrue) {
  TestRedis server;
  Replica one(server, "one", {.renew_every = milliseconds(30), .threads = 2});
  Replica two(server, "two", {.renew_every = milliseconds(30), .threads = 2});
  struct UnderWay {
    Replica* replica;
    std::size_t thread;
    Admission admission;
  };
  constexpr std::int64_t kCalls = 7;
  std::vector<UnderWay> calls;
  std::int64_t requests = 0, tokens = 0;
  base::Random random(17);
  for (int i = 0; i < 600; ++i) {
    Replica& replica = random.next() % 2 == 0 ? one : two;
    const std::size_t thread = random.next() % 2;
    const auto reserved = static_cast<std::int64_t>(1 + random.next() % 50);
    auto admission = replica.admit({replica.limit(Unit::Requests, 1'000'000), replica.limit(Unit::Tokens, 1'000'000),
                                    replica.limit(Unit::Calls, kCalls)},
                                   reserved, thread);
    ASSERT_LE(calls.size(), static_cast<std::size_t>(kCalls));
    if (admission) {
      ++requests;
      tokens += reserved;
      calls.push_back({&replica, thread, std::move(*admission)});
    }
    if (calls.empty() || random.next() % 3 == 0) continue;
    std::swap(calls[random.next() % calls.size()], calls.back());
    UnderWay last = std::move(calls.back());
    calls.pop_back();
    const std::int64_t had = last.admission.amount(Unit::Tokens);
    const auto used = static_cast<std::int64_t>(random.next() % 100);
    switch (random.next() % 3) {
      case 0:
        tokens += used - had;
        last.replica->end(std::move(last.admission), used, last.thread);
        break;
      case 1:
        --requests;
        tokens -= had;
        last.replica->undo(std::move(last.admission), last.thread);
        break;
      default:
        last.replica->drop(std::move(last.admission), last.thread);
    }
  }
  EXPECT_GT(requests, 100);
  EXPECT_TRUE(until([&] {
    return one.sum(Unit::Requests) == requests && one.sum(Unit::Tokens) == tokens &&
           one.places() == static_cast<std::int64_t>(calls.size());
  })) << one.sum(Unit::Requests)
      << " of " << requests << ", " << one.sum(Unit::Tokens) << " of " << tokens << ", " << one.places() << " of "
      << calls.size();
  for (UnderWay& call : calls) call.replica->drop(std::move(call.admission), call.thread);
  EXPECT_TRUE(until([&] { return one.places() == 0; }));
}

/// A window of 600 ms, hammered by two replicas: by the server's own buckets.
TEST(RedisCount, NoSlidingWindowSeesMoreThanTheLimit) {
  TestRedis server;
  const Config fast{.window = milliseconds(600)};
  Replica one(server, "one", fast), two(server, "two", fast);
  constexpr std::int64_t kLimit = 40;
  std::map<std::int64_t, std::int64_t> admitted;
  std::int64_t total = 0;
  // At least three windows, since none admits more than the limit.
  EXPECT_TRUE(until([&] {
    for (Replica* const replica : {&one, &two}) {
      auto admission = replica->admit({replica->limit(Unit::Requests, kLimit)});
      if (!admission) continue;
      ++admitted[admission->shared.bucket];
      ++total;
      replica->drop(std::move(*admission));
    }
    return total > 3 * kLimit;
  }));
  for (const auto& [bucket, count] : admitted) {
    std::int64_t window = 0;
    for (auto at = admitted.lower_bound(bucket); at != admitted.end() && at->first <= bucket + 60; ++at)
      window += at->second;
    EXPECT_LE(window, kLimit) << "from bucket " << bucket;
  }
}

/// The limits of a call of a priority to a model that takes 10 requests, of which shares hold with more than 5 in use.
Limits shares_of(Replica& replica, const std::string& priority, std::int64_t share) {
  Limit model = replica.limit(Unit::Requests, 10, "gpt", Kind::ModelGroup);
  model.above = true;
  model.crowded_at = 5;
  Limit own = replica.limit(Unit::Requests, share, priority, Kind::Priority);
  own.above = true;
  own.held = Held::WhenCrowded;
  return {model, own};
}

TEST(RedisCount, SharesAreExactOverReplicas) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  int dev = 0, prod = 0;
  for (int i = 0; i < 10; ++i)
    dev += (i % 3 == 0 ? two : one).passes(shares_of(i % 3 == 0 ? two : one, "dev", 1)) ? 1 : 0;
  EXPECT_EQ(dev, 5) << "lent, as far as the model is not crowded";
  const auto refused = one.admit(shares_of(one, "dev", 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().subject.kind, Kind::Priority);
  EXPECT_EQ(refused.error().limit, 1);
  EXPECT_EQ(refused.error().used, 5);
  EXPECT_EQ(refused.error().share_of, 10);
  EXPECT_EQ(refused.error().why, Refusal::Why::Full);
  EXPECT_GE(refused.error().retry_seconds(), 55);
  for (int i = 0; i < 10; ++i)
    prod += (i % 2 == 0 ? two : one).passes(shares_of(i % 2 == 0 ? two : one, "prod", 9)) ? 1 : 0;
  EXPECT_EQ(prod, 5);
  const auto full = two.admit(shares_of(two, "prod", 9));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().subject.kind, Kind::ModelGroup) << "more than the model takes nobody gets";
}

TEST(RedisCount, ALimitThatGivesIsCountedOverReplicas) {
  TestRedis server;
  Replica one(server, "one"), two(server, "two");
  for (Replica* replica : {&one, &two}) {
    Limit gives = replica->limit(Unit::Requests, 2);
    gives.held = Held::Never;
    EXPECT_EQ(replica->admitted_of(3, {gives}), 3);
  }
  EXPECT_EQ(one.sum(Unit::Requests), 6);
  EXPECT_FALSE(two.passes({two.limit(Unit::Requests, 2)}));
}

/// The slot of a cluster that a key lies in: CRC16 (XMODEM) of what stands in the first braces (Redis Cluster
/// specification, "Hash tags").
std::uint32_t slot_of(std::string_view key) {
  const std::size_t open = key.find('{'), close = key.find('}', open);
  if (open != std::string_view::npos && close != std::string_view::npos && close > open + 1)
    key = key.substr(open + 1, close - open - 1);
  std::uint32_t crc = 0;
  for (const char c : key) {
    crc ^= static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
  }
  return (crc & 0xffff) % 16384;
}

TEST(RedisCount, ShardsLieInSlotsOfTheirOwnAndDivideWhatIsAboveThem) {
  ASSERT_EQ(slot_of("123456789"), 0x31c3U % 16384) << "the check value of the specification";
  TestRedis server({"--cluster-enabled", "yes"});  // It refuses scripts whose keys lie in several slots.
  const std::string cluster = "redis-cli -p " + std::to_string(server.port()) + " CLUSTER ";
  ASSERT_EQ(std::system((cluster + "ADDSLOTSRANGE 0 16383 > /dev/null").c_str()), 0);
  ASSERT_TRUE(until([&] { return std::system((cluster + "INFO | grep -q cluster_state:ok").c_str()) == 0; }));
  Config setup;
  setup.shards = 3;
  Replica one(server, "one", setup);
  ASSERT_TRUE(until([&] { return one.usable() && one.passes({one.limit(Unit::Requests, 100, "first")}); }));
  Limit above = one.limit(Unit::Requests, 10, "gateway", Kind::Proxy);
  above.above = true;
  const Limit calls = one.limit(Unit::Calls, 100);
  int admitted[3] = {};
  for (std::uint32_t shard = 0; shard < 3; ++shard) {
    for (int i = 0; i < 10; ++i) admitted[shard] += one.passes({above, calls}, 0, shard) ? 1 : 0;
    const Limit inside = one.limit(Unit::Requests, 2, "key " + std::to_string(shard));
    EXPECT_EQ(one.admitted_of(5, {inside}, shard), 2) << "what is inside is whole";
    if (shard != 1) continue;
    const auto refused = one.admit({above}, 0, 0, shard);  // Of seven admitted here; the whole would not refuse it.
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().limit, 3);
    EXPECT_EQ(refused.error().whole, 10);
    EXPECT_TRUE(refused.error().of_shard);
  }
  EXPECT_EQ(admitted[0], 4);
  EXPECT_EQ(admitted[1], 3);
  EXPECT_EQ(admitted[2], 3);
  const redis::Reply keys = one.ask({"KEYS", "*"});
  std::map<std::uint32_t, std::set<std::string>> tags;
  for (const redis::Reply& key : keys.list) tags[slot_of(key.text)].insert(key.text.substr(0, key.text.find('}')));
  EXPECT_EQ(tags.size(), 3U);
  for (const auto& [slot, names] : tags) EXPECT_EQ(names.size(), 1U) << slot;
}

}  // namespace
}  // namespace turnpike::limit::redis_count_test
