#include "net/timer_wheel.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <vector>

#include "base/id.h"

namespace turnpike::net::timer_wheel_test {
namespace {

struct Probe {
  TimerWheel* wheel;
  std::uint64_t* now;
  std::uint64_t fired_at = 0;
  int fired = 0;
  TimerWheel::Node node{&Probe::fire, this};
  Probe(TimerWheel& owner, std::uint64_t& clock) : wheel(&owner), now(&clock) {}
  static void fire(void* self) {
    auto* probe = static_cast<Probe*>(self);
    ++probe->fired;
    probe->fired_at = *probe->now;
  }
};

/// Advances as the loop does: straight to the next tick the wheel names.
void run_until(TimerWheel& wheel, std::uint64_t& now, std::uint64_t end) {
  while (now < end) {
    now = std::min(end, wheel.next_tick());
    wheel.advance(now);
  }
}

TEST(TimerWheel, FiresEachTimerAtItsTickAcrossAllLevels) {
  TimerWheel wheel;
  std::uint64_t now = 0;
  base::Random random(7);
  std::deque<Probe> probes;
  std::map<Probe*, std::uint64_t> due;
  for (const std::uint64_t reach : {2u, 255u, 256u, 257u, 5'000u, 65'279u, 65'280u, 65'536u, 200'000u}) {
    for (int i = 0; i < 40; ++i) {
      Probe& probe = probes.emplace_back(wheel, now);
      due[&probe] = 1 + random.next() % reach;
      wheel.arm(probe.node, due[&probe]);
    }
  }
  run_until(wheel, now, 300'000);
  for (Probe& probe : probes) {
    EXPECT_EQ(probe.fired, 1);
    EXPECT_EQ(probe.fired_at, due[&probe]);
  }
  EXPECT_EQ(wheel.armed(), 0u);
}

TEST(TimerWheel, ADisarmedTimerNeverFiresAndARearmedOneFiresLater) {
  TimerWheel wheel;
  std::uint64_t now = 0;
  Probe kept(wheel, now), dropped(wheel, now), moved(wheel, now);
  wheel.arm(kept.node, 10);
  wheel.arm(dropped.node, 10);
  wheel.arm(moved.node, 10);
  dropped.node.disarm();
  wheel.arm(moved.node, 1'000);
  run_until(wheel, now, 500);
  EXPECT_EQ(kept.fired, 1);
  EXPECT_EQ(dropped.fired, 0);
  EXPECT_EQ(moved.fired, 0);
  run_until(wheel, now, 2'000);
  EXPECT_EQ(moved.fired_at, 1'000u);
}

TEST(TimerWheel, SleepsLongWhenOnlyFarTimersExist) {
  TimerWheel wheel;
  EXPECT_EQ(wheel.next_tick(), TimerWheel::kNever);
  std::uint64_t now = 0;
  Probe probe(wheel, now);
  wheel.arm(probe.node, 40'000);
  int wakes = 0;
  while (probe.fired == 0) {
    now = wheel.next_tick();
    wheel.advance(now);
    ++wakes;
  }
  EXPECT_EQ(probe.fired_at, 40'000u);
  EXPECT_LE(wakes, 3);
}

TEST(TimerWheel, AnActionMayDisarmItsNeighbourAndArmItselfAgain) {
  TimerWheel wheel;
  struct Pair {
    TimerWheel* wheel;
    int first_fired = 0, second_fired = 0;
    TimerWheel::Node first{[](void* self) {
                             auto* pair = static_cast<Pair*>(self);
                             ++pair->first_fired;
                             pair->second.disarm();
                             if (pair->first_fired < 3) pair->wheel->arm(pair->first, 0);
                           },
                           this};
    TimerWheel::Node second{[](void* self) { ++static_cast<Pair*>(self)->second_fired; }, this};
  } pair{&wheel};
  wheel.arm(pair.first, 5);
  wheel.arm(pair.second, 5);
  wheel.advance(20);
  EXPECT_EQ(pair.first_fired, 3);
  EXPECT_EQ(pair.second_fired, 0);
}

}  // namespace
}  // namespace turnpike::net::timer_wheel_test
