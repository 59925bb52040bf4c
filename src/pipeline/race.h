#pragma once

#include <string>
#include <vector>

#include "pipeline/attempt.h"
#include "pipeline/choose.h"

namespace turnpike::pipeline {

/// What came of an attempt, or of two that raced for the same answer.
struct Outcome {
  struct Failure {
    router::DeploymentRef deployment;
    Error error;
  };
  AnswerRef answer;               // Null: nobody answered.
  std::vector<Failure> failures;  // In the order in which they failed; not of an attempt that lost the race.
};

/// One attempt on what was picked; its deployment's health is told what came of it.
Task<Outcome> attempt_alone(AdmittedCall& admitted, Chosen chosen, const router::RoutePlan::Stop& stop,
                            AttemptLimits limits);

/// What a second attempt needs to know of the attempts before.
struct RaceTerms {
  std::chrono::milliseconds after{0};  // The first is slow when it has not answered by then.
  std::span<const std::string> tried;  // Ids of deployments.
};

/// Whether this attempt may be followed by a second one beside it, and after how long: its group is hedged, the call
/// is a text's, and one more attempt stays within what the plan allows.
std::optional<RaceTerms> race_terms(const AdmittedCall& admitted, const router::RoutePlan& plan, std::size_t at,
                                    const router::Deployment& first, int attempts_in_group,
                                    std::span<const std::string> tried);

/// The same with a second attempt on another deployment when the first is slow: who answers first (a stream: with its
/// first content) has won, the other is ended and what it cost is booked. The second counts as a retry; it is not
/// made when the group's share of extra cost, the budget or a lack of other deployments forbid it.
Task<Outcome> attempt_hedged(AdmittedCall& admitted, Chosen chosen, const router::RoutePlan::Stop& stop,
                             AttemptLimits limits, RaceTerms terms);

}  // namespace turnpike::pipeline
