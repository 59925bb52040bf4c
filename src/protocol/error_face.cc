#include "protocol/error_face.h"

#include <algorithm>

#include "json/write.h"

namespace turnpike::protocol {

Face http_face(ErrorKind kind, Compat compat) {
  const bool old = compat == Compat::V1_81;
  switch (kind) {
    case ErrorKind::InvalidRequest:
      return {400, "invalid_request_error"};
    case ErrorKind::Unauthenticated:
      return {401, "authentication_error"};
    case ErrorKind::PermissionDenied:
      return {403, "permission_error"};
    case ErrorKind::NotFound:
      return {404, "not_found_error"};
    case ErrorKind::Conflict:
      return {409, "conflict_error"};
    case ErrorKind::MethodNotAllowed:
      return {405, "invalid_request_error"};
    case ErrorKind::PayloadTooLarge:
      return {413, "invalid_request_error"};
    case ErrorKind::HeadersTooLarge:
      return {431, "invalid_request_error"};
    case ErrorKind::ExpectationFailed:
      return {417, "invalid_request_error"};
    case ErrorKind::CallerGone:
      return {499, "client_disconnected"};
    case ErrorKind::BudgetSpent:
      return {old ? 400 : 429, "budget_exceeded"};
    case ErrorKind::BudgetHeld:
      return {old ? 400 : 429, "budget_exceeded"};
    case ErrorKind::RateLimited:
      return {429, "rate_limit_error"};
    case ErrorKind::Timeout:
      return {408, "timeout_error"};
    case ErrorKind::Unavailable:
      return {503, "service_unavailable_error"};
    case ErrorKind::NoDeployment:
      return {429, "rate_limit_error"};
    case ErrorKind::Internal:
      return {500, "internal_server_error"};
    case ErrorKind::UpstreamBadRequest:
      return {400, "invalid_request_error"};
    case ErrorKind::UpstreamContextWindow:
      return {400, "invalid_request_error"};
    case ErrorKind::UpstreamContentPolicy:
      return {400, "invalid_request_error"};
    case ErrorKind::UpstreamUnauthenticated:
      return {401, "authentication_error"};
    case ErrorKind::UpstreamForbidden:
      return {403, "permission_error"};
    case ErrorKind::UpstreamNotFound:
      return {404, "not_found_error"};
    case ErrorKind::UpstreamTimeout:
      return {408, "timeout_error"};
    case ErrorKind::UpstreamConflict:
      return {409, "conflict_error"};
    case ErrorKind::UpstreamTooLarge:
      return {413, "invalid_request_error"};
    case ErrorKind::UpstreamUnprocessable:
      return {422, "invalid_request_error"};
    case ErrorKind::UpstreamRateLimited:
      return {429, "throttling_error"};
    case ErrorKind::UpstreamInternal:
      return {500, "api_error"};
    case ErrorKind::UpstreamBadGateway:
      return {502, "api_error"};
    case ErrorKind::UpstreamUnavailable:
      return {503, "api_error"};
    case ErrorKind::UpstreamConnection:
      return {500, "api_connection_error"};
    case ErrorKind::UpstreamMalformed:
      return {502, "api_error"};
    case ErrorKind::UpstreamTruncated:
      return {502, "upstream_stream_error"};
  }
  return {500, "internal_server_error"};
}

int status_of(const Error& error, Compat compat) {
  constexpr int kFirstError = 400;
  constexpr int kServerError = 500;
  if (is_upstream(error.kind) && error.status >= kFirstError && error.status < kServerError) return error.status;
  // A provider's own spelling of a class (529, 520, ...) is folded into the class: the face's.
  if (compat == Compat::V1_81 && error.type == "expired_key") return 400;
  // 1.81 answers 401 to a key that may not call a model; to a role that may not call a route 403 as later releases do.
  if (compat == Compat::V1_81 && error.type.ends_with("_model_access_denied")) return 401;
  return http_face(error.kind, compat).status;
}

namespace {

/// What 1.81 put where an internal exception had no type or parameter: the four letters, which scripts match on.
bool says_none(ErrorKind kind) {
  return !is_upstream(kind) && kind != ErrorKind::BudgetSpent && kind != ErrorKind::BudgetHeld;
}

/// The text of `type` or `param` as a JSON value when the error names none itself.
std::string unnamed(const Error& error, std::string_view later, Compat compat) {
  if (compat == Compat::Later) return later.empty() ? "null" : json::quoted(later);
  if (says_none(error.kind)) return json::quoted("None");
  return later.empty() ? "null" : json::quoted(later);
}

/// 1.81 left `type` null for what providers answered, but for their rate limits.
std::string_view default_type(const Error& error, Compat compat) {
  const bool nameless =
      compat == Compat::V1_81 && is_upstream(error.kind) && error.kind != ErrorKind::UpstreamRateLimited;
  return nameless ? std::string_view() : http_face(error.kind, compat).type;
}

}  // namespace

std::string openai_error_body(const Error& error, Compat compat) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("error").begin_object();
  writer.key("message").string(error.message);
  writer.key("type").raw(error.type.empty() ? unnamed(error, default_type(error, compat), compat)
                                            : json::quoted(error.type));
  writer.key("param").raw(error.param.empty() ? unnamed(error, {}, compat) : json::quoted(error.param));
  const bool status_only = error.code.empty() || compat == Compat::V1_81;
  writer.key("code").string(status_only ? std::to_string(status_of(error, compat)) : error.code);
  writer.end_object().end_object();
  return body;
}

std::string error_fields(const Error& error) {
  std::string fields;
  if (error.retry_after) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*error.retry_after).count();
    fields += "Retry-After: " + std::to_string(std::max<std::int64_t>(1, seconds)) + "\r\n";
  }
  if (error.kind == ErrorKind::BudgetSpent) fields += "x-should-retry: false\r\n";
  if (error.kind == ErrorKind::RateLimited && error.should_retry == false) fields += "x-should-retry: false\r\n";
  if (error.kind == ErrorKind::BudgetHeld) fields += "x-should-retry: true\r\n";
  return fields;
}

}  // namespace turnpike::protocol
