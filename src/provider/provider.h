#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "domain/call_record.h"
#include "protocol/params.h"

namespace turnpike::provider {

/// A wire dialect, as one codec speaks it.
enum class Shape : std::uint8_t {
  OpenAi,
  AzureOpenAi,       // OpenAI's bodies under Azure's addresses and keys.
  Anthropic,         // Messages.
  OpenAiVertex,      // OpenAI's bodies in Vertex's rawPredict (Mistral, AI21).
  AnthropicVertex,   // Messages in the frame of Vertex's rawPredict.
  AnthropicBedrock,  // Messages in the frame of Bedrock's InvokeModel.
  Gemini,            // generateContent of the Gemini API.
  VertexGemini,      // The same on Vertex AI.
  BedrockConverse,
  Cohere,   // v2
  Ollama,   // /api/chat
  Watsonx,  // /ml/v1/text/chat
  Other,    // Known by name only.
};

enum class AuthScheme : std::uint8_t { Bearer, ApiKeyHeader, RawAuthorization, None };

/// A request field a provider spells differently or refuses; `to` empty: drop it.
struct FieldRule {
  std::string_view from;
  std::string_view to;
};

/// What a provider of OpenAI's shape wants done to a body, or does to an answer, beyond names of parameters.
enum class Quirk : std::uint8_t {
  // Messages.
  FlatContent,     // Content that is a list of texts becomes one string.
  NoNames,         // No `name`, but in answers of tools.
  NoNulls,         // No members that are null.
  ReasoningBack,   // Takes `reasoning_content` of earlier turns.
  ReasoningDue,    // Wants it with every tool call.
  KnowsDeveloper,  // The role `developer`; others are told `system`.
  KnowsMarks,      // `cache_control`.
  KnowsAll,        // Speaks LiteLLM's own dialect: nothing is taken out.
  NineCharIds,     // Ids of tool calls are nine letters or digits.
  MistralParts,    // Documents, files and audio in Mistral's spelling.
  VideoParts,      // A file that is a video becomes `video_url`.
  ImageObjects,    // "image_url" is an object, no string.
  InlineImages,    // Images for models without eyes are read by the server: "#transform=inline" behind the address.
  ToolTextOnly,    // What a tool returns is one string.
  // Tools.
  NoStrict,       // No `strict`.
  NoAdditional,   // No `additionalProperties` in schemas.
  InlineRefs,     // No `$ref` in schemas.
  ToolsIfListed,  // Tools only where the price catalogue does not deny them.
  ChoiceAny,      // "required" is called "any".
  ChoiceAuto,     // No `tool_choice` but "auto" and "none".
  ChoiceInWords,  // "required" is said by a message instead.
  // Answers asked in a form.
  JsonTool,         // Models without JSON schemas get a tool that takes the answer.
  SchemaInObject,   // {"type":"json_object","schema":...}
  SchemaForObject,  // No json_object: a schema that takes any object.
  SchemaOnly,       // No json_object.
  // Parameters.
  ReasoningRules,    // Reasoning models of OpenAI: max_completion_tokens, no sampling.
  GrokRules,         // Reasoning models of xAI: no penalties, no stop.
  OneChoice,         // n is 1.
  TemperatureToOne,  // Temperatures end at 1, and begin at 0.3 where n is above 1.
  ThinkingAsEffort,  // A thinking budget becomes reasoning_effort.
  EffortAsThinking,  // The other way round, for models that the price catalogue says reason.
  // Answers.
  ThinkTags,  // <think>...</think> at the start of the content.
  Cites,      // `citations` and `search_results`, which the text names as [1].
};

class Quirks {
 public:
  constexpr Quirks() = default;
  constexpr Quirks(std::initializer_list<Quirk> quirks) {
    for (const Quirk quirk : quirks) bits_ |= std::uint64_t{1} << static_cast<unsigned>(quirk);
  }
  constexpr bool has(Quirk quirk) const { return (bits_ >> static_cast<unsigned>(quirk) & 1U) != 0; }
  constexpr bool any(Quirks others) const { return (bits_ & others.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  std::uint64_t bits_ = 0;
};

/// A header a provider wants besides the key; from the environment, else `fallback`, else left out.
struct HeaderRule {
  std::string_view name;
  std::string_view variable;
  std::string_view fallback;
};

/// How far a row has been tried.
enum class Tested : std::uint8_t {
  ShapeOnly,    // The shape is, this provider is not.
  Differences,  // What differs from its shape has fixtures.
  Complete,     // Every case of test/wire/chat.
};

/// The parameters of OpenAI's own chat API.
inline constexpr protocol::ParamSet kOpenAiParams = protocol::ParamSet::all().without({protocol::Param::Thinking});
/// What servers of OpenAI's shape take as a rule.
inline constexpr protocol::ParamSet kCommonParams = kOpenAiParams.without(
    {protocol::Param::Store, protocol::Param::Metadata, protocol::Param::ServiceTier, protocol::Param::PromptCacheKey,
     protocol::Param::PromptCacheRetention, protocol::Param::PromptCacheOptions, protocol::Param::SafetyIdentifier,
     protocol::Param::Moderation, protocol::Param::Prediction, protocol::Param::Verbosity,
     protocol::Param::WebSearchOptions});

/// A company's API: one row of the catalogue.
struct Provider {
  std::string_view name;   // The prefix of "provider/model".
  std::string_view label;  // In messages: "OpenAI", "Groq".
  Shape shape = Shape::OpenAi;
  std::string_view base_url;  // Empty: must be configured (api_base or base_url_variables).
  AuthScheme auth = AuthScheme::Bearer;
  std::string_view auth_header;                     // For ApiKeyHeader.
  std::span<const std::string_view> key_variables;  // First set wins.
  std::span<const std::string_view> base_url_variables;
  std::span<const FieldRule> rules;
  bool self_hosted = false;    // Costs 0 unless priced (AC-PRICE-3); key optional.
  bool stream_usage = true;    // False: refuses stream_options (NOSO).
  std::string_view bare_path;  // Put before the operation's path when the configured base has none ("/v1").
  protocol::ParamSet takes = protocol::ParamSet::all();  // Of a chat call; OpenAI's shape.
  Quirks quirks;
  std::span<const HeaderRule> headers;
  std::string_view serves = "chat";  // For people: "chat, embeddings".
  Tested tested = Tested::ShapeOnly;
};

/// Sorted by name.
std::span<const Provider> catalogue();
const Provider* find_provider(std::string_view name);

/// The provider whose own endpoint `api_base` names; null when it is nobody's we know.
const Provider* find_provider_by_base(std::string_view api_base);

/// Whether what answers under `host` is the operator's own, so that it costs nothing unless priced (AC-PRICE-3): the
/// row says so, or the row has a fixed address and the file names another one that is no provider's.
bool is_self_hosted(const Provider& provider, std::string_view host);

/// What the price catalogue says of a name, as far as aiming needs it; empty when it does not list the name.
struct Listing {
  std::string provider;
  bool global_only = false;  // Vertex AI serves it at the location "global" alone.
};
using FindListing = Listing (*)(std::string_view name);

/// Splits "provider/model" (spec: providers 1). `custom` (custom_llm_provider) wins; bare names are looked up with
/// `listing` (may be null); null when nobody is meant.
struct Resolved {
  const Provider* provider = nullptr;
  std::string model;  // As sent upstream.
};
/// The address of a model that has one of its own (Baseten's dedicated deployments); empty for all others.
std::string base_url_of_model(const Provider& provider, std::string_view model);

class OwnProviders;
/// `own`: the configuration's rows; may be null.
Resolved resolve_model(std::string_view model, std::string_view custom, std::string_view api_base, FindListing listing,
                       const OwnProviders* own = nullptr);

}  // namespace turnpike::provider
