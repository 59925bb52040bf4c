#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "domain/call_record.h"

namespace turnpike::provider {

/// A wire dialect, as one codec speaks it.
enum class Shape : std::uint8_t {
  OpenAi,
  AzureOpenAi,       // OpenAI's bodies under Azure's addresses and keys.
  Anthropic,         // Messages.
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
};

/// Sorted by name.
std::span<const Provider> catalogue();
const Provider* find_provider(std::string_view name);

/// The provider whose own endpoint `api_base` names; null when it is nobody's we know.
const Provider* find_provider_by_base(std::string_view api_base);

/// Whether what answers under `host` is the operator's own, so that it costs nothing unless priced (AC-PRICE-3): the
/// row says so, or the row has a fixed address and the file names another one that is no provider's.
bool is_self_hosted(const Provider& provider, std::string_view host);

/// Splits "provider/model" (spec: providers 1). `custom` (custom_llm_provider) wins; bare names are looked up in
/// `bare_model_provider` (the price catalogue's word for a model, may be null); null when nobody is meant.
struct Resolved {
  const Provider* provider = nullptr;
  std::string model;  // As sent upstream.
};
using BareModelProvider = std::string (*)(std::string_view model);
Resolved resolve_model(std::string_view model, std::string_view custom, std::string_view api_base,
                       BareModelProvider bare);

}  // namespace turnpike::provider
