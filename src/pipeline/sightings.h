#pragma once

#include "base/result.h"
#include "domain/call_record.h"
#include "pipeline/gateway.h"
#include "router/router.h"

namespace turnpike::pipeline {

/// What calls and probes tell the events (telemetry/events.h) of deployments: each is a few words left in the thread's
/// ring, and nothing while all is well.

/// An attempt or probe on it has failed; `rests`: it was put to rest for that. What the request or the caller is to
/// blame for is not told.
void tell_failed(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment, const Error& error,
                 bool rests);
/// It has answered; told when it had rested.
void tell_answered(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment);
/// An answer took so long; told above alerting_threshold.
void tell_took(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment,
               std::int64_t took_us);
/// A call has waited so long for it.
void tell_hanging(const Worker& worker, const Gateway& gateway, const router::Deployment& deployment,
                  std::int64_t waited_us);
/// Told when nobody of the group is left who does not rest.
void tell_if_all_rest(const Worker& worker, const Gateway& gateway, const router::ModelGroup& group);

}  // namespace turnpike::pipeline
