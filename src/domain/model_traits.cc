#include "domain/model_traits.h"

#include <array>

namespace turnpike::domain {
namespace {

constexpr std::array<std::string_view, kTraitCount> kFields = {
    "supports_function_calling",
    "supports_parallel_function_calling",
    "supports_tool_choice",
    "supports_vision",
    "supports_pdf_input",
    "supports_audio_input",
    "supports_audio_output",
    "supports_video_input",
    "supports_response_schema",
    "supports_native_structured_output",
    "supports_system_messages",
    "supports_mid_conversation_system",
    "supports_assistant_prefill",
    "supports_prompt_caching",
    "supports_reasoning",
    "supports_adaptive_thinking",
    "supports_output_config",
    "supports_none_reasoning_effort",
    "supports_minimal_reasoning_effort",
    "supports_low_reasoning_effort",
    "supports_xhigh_reasoning_effort",
    "supports_max_reasoning_effort",
    "supports_sampling_params",
    "supports_parallel_tool_use_config",
    "supports_computer_use",
    "supports_web_search",
    "supports_url_context",
    "supports_native_streaming",
    "supports_embedding_image_input",
    "bedrock_converse_supports_strict_tools",
    "uses_embed_content",
    "cache_creation_input_token_cost_above_1hr",
    "",
};

}  // namespace

std::string_view trait_field(Trait trait) {
  return kFields[static_cast<std::size_t>(trait)];
}

}  // namespace turnpike::domain
