#pragma once

#include <optional>
#include <vector>

#include "limit/limiter.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {

/// The limits of requests, tokens and parallel calls that one call has to keep (docs/limits.md): those of its caller,
/// of the end user and the tags it names, and of the whole gateway.
struct CallLimits {
  std::vector<limit::Limit> all;
  std::int64_t tokens = 0;                // To reserve.
  std::optional<limit::Refusal> refusal;  // The latest.

  bool has(limit::Unit unit) const;
};

/// Looks them up; takes nothing. Calls of the gateway's own have none.
CallLimits limits_of(Call& call);

/// Reserves what the call is expected to use (turnpike.tpm_reserve). True when a limit is so near that an estimate by
/// length will not do.
bool reserve_tokens(const Call& call, const Expectation& expected, CallLimits& limits);

/// Takes from all or from none. Waits for nothing. Errors: RateLimited, Unavailable (no count is to be had and the
/// configuration wants no call without).
Result<limit::Admission> take_limits(Call& call, CallLimits& limits);
/// Asks the count over all replicas; leaves nothing taken of a refusal. Errors: as above.
Task<Status> confirm_limits(Call& call, CallLimits& limits, limit::Admission& admission);
/// Gives back what was taken for a call that is not made after all.
void undo_limits(limit::Admission& admission);

/// Waits until there may be room again; false when turnpike.limit_wait_ms has passed, the caller has gone, or no wait
/// will help.
Task<bool> wait_for_room(Call& call, const CallLimits& limits, base::Monotonic until);

/// Counts the refusal and puts its header lines, or those of what is left, into `call.limit_fields`.
void tell_limits(Call& call, const CallLimits& limits, const limit::Admission* admission);

/// At the end of the call: its places are free, its tokens are those it has used.
void settle_limits(AdmittedCall& admitted);

}  // namespace turnpike::pipeline
