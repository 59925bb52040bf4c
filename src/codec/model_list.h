#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "provider/provider.h"

namespace turnpike::codec {

/// Where a provider lists its models: what a probe asks, because it costs nothing. Found from the address of a chat
/// call, so that credentials, accounts and prefixes are those of calls. Nothing: the dialect has no such list, or not
/// at the same host.
///
/// Source: the reference of each API: OpenAI GET /v1/models, Azure OpenAI GET /openai/models and /openai/v1/models,
///         Anthropic GET /v1/models?limit=, Gemini GET /v1beta/models?pageSize=, Cohere GET /v1/models?page_size=,
///         Ollama GET /api/tags. Vertex AI, Bedrock and watsonx list theirs elsewhere and under other rights.
std::optional<std::string> model_list_path(provider::Shape shape, std::string_view call_path);

}  // namespace turnpike::codec
