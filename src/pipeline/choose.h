#pragma once

#include "limit/admission.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {

/// A deployment that will be asked, and what the call has taken of the limits it has by itself.
struct Chosen {
  router::Pick pick;
  limit::Admission limits = {};
};

/// The deployment of the next attempt, by what this call is. One whose own budget or limits refuse the call is passed
/// over. Waits where all that could answer have as many calls as they may: while time is left, of which two thirds are
/// spent while there is a fallback. Errors: see router::pick; of a budget of the deployments; Unavailable (their limits
/// cannot be counted, and the configuration wants no call without); Timeout, CallerGone.
Task<Result<Chosen>> choose(AdmittedCall& admitted, const router::ModelGroup& group, std::span<const std::string> tried,
                            bool fallback_left = false);

}  // namespace turnpike::pipeline
