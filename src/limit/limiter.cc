#include "limit/limiter.h"

#include "base/clock.h"

namespace turnpike::limit {
namespace {

Refusal store_away() {
  Refusal refusal;
  refusal.why = Refusal::Why::StoreAway;
  refusal.wait = std::chrono::seconds(1);
  return refusal;
}

std::int64_t us_of(base::Monotonic time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace

/// Whether the shared count knows all of the window, as far as this process can tell.
bool Limiter::settled() const {
  const base::Monotonic now = base::monotonic_now();
  const std::chrono::microseconds whole = options_.window + options_.window / 60;
  if (breaker_->has_closed() && breaker_->closed_for(now) < whole) return false;
  const std::int64_t lost_us = shared_->lost_us();
  return lost_us == 0 || us_of(now) - lost_us >= whole.count();
}

Terms Limiter::terms(std::int64_t tokens, std::uint32_t shard) const {
  Terms terms;
  terms.tokens = tokens;
  terms.shard = shard;
  terms.share = replicas_.get();
  terms.now_us = us_of(base::monotonic_now());
  terms.basis = Basis::Share;
  if (store_is_away()) {
    if (options_.on_store_failure == StoreFailure::Open) terms.basis = Basis::None;
  } else if (shared_ != nullptr && settled()) {
    terms.basis = Basis::Whole;
  }
  return terms;
}

tl::expected<Admission, Refusal> Limiter::take(LimitList limits, const Terms& terms) const {
  if (!limits.empty() && store_is_away() && options_.on_store_failure == StoreFailure::Closed) {
    return tl::unexpected(store_away());
  }
  return admit(std::move(limits), terms, shared_);
}

Task<tl::expected<void, Refusal>> Limiter::confirm(Admission& admission) const {
  if (admission.limits().empty() || shared_ == nullptr) co_return tl::expected<void, Refusal>();
  if (!shared_->usable()) co_return fall_back(admission);
  const RedisCount::Answer answer = co_await shared_->admit(admission);
  if (answer.kind == RedisCount::Answer::Kind::Admitted) co_return tl::expected<void, Refusal>();
  if (answer.kind == RedisCount::Answer::Kind::Away) co_return fall_back(admission);
  admission.undo(us_of(base::monotonic_now()));
  co_return tl::unexpected(answer.refusal);
}

/// The shared count did not answer: what was taken of whole limits is taken again, of this replica's share.
tl::expected<void, Refusal> Limiter::fall_back(Admission& admission) const {
  if (options_.on_store_failure == StoreFailure::Open) {
    shared_->hold(admission);
    return {};
  }
  Terms again = terms(admission.amount(Unit::Tokens), admission.shard());
  again.basis = Basis::Share;
  LimitList limits = admission.list();
  admission.undo(again.now_us);
  if (options_.on_store_failure == StoreFailure::Closed) return tl::unexpected(store_away());
  tl::expected<Admission, Refusal> readmitted = admit(std::move(limits), again, shared_);
  if (!readmitted) return tl::unexpected(std::move(readmitted.error()));
  admission = std::move(*readmitted);
  shared_->hold(admission);
  return {};
}

}  // namespace turnpike::limit
