#include "limit/ring.h"

#include <gtest/gtest.h>

#include <barrier>
#include <deque>
#include <thread>
#include <vector>

#include "base/id.h"

namespace turnpike::limit::ring_test {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kStartUs = 7'000 * kSecondUs;

/// With words of its own.
struct OneRing : private Ring::Words, public Ring {
  explicit OneRing(std::chrono::microseconds window = std::chrono::seconds(60)) : Ring(words(), window) {}
  Ring::Words& words() { return *this; }
};

enum class Act { Take, Refused, Add, GiveBack, Used, Wait, Never };
struct Step {
  double at_s;
  Act act;
  std::int64_t amount = 1;
  double more = 0;  // GiveBack: when it was taken; Wait: seconds.
};
struct Case {
  const char* name;
  std::int64_t limit;
  std::vector<Step> steps;
};

const Case kCases[] = {
    {"up to the limit and no further", 2, {{0, Act::Take}, {0, Act::Take}, {0, Act::Refused}, {0, Act::Used, 2}}},
    {"zero refuses all", 0, {{0, Act::Refused}, {0, Act::Never}}},
    {"a unit is held for at least the window", 1, {{0.9, Act::Take}, {60.89, Act::Refused}, {61.0, Act::Take}}},
    {"and at most one bucket longer", 1, {{0.0, Act::Take}, {60.99, Act::Refused}, {61.0, Act::Take}}},
    {"nothing is left after a pause", 3, {{0, Act::Take, 3}, {500, Act::Used, 0}, {500, Act::Take, 3}}},
    {"buckets expire one by one",
     2,
     {{0, Act::Take}, {30, Act::Take}, {60, Act::Refused}, {61, Act::Take}, {61, Act::Refused}, {91, Act::Take}}},
    {"what comes back makes room", 2, {{0, Act::Take, 2}, {5, Act::GiveBack, 1, 0}, {5, Act::Take}, {5, Act::Refused}}},
    {"what came back leaves with its bucket",
     2,
     {{0, Act::Take, 2}, {5, Act::GiveBack, 2, 0}, {5, Act::Take, 2}, {61, Act::Refused}, {66, Act::Take, 2}}},
    {"what comes back too late changes nothing",
     2,
     {{0, Act::Take, 2}, {61, Act::Take, 2}, {62, Act::GiveBack, 2, 0}, {62, Act::Refused}}},
    {"usage is added above the limit",
     10,
     {{0, Act::Take, 4}, {1, Act::Add, 20}, {1, Act::Used, 24}, {1, Act::Refused}}},
    {"an amount above the limit never fits", 5, {{0, Act::Refused, 6}, {0, Act::Never, 6}}},
    {"the wait is until the bucket that makes room leaves",
     3,
     {{0.5, Act::Take}, {10, Act::Take, 2}, {20, Act::Wait, 1, 41}, {20, Act::Wait, 2, 51}, {20, Act::Wait, 3, 51}}},
    {"no wait where there is room", 3, {{0, Act::Take, 2}, {1, Act::Wait, 1, 0}, {1, Act::Wait, 2, 60}}},
    {"what came back shortens no other bucket's wait",
     4,
     {{0, Act::Take, 2}, {9, Act::Take, 2}, {9, Act::GiveBack, 1, 9}, {10, Act::Wait, 1, 0}, {10, Act::Wait, 2, 51}}},
};

TEST(Ring, CountsASlidingMinute) {
  for (const Case& c : kCases) {
    OneRing ring;
    for (std::size_t i = 0; i < c.steps.size(); ++i) {
      SCOPED_TRACE(std::string(c.name) + ", step " + std::to_string(i));
      const Step& step = c.steps[i];
      const auto us = [](double s) { return kStartUs + static_cast<std::int64_t>(s * 1e6); };
      const std::int64_t now = us(step.at_s);
      switch (step.act) {
        case Act::Take:
          EXPECT_TRUE(ring.take(step.amount, c.limit, now));
          break;
        case Act::Refused:
          EXPECT_FALSE(ring.take(step.amount, c.limit, now));
          break;
        case Act::Add:
          ring.add(step.amount, now);
          break;
        case Act::GiveBack:
          ring.give_back(step.amount, us(step.more), now);
          break;
        case Act::Used:
          EXPECT_EQ(ring.used(now), step.amount);
          break;
        case Act::Wait:
          EXPECT_EQ(ring.wait_us(step.amount, c.limit, now), static_cast<std::int64_t>(step.more * 1e6));
          break;
        case Act::Never:
          EXPECT_EQ(ring.wait_us(step.amount, c.limit, now), std::nullopt);
          break;
      }
    }
  }
}

TEST(Ring, WorksOnAClockThatHasJustBegun) {
  OneRing ring;
  EXPECT_TRUE(ring.take(1, 1, 0));
  EXPECT_FALSE(ring.take(1, 1, 60 * kSecondUs));
  EXPECT_TRUE(ring.take(1, 1, 61 * kSecondUs));
}

TEST(Ring, OtherWindowsHaveBucketsOfASixtieth) {
  OneRing ring(std::chrono::seconds(1));
  EXPECT_TRUE(ring.take(1, 1, kStartUs));
  EXPECT_FALSE(ring.take(1, 1, kStartUs + kSecondUs - 1));
  EXPECT_TRUE(ring.take(1, 1, kStartUs + kSecondUs + kSecondUs / 60));
}

/// One taking that still counts, as a log would have it.
struct Taken {
  std::int64_t at_us;
  std::int64_t amount;
};
std::int64_t sum_since(const std::deque<Taken>& log, std::int64_t from_us) {
  std::int64_t sum = 0;
  for (const Taken& one : log) sum += one.at_us >= from_us ? one.amount : 0;
  return sum;
}

/// Arrivals of every density, bursts and pauses; some of what was taken comes back, some was more.
TEST(Ring, NeverAdmitsMoreThanTheLimitInAnySlidingWindow) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    base::Random random(seed);
    const auto draw = [&random](std::uint64_t below) { return static_cast<std::int64_t>(random.next() % below); };
    const std::int64_t limit = 1 + draw(120);
    const std::uint64_t gap_us = 1'000ULL << draw(14);
    const bool changes = seed % 2 == 0;
    OneRing ring;
    std::deque<Taken> log;
    std::int64_t now = kStartUs + draw(kSecondUs);
    for (int i = 0; i < 3'000; ++i) {
      if (draw(4) != 0) now += draw(gap_us);
      if (draw(500) == 0) now += draw(120 * kSecondUs);
      while (!log.empty() && log.front().at_us <= now - 62 * kSecondUs) log.pop_front();
      const std::int64_t amount = 1 + draw(3);
      const bool fits_surely = sum_since(log, now - 61 * kSecondUs) + amount <= limit;
      if (ring.take(amount, limit, now)) {
        log.push_back({now, amount});
        ASSERT_LE(sum_since(log, now - 60 * kSecondUs + 1), limit) << "at " << now - kStartUs;
      } else {
        ASSERT_FALSE(fits_surely) << "held longer than a bucket beyond the window, at " << now - kStartUs;
        const auto wait = ring.wait_us(amount, limit, now);
        ASSERT_EQ(wait.has_value(), amount <= limit);
        if (wait) ASSERT_TRUE(*wait > 0 && *wait <= 61 * kSecondUs) << *wait;
      }
      if (changes && !log.empty() && draw(5) == 0) {
        Taken& one = log[static_cast<std::size_t>(draw(log.size()))];
        if (one.amount > 0) {
          ring.give_back(1, one.at_us, now);
          --one.amount;
        }
      }
    }
  }
}

TEST(Ring, TellsTheWaitThatIsNeeded) {
  base::Random random(5);
  for (int round = 0; round < 200; ++round) {
    OneRing ring;
    const std::int64_t limit = 20;
    std::int64_t now = kStartUs;
    for (int i = 0; i < 60; ++i) {
      now += static_cast<std::int64_t>(random.next() % (2 * kSecondUs));
      ring.take(1 + static_cast<std::int64_t>(random.next() % 3), limit, now);
    }
    const std::int64_t amount = 1 + static_cast<std::int64_t>(random.next() % 20);
    const std::int64_t wait = ring.wait_us(amount, limit, now).value();
    if (wait > 0) EXPECT_FALSE(ring.take(amount, limit, now + wait - 1));
    EXPECT_TRUE(ring.take(amount, limit, now + wait));
  }
}

TEST(Ring, AdmitsASixtiethLessThanTheLimitAtWorstWhenSaturated) {
  for (const std::int64_t limit : {1, 7, 60, 1000}) {
    OneRing ring;
    std::int64_t admitted = 0;
    constexpr std::int64_t kMinutes = 122;
    for (std::int64_t now = 0; now < kMinutes * 60 * kSecondUs; now += 250'000) {
      while (ring.take(1, limit, kStartUs + now)) ++admitted;
    }
    EXPECT_GE(admitted, limit * kMinutes * 60 / 61) << limit;
    EXPECT_LE(admitted, limit * (kMinutes + 1)) << limit;
  }
}

/// What `threads` admit of `tries[i]` in second i, taking some and giving some back.
std::vector<std::int64_t> admitted_by(int threads, const std::vector<int>& tries, std::int64_t limit) {
  OneRing ring;
  std::vector<std::atomic<std::int64_t>> admitted(tries.size());
  std::barrier together(threads);
  const auto run = [&](int thread) {
    for (std::size_t second = 0; second < tries.size(); ++second) {
      together.arrive_and_wait();
      const std::int64_t now = kStartUs + static_cast<std::int64_t>(second) * kSecondUs;
      for (int i = thread; i < tries[second]; i += threads) {
        if (ring.take(1, limit, now)) ++admitted[second];
      }
      together.arrive_and_wait();
      // Every third of the second before the last comes back, by whichever thread.
      if (second < 2) continue;
      const std::int64_t back = admitted[second - 2].load() / 3;
      for (std::int64_t i = thread; i < back; i += threads) ring.give_back(1, now - 2 * kSecondUs, now);
    }
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
  run(0);
  for (std::thread& other : others) other.join();
  std::vector<std::int64_t> counts;
  for (const auto& count : admitted) counts.push_back(count.load());
  return counts;
}

TEST(Ring, EightThreadsAdmitWhatOneThreadDoes) {
  base::Random random(11);
  for (int round = 0; round < 4; ++round) {
    std::vector<int> tries(150);
    for (int& count : tries) count = static_cast<int>(random.next() % 120);
    const auto limit = static_cast<std::int64_t>(200 + random.next() % 2'000);
    EXPECT_EQ(admitted_by(8, tries, limit), admitted_by(1, tries, limit)) << "limit " << limit;
  }
}

TEST(Ring, ThreadsWhoseClocksDifferByABucketAdmitNoMoreThanTheLimit) {
  OneRing ring;
  EXPECT_TRUE(ring.take(5, 5, kStartUs + kSecondUs));
  EXPECT_FALSE(ring.take(1, 5, kStartUs));
  EXPECT_EQ(ring.used(kStartUs), 5);
  EXPECT_FALSE(ring.take(1, 5, kStartUs + 61 * kSecondUs));
  EXPECT_TRUE(ring.take(5, 5, kStartUs + 62 * kSecondUs));
}

}  // namespace
}  // namespace turnpike::limit::ring_test
