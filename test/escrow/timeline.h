#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "base/id.h"

namespace turnpike::escrow {

/// Simulated time: what is to happen, in order; what is due at one moment happens as it was planned.
class Timeline {
 public:
  std::int64_t now_us() const { return now_us_; }
  void at(std::int64_t at_us, std::function<void()> happen) {
    events_.push({at_us < now_us_ ? now_us_ : at_us, ++planned_, std::move(happen)});
  }
  void after(std::int64_t us, std::function<void()> happen) { at(now_us_ + us, std::move(happen)); }
  void run_until(std::int64_t end_us) {
    while (!events_.empty() && events_.top().at_us <= end_us) {
      const Event next = events_.top();
      events_.pop();
      now_us_ = next.at_us;
      next.happen();
    }
    now_us_ = end_us;
  }

 private:
  struct Event {
    std::int64_t at_us;
    std::uint64_t number;
    std::function<void()> happen;
    bool operator<(const Event& other) const {
      return at_us != other.at_us ? at_us > other.at_us : number > other.number;
    }
  };
  std::priority_queue<Event> events_;
  std::int64_t now_us_ = 0;
  std::uint64_t planned_ = 0;
};

/// Draws of one simulation.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  double fraction() { return static_cast<double>(random_.next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return fraction() < probability; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(fraction() * static_cast<double>(high - low + 1));
  }
  double exponential(double mean);
  template <typename T>
  const T& one_of(const std::vector<T>& all) {
    return all[random_.next() % all.size()];
  }

 private:
  base::Random random_;
};

}  // namespace turnpike::escrow
