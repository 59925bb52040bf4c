#pragma once

#include <cstdint>
#include <vector>

#include "limit/admission.h"
#include "limit/redis_count.h"
#include "limit/share.h"

namespace turnpike::limit {

/// turnpike.rate_limit_on_store_failure: what limits are held to while the shared count is away.
enum class StoreFailure : std::uint8_t { Local, Open, Closed };

/// Admits the calls of one I/O thread, in two steps between which the call's money is held: `take` is local and at
/// once, `confirm` asks the shared count, if there is one.
///
/// Every admission is counted here, whatever else counts it. It is held to the whole limit while the shared count is
/// asked too; to this replica's share while there is none, while it is away, and for one window after it came back or
/// lost what it knew.
class Limiter {
 public:
  struct Options {
    StoreFailure on_store_failure = StoreFailure::Local;
    std::chrono::microseconds window{60'000'000};
  };
  /// `shared` and `breaker` may be null, together; all outlive the limiter and its admissions.
  Limiter(const LiveReplicas& replicas, RedisCount* shared, const redis::Breaker* breaker, Options options)
      : replicas_(replicas), shared_(shared), breaker_(breaker), options_(options) {}

  /// A configuration was read again. On the limiter's thread.
  void on_store_failure(StoreFailure what) { options_.on_store_failure = what; }
  /// Terms of a call that begins now and reserves `tokens`. `shard`: where the shared count has its limits.
  Terms terms(std::int64_t tokens, std::uint32_t shard = 0) const;
  bool has_shared() const { return shared_ != nullptr; }
  /// How many shards the shared count has; 1 without one.
  std::uint32_t shards() const { return shared_ == nullptr ? 1 : shared_->shards(); }
  /// Takes from all limits or none; waits for nothing. `terms`: of this moment.
  tl::expected<Admission, Refusal> take(LimitList limits, const Terms& terms) const;
  /// Asks the shared count as well: one round trip. Of a refusal nothing is left anywhere, and the admission is empty.
  Task<tl::expected<void, Refusal>> confirm(Admission& admission) const;

 private:
  bool store_is_away() const { return shared_ != nullptr && !shared_->usable(); }
  bool settled() const;
  tl::expected<void, Refusal> fall_back(Admission& admission) const;

  const LiveReplicas& replicas_;
  RedisCount* const shared_;
  const redis::Breaker* const breaker_;
  Options options_;
};

}  // namespace turnpike::limit
