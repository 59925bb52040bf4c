#include "protocol/chat_request.h"

#include <algorithm>

namespace turnpike::protocol {
namespace {

bool is_zero(std::string_view number) {
  return number.substr(0, number.find_first_of("eE")).find_first_of("123456789") == std::string_view::npos;
}

bool is_one(std::string_view number) {
  return number == "1" || number == "1.0";
}

// A value that asks for what every provider does anyway; clients write such defaults out.
bool asks_nothing(const ChatRequest& request, Param param) {
  switch (param) {
    case Param::Temperature:
      return is_one(request.temperature);
    case Param::TopP:
      return is_one(request.top_p);
    case Param::Choices:
      return request.choices == 1;
    case Param::PresencePenalty:
      return is_zero(request.presence_penalty);
    case Param::FrequencyPenalty:
      return is_zero(request.frequency_penalty);
    case Param::TopLogprobs:
      return is_zero(request.top_logprobs);
    case Param::Logprobs:
      return request.logprobs == false;
    case Param::LogitBias:
      return request.logit_bias_json.find('"') == std::string_view::npos;
    case Param::ParallelToolCalls:
      return request.parallel_tool_calls == true;
    case Param::ToolChoice:
      return request.tools.empty() || request.tool_choice.kind == ToolChoice::Kind::Auto;
    case Param::Modalities:
      return request.modalities.empty() || (request.modalities.size() == 1 && request.modalities[0] == "text");
    case Param::Thinking:
      return request.thinking.kind == Thinking::Kind::Disabled;
    case Param::ReasoningEffort:
      return request.reasoning_effort == "none" || request.reasoning_effort == "disable";
    default:
      return false;
  }
}

void drop_named(ChatRequest& request, const std::string& name) {
  if (const auto param = find_param(name)) {
    drop_param(request, *param);
  } else {
    std::erase_if(request.extras, [&](const ChatRequest::Extra& extra) { return extra.key == name; });
  }
}

}  // namespace

Error unsupported_params(const std::vector<Param>& params, std::string_view label, std::string_view model) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = param_name(params[0]);
  error.code = "unsupported_parameter";
  std::string& message = error.message;
  message.append("litellm.UnsupportedParamsError: ").append(label).append(" does not support ");
  for (const Param param : params) {
    if (param != params[0]) message += ", ";
    message.append("'").append(param_name(param)).append("'");
  }
  message.append(" for the model ").append(model);
  message += ". Set drop_params to leave out what is not supported, or list it in allowed_openai_params to send it.";
  return error;
}

void drop_param(ChatRequest& request, Param param) {
  request.given.clear(param);
  switch (param) {
    case Param::Temperature:
      request.temperature = {};
      break;
    case Param::TopP:
      request.top_p = {};
      break;
    case Param::TopK:
      request.top_k = {};
      break;
    case Param::Choices:
      request.choices = 1;
      break;
    case Param::MaxTokens:
      request.max_tokens.reset();
      break;
    case Param::Stop:
      request.stop.clear();
      break;
    case Param::PresencePenalty:
      request.presence_penalty = {};
      break;
    case Param::FrequencyPenalty:
      request.frequency_penalty = {};
      break;
    case Param::LogitBias:
      request.logit_bias_json = {};
      break;
    case Param::Logprobs:
      request.logprobs.reset();
      break;
    case Param::TopLogprobs:
      request.top_logprobs = {};
      break;
    case Param::Seed:
      request.seed = {};
      break;
    case Param::User:
      request.user = {};
      break;
    case Param::Tools:
      request.tools.clear();
      request.legacy_functions = false;
      break;
    case Param::ToolChoice:
      request.tool_choice = {};
      break;
    case Param::ParallelToolCalls:
      request.parallel_tool_calls.reset();
      break;
    case Param::ResponseFormat:
      request.response_format = {};
      break;
    case Param::ReasoningEffort:
      request.reasoning_effort = {};
      request.reasoning_summary = {};
      break;
    case Param::Thinking:
      request.thinking = {};
      break;
    case Param::Verbosity:
      request.verbosity = {};
      break;
    case Param::Modalities:
      request.modalities.clear();
      break;
    case Param::Audio:
      request.audio_json = {};
      break;
    case Param::Prediction:
      request.prediction_json = {};
      break;
    case Param::ServiceTier:
      request.service_tier = {};
      break;
    case Param::Store:
      request.store.reset();
      break;
    case Param::Metadata:
      request.metadata_json = {};
      break;
    case Param::WebSearchOptions:
      request.web_search_options_json = {};
      break;
    case Param::PromptCacheKey:
      request.prompt_cache_key = {};
      break;
    case Param::PromptCacheRetention:
      request.prompt_cache_retention = {};
      break;
    case Param::PromptCacheOptions:
      request.prompt_cache_options_json = {};
      break;
    case Param::SafetyIdentifier:
      request.safety_identifier = {};
      break;
    case Param::Moderation:
      request.moderation_json = {};
      break;
  }
}

Status fit_params(ChatRequest& request, ParamSet supported, const ParamPolicy& policy, std::string_view provider_label,
                  std::string_view model) {
  for (const std::string& name : policy.additional_drop) drop_named(request, name);
  for (const std::string& name : policy.allowed) {
    if (const auto param = find_param(name)) supported.set(*param);
  }
  if (request.given.without(supported).empty()) return {};
  std::vector<Param> refused;
  for (std::size_t i = 0; i < kParamCount; ++i) {
    const auto param = static_cast<Param>(i);
    if (!request.given.has(param) || supported.has(param)) continue;
    if (!policy.drop && !is_hint(param) && !asks_nothing(request, param)) {
      refused.push_back(param);
    } else {
      drop_param(request, param);
    }
  }
  if (!refused.empty()) return base::fail(unsupported_params(refused, provider_label, model));
  return {};
}

}  // namespace turnpike::protocol
