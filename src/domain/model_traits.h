#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::domain {

/// What a model can do, as the price catalogue flags it (`supports_*` and a few more of its fields).
enum class Trait : std::uint8_t {
  FunctionCalling,
  ParallelFunctionCalling,
  ToolChoice,
  Vision,
  PdfInput,
  AudioInput,
  AudioOutput,
  VideoInput,
  ResponseSchema,
  NativeStructuredOutput,
  SystemMessages,
  MidConversationSystem,
  AssistantPrefill,
  PromptCaching,
  Reasoning,
  AdaptiveThinking,
  OutputConfig,
  NoneReasoningEffort,
  MinimalReasoningEffort,
  LowReasoningEffort,
  XhighReasoningEffort,
  MaxReasoningEffort,
  SamplingParams,
  ParallelToolUseConfig,
  ComputerUse,
  WebSearch,
  UrlContext,
  NativeStreaming,
  EmbeddingImageInput,
  StrictTools,   // bedrock_converse_supports_strict_tools
  EmbedContent,  // uses_embed_content
  CacheHour,     // A price is listed for what the prompt cache keeps for an hour.
  GlobalOnly,    // supported_regions is ["global"]
};
constexpr std::size_t kTraitCount = static_cast<std::size_t>(Trait::GlobalOnly) + 1;
/// The field of the price file ("supports_vision"); empty for GlobalOnly, which is no flag.
std::string_view trait_field(Trait trait);

/// The traits of one model. The catalogue says yes, no or nothing of each.
class ModelTraits {
 public:
  std::optional<bool> said(Trait trait) const {
    if ((yes_ >> bit(trait) & 1U) != 0) return true;
    if ((no_ >> bit(trait) & 1U) != 0) return false;
    return std::nullopt;
  }
  bool has(Trait trait) const { return (yes_ >> bit(trait) & 1U) != 0; }
  bool lacks(Trait trait) const { return (no_ >> bit(trait) & 1U) != 0; }
  void set(Trait trait, bool value) {
    (value ? yes_ : no_) |= std::uint64_t{1} << bit(trait);
    (value ? no_ : yes_) &= ~(std::uint64_t{1} << bit(trait));
  }

  bool listed = false;          // The catalogue knows the model at all.
  bool responses_only = false;  // Answers POST /v1/responses and no chat completions.
  /// The strongest effort that Bedrock takes of it: 'h'igh, 'x'high, 'm'ax; 0: nobody says.
  char bedrock_effort_ceiling = 0;
  std::uint64_t max_output_tokens = 0;        // 0: unknown.
  std::uint64_t prompt_cache_min_tokens = 0;  // 0: unknown.

 private:
  static unsigned bit(Trait trait) { return static_cast<unsigned>(trait); }
  std::uint64_t yes_ = 0;
  std::uint64_t no_ = 0;
};

}  // namespace turnpike::domain
