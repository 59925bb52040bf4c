#pragma once

#include <tl/expected.hpp>

#include "limit/admission.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {

/// Whether the deployment has limits that this call has to keep.
bool has_limits(const Call& call, const router::ModelGroup& group, const router::Deployment& deployment);

/// Takes from all limits that the deployment has by itself or from none (docs/limits.md): `max_parallel_requests`, and
/// where the routing of the group holds them `rpm` and `tpm`. With them from what the group can take, and from the
/// share of the caller's priority in it. Waits for nothing.
tl::expected<limit::Admission, limit::Refusal> take_target(AdmittedCall& admitted, const router::ModelGroup& group,
                                                           const router::Deployment& deployment);
/// Asks the count over all replicas, in one round trip; leaves nothing taken of a refusal.
Task<tl::expected<void, limit::Refusal>> confirm_target(Call& call, limit::Admission& limits);

/// How long until a deployment of the group has room again for its rpm and tpm, of those that have none: the shortest.
/// Zero: no such limit is in the way.
std::chrono::microseconds room_of_targets_after(AdmittedCall& admitted, const router::ModelGroup& group);

/// Whether it is the group, or a share in it, that has no room: no other deployment will do.
bool is_of_group(const limit::Refusal& refusal);

/// The attempt is over: its place is free, its tokens are those that it was billed. What was not sent was not asked.
void settle_target(const Call& call, limit::Admission& limits, const domain::Attempt& entry, bool sent);

}  // namespace turnpike::pipeline
