#include "net/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <semaphore>
#include <thread>

namespace turnpike::net::resolver_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A name server whose answers wait for the test: one permit, one answer.
std::counting_semaphore<> permits{0};
std::atomic<int> asked{0}, answered{0};
std::atomic<bool> broken{false};

Resolver::Answer scripted(const std::string& host, std::uint16_t port) {
  if (host == "ready.test") return Address::parse("127.0.0.2", port);
  ++asked;
  permits.acquire();
  const bool fails = broken;
  ++answered;
  if (fails) return base::fail(ErrorKind::UpstreamConnection, "no such host", host);
  return Address::parse("127.0.0.1", port);
}

struct Fixture {
  std::unique_ptr<IoThreads> threads = IoThreads::start(1);
  EventLoop& loop = loop_of(*threads->all().front());
  std::unique_ptr<Resolver> resolver;

  explicit Fixture(seconds ttl = seconds(30), seconds stale = seconds(300)) {
    asked = answered = 0;
    broken = false;
    resolver = std::make_unique<Resolver>(loop, ttl, stale, &scripted);
  }
  ~Fixture() {
    on_loop([this] { resolver.reset(); });
    while (answered < asked) {  // Late answers find nobody.
      permits.release();
      std::this_thread::yield();
    }
    while (permits.try_acquire()) {
    }
  }
  template <class Work>
  void on_loop(Work work) {
    std::promise<void> done;
    loop.post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
};

struct Waiter {
  static Task<void> wait(Resolver& resolver, std::shared_ptr<Rendezvous> meeting, milliseconds patience,
                         std::promise<Wake>& end, std::string host = "provider.test") {
    resolver.look_up(host, 443, meeting);
    const Wake why = co_await meeting->wait(base::monotonic_now() + patience);
    end.set_value(why);
  }
};

TEST(Resolver, AsksOnceForAllWhoWaitAndTheThreadLivesMeanwhile) {
  Fixture fixture;
  std::promise<Wake> ends[3];
  fixture.on_loop([&] {
    EXPECT_EQ(fixture.resolver->find("provider.test", 443), nullptr);
    for (std::promise<Wake>& end : ends) {
      base::spawn(
          Waiter::wait(*fixture.resolver, std::make_shared<Rendezvous>(fixture.loop), milliseconds(10'000), end));
    }
  });
  fixture.on_loop([] {});  // The look-up hangs; the I/O thread does not.
  permits.release();
  for (std::promise<Wake>& end : ends) EXPECT_EQ(end.get_future().get(), Wake::Ready);
  fixture.on_loop([&] {
    const Resolver::Answer* known = fixture.resolver->find("provider.test", 443);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ((*known)->front().port(), 443);
  });
  EXPECT_EQ(asked.load(), 1);
}

TEST(Resolver, AWaiterWhoseTimeIsUpIsNotTouchedByTheLateAnswer) {
  Fixture fixture;
  std::promise<Wake> end;
  fixture.on_loop([&] {
    base::spawn(Waiter::wait(*fixture.resolver, std::make_shared<Rendezvous>(fixture.loop), milliseconds(30), end));
  });
  EXPECT_EQ(end.get_future().get(), Wake::Timeout);
  permits.release();
  while (true) {
    bool known = false;
    fixture.on_loop([&] { known = fixture.resolver->find("provider.test", 443) != nullptr; });
    if (known) break;
  }
}

TEST(Resolver, GivesOldAddressesWhileTheNameServerIsAway) {
  Fixture fixture(seconds(0), seconds(300));
  std::promise<Wake> end;
  fixture.on_loop([&] {
    base::spawn(Waiter::wait(*fixture.resolver, std::make_shared<Rendezvous>(fixture.loop), milliseconds(10'000), end));
  });
  permits.release();
  EXPECT_EQ(end.get_future().get(), Wake::Ready);
  broken = true;
  // Every find beyond the ttl asks again, at most one look-up at a time, and answers from memory.
  while (asked.load() < 3) {
    permits.release();
    fixture.on_loop([&] {
      const Resolver::Answer* known = fixture.resolver->find("provider.test", 443);
      ASSERT_NE(known, nullptr);
      EXPECT_TRUE(known->has_value());
    });
    if (HasFatalFailure()) break;
  }
}

TEST(Resolver, AFailureIsRememberedForAMomentOnly) {
  Fixture fixture;
  broken = true;
  std::promise<Wake> end;
  fixture.on_loop([&] {
    base::spawn(Waiter::wait(*fixture.resolver, std::make_shared<Rendezvous>(fixture.loop), milliseconds(10'000), end));
  });
  permits.release();
  EXPECT_EQ(end.get_future().get(), Wake::Ready);
  fixture.on_loop([&] {
    const Resolver::Answer* known = fixture.resolver->find("provider.test", 443);
    ASSERT_NE(known, nullptr);
    EXPECT_EQ(known->error().message, "no such host");
  });
}

TEST(Resolver, AnAnswerAfterTheEndOfTheResolverFindsNobody) {
  std::promise<Wake> end;
  {
    Fixture fixture;
    fixture.on_loop([&] {
      base::spawn(Waiter::wait(*fixture.resolver, std::make_shared<Rendezvous>(fixture.loop), milliseconds(20), end));
    });
    EXPECT_EQ(end.get_future().get(), Wake::Timeout);
  }
  EXPECT_EQ(answered.load(), 1);
  // The threads are through with that job when all of them are in another one.
  const auto all_here = std::make_shared<std::latch>(kWaitingThreads + 1);
  for (std::size_t i = 0; i < kWaitingThreads; ++i) run_waiting([all_here] { all_here->arrive_and_wait(); });
  all_here->arrive_and_wait();
}

TEST(Resolver, NamesThatHangHoldUpNoOthersAndNoOtherWork) {
  Fixture fixture;
  constexpr int kHanging = 6;
  fixture.on_loop([&] {
    for (int i = 0; i < kHanging; ++i) {
      fixture.resolver->look_up("hangs-" + std::to_string(i) + ".test", 443,
                                std::make_shared<Rendezvous>(fixture.loop));
    }
  });
  while (asked < kHanging) std::this_thread::yield();
  std::promise<Wake> end;
  fixture.on_loop([&] {
    base::spawn(Waiter::wait(*fixture.resolver, std::make_shared<Rendezvous>(fixture.loop), milliseconds(30'000), end,
                             "ready.test"));
  });
  EXPECT_EQ(end.get_future().get(), Wake::Ready);
  std::promise<void> counted;
  run_blocking([&] { counted.set_value(); });
  counted.get_future().wait();
  EXPECT_EQ(answered.load(), 0);
}

}  // namespace
}  // namespace turnpike::net::resolver_test
