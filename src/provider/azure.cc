#include "provider/own_aim.h"

namespace turnpike::provider {
namespace {

constexpr std::string_view kAzureVersion = "2025-02-01-preview";    // LiteLLM's default.
constexpr std::string_view kFoundryVersion = "2024-05-01-preview";  // The only one of /models.

/// The value of `api-version` in an address that was copied whole from the portal.
std::string version_in(std::string_view url) {
  constexpr std::string_view kName = "api-version=";
  const std::size_t query = url.find('?');
  if (query == std::string_view::npos) return {};
  std::size_t at = url.find(kName, query);
  if (at == std::string_view::npos) return {};
  at += kName.size();
  return std::string(url.substr(at, url.find_first_of("&#", at) - at));
}

bool ends_with_any(std::string_view host, std::initializer_list<std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes) {
    if (host.ends_with(suffix)) return true;
  }
  return false;
}

/// Where Foundry serves what: OpenAI's models like Azure OpenAI, Claude under /anthropic, the others under /models, and
/// serverless endpoints as plain OpenAI with a bearer key.
void complete_foundry(Target& target, bool dated) {
  const std::string& host = target.base.origin.host;
  std::string& path = target.base.path;
  if (target.shape == Shape::Anthropic) {
    if (path.empty() || path == "/models") path = "/anthropic";
    return;
  }
  if (ends_with_any(host, {".openai.azure.com", ".cognitiveservices.azure.com"})) return;
  if (path.find("/openai/") != std::string::npos) return;
  if (host.ends_with(".services.ai.azure.com") || path.find("/models") != std::string::npos) {
    if (path.empty()) path = "/models";
    if (!dated) target.api_version = kFoundryVersion;
    return;
  }
  target.shape = Shape::OpenAi;
  if (path.empty()) path = "/v1";
}

}  // namespace

Shape azure_shape(const Provider& provider, std::string_view model) {
  if (provider.name == "azure_ai" && model.starts_with("claude")) return Shape::Anthropic;
  return provider.shape;
}

void complete_azure(const AimInput& input, Target& target) {
  std::string version = input.api_version;
  if (version.empty()) version = version_in(input.api_base);
  const bool foundry = input.provider->name == "azure_ai";
  if (version.empty())
    version = input.setting("azure_api_version", {foundry ? "AZURE_AI_API_VERSION" : "AZURE_API_VERSION"});
  target.api_version = version.empty() ? kAzureVersion : version;
  if (foundry) complete_foundry(target, !version.empty());
}

}  // namespace turnpike::provider
