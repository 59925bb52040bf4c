#include "pipeline/shared_rests.h"

#include <gtest/gtest.h>

#include "base/clock.h"
#include "limit/redis_count.h"
#include "pipeline/gateway.h"
#include "redis/test_redis.h"

namespace turnpike::pipeline::shared_rests_test {
namespace {

using std::chrono::milliseconds;

/// What one replica needs to share rests: threads, a table of its own, a client of the server.
struct Replica {
  Replica(const redis::TestRedis& server, const std::string& name) {
    threads = net::IoThreads::start(2);
    gateway.threads = threads.get();
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->routing = router::RoutingTable::build({{deployments()}}, {}, nullptr, nullptr);
    for (net::IoThread* const thread : threads->all()) {
      auto worker = std::make_unique<Worker>();
      worker->thread = thread;
      worker->index = thread->index();
      worker->snapshot = snapshot;
      gateway.workers.push_back(std::move(worker));
    }
    redis = std::make_shared<redis::Redis>(server.settings(), threads->all(), limit::RedisCount::probe(installation));
    rests = std::make_unique<SharedRests>(*redis, gateway, installation.name, name);
    redis->start();
    on_first([this] { rests->start(); });
  }
  ~Replica() {
    on_first([this] { rests->stop(); });
    redis->stop();
  }
  static std::vector<router::Deployment> deployments() {
    static const provider::Provider kOpenAi = [] {
      provider::Provider row;
      row.name = "openai";
      return row;
    }();
    std::vector<router::Deployment> made(2);
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i].id = i == 0 ? "a" : "b";
      made[i].model_group = "gpt";
      made[i].config_model = "openai/gpt";
      made[i].target.provider = &kOpenAi;
      made[i].target.model = "gpt";
    }
    return made;
  }
  void on_first(const std::function<void()>& work) { on(0, work); }
  void on(std::size_t thread, const std::function<void()>& work) {
    std::promise<void> done;
    threads->all()[thread]->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  const router::Deployment& deployment(std::size_t at) const {
    return *gateway.workers.front()->snapshot->routing->groups().front()->deployments[at];
  }
  milliseconds rests_for(std::size_t at) const {
    return milliseconds((deployment(at).health->cooling_until_us.load() - base::unix_now_us()) / 1000);
  }
  /// A failure puts it to rest here, and the others are told.
  void put_to_rest(std::size_t at, milliseconds time, std::size_t thread) {
    Error error;
    error.kind = ErrorKind::UpstreamRateLimited;
    error.status = 429;
    error.retry_after = time;
    const std::int64_t now_us = base::unix_now_us();
    ASSERT_TRUE(router::note_failure(deployment(at), error, 2, {}, now_us, false));
    on(thread, [&] { rests->tell(*threads->all()[thread], deployment(at), now_us); });
  }

  limit::Installation installation;
  std::unique_ptr<net::IoThreads> threads;
  Gateway gateway;
  std::shared_ptr<redis::Redis> redis;
  std::unique_ptr<SharedRests> rests;
};

TEST(SharedRests, ReachTheOtherReplicaOnceAndNoneThatRestsLonger) {
  redis::TestRedis server;
  Replica one(server, "one"), two(server, "two");
  one.put_to_rest(0, std::chrono::seconds(30), 1);
  ASSERT_TRUE(redis::until([&] { return two.rests_for(0) > std::chrono::seconds(20); }));
  EXPECT_LE(two.rests_for(0), std::chrono::seconds(30));
  EXPECT_EQ(two.deployment(0).health->cooling_status.load(), 429);
  EXPECT_EQ(two.deployment(0).health->cooling_kind.load(), ErrorKind::UpstreamRateLimited);
  EXPECT_EQ(two.deployment(0).health->cooldowns.load(), 0U) << "counted where it was put to rest";
  EXPECT_LE(two.rests_for(1), milliseconds(0)) << "the other one works";

  // A probe of the second finds that the provider is back: the same rest does not come again, another one does.
  router::note_success(two.deployment(0), base::unix_now_us(), true);
  two.put_to_rest(1, std::chrono::seconds(40), 0);
  ASSERT_TRUE(redis::until([&] { return one.rests_for(1) > std::chrono::seconds(30); }));
  EXPECT_GT(one.rests_for(0), std::chrono::seconds(20)) << "each finds out for itself";
  EXPECT_LE(two.rests_for(0), milliseconds(0));
  one.put_to_rest(0, std::chrono::seconds(60), 0);
  EXPECT_TRUE(redis::until([&] { return two.rests_for(0) > std::chrono::seconds(50); }));
}

}  // namespace
}  // namespace turnpike::pipeline::shared_rests_test
