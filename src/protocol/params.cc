#include "protocol/params.h"

#include <algorithm>
#include <array>

namespace turnpike::protocol {
namespace {

constexpr std::array<std::string_view, kParamCount> kParamNames = {
    "temperature",
    "top_p",
    "top_k",
    "n",
    "max_tokens",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "seed",
    "user",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "reasoning_effort",
    "thinking",
    "verbosity",
    "modalities",
    "audio",
    "prediction",
    "service_tier",
    "store",
    "metadata",
    "web_search_options",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
    "moderation",
};

// They change nothing in an answer: whoever does not know them loses nothing.
constexpr ParamSet kHints = {
    Param::User,
    Param::ServiceTier,
    Param::Store,
    Param::Metadata,
    Param::PromptCacheKey,
    Param::PromptCacheRetention,
    Param::PromptCacheOptions,
    Param::SafetyIdentifier,
    Param::Moderation,
};

}  // namespace

std::optional<Param> find_param(std::string_view name) {
  if (name == "max_completion_tokens") return Param::MaxTokens;
  if (name == "functions") return Param::Tools;
  if (name == "function_call") return Param::ToolChoice;
  const auto found = std::find(kParamNames.begin(), kParamNames.end(), name);
  if (found == kParamNames.end()) return std::nullopt;
  return static_cast<Param>(found - kParamNames.begin());
}

std::string_view param_name(Param param) {
  return kParamNames[static_cast<std::size_t>(param)];
}

bool is_hint(Param param) {
  return kHints.has(param);
}

}  // namespace turnpike::protocol
