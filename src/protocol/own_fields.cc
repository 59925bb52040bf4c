#include "protocol/own_fields.h"

#include "protocol/key_set.h"

namespace turnpike::protocol {
namespace {

constexpr std::string_view kOwnFields[] = {
    "additional_drop_params",
    "allowed_model_region",
    "allowed_openai_params",
    "cache",
    "caching",
    "content_policy_fallbacks",
    "context_window_fallback_dict",
    "context_window_fallbacks",
    "disable_fallbacks",
    "disable_global_guardrail",
    "drop_params",
    "extra_body",
    "fallbacks",
    "fastest_response",
    "guardrail_config",
    "guardrails",
    "litellm_call_id",
    "litellm_logging_obj",
    "litellm_metadata",
    "litellm_params",
    "litellm_session_id",
    "litellm_trace_id",
    "max_fallbacks",
    "max_retries",
    "mock_delay",
    "mock_response",
    "mock_testing_content_policy_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_context_window_fallbacks",
    "mock_testing_fallbacks",
    "mock_testing_rate_limit_error",
    "mock_timeout",
    "mock_tool_calls",
    "no-log",
    "num_retries",
    "policies",
    "prompt_id",
    "prompt_variables",
    "prompt_version",
    "proxy_server_request",
    "request_timeout",
    "secret_fields",
    "stream_timeout",
    "tags",
    "target_model_names",
    "timeout",
    "ttl",
    "user_config",
};
constexpr KeySet kOwn{kOwnFields};

}  // namespace

bool is_own_field(std::string_view name) {
  return kOwn.has(name);
}

}  // namespace turnpike::protocol
