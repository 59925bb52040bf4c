#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/money.h"
#include "base/task.h"
#include "http/client.h"
#include "pipeline/gateway.h"

namespace turnpike::pipeline {

/// How probes are named in the ledger: the tag of their entries.
inline constexpr std::string_view kProbeTag = "litellm-internal-health-check";

/// What all probes of a day may cost together; refused ones are counted.
///
/// Threading: any thread.
class ProbePurse {
 public:
  /// Takes the expected cost of one call out of the day's `budget`; false: it does not fit any more.
  bool take(Money expected, Money budget, std::int64_t now_us);
  /// The call has ended and has cost `actual`.
  void correct(Money expected, Money actual);
  Money spent(std::int64_t now_us);
  std::uint64_t refused();

 private:
  void begin_day(std::int64_t now_us);  // Under the mutex.

  std::mutex mutex_;
  std::int64_t day_ = 0;  // Days since 1970, UTC.
  Money spent_;
  std::uint64_t refused_ = 0;
};

/// What one probe of a deployment has shown.
struct ProbeResult {
  enum class State : std::uint8_t { Well, Unwell, Skipped };
  enum class Way : std::uint8_t { None, List, Call };  // How the provider was asked.

  router::DeploymentRef deployment;
  State state = State::Skipped;
  Way way = Way::None;
  std::int64_t at_us = 0;
  std::int64_t took_us = 0;
  int status = 0;     // The provider's; 0: none.
  std::string error;  // Of an unwell one; why a skipped one was; what a well one answered beside the point.
  Money cost;
  std::string asked_by;  // "background", or who asked.
};
std::string_view state_name(ProbeResult::State state);  // "healthy", "unhealthy", "skipped"
std::string_view way_name(ProbeResult::Way way);        // "model_list", "call", ""

/// Asks the provider of one deployment whether it is well, the cheapest way it has: its list of models, else a call of
/// a few tokens (chat, completions, embeddings), which is booked with the tag kProbeTag on nobody's budget and paid
/// from `purse`. Everything else is skipped with the reason. What comes of it is in the deployment's health and among
/// the sightings; it counts in no minute and cools nobody, unless routing by health goes with allowed_fails_policy.
///
/// Errors: none; `cancel` ends it as skipped. Runs on `worker`'s thread.
Task<ProbeResult> probe(Gateway& gateway, Worker& worker, router::DeploymentRef deployment, http::Cancel& cancel,
                        ProbePurse& purse);

}  // namespace turnpike::pipeline
