#pragma once

#include "pipeline/attempt.h"

namespace turnpike::pipeline {

/// The request or the configuration says how the attempt goes (`mock_response`, `mock_delay`, `mock_timeout`,
/// `mock_testing_*`).
bool is_mocked(const Call& call, const router::Deployment& deployment);

/// Such an attempt: the answer given in the provider's place; null when it was only to wait and the provider is asked
/// all the same. The attempt's entry is the caller's to end.
/// Errors: the failure that was asked for, Timeout, CallerGone.
Task<Result<AnswerRef>> mock_attempt(Call& call, router::DeploymentRef deployment, protocol::StreamOptions options,
                                     AttemptLimits limits);

}  // namespace turnpike::pipeline
