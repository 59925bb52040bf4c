#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "limit/limiter.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {

/// The places of a call among those that wait for room in their limits, and how it hears that it is its turn.
struct Queueing {
  struct Bell {
    net::IoThread& thread;
    base::Signal* signal = nullptr;  // Of the call, while it sleeps. On its thread.
    static void ring(const std::shared_ptr<Bell>& bell);
  };
  explicit Queueing(Call& call);
  ~Queueing();
  Queueing(const Queueing&) = delete;
  Queueing& operator=(const Queueing&) = delete;

  Gateway& gateway;
  const std::shared_ptr<Bell> bell;
  limit::Waiter waiter;
};

/// The limits of requests, tokens and parallel calls that one call has to keep (docs/limits.md): those of its caller,
/// of the end user and the tags it names, and of the whole gateway.
struct CallLimits {
  limit::LimitList all;
  limit::Terms terms;                     // As of `reserve_tokens`.
  std::optional<limit::Refusal> refusal;  // The latest.
  std::unique_ptr<Queueing> queueing;     // Null: it has not had to wait yet.
};

/// Looks them up; takes nothing. Calls of the gateway's own have none. `group`: whom the call goes to first; while that
/// is well, "dynamic" limits are not held to.
CallLimits limits_of(Call& call, const router::ModelGroup& group);

/// Where the shared count has all limits that a call meets (turnpike.limiter_shards).
std::uint32_t shard_of(const Call& call);

/// The tokens a call is reserved in limits (turnpike.tpm_reserve), and those of a usage that count there.
std::int64_t tokens_to_reserve(const Call& call, const Expectation& expected);
std::int64_t counted_tokens(const Call& call, const domain::Usage& usage);

/// The terms on which the call is admitted at this moment: reserves what it is expected to use (turnpike.tpm_reserve).
/// True when a limit is so near that an estimate by length will not do.
bool reserve_tokens(const Call& call, const Expectation& expected, CallLimits& limits);

/// Takes from all or from none; nothing while others wait for one of them who came before. Errors: RateLimited,
/// Unavailable (no count is to be had and the configuration wants no call without).
Result<limit::Admission> take_limits(Call& call, CallLimits& limits);
/// Whether a count over all replicas is to be asked as well.
inline bool are_shared(const Call& call, const limit::Admission& admission) {
  return !admission.limits().empty() && call.worker.limiter->has_shared();
}
/// Asks the count over all replicas; leaves nothing taken of a refusal. Errors: as above.
Task<Status> confirm_limits(Call& call, CallLimits& limits, limit::Admission& admission);
/// Gives back what was taken for a call that is not made after all.
void undo_limits(limit::Admission& admission);

/// Waits until it is the call's turn and there may be room again; false when turnpike.limit_wait_ms has passed, the
/// caller has gone, no wait will help, or too many wait already (limit::Line::kWaitersMax).
Task<bool> wait_for_room(Call& call, CallLimits& limits, base::Monotonic until);

/// Header lines of a refusal that no other limit of the call is told beside.
std::string refusal_fields_of(const limit::Refusal& refusal);

/// Counts the refusal and puts its header lines, or those of what is left, into `call.limit_fields`.
void tell_limits(Call& call, const CallLimits& limits, const limit::Admission* admission);

/// At the end of the call: its places are free, its tokens are those it has used.
void settle_limits(AdmittedCall& admitted);

}  // namespace turnpike::pipeline
