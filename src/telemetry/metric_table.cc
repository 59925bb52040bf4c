#include "telemetry/metric_table.h"

#include <limits>

namespace turnpike::telemetry {
namespace {

constexpr std::array<std::string_view, kLabelCount> kLabelNames = {
    "api_base",
    "api_key_alias",
    "api_provider",
    "client_ip",
    "end_user",
    "exception_class",
    "exception_status",
    "fallback_model",
    "hashed_api_key",
    "litellm_model_name",
    "model",
    "model_group",
    "model_id",
    "requested_model",
    "route",
    "status_code",
    "team",
    "team_alias",
    "user",
    "user_agent",
    "user_email",
};

template <class... Labels>
constexpr std::uint32_t set_of(Labels... labels) {
  return ((1U << static_cast<unsigned>(labels)) | ...);
}

using enum Label;
constexpr std::uint32_t kKey = set_of(HashedApiKey, ApiKeyAlias, Team, TeamAlias);
constexpr std::uint32_t kWho = kKey | set_of(EndUser, User);
constexpr std::uint32_t kClient = set_of(ClientIp, UserAgent);
constexpr std::uint32_t kLatency = kWho | set_of(RequestedModel, Model, ModelId);
constexpr std::uint32_t kTokens = kLatency | set_of(UserEmail);
constexpr std::uint32_t kDeployment = set_of(LitellmModelName, ModelId, ApiBase, ApiProvider);
constexpr std::uint32_t kAttempt = kDeployment | kKey | kClient | set_of(RequestedModel);
constexpr std::uint32_t kException = set_of(ExceptionStatus, ExceptionClass);
constexpr std::uint32_t kFallback = kKey | kException | set_of(RequestedModel, FallbackModel, ModelId);

constexpr std::array<MetricRow, kMetricCount> kRows = {{
    {"litellm_proxy_total_requests_metric", "Requests made to the proxy, by the status of the answer.", Shape::Count,
     kWho | kClient | set_of(RequestedModel, StatusCode, UserEmail, Route, ModelId)},
    {"litellm_proxy_failed_requests_metric", "Requests that the proxy answered with an error.", Shape::Count,
     kWho | kClient | kException | set_of(RequestedModel, UserEmail, Route, ModelId)},
    {"litellm_request_total_latency_metric", "Seconds from the request's arrival to the end of the answer.",
     Shape::Seconds, kLatency},
    {"litellm_llm_api_latency_metric", "Seconds spent waiting for the provider.", Shape::Seconds, kLatency},
    {"litellm_llm_api_time_to_first_token_metric", "Seconds to the first token of a streamed answer.", Shape::Seconds,
     kLatency},
    {"litellm_overhead_latency_metric", "Seconds that the proxy itself added.", Shape::Seconds,
     kDeployment | set_of(ModelGroup, HashedApiKey, ApiKeyAlias)},
    {"litellm_spend_metric", "Dollars spent on calls, exact.", Shape::Money,
     kWho | kClient | set_of(Model, UserEmail, ModelId)},
    {"litellm_total_tokens_metric", "Input and output tokens.", Shape::Count, kTokens},
    {"litellm_input_tokens_metric", "Input tokens.", Shape::Count, kTokens},
    {"litellm_output_tokens_metric", "Output tokens.", Shape::Count, kTokens},
    {"litellm_requests_metric", "Calls answered by a provider.", Shape::Count,
     kWho | kClient | set_of(Model, UserEmail, ModelId)},
    {"litellm_llm_api_failed_requests_metric", "Calls that ended with an error of the provider.", Shape::Count,
     kWho | set_of(Model, ModelId)},
    {"litellm_deployment_total_requests", "Attempts on a deployment.", Shape::Count, kAttempt},
    {"litellm_deployment_success_responses", "Attempts on a deployment that brought an answer.", Shape::Count,
     kAttempt},
    {"litellm_deployment_failure_responses", "Attempts on a deployment that failed.", Shape::Count,
     kAttempt | kException},
    {"litellm_deployment_successful_fallbacks", "Fallbacks to another model group that brought an answer.",
     Shape::Count, kFallback},
    {"litellm_deployment_failed_fallbacks", "Fallbacks to another model group that failed as well.", Shape::Count,
     kFallback},
}};

constexpr std::array<std::int64_t, kBucketCount> make_bounds() {
  std::array<std::int64_t, kBucketCount> bounds{5'000, 6'250, 12'500, 25'000, 50'000, 100'000, 500'000};
  std::size_t at = 7;
  for (std::int64_t half = 2; half <= 20; ++half) bounds[at++] = half * 500'000;
  for (const std::int64_t seconds : {15, 20, 25, 30, 60, 120, 180, 240, 300}) bounds[at++] = seconds * 1'000'000;
  bounds[at] = std::numeric_limits<std::int64_t>::max();
  return bounds;
}
constexpr std::array<std::int64_t, kBucketCount> kBounds = make_bounds();
static_assert(kBounds[kBucketCount - 2] == 300'000'000);

/// Seconds of a bound as Python prints a float: "0.00625", "1.0".
std::string float_text(std::int64_t us) {
  std::string text = std::to_string(us / 1'000'000) + ".";
  std::string fraction = std::to_string(us % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  while (fraction.size() > 1 && fraction.back() == '0') fraction.pop_back();
  return text + fraction;
}

void append_label_value(std::string& out, std::string_view value) {
  if (value.empty()) value = "None";
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    // U+2028 and U+2029 end a line for some readers; LiteLLM takes them out as well.
    const std::string_view rest = value.substr(i);
    if (rest.starts_with("\xE2\x80\xA8") || rest.starts_with("\xE2\x80\xA9")) {
      i += 2;
    } else if (c == '\\' || c == '"') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c != '\r' && c != '\0') {
      out.push_back(c);
    }
  }
}

}  // namespace

std::string_view label_name(Label label) {
  return kLabelNames[static_cast<std::size_t>(label)];
}
const MetricRow& metric_row(Metric metric) {
  return kRows[static_cast<std::size_t>(metric)];
}
const std::array<std::int64_t, kBucketCount>& bucket_bounds_us() {
  return kBounds;
}

const std::array<std::string, kBucketCount>& bucket_names() {
  static const std::array<std::string, kBucketCount> names = [] {
    std::array<std::string, kBucketCount> made;
    for (std::size_t i = 0; i + 1 < kBucketCount; ++i) made[i] = float_text(kBounds[i]);
    made.back() = "+Inf";
    return made;
  }();
  return names;
}

std::string label_text(const MetricRow& row, const LabelValues& values, bool fold) {
  std::string text;
  text.reserve(400);
  for (std::size_t i = 0; i < kLabelCount; ++i) {
    if ((row.labels & (1U << i)) == 0) continue;
    if (!text.empty()) text.push_back(',');
    text.append(kLabelNames[i]).append("=\"");
    append_label_value(text, fold ? std::string_view("other") : values[i]);
    text.push_back('"');
  }
  return text;
}

ExceptionFace exception_face(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::InvalidRequest:
    case ErrorKind::PayloadTooLarge:
    case ErrorKind::HeadersTooLarge:
    case ErrorKind::ExpectationFailed:
      return {"BadRequestError", 400};
    case ErrorKind::Unauthenticated:
      return {"ProxyException", 401};
    case ErrorKind::PermissionDenied:
      return {"ProxyException", 403};
    case ErrorKind::NotFound:
    case ErrorKind::MethodNotAllowed:
      return {"ProxyException", 404};
    case ErrorKind::Conflict:
      return {"ProxyException", 409};
    case ErrorKind::CallerGone:
      return {"ClientDisconnected", 499};
    case ErrorKind::BudgetSpent:
    case ErrorKind::BudgetHeld:
      return {"BudgetExceededError", 429};
    case ErrorKind::RateLimited:
      return {"RateLimitError", 429};
    case ErrorKind::Timeout:
      return {"Timeout", 408};
    case ErrorKind::Unavailable:
      return {"ServiceUnavailableError", 503};
    case ErrorKind::NoDeployment:
      return {"RouterRateLimitError", 429};
    case ErrorKind::Internal:
      return {"InternalServerError", 500};
    case ErrorKind::UpstreamBadRequest:
    case ErrorKind::UpstreamTooLarge:
      return {"BadRequestError", 400};
    case ErrorKind::UpstreamContextWindow:
      return {"ContextWindowExceededError", 400};
    case ErrorKind::UpstreamContentPolicy:
      return {"ContentPolicyViolationError", 400};
    case ErrorKind::UpstreamUnauthenticated:
      return {"AuthenticationError", 401};
    case ErrorKind::UpstreamForbidden:
      return {"PermissionDeniedError", 403};
    case ErrorKind::UpstreamNotFound:
      return {"NotFoundError", 404};
    case ErrorKind::UpstreamTimeout:
      return {"Timeout", 408};
    case ErrorKind::UpstreamConflict:
      return {"APIError", 409};
    case ErrorKind::UpstreamUnprocessable:
      return {"UnprocessableEntityError", 422};
    case ErrorKind::UpstreamRateLimited:
      return {"RateLimitError", 429};
    case ErrorKind::UpstreamInternal:
      return {"InternalServerError", 500};
    case ErrorKind::UpstreamBadGateway:
      return {"BadGatewayError", 502};
    case ErrorKind::UpstreamUnavailable:
      return {"ServiceUnavailableError", 503};
    case ErrorKind::UpstreamConnection:
      return {"APIConnectionError", 500};
    case ErrorKind::UpstreamMalformed:
      return {"APIError", 500};
    case ErrorKind::UpstreamTruncated:
      return {"MidStreamFallbackError", 503};
  }
  return {"", 0};
}

std::string exception_class(std::string_view provider, ErrorKind kind) {
  const std::string_view name = exception_face(kind).name;
  if (provider.empty() || !base::is_upstream(kind)) return std::string(name);
  std::string text(provider);
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + "." + std::string(name);
}

}  // namespace turnpike::telemetry
