#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/call_record.h"
#include "pipeline/gateway.h"

namespace turnpike::pipeline {

/// A call that the gateway makes for itself, off every caller's path: the mirror of a caller's call, a probe. It goes
/// the way of every call (plan, hold, attempts, one entry) and nobody is answered.
struct OwnCall {
  domain::Operation operation = domain::Operation::Chat;
  std::string route;                     // As its entry names it.
  std::string model;                     // A group, or the id of a deployment: taken in place of the body's.
  std::string body;                      // As a caller would write it, not streamed.
  domain::CallerRef caller;              // Who pays; null: nobody's budget.
  std::vector<std::string> tags;         // Of its entry, in place of the caller's.
  std::string call_id;                   // Of the call it belongs to; empty: one of its own.
  std::string traceparent;               // Likewise; empty: a trace of its own.
  std::chrono::milliseconds timeout{0};  // 0: as for callers.
  bool probe = false;  // Asked once, and what comes of it counts neither for nor against the deployment.
};
/// What came of it.
struct OwnAnswer {
  domain::CallRecord record;
  std::string body;  // The answer, or the error's body; cut at `kOwnAnswerBytesMax`.
};
inline constexpr std::size_t kOwnAnswerBytesMax = 1024 * 1024;

/// Runs on `thread`, which must be the current one. Does not throw. Streamed bodies are not for this.
/// The model need not be one of the caller's: the operator's configuration has named it.
Task<OwnAnswer> make_own_call(Gateway& gateway, net::IoThread& thread, OwnCall own);

/// The process stops taking calls: those of its own end as if their callers had been told to come back. From any
/// thread.
void end_own_calls(Gateway& gateway);

}  // namespace turnpike::pipeline
