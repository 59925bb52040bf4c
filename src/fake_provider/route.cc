#include "fake_provider/route.h"

#include "base/text.h"
#include "fake_provider/shape.h"

namespace turnpike::fake_provider {
namespace {

using ShapeOf = const Shape& (*)();

struct Tail {
  std::string_view tail;
  ShapeOf shape;
  AskKind kind;
  bool stream = false;
  bool streams_unasked = false;
};

// The first that fits counts: longer ones first.
constexpr Tail kCalls[] = {
    {"/text/chat_stream", watsonx_shape, AskKind::Chat, true},
    {"/text/chat", watsonx_shape, AskKind::Chat},
    {"/api/chat", ollama_shape, AskKind::Chat, false, true},
    {"/api/generate", ollama_shape, AskKind::Completion, false, true},
    {"/api/embed", ollama_shape, AskKind::Embedding},
    {"/v2/chat", cohere_shape, AskKind::Chat},
    {"/v2/embed", cohere_shape, AskKind::Embedding},
    {"/v2/rerank", cohere_shape, AskKind::Rerank},
    {"/messages", anthropic_shape, AskKind::Chat},
    {"/chat/completions", openai_shape, AskKind::Chat},
    {"/completions", openai_shape, AskKind::Completion},
    {"/embeddings", openai_shape, AskKind::Embedding},
    {"/rerank", openai_shape, AskKind::Rerank},
    {"/images/generations", openai_shape, AskKind::Image},
    {"/audio/speech", openai_shape, AskKind::Speech},
    {"/audio/transcriptions", openai_shape, AskKind::Transcription},
};
constexpr Tail kLists[] = {
    {"/api/tags", ollama_shape, AskKind::Models},           {"/v1beta/models", gemini_shape, AskKind::Models},
    {"/foundation-models", bedrock_shape, AskKind::Models}, {"/foundation_model_specs", watsonx_shape, AskKind::Models},
    {"/openai/models", azure_shape, AskKind::Models},       {"/models", openai_shape, AskKind::Models},
};

Route route_by(const Tail& tail, std::string model = {}) {
  return {&tail.shape(), tail.kind, tail.stream, tail.streams_unasked, std::move(model)};
}

std::string decoded(std::string_view segment) {
  return base::percent_decode(segment).value_or(std::string(segment));
}

/// The segment behind `marker`; empty when it is not there.
std::string_view segment_after(std::string_view path, std::string_view marker) {
  const std::size_t at = path.find(marker);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = path.substr(at + marker.size());
  return rest.substr(0, rest.find('/'));
}

/// ".../models/NAME:verb"
std::optional<Route> google_route(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t colon = path.rfind(':');
  if (slash == std::string_view::npos || colon == std::string_view::npos || colon < slash) return std::nullopt;
  const std::string_view verb = path.substr(colon + 1);
  std::string model = decoded(path.substr(slash + 1, colon - slash - 1));
  const bool raw_stream = verb == "streamRawPredict";
  if (raw_stream || verb == "rawPredict") {
    const bool claude = path.find("/publishers/anthropic/") != std::string_view::npos;
    return Route{claude ? &vertex_claude_shape() : &vertex_openai_shape(), AskKind::Chat, raw_stream, false,
                 std::move(model)};
  }
  const bool on_vertex =
      path.find("/publishers/") != std::string_view::npos || path.find("/endpoints/") != std::string_view::npos;
  const Shape& shape = on_vertex ? vertex_shape() : gemini_shape();
  if (verb == "generateContent") return Route{&shape, AskKind::Chat, false, false, std::move(model)};
  if (verb == "streamGenerateContent") return Route{&shape, AskKind::Chat, true, false, std::move(model)};
  if (verb == "batchEmbedContents" || verb == "embedContent" || verb == "predict") {
    return Route{&shape, AskKind::Embedding, false, false, std::move(model)};
  }
  return std::nullopt;
}

/// "/model/NAME/verb"
std::optional<Route> bedrock_route(std::string_view path) {
  const std::string_view segment = segment_after(path, "/model/");
  if (segment.empty()) return std::nullopt;
  std::string model = decoded(segment);
  const std::string_view verb = path.substr(path.rfind('/') + 1);
  if (verb == "converse" || verb == "converse-stream") {
    return Route{&bedrock_shape(), AskKind::Chat, verb == "converse-stream", false, std::move(model)};
  }
  const bool stream = verb == "invoke-with-response-stream";
  if (!stream && verb != "invoke") return std::nullopt;
  if (model.find("embed") != std::string::npos) {
    return Route{&bedrock_shape(), AskKind::Embedding, false, false, std::move(model)};
  }
  return Route{&bedrock_claude_shape(), AskKind::Chat, stream, false, std::move(model)};
}

/// Azure has OpenAI's ends, but a path or a key of its own.
bool is_azure(const http::Request& request, std::string_view path) {
  return path.find("/openai/deployments/") != std::string_view::npos || !request.find("api-key").empty();
}

std::optional<Route> call_route(const http::Request& request, std::string_view path) {
  if (auto route = google_route(path)) return route;
  if (auto route = bedrock_route(path)) return route;
  for (const Tail& tail : kCalls) {
    if (!path.ends_with(tail.tail)) continue;
    Route route = route_by(tail, decoded(segment_after(path, "/openai/deployments/")));
    if (route.shape == &openai_shape() && is_azure(request, path)) route.shape = &azure_shape();
    return route;
  }
  return std::nullopt;
}

std::optional<Route> list_route(const http::Request& request, std::string_view path) {
  for (const Tail& tail : kLists) {
    if (!path.ends_with(tail.tail)) continue;
    Route route = route_by(tail);
    if (route.shape == &openai_shape() && !request.find("anthropic-version").empty()) route.shape = &anthropic_shape();
    return route;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Route> route_of(const http::Request& request, std::string_view path) {
  if (request.method == http::Method::Post) return call_route(request, path);
  if (request.method == http::Method::Get) return list_route(request, path);
  return std::nullopt;
}

}  // namespace turnpike::fake_provider
