#include "api/route.h"

#include <algorithm>
#include <optional>

#include "api/api.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

constexpr std::size_t kPathShownMax = 200;

// LiteLLM routes that come with later versions: a migrating caller should read that, not a typing hint.
constexpr std::string_view kLaterPrefixes[] = {
    "/a2a",           "/access_group", "/active",      "/agent",
    "/alerting",      "/anthropic",    "/assemblyai",  "/assistants",
    "/audit",         "/azure",        "/batches",     "/bedrock",
    "/budget",        "/cache",        "/callbacks",   "/cohere",
    "/config/",       "/cost",         "/credentials", "/customer",
    "/end_user",      "/files",        "/fine_tuning", "/gemini",
    "/get/",          "/global",       "/guardrails",  "/health/",
    "/invitation",    "/key/",         "/langfuse",    "/login",
    "/mcp",           "/mistral",      "/model/",      "/model_group",
    "/model_hub",     "/onboarding",   "/openai/v1",   "/organization",
    "/policies",      "/prompts",      "/provider",    "/public",
    "/realtime",      "/reload",       "/responses",   "/schedule",
    "/scim",          "/search_tools", "/spend",       "/sso",
    "/tag",           "/team",         "/threads",     "/ui",
    "/update/",       "/user",         "/utils",       "/v1/a2a",
    "/v1/assistants", "/v1/batches",   "/v1/files",    "/v1/fine_tuning",
    "/v1/messages",   "/v1/ocr",       "/v1/rag",      "/v1/realtime",
    "/v1/responses",  "/v1/search",    "/v1/threads",  "/v1/vector_stores",
    "/v1/videos",     "/v1beta",       "/v2/key",      "/v2/model",
    "/v2/team",       "/vector_store", "/vertex",      "/vllm",
};

// Routes that change the configuration: here its file does, and nothing beside it.
constexpr std::string_view kOfTheFile[] = {
    "/config/update",  "/config/field/update", "/config/field/delete",          "/config/callback/delete",
    "/add/allowed_ip", "/delete/allowed_ip",   "/update/default_team_settings", "/update/internal_user_settings"};

bool clean_segments(std::string_view captured) {
  for (const std::string_view segment : base::split(captured, '/')) {
    if (segment.empty() || segment == "." || segment == "..") return false;
  }
  return true;
}

/// What the `{...}` of `pattern` stands for in `path`; nothing when they do not fit.
std::optional<std::string_view> capture(std::string_view pattern, std::string_view path) {
  const std::size_t open = pattern.find('{');
  if (open == std::string_view::npos) {
    if (pattern == path) return std::string_view();
    return std::nullopt;
  }
  const std::string_view before = pattern.substr(0, open);
  const std::string_view after = pattern.substr(pattern.find('}') + 1);
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) {
    return std::nullopt;
  }
  const std::string_view captured = path.substr(before.size(), path.size() - before.size() - after.size());
  if (!clean_segments(captured)) return std::nullopt;
  return captured;
}

std::string shown(std::string_view path) {
  if (path.size() <= kPathShownMax) return std::string(path);
  return std::string(path.substr(0, kPathShownMax)) + "...";
}

}  // namespace

Match find_route(std::span<const Route> table, http::Method method, std::string_view path) {
  const http::Method wanted = method == http::Method::Head ? http::Method::Get : method;
  Match match;
  for (const Route& route : table) {
    const std::optional<std::string_view> captured = capture(route.path, path);
    if (!captured) continue;
    if (route.method != wanted) {
      const std::string_view name = http::method_name(route.method);
      if (std::ranges::find(match.allowed, name) == match.allowed.end()) match.allowed.push_back(name);
      continue;
    }
    if (captured->empty()) return {&route, {}, {}};  // Exact: nothing can fit better. Hot routes stand first.
    if (match.route == nullptr || captured->size() < match.captured.size()) {
      match.route = &route;
      match.captured = *captured;
    }
  }
  return match;
}

Result<std::string> clean_root_path(std::string_view text) {
  constexpr std::size_t kRootPathMax = 200;
  const std::string_view given = base::trim(text);
  std::string_view rest = given;
  while (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.starts_with('/')) rest.remove_prefix(1);
  if (rest.empty()) return std::string();
  const bool plain = std::ranges::all_of(rest, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._~/").find(c) != std::string_view::npos;
  });
  if (!plain || !clean_segments(rest) || rest.size() > kRootPathMax) {
    return base::fail(ErrorKind::InvalidRequest,
                      "SERVER_ROOT_PATH must be a path of letters, digits and -._~, such as "
                      "/gateway; it is \"" +
                          shown(given) + "\".");
  }
  return "/" + std::string(rest);
}

std::string_view without_root_path(std::string_view path, std::string_view root_path) {
  if (root_path.empty() || !path.starts_with(root_path)) return path;
  const std::string_view rest = path.substr(root_path.size());
  if (rest.empty()) return "/";
  return rest.front() == '/' ? rest : path;
}

Error unknown_route(std::span<const Route> table, std::string_view method, std::string_view path) {
  Error error;
  error.kind = ErrorKind::NotFound;
  error.message = "There is no route " + std::string(method.substr(0, 20)) + " " + shown(path) + ".";
  const bool later =
      std::ranges::any_of(kLaterPrefixes, [&](std::string_view prefix) { return path.starts_with(prefix); });
  std::vector<std::string> known;
  for (const Route& route : table) {
    if (std::ranges::find(known, route.path) == known.end()) known.emplace_back(route.path);
  }
  const std::vector<std::string> near = base::nearest(path.substr(0, kPathShownMax), known, 3);
  if (!near.empty()) {
    error.message += " Nearest:";
    for (const std::string& name : near) error.message += (&name == &near.front() ? " " : ", ") + name;
    error.message += ".";
  }
  if (std::ranges::find(kOfTheFile, path) != std::end(kOfTheFile)) {
    error.message +=
        " Settings are changed in the configuration file; what it says is in force once it is saved, or with POST "
        "/config/reload.";
  } else if (later) {
    error.message += " LiteLLM has routes under this prefix which this version of Turnpike does not serve yet.";
  }
  error.message += " GET /routes lists them all.";
  return error;
}

Error wrong_method(std::string_view method, std::string_view path, const std::vector<std::string_view>& allowed) {
  Error error;
  error.kind = ErrorKind::MethodNotAllowed;
  error.message = std::string(method.substr(0, 20)) + " is not possible on " + shown(path) + "; use ";
  for (const std::string_view name : allowed) {
    if (name != allowed.front()) error.message += " or ";
    error.message += name;
  }
  error.message += ".";
  return error;
}

std::string_view who_name(Who who) {
  switch (who) {
    case Who::Public:
      return "public";
    case Who::PublicUnlessSet:
      return "public unless require_auth_for_metrics_endpoint";
    case Who::AnyKey:
      return "any key";
    case Who::ManagementRead:
      return "users, of their own";
    case Who::Management:
      return "users but viewers, of their own";
    case Who::AdminOrViewer:
      return "admin or viewer";
    case Who::Admin:
      return "admin";
    case Who::Pipeline:
      return "any key but a viewer's";
  }
  return "";
}

}  // namespace turnpike::api
