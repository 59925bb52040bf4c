// How each vendor says each fault: the one place where this is written down.
//
// Sources: the vendors' error references and answers of theirs as users have recorded them;
// test/wire/chat/provider_error and rate_limit hold the same bodies as fixtures. Where a vendor has several forms, the
// one that chat calls meet.
#include "fake_provider/fault.h"
#include "fake_provider/shape.h"

namespace turnpike::fake_provider {
namespace {

struct Row {
  Fault fault;
  std::string_view shape;
  int status;
  std::string_view type;  // What the shape's own word is for: see each shape_*.cc.
  std::string_view code;
  std::string_view message;
};

constexpr Row kRows[] = {
    // OpenAI: type, code.
    {Fault::RateLimit, "openai", 429, "tokens", "rate_limit_exceeded",
     "Rate limit reached for this model on tokens per min (TPM): Limit 200000, Used 199500, Requested 900."},
    {Fault::ServerError, "openai", 500, "server_error", "",
     "The server had an error while processing your request. Sorry about that!"},
    {Fault::Overloaded, "openai", 503, "server_error", "",
     "That model is currently overloaded with other requests. You can retry your request."},
    {Fault::WrongKey, "openai", 401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."},
    {Fault::NoCredit, "openai", 429, "insufficient_quota", "insufficient_quota",
     "You exceeded your current quota, please check your plan and billing details."},
    {Fault::ContentPolicy, "openai", 400, "invalid_request_error", "content_policy_violation",
     "Your request was rejected as a result of our safety system."},
    {Fault::ContextWindow, "openai", 400, "invalid_request_error", "context_length_exceeded",
     "This model's maximum context length is 128000 tokens. However, your messages resulted in 128412 tokens."},
    {Fault::NoModel, "openai", 404, "invalid_request_error", "model_not_found",
     "The model does not exist or you do not have access to it."},

    // Azure: its gateway says code and message only, the model behind it speaks as OpenAI does (type).
    {Fault::RateLimit, "azure", 429, "", "429",
     "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of your current OpenAI S0 "
     "pricing "
     "tier."},
    {Fault::ServerError, "azure", 500, "server_error", "",
     "The server had an error while processing your request. Sorry about that!"},
    {Fault::Overloaded, "azure", 503, "", "ServiceUnavailable",
     "The service is temporarily unable to process requests."},
    {Fault::WrongKey, "azure", 401, "", "401", "Access denied due to invalid subscription key or wrong API endpoint."},
    {Fault::NoCredit, "azure", 429, "insufficient_quota", "insufficient_quota",
     "You exceeded your current quota, please check your plan and billing details."},
    {Fault::ContentPolicy, "azure", 400, "", "content_filter",
     "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."},
    {Fault::ContextWindow, "azure", 400, "invalid_request_error", "context_length_exceeded",
     "This model's maximum context length is 128000 tokens. However, your messages resulted in 128412 tokens."},
    {Fault::NoModel, "azure", 404, "", "DeploymentNotFound", "The API deployment for this resource does not exist."},

    // Anthropic: type.
    {Fault::RateLimit, "anthropic", 429, "rate_limit_error", "",
     "This request would exceed your organization's rate limit of 50,000 input tokens per minute."},
    {Fault::ServerError, "anthropic", 500, "api_error", "", "Internal server error"},
    {Fault::Overloaded, "anthropic", 529, "overloaded_error", "", "Overloaded"},
    {Fault::WrongKey, "anthropic", 401, "authentication_error", "", "invalid x-api-key"},
    {Fault::NoCredit, "anthropic", 400, "invalid_request_error", "",
     "Your credit balance is too low to access the Anthropic API."},
    {Fault::ContentPolicy, "anthropic", 400, "invalid_request_error", "", "Output blocked by content filtering policy"},
    {Fault::ContextWindow, "anthropic", 400, "invalid_request_error", "",
     "prompt is too long: 208310 tokens > 200000 maximum"},
    {Fault::NoModel, "anthropic", 404, "not_found_error", "", "model: no-such-model"},

    // Google: the status' name, the reason in `details`. What its policy refuses is told in a 200.
    {Fault::RateLimit, "gemini", 429, "RESOURCE_EXHAUSTED", "",
     "You exceeded your current quota, please check your plan and billing details."},
    {Fault::ServerError, "gemini", 500, "INTERNAL", "", "An internal error has occurred. Please retry."},
    {Fault::Overloaded, "gemini", 503, "UNAVAILABLE", "", "The model is overloaded. Please try again later."},
    {Fault::WrongKey, "gemini", 400, "INVALID_ARGUMENT", "API_KEY_INVALID",
     "API key not valid. Please pass a valid API key."},
    {Fault::NoCredit, "gemini", 429, "RESOURCE_EXHAUSTED", "",
     "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing."},
    {Fault::ContentPolicy, "gemini", 200, "", "", ""},
    {Fault::ContextWindow, "gemini", 400, "INVALID_ARGUMENT", "",
     "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."},
    {Fault::NoModel, "gemini", 404, "NOT_FOUND", "",
     "models/no-such-model is not found for API version v1beta, or is not supported for generateContent."},
    {Fault::RateLimit, "vertex", 429, "RESOURCE_EXHAUSTED", "", "Resource exhausted. Please try again later."},
    {Fault::ServerError, "vertex", 500, "INTERNAL", "", "Internal error encountered."},
    {Fault::Overloaded, "vertex", 503, "UNAVAILABLE", "", "The service is currently unavailable."},
    {Fault::WrongKey, "vertex", 401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED",
     "Request had invalid authentication credentials. Expected OAuth 2 access token."},
    {Fault::NoCredit, "vertex", 403, "PERMISSION_DENIED", "BILLING_DISABLED",
     "This API method requires billing to be enabled. Please enable billing on the project."},
    {Fault::ContentPolicy, "vertex", 200, "", "", ""},
    {Fault::ContextWindow, "vertex", 400, "INVALID_ARGUMENT", "",
     "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."},
    {Fault::NoModel, "vertex", 404, "NOT_FOUND", "",
     "Publisher Model was not found or your project does not have access to it."},

    // Bedrock: the exception. What its guardrails refuse is told in a 200.
    {Fault::RateLimit, "bedrock", 429, "ThrottlingException", "",
     "Too many requests, please wait before trying again."},
    {Fault::ServerError, "bedrock", 500, "InternalServerException", "",
     "The system encountered an unexpected error during processing. Try your request again."},
    {Fault::Overloaded, "bedrock", 503, "ServiceUnavailableException", "",
     "Bedrock is unable to process your request."},
    {Fault::WrongKey, "bedrock", 403, "UnrecognizedClientException", "",
     "The security token included in the request is invalid."},
    {Fault::NoCredit, "bedrock", 403, "AccessDeniedException", "",
     "Model access is denied due to INVALID_PAYMENT_INSTRUMENT: A valid payment instrument must be provided."},
    {Fault::ContentPolicy, "bedrock", 200, "", "", ""},
    {Fault::ContextWindow, "bedrock", 400, "ValidationException", "",
     "The model returned the following errors: Input is too long for requested model."},
    {Fault::NoModel, "bedrock", 404, "ResourceNotFoundException", "",
     "Could not resolve the foundation model from the provided model identifier."},

    // Cohere: a message.
    {Fault::RateLimit, "cohere", 429, "", "",
     "You are past the per minute request limit, please wait and try again later."},
    {Fault::ServerError, "cohere", 500, "", "", "internal server error, this has been reported to our developers."},
    {Fault::Overloaded, "cohere", 503, "", "", "service unavailable"},
    {Fault::WrongKey, "cohere", 401, "", "", "invalid api token"},
    {Fault::NoCredit, "cohere", 402, "", "",
     "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment"},
    {Fault::ContextWindow, "cohere", 400, "", "",
     "too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 140211."},
    {Fault::NoModel, "cohere", 404, "", "", "model 'no-such-model' not found"},

    // Ollama, here and in its cloud: a message. It has no policy.
    {Fault::RateLimit, "ollama", 429, "", "", "too many concurrent requests"},
    {Fault::ServerError, "ollama", 500, "", "", "llama runner process has terminated: exit status 2"},
    {Fault::Overloaded, "ollama", 503, "", "", "server busy, please try again. maximum pending requests exceeded"},
    {Fault::WrongKey, "ollama", 401, "", "", "unauthorized"},
    {Fault::NoCredit, "ollama", 429, "", "",
     "you have reached your weekly usage limit, upgrade for higher limits: https://ollama.com/upgrade"},
    {Fault::ContextWindow, "ollama", 400, "", "",
     "request (18995 tokens) exceeds the available context size (4096 tokens), try increasing it"},
    {Fault::NoModel, "ollama", 404, "", "", "model 'no-such-model' not found"},

    // watsonx: the code.
    {Fault::RateLimit, "watsonx", 429, "", "consumption_limit_reached",
     "Consumption limit reached: the rate of requests per second was exceeded"},
    {Fault::ServerError, "watsonx", 500, "", "downstream_request_failed",
     "Downstream vllm request failed: Internal Server Error"},
    {Fault::Overloaded, "watsonx", 503, "", "service_unavailable", "The service is temporarily unavailable"},
    {Fault::WrongKey, "watsonx", 401, "", "authentication_token_not_valid",
     "Failed to authenticate the request due to invalid token"},
    {Fault::NoCredit, "watsonx", 403, "", "token_quota_reached", "Request of 1 token(s) from quota was rejected"},
    {Fault::ContextWindow, "watsonx", 400, "", "invalid_input_argument",
     "the number of input tokens 9000 cannot exceed the total tokens limit 8192 for this model"},
    {Fault::NoModel, "watsonx", 404, "", "model_not_supported", "Model 'no-such-model' is not supported"},
};

}  // namespace

std::optional<VendorError> find_vendor_error(const Shape& shape, Fault fault) {
  for (const Row& row : kRows) {
    if (row.fault != fault || row.shape != shape.name()) continue;
    return VendorError{row.status, std::string(row.type), std::string(row.code), std::string(row.message), -1};
  }
  return std::nullopt;
}

}  // namespace turnpike::fake_provider
