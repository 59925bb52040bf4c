#include "redis/breaker.h"

namespace turnpike::redis {
namespace {

std::int64_t us_of(base::Monotonic time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

bool Breaker::failed(Failure failure, base::Monotonic now) {
  if (failure == Failure::TimedOut) {
    const std::int64_t before = timed_out_us_.exchange(us_of(now), std::memory_order_acq_rel);
    if (before == 0 || us_of(now) - before > std::chrono::microseconds(kTimeOutsWithin).count()) return false;
  }
  if (open_.exchange(true, std::memory_order_acq_rel)) return false;
  openings_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool Breaker::probed(bool good, base::Monotonic now) {
  good_ = good ? good_ + 1 : 0;
  if (good_ < kGoodProbes || !open()) return false;
  good_ = 0;
  timed_out_us_.store(0, std::memory_order_relaxed);
  closed_us_.store(us_of(now), std::memory_order_relaxed);
  open_.store(false, std::memory_order_release);
  return true;
}

std::chrono::microseconds Breaker::closed_for(base::Monotonic now) const {
  return std::chrono::microseconds(us_of(now) - closed_us_.load(std::memory_order_relaxed));
}

}  // namespace turnpike::redis
