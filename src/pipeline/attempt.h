#pragma once

#include "pipeline/call.h"

namespace turnpike::pipeline {

/// What one attempt may take of the call's time, and how its answer is looked at.
struct AttemptLimits {
  base::Monotonic deadline;
  std::chrono::milliseconds total;
  base::Monotonic streaming_deadline;  // Once content has left: no fallback can follow, so none needs time.
  base::Monotonic share;               // Of its group in the call's time: where a second attempt ends as well.
  bool catch_filtered = false;         // An answer that was filtered is a refusal: a fallback waits for it.
};

/// Those of an attempt that begins now on this deployment; `share`: until when its group may take.
AttemptLimits limits_of(const Call& call, const router::Deployment& deployment, base::Monotonic share);

/// An answer that is an error, as its codec looks at it. Borrows both.
codec::Refusal refusal_of(const http::Incoming& incoming, std::string_view body, const router::Deployment& deployment);

/// One upstream try under way: which entry of the record is its own, and who can end it.
struct Try {
  explicit Try(http::Cancel& cancel_in) : cancel(&cancel_in) {}
  http::Cancel* cancel;   // Requested while the caller is there: another attempt was first.
  std::size_t at = 0;     // Its entry in `record.attempts`.
  bool sent = false;      // The request has left for the provider; what is missing is the answer.
  bool ask_usage = true;  // Streams are asked for their usage.
  bool renewed = false;   // The credential was refused and another can be had.
};

/// One upstream try. Its entry in the record says what happened, also when it fails.
/// Errors: those of the provider, Timeout, CallerGone (also for one that another attempt outran: its entry has no
///         error then).
Task<Result<AnswerRef>> attempt(AdmittedCall& admitted, const router::Pick& pick, const router::RoutePlan::Stop& stop,
                                AttemptLimits limits, Try& now);

}  // namespace turnpike::pipeline
