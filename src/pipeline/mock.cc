#include "pipeline/mock.h"

#include <algorithm>

#include "protocol/openai_stream.h"

namespace turnpike::pipeline {
namespace {

/// The failure tests of LiteLLM's clients: they fail the first group of the plan without a provider.
std::optional<Error> tested_failure(const protocol::CallRequest& request) {
  Error error;
  if (request.mock_testing_rate_limit_error) {
    error.kind = ErrorKind::UpstreamRateLimited;
    error.message = "litellm.RateLimitError: this is a mock rate limit error (mock_testing_rate_limit_error)";
  } else if (request.mock_testing_context_fallbacks) {
    error.kind = ErrorKind::UpstreamContextWindow;
    error.message =
        "litellm.ContextWindowExceededError: this is a mock context window error (mock_testing_context_fallbacks)";
  } else if (request.mock_testing_content_policy_fallbacks) {
    error.kind = ErrorKind::UpstreamContentPolicy;
    error.message =
        "litellm.ContentPolicyViolationError: this is a mock content policy error "
        "(mock_testing_content_policy_fallbacks)";
  } else if (request.mock_testing_fallbacks) {
    error.kind = ErrorKind::UpstreamInternal;
    error.message =
        "litellm.InternalServerError: this is a mock failure of the first model group (mock_testing_fallbacks)";
  } else {
    return std::nullopt;
  }
  return error;
}

Result<AnswerRef> mocked_answer(Call& call, const router::DeploymentRef& deployment,
                                const protocol::StreamOptions& options, std::string_view mock_json) {
  if (std::optional<Error> error = protocol::mock_error(mock_json)) return base::fail(std::move(*error));
  auto answer = std::make_unique<Answer>();
  answer->deployment = deployment;
  answer->mocked = true;
  domain::Usage usage;
  if (call.request.stream && domain::writes_text(call.request.operation)) {
    answer->scratch = protocol::mock_stream(mock_json, call.shown_model, options.fallback_id, options.created_s,
                                            call.request.include_usage, usage, call.request.operation);
  } else {
    answer->scratch = protocol::mock_reply(call.request.operation, mock_json, call.shown_model, options.fallback_id,
                                           options.created_s, usage);
    if (call.request.operation == domain::Operation::Speech) answer->content_type = "audio/mpeg";
  }
  answer->facts.id = options.fallback_id;
  answer->facts.usage = usage;
  answer->facts.finish_reason = "stop";
  call.record.marks |= domain::kMocked;
  return answer;
}

bool mocks_timeout(const Call& call, const router::Deployment& deployment) {
  return call.request.mock_timeout || (deployment.entry && deployment.entry->mock_timeout);
}

/// What the request says, else the deployment.
const std::string& mock_of(const Call& call, const router::Deployment& deployment) {
  return call.request.mock_response_json.empty() ? deployment.mock_response_json : call.request.mock_response_json;
}

}  // namespace

bool is_mocked(const Call& call, const router::Deployment& deployment) {
  const protocol::CallRequest& request = call.request;
  return mocks_timeout(call, deployment) || request.mock_delay_seconds || !mock_of(call, deployment).empty() ||
         (call.record.fallbacks == 0 && tested_failure(request));
}

Task<Result<AnswerRef>> mock_attempt(Call& call, router::DeploymentRef deployment, protocol::StreamOptions options,
                                     AttemptLimits limits) {
  if (call.record.fallbacks == 0) {
    if (std::optional<Error> tested = tested_failure(call.request)) co_return base::fail(std::move(*tested));
  }
  if (call.request.mock_delay_seconds || mocks_timeout(call, *deployment)) {
    using std::chrono::milliseconds;
    const auto left =
        std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(limits.deadline - base::monotonic_now()));
    const milliseconds delay(static_cast<std::int64_t>(call.request.mock_delay_seconds.value_or(0) * 1000));
    const bool expires = mocks_timeout(call, *deployment) || delay >= left;
    if (!co_await call.sleep(expires ? left : delay)) co_return base::fail(call.cancelled());
    if (expires) {
      co_return base::fail(ErrorKind::Timeout,
                           "litellm.Timeout: timeout expired while the request's mock_timeout or mock_delay waited.");
    }
  }
  const std::string& mock = mock_of(call, *deployment);
  if (mock.empty()) co_return AnswerRef();
  co_return mocked_answer(call, deployment, options, mock);
}

}  // namespace turnpike::pipeline
