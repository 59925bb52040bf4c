#include "domain/call_record.h"

#include <array>
#include <utility>

namespace turnpike::domain {

std::string_view operation_name(Operation operation) {
  switch (operation) {
    case Operation::Chat:
      return "chat";
    case Operation::Completion:
      return "completion";
    case Operation::Embedding:
      return "embedding";
    case Operation::Rerank:
      return "rerank";
    case Operation::Moderation:
      return "moderation";
    case Operation::ImageGeneration:
      return "image_generation";
    case Operation::ImageEdit:
      return "image_edit";
    case Operation::Speech:
      return "speech";
    case Operation::Transcription:
      return "transcription";
    case Operation::Translation:
      return "translation";
  }
  return "";
}

std::string_view operation_call_type(Operation operation) {
  switch (operation) {
    case Operation::Chat:
      return "acompletion";
    case Operation::Completion:
      return "atext_completion";
    case Operation::Embedding:
      return "aembedding";
    case Operation::Rerank:
      return "arerank";
    case Operation::Moderation:
      return "amoderation";
    case Operation::ImageGeneration:
      return "aimage_generation";
    case Operation::ImageEdit:
      return "aimage_edit";
    case Operation::Speech:
      return "aspeech";
    case Operation::Transcription:
      return "atranscription";
    case Operation::Translation:
      return "atranslation";
  }
  return "";
}

std::string_view status_name(EntryStatus status) {
  switch (status) {
    case EntryStatus::Success:
      return "success";
    case EntryStatus::Failure:
      return "failure";
    case EntryStatus::Aborted:
      return "aborted";
    case EntryStatus::Interrupted:
      return "interrupted";
  }
  return "";
}

std::string mark_names(std::uint64_t marks) {
  static constexpr std::array<std::pair<Mark, std::string_view>, 23> kNames = {{
      {kEstimated, "estimated"},
      {kCostUnknown, "cost_unknown"},
      {kFree, "free"},
      {kProviderCost, "provider_cost"},
      {kUpstreamError, "upstream_error"},
      {kRetried, "retried"},
      {kFellBack, "fell_back"},
      {kRetriedBilled, "retried_billed"},
      {kTruncated, "truncated"},
      {kTimeout, "timeout"},
      {kClientDisconnected, "client_disconnected"},
      {kShutdown, "shutdown"},
      {kInterrupted, "interrupted"},
      {kHoldExceeded, "hold_exceeded"},
      {kCrossing, "crossing"},
      {kRetryUnaffordable, "retry_unaffordable"},
      {kHoldDropped, "hold_dropped"},
      {kMocked, "mocked"},
      {kSelfHosted, "self_hosted"},
      {kHedged, "hedged"},
      {kDrained, "drained"},
      {kBudgetCut, "budget_cut"},
      {kReplayed, "replayed"},
  }};
  std::string names;
  for (const auto& [mark, name] : kNames) {
    if ((marks & mark) == 0) continue;
    if (!names.empty()) names += ',';
    names += name;
  }
  return names;
}

std::string_view kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidRequest:
      return "invalid_request";
    case ErrorKind::Unauthenticated:
      return "unauthenticated";
    case ErrorKind::PermissionDenied:
      return "permission_denied";
    case ErrorKind::NotFound:
      return "not_found";
    case ErrorKind::Conflict:
      return "conflict";
    case ErrorKind::MethodNotAllowed:
      return "method_not_allowed";
    case ErrorKind::PayloadTooLarge:
      return "payload_too_large";
    case ErrorKind::HeadersTooLarge:
      return "headers_too_large";
    case ErrorKind::ExpectationFailed:
      return "expectation_failed";
    case ErrorKind::CallerGone:
      return "caller_gone";
    case ErrorKind::BudgetSpent:
      return "budget_spent";
    case ErrorKind::BudgetHeld:
      return "budget_held";
    case ErrorKind::RateLimited:
      return "rate_limited";
    case ErrorKind::Timeout:
      return "timeout";
    case ErrorKind::Unavailable:
      return "unavailable";
    case ErrorKind::NoDeployment:
      return "no_deployment";
    case ErrorKind::Internal:
      return "internal";
    case ErrorKind::UpstreamBadRequest:
      return "upstream_bad_request";
    case ErrorKind::UpstreamContextWindow:
      return "upstream_context_window";
    case ErrorKind::UpstreamContentPolicy:
      return "upstream_content_policy";
    case ErrorKind::UpstreamUnauthenticated:
      return "upstream_unauthenticated";
    case ErrorKind::UpstreamForbidden:
      return "upstream_forbidden";
    case ErrorKind::UpstreamNotFound:
      return "upstream_not_found";
    case ErrorKind::UpstreamTimeout:
      return "upstream_timeout";
    case ErrorKind::UpstreamConflict:
      return "upstream_conflict";
    case ErrorKind::UpstreamTooLarge:
      return "upstream_too_large";
    case ErrorKind::UpstreamUnprocessable:
      return "upstream_unprocessable";
    case ErrorKind::UpstreamRateLimited:
      return "upstream_rate_limited";
    case ErrorKind::UpstreamInternal:
      return "upstream_internal";
    case ErrorKind::UpstreamBadGateway:
      return "upstream_bad_gateway";
    case ErrorKind::UpstreamUnavailable:
      return "upstream_unavailable";
    case ErrorKind::UpstreamConnection:
      return "upstream_connection";
    case ErrorKind::UpstreamMalformed:
      return "upstream_malformed";
    case ErrorKind::UpstreamTruncated:
      return "upstream_truncated";
  }
  return "";
}

}  // namespace turnpike::domain
