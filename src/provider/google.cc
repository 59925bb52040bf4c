#include <algorithm>
#include <fstream>

#include "base/text.h"
#include "credential/google_key.h"
#include "provider/own_aim.h"

namespace turnpike::provider {
namespace {

constexpr std::string_view kMistralModels[] = {"mistral", "codestral", "ministral", "pixtral", "mathstral"};

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "meta/llama-4-scout-17b-16e-instruct-maas" -> "meta"; empty when the maker is not named.
std::string_view publisher_of(std::string_view model) {
  const std::size_t slash = model.find('/');
  return slash == std::string_view::npos ? std::string_view() : model.substr(0, slash);
}

std::string_view name_of(std::string_view model) {
  return model.substr(model.rfind('/') + 1);
}

/// Who made a model that is spoken to in its maker's dialect; empty for all others.
std::string_view raw_publisher(std::string_view model) {
  const std::string_view publisher = publisher_of(model);
  const std::string_view name = name_of(model);
  if (publisher == "mistralai" || publisher == "ai21") return publisher;
  if (!publisher.empty()) return {};
  const auto begins = [name](std::string_view word) { return name.starts_with(word); };
  if (std::any_of(std::begin(kMistralModels), std::end(kMistralModels), begins)) return "mistralai";
  return begins("jamba") ? "ai21" : std::string_view();
}

// "project_id" of a service account, given as JSON or as the path of its file.
std::string project_of_credentials(const AimInput& input) {
  std::string text = input.setting("vertex_credentials", {"VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"});
  if (text.empty()) return {};
  if (!base::trim(text).starts_with('{')) {
    constexpr std::size_t kFileBytesMax = 64 * 1024;
    std::ifstream file(text, std::ios::binary);
    text.resize(kFileBytesMax);
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
  }
  const Result<credential::GoogleKey> key = credential::parse_google_key(text);
  return key ? key->project_id : std::string();
}

std::string project_of(const AimInput& input) {
  std::string project = input.setting("vertex_project", {"VERTEXAI_PROJECT"});
  if (project.empty()) project = input.setting("vertex_ai_project", {});
  if (project.empty()) project = project_of_credentials(input);
  if (project.empty()) project = input.setting({}, {"GOOGLE_CLOUD_PROJECT"});
  return project;
}

std::string location_of(const AimInput& input) {
  if (input.global_only) return "global";
  std::string location = input.setting("vertex_location", {"VERTEXAI_LOCATION", "VERTEX_LOCATION"});
  if (location.empty()) location = input.setting("vertex_ai_location", {"GOOGLE_CLOUD_LOCATION"});
  return location.empty() ? "us-central1" : location;
}

std::string host_of(std::string_view location) {
  if (location == "global") return "aiplatform.googleapis.com";
  if (location == "us" || location == "eu") return "aiplatform." + std::string(location) + ".rep.googleapis.com";
  return std::string(location) + "-aiplatform.googleapis.com";
}

// What stands before an operation, by dialect: the codecs of Google's and Anthropic's models name publisher and model.
std::string path_below(const AimInput& input, std::string_view place) {
  const std::string_view model = input.model;
  std::string path(place);
  if (input.shape == Shape::OpenAi) {
    const bool own_endpoint = publisher_of(model) == "openai" && is_number(name_of(model));
    path += "/endpoints/" + (own_endpoint ? std::string(name_of(model)) : std::string("openapi"));
  } else if (input.shape == Shape::OpenAiVertex) {
    path.append("/publishers/").append(raw_publisher(model)).append("/models/");
    for (const char c : name_of(model)) path += c == '@' ? "@" : base::percent_encode(std::string_view(&c, 1));
  }
  return path;
}

Result<std::string> vertex_path(const AimInput& input) {
  const std::string project = project_of(input);
  if (project.empty()) {
    // Express mode: the key says whose project it is.
    if (!input.api_key.empty()) return std::string("/v1");
    return base::fail(ErrorKind::InvalidRequest,
                      "VertexAI needs a project: set vertex_project or the variable VERTEXAI_PROJECT");
  }
  const std::string_view version = raw_publisher(input.model) == "ai21" ? "/v1beta1" : "/v1";
  return path_below(input, std::string(version) + "/projects/" + base::percent_encode(project) + "/locations/" +
                               base::percent_encode(location_of(input)));
}

}  // namespace

Shape vertex_shape(std::string_view model) {
  const std::string_view publisher = publisher_of(model);
  if (name_of(model).starts_with("claude") || publisher == "anthropic") return Shape::AnthropicVertex;
  if (!raw_publisher(model).empty()) return Shape::OpenAiVertex;
  const bool others = !publisher.empty() && publisher != "google" && publisher != "models";
  return others || model.ends_with("-maas") ? Shape::OpenAi : Shape::VertexGemini;
}

Result<std::string> vertex_base_url(const AimInput& input) {
  const std::string location = location_of(input);
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (!std::all_of(location.begin(), location.end(), fits)) {
    return base::fail(ErrorKind::InvalidRequest, "vertex_location is no location of Google's: " + location);
  }
  Result<std::string> path = vertex_path(input);
  if (!path) return path;
  const bool express = path->find("/locations/") == std::string::npos;
  return "https://" + host_of(express ? "global" : location) + *path;
}

void complete_vertex(const AimInput& input, Target& target) {
  if (!target.base.path.empty()) return;
  if (Result<std::string> path = vertex_path(input)) target.base.path = std::move(*path);
}

}  // namespace turnpike::provider
