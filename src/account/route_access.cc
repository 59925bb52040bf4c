#include "account/route_access.h"

#include <algorithm>
#include <vector>

namespace turnpike::account {
namespace {

struct Group {
  std::string_view name;
  std::vector<std::string_view> entries;  // Paths, patterns and other groups.
  bool calls_models = false;              // All routes that call a model belong to it.
};

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups = {
      {"openai_routes",
       {"/v1/models", "/models", "/v1/models/*", "/models/*", "/openai/models", "/openai/models/*"},
       true},
      {"anthropic_routes", {"/v1/messages", "/v1/messages/*"}},
      {"google_routes", {"/v1beta/*"}},
      {"mapped_pass_through_routes",
       {"/anthropic/*", "/assemblyai/*", "/azure/*", "/azure_ai/*", "/bedrock/*", "/cohere/*", "/gemini/*",
        "/langfuse/*", "/mistral/*", "/openai_passthrough/*", "/vertex-ai/*", "/vertex_ai/*", "/vllm/*"}},
      {"mcp_routes", {"/mcp", "/mcp/*", "/mcp-rest/*", "/v1/mcp/tools"}},
      {"agent_routes", {"/v1/agents", "/v1/agents/*", "/a2a/*", "/v1/a2a/*"}},
      {"llm_api_routes",
       {"openai_routes", "anthropic_routes", "google_routes", "mapped_pass_through_routes", "mcp_routes",
        "agent_routes", "/utils/token_counter"},
       true},
      {"info_routes",
       {"/key/info", "/key/health", "/team/info", "/team/list", "/v2/team/list", "/organization/list",
        "/team/available", "/user/info", "/model/info", "/v1/model/info", "/v2/model/info", "/v2/key/info",
        "/model_group/info", "/health", "/key/list", "/user/filter/ui", "/models", "/v1/models"}},
      {"management_routes",
       {"/key/*",
        "/v2/key/*",
        "/team/*",
        "/v2/team/*",
        "/user/*",
        "/organization/*",
        "/budget/*",
        "/customer/*",
        "/end_user/*",
        "/tag/*",
        "/model/*",
        "/v1/model/*",
        "/v2/model/*",
        "/model_group/*",
        "/credentials",
        "/credentials/*",
        "/access_group/*",
        "/v1/access_group",
        "/v1/access_group/*",
        "/invitation/*",
        "/audit",
        "/audit/*",
        "/health",
        "/models",
        "/v1/models"}},
      {"spend_tracking_routes", {"/spend/*"}},
      {"global_spend_tracking_routes", {"/global/spend", "/global/spend/*", "/global/activity", "/global/activity/*"}},
      {"public_routes",
       {"/", "/routes", "/test", "/metrics", "/metrics/", "/health/liveliness", "/health/liveness",
        "/health/readiness"}},
      {"internal_user_routes",
       {"spend_tracking_routes", "/key/*", "/v2/key/*", "/global/spend/tags", "/global/spend/keys",
        "/global/spend/models", "/global/spend/provider", "/global/spend/end_users", "/global/activity",
        "/global/activity/*"}},
      {"self_managed_routes",
       {"/team/member_add", "/team/member_delete", "/team/member_update", "/team/permissions_list",
        "/team/permissions_update", "/team/daily/activity", "/team/model/add", "/team/model/delete", "/team/update",
        "/team/new", "/model/new", "/model/update", "/model/delete", "/user/daily/activity",
        "/user/daily/activity/aggregated"}},
      {"master_key_only_routes", {"/global/spend/reset"}},
  };
  return kGroups;
}

const Group* find_group(std::string_view name) {
  for (const Group& group : groups()) {
    if (group.name == name) return &group;
  }
  return nullptr;
}

/// `pattern` is a path or ends in "*"; `path` may be such a pattern itself, which then lies within.
bool covers(std::string_view pattern, std::string_view path) {
  if (pattern.ends_with('*')) return path.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == path;
}

bool entry_holds(std::string_view entry, const RouteFacts& route) {
  const Group* group = find_group(entry);
  if (group == nullptr) return covers(entry, route.path);
  if (group->calls_models && route.calls_model) return true;
  return std::ranges::any_of(group->entries, [&](std::string_view inner) { return entry_holds(inner, route); });
}

/// Whether everything that `entry` opens is opened by one of `held`.
bool entry_within(std::string_view entry, std::span<const std::string> held) {
  if (std::ranges::find(held, entry) != held.end()) return true;
  const Group* group = find_group(entry);
  if (group == nullptr) return route_in(held, {entry, false});
  const auto opens_models = [](const std::string& name) {
    const Group* other = find_group(name);
    return other != nullptr && other->calls_models;
  };
  if (group->calls_models && std::ranges::none_of(held, opens_models)) return false;
  return std::ranges::all_of(group->entries, [&](std::string_view inner) { return entry_within(inner, held); });
}

}  // namespace

bool route_in(std::span<const std::string> allowed, const RouteFacts& route) {
  return std::ranges::any_of(allowed, [&](const std::string& entry) { return entry_holds(entry, route); });
}

bool is_route_group(std::string_view name) {
  return find_group(name) != nullptr;
}

bool routes_within(std::span<const std::string> given, std::span<const std::string> held) {
  if (held.empty()) return true;
  if (given.empty()) return false;
  return std::ranges::all_of(given, [&](const std::string& entry) { return entry_within(entry, held); });
}

Status check_route_allowed(const domain::Caller& caller, const RouteFacts& route) {
  if (caller.allowed_routes.empty() || route_in(caller.allowed_routes, route)) return {};
  std::string list;
  for (const std::string& entry : caller.allowed_routes) list += (list.empty() ? "'" : ", '") + entry + "'";
  if (caller.key_name == kTokenKeyName) {
    return base::fail(ErrorKind::PermissionDenied, "Role=" + std::string(domain::role_name(caller.role)) +
                                                       " not allowed to call route=" + std::string(route.path) +
                                                       ". Allowed routes=[" + list + "]");
  }
  return base::fail(ErrorKind::PermissionDenied,
                    "Virtual key is not allowed to call this route. Only allowed to call routes: [" + list +
                        "]. Tried to call route: " + std::string(route.path));
}

Status check_calls_models(const domain::Caller& caller, std::string_view path) {
  using domain::Role;
  if (caller.role != Role::ProxyAdminViewer && caller.role != Role::InternalUserViewer) return {};
  return base::fail(ErrorKind::PermissionDenied,
                    "user not allowed to access this route, role=" + std::string(domain::role_name(caller.role)) +
                        ". Viewers read; they change nothing and call no model. "
                        "Route=" +
                        std::string(path));
}

}  // namespace turnpike::account
