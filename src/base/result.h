#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace turnpike::base {

/// What went wrong, told apart where somebody must react differently. `api::http_face` gives each kind a status and a
/// type; `router::decide` says what the attempt loop does about the Upstream kinds.
enum class ErrorKind {
  // The caller's doing.
  InvalidRequest,    // The caller must change the request.
  Unauthenticated,   // No key, or a key we do not know, or an expired or blocked one.
  PermissionDenied,  // A known key that may not do this.
  NotFound,          // No such route or object.
  Conflict,          // Another object or call has that name already.
  MethodNotAllowed,
  PayloadTooLarge,
  HeadersTooLarge,
  ExpectationFailed,
  CallerGone,  // The caller hung up; nobody reads the answer.

  // Our limits and our state.
  BudgetSpent,   // Spend limit reached; retrying does not help before the reset.
  BudgetHeld,    // The rest of the budget is held by calls in flight; it comes back when they end.
  RateLimited,   // Our own rpm, tpm or parallel limit; `retry_after` says when to come back.
  Timeout,       // A limit of ours expired; the message names it.
  Unavailable,   // Database away, journal full, shutting down: come back later.
  NoDeployment,  // Every deployment of the group is cooling or excluded.
  Internal,

  // What an attempt met (spec: routing, section 15).
  UpstreamBadRequest,     // 400 and other 4xx that are the request's own fault.
  UpstreamContextWindow,  // The prompt is too long for this model.
  UpstreamContentPolicy,  // Refused by the provider's content policy.
  UpstreamUnauthenticated,
  UpstreamForbidden,
  UpstreamNotFound,
  UpstreamTimeout,  // 408 or 504 said by the provider.
  UpstreamConflict,
  UpstreamTooLarge,
  UpstreamUnprocessable,
  UpstreamRateLimited,
  UpstreamInternal,     // 500, 529 and other 5xx.
  UpstreamBadGateway,   // 502.
  UpstreamUnavailable,  // 503.
  UpstreamConnection,   // Refused, reset, DNS, TLS: nothing of an answer was received.
  UpstreamMalformed,    // An answer nobody can read.
  UpstreamTruncated,    // The stream ended without its terminal marker.
};

constexpr bool is_upstream(ErrorKind kind) {
  return kind >= ErrorKind::UpstreamBadRequest;
}

struct Error {
  ErrorKind kind = ErrorKind::Internal;
  std::string message;  // Shown to the caller: no secrets, no internal host names, no prompt text.
  std::string detail;   // Logs only.
  std::string type;     // Overrides the kind's error type where the provider or a spec names one; empty: the kind's.
  std::string param;    // The field at fault, if one is.
  std::string code;     // Machine code beside the status, if one is.
  int status = 0;       // The provider's status for Upstream kinds; 0: the kind's own.
  std::optional<std::chrono::milliseconds> retry_after;
  std::optional<bool> should_retry = {};  // The provider's own word on another try (x-should-retry).
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message, std::string detail = {}) {
  Error error;
  error.kind = kind;
  error.message = std::move(message);
  error.detail = std::move(detail);
  return tl::unexpected<Error>(std::move(error));
}

inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace turnpike::base

namespace turnpike {
using base::Error;
using base::ErrorKind;
using base::Result;
using base::Status;
}  // namespace turnpike
