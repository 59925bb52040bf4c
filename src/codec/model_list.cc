#include "codec/model_list.h"

#include <algorithm>

namespace turnpike::codec {
namespace {

using provider::Shape;

/// `path` with `tail` in the place of `end`; nothing when it does not end so.
std::optional<std::string> replaced(std::string_view path, std::string_view end, std::string_view tail) {
  if (!path.ends_with(end)) return std::nullopt;
  path.remove_suffix(end.size());
  return std::string(path).append(tail);
}

/// Deployments are a caller's names; the list is that of the resource.
std::optional<std::string> azure_list(std::string_view path, std::string_view query) {
  if (const auto v1 = replaced(path, "/openai/v1/chat/completions", "/openai/v1/models"))
    return *v1 + std::string(query);
  const std::size_t at = path.find("/openai/deployments/");
  if (at == std::string_view::npos) return std::nullopt;  // Foundry's /models has no list.
  return std::string(path.substr(0, at)).append("/openai/models").append(query);
}

std::optional<std::string> gemini_list(std::string_view path) {
  for (const std::string_view kind : {"/models/", "/tunedModels/"}) {
    if (const std::size_t at = path.rfind(kind); at != std::string_view::npos)
      return std::string(path.substr(0, at)).append("/models?pageSize=1");
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> model_list_path(Shape shape, std::string_view call_path) {
  const std::size_t mark = std::min(call_path.find('?'), call_path.size());
  const std::string_view path = call_path.substr(0, mark);
  const std::string_view query = call_path.substr(mark);
  switch (shape) {
    case Shape::OpenAi:
      if (auto list = replaced(path, "/chat/completions", "/models")) return list->append(query);
      return std::nullopt;
    case Shape::AzureOpenAi:
      return azure_list(path, query);
    case Shape::Anthropic:
      return replaced(path, "/messages", "/models?limit=1");
    case Shape::Gemini:
      return gemini_list(path);
    case Shape::Cohere:
      return replaced(path, "/v2/chat", "/v1/models?page_size=1");
    case Shape::Ollama:
      return replaced(path, "/api/chat", "/api/tags");
    default:
      return std::nullopt;
  }
}

}  // namespace turnpike::codec
