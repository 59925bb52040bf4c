#include "net/event_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "base/task.h"
#include "net/socket.h"

namespace turnpike::net::event_loop_test {
namespace {

using std::chrono::milliseconds;

/// Two ends of a stream; the first is watched by the loop.
struct Pair {
  int ends[2] = {-1, -1};
  Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0); }
  ~Pair() {
    if (ends[1] >= 0) ::close(ends[1]);
  }
  void say(char byte) { EXPECT_EQ(::write(ends[1], &byte, 1), 1); }
  void close() { ::close(std::exchange(ends[1], -1)); }
};

/// Runs a coroutine to its end on a loop of its own.
template <class Body>
void run(Body body) {
  struct Runner {
    static Task<void> all(EventLoop& loop, Body& inner) {
      co_await inner(loop);
      loop.stop();
    }
  };
  EventLoop loop(0);
  loop.post([&] { base::spawn(Runner::all(loop, body)); });
  loop.run();
}

TEST(EventLoop, RunsWhatOtherThreadsPostInOrderAndDropsItAfterItsEnd) {
  std::shared_ptr<Mailbox> mailbox;
  std::vector<int> seen;
  {
    const auto threads = IoThreads::start(1);
    EventLoop& loop = loop_of(*threads->all().front());
    mailbox = loop.mailbox();
    std::promise<void> done;
    for (int i = 0; i < 100; ++i) loop.post([&seen, i] { seen.push_back(i); });
    loop.post([&] { done.set_value(); });
    done.get_future().wait();
  }
  ASSERT_EQ(seen.size(), 100u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  mailbox->post([&] { seen.clear(); });
  EXPECT_EQ(seen.size(), 100u);
}

TEST(EventLoop, TimersAreNeverEarlyAndATickOrTwoLate) {
  struct Body {
    Task<void> operator()(EventLoop& loop) const {
      for (const int wait : {0, 1, 15, 60, 130}) {
        const auto begun = base::monotonic_now();
        co_await loop.sleep(milliseconds(wait));
        const auto took = base::monotonic_now() - begun;
        EXPECT_GE(took, milliseconds(wait));
        EXPECT_LT(took, milliseconds(wait + 90));
      }
    }
  };
  run(Body{});
}

/// The clocks are those of a simulation while this lives.
struct Simulation {
  static constexpr std::int64_t kStartUs = 1'700'000'000'000'000;
  Simulation() { base::simulated_now_us = kStartUs; }
  ~Simulation() { base::simulated_now_us = 0; }
};

TEST(EventLoop, ASimulationsTimeLeapsFromTimerToTimerAndStandsWhileBytesAreReady) {
  const auto begun = std::chrono::steady_clock::now();
  {
    const Simulation simulation;
    struct Body {
      Task<void> operator()(EventLoop& loop) const {
        Pair pair;
        Socket socket(loop, pair.ends[0], true);
        pair.say('a');
        EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, std::chrono::hours(1)), Wake::Ready);
        EXPECT_EQ(base::unix_now_us(), Simulation::kStartUs) << "a byte is there: no time passes";
        co_await loop.sleep(std::chrono::hours(10));
        const std::int64_t slept_us = base::unix_now_us() - Simulation::kStartUs;
        EXPECT_GE(slept_us, 36'000'000'000);
        EXPECT_LE(slept_us, 36'000'020'000);
        char byte = 0;
        EXPECT_EQ(socket.read(&byte, 1).kind, Io::Kind::Bytes);
        const base::Monotonic before = base::monotonic_now();
        EXPECT_EQ(socket.read(&byte, 1).kind, Io::Kind::WantsRead);
        EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(500)), Wake::Timeout);
        EXPECT_GE(base::monotonic_now() - before, milliseconds(500));
        EXPECT_LE(base::monotonic_now() - before, milliseconds(520));
      }
    };
    run(Body{});
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::minutes(1));
}

TEST(EventLoop, ATimerThatIsTakenBackDoesNotFire) {
  struct Body {
    Task<void> operator()(EventLoop& loop) const {
      int fired = 0;
      auto kept = loop.after(milliseconds(20), [&] { ++fired; });
      auto dropped = loop.after(milliseconds(20), [&] { fired += 10; });
      dropped.reset();
      co_await loop.sleep(milliseconds(60));
      EXPECT_EQ(fired, 1);
    }
  };
  run(Body{});
}

TEST(Socket, AWaitEndsByBytesByTimeOrByAWakeAndTheNextOneIsClean) {
  struct Body {
    Task<void> operator()(EventLoop& loop) const {
      Pair pair;
      Socket socket(loop, pair.ends[0], true);
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(20)), Wake::Timeout);
      const auto waker = loop.after(milliseconds(0), [&] { socket.wake(); });
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(5'000)), Wake::Woken);
      pair.say('a');
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(5'000)), Wake::Ready);
      char bytes[8];
      EXPECT_EQ(socket.read(bytes, sizeof bytes).bytes, 1u);
      EXPECT_FALSE(socket.readable());
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(20)), Wake::Timeout);
      // The timer of an ended wait does not end the next one.
      pair.say('b');
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(30)), Wake::Ready);
      socket.read(bytes, sizeof bytes);
      const auto begun = base::monotonic_now();
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(100)), Wake::Timeout);
      EXPECT_GE(base::monotonic_now() - begun, milliseconds(99));
    }
  };
  run(Body{});
}

TEST(EventLoop, ATurnLetsSocketsThatBecameReadyGoFirst) {
  struct Body {
    Task<void> operator()(EventLoop& loop) const {
      Pair pair;
      Socket socket(loop, pair.ends[0], true);
      co_await loop.turn();  // The first edge, of writability, is through.
      int told = 0;
      socket.watch([](void* context) { ++*static_cast<int*>(context); }, &told);
      pair.say('x');
      EXPECT_EQ(told, 0);
      for (int i = 0; i < 2 && told == 0; ++i) co_await loop.turn();
      EXPECT_EQ(told, 1);
    }
  };
  run(Body{});
}

TEST(Socket, BytesBeforeACloseAreStillRead) {
  struct Body {
    Task<void> operator()(EventLoop& loop) const {
      Pair pair;
      Socket socket(loop, pair.ends[0], true);
      pair.say('a');
      pair.say('b');
      pair.close();
      EXPECT_EQ(co_await socket.wait_for(Socket::kReadable, milliseconds(5'000)), Wake::Ready);
      char byte;
      EXPECT_EQ(socket.read(&byte, 1).bytes, 1u);
      EXPECT_TRUE(socket.peer_closed());
      char more[8];
      EXPECT_EQ(socket.read(more, sizeof more).bytes, 1u);
      // No edge comes after the close: the socket must stay readable to see its end.
      EXPECT_TRUE(socket.readable());
      EXPECT_EQ(socket.read(more, sizeof more).kind, Io::Kind::End);
    }
  };
  run(Body{});
}

TEST(Socket, TheWatchMayDestroyTheSocketAndLaterEventsOfTheBatchFindNobody) {
  struct Body {
    Task<void> operator()(EventLoop& loop) const {
      Pair first, second;
      auto a = std::make_unique<Socket>(loop, first.ends[0], true);
      auto b = std::make_unique<Socket>(loop, second.ends[0], true);
      co_await loop.sleep(milliseconds(1));  // The first edges, of writability, are through.
      // Whichever is told first destroys both.
      struct Both {
        std::unique_ptr<Socket>&a, &b;
        int calls = 0;
      } both{a, b};
      const auto changed = [](void* context) {
        auto& mine = *static_cast<Both*>(context);
        ++mine.calls;
        mine.a.reset();
        mine.b.reset();
      };
      a->watch(changed, &both);
      b->watch(changed, &both);
      first.say('x');
      second.say('x');
      co_await loop.sleep(milliseconds(20));
      EXPECT_EQ(both.calls, 1);
    }
  };
  run(Body{});
}

}  // namespace
}  // namespace turnpike::net::event_loop_test
