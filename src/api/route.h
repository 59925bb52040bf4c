#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/context.h"
#include "domain/call_record.h"

namespace turnpike::api {

/// Who may call a route: the one permission column. Whose object it may be, the handler asks (permission.h).
enum class Who : std::uint8_t {
  Public,
  PublicUnlessSet,  // Public unless require_auth_for_metrics_endpoint asks for a key.
  AnyKey,           // Reads that are cut to what the key may see.
  ManagementRead,   // Reads of whoever is a user here; of a key without a user only what is its own.
  Management,       // Changes by whoever is a user here and no viewer; the handler asks whose the object is.
  AdminOrViewer,    // Reads of administrators and their viewers.
  Admin,            // The master key and users of role proxy_admin.
  Pipeline,         // Calls of models: any key but a viewer's, recognised by the pipeline at its own choke point.
};

/// Answers a request; a coroutine so that it may ask the database.
using Answer = Task<Result<Reply>> (*)(const Context& context);

/// One row of the table. A path is exact or holds one `{name}` that stands for one or more whole segments.
struct Route {
  http::Method method;
  std::string_view path;
  Who who;
  Answer answer = nullptr;                                // Null for Who::Pipeline,
  domain::Operation operation = domain::Operation::Chat;  // which has this.
};

/// Every route of the gateway (routes.cc).
std::span<const Route> routes();

/// Where the bytes of a path lead.
struct Match {
  const Route* route = nullptr;
  std::string_view captured;              // As sent, not decoded.
  std::vector<std::string_view> allowed;  // Methods of the path when none of its routes has the one asked for.
};

/// Compares bytes only: nothing is decoded, folded or collapsed (AC-SEC-2). A capture holds no empty, "." or ".."
/// segment. Where several patterns fit, the one that captures least wins. HEAD finds the route of GET.
Match find_route(std::span<const Route> table, http::Method method, std::string_view path);

/// `path` without the prefix that all routes may carry; as it is where it does not begin with it.
std::string_view without_root_path(std::string_view path, std::string_view root_path);

/// 404 that names the nearest routes, or says that LiteLLM has the route and this version does not.
Error unknown_route(std::span<const Route> table, std::string_view method, std::string_view path);
Error wrong_method(std::string_view method, std::string_view path, const std::vector<std::string_view>& allowed);

std::string_view who_name(Who who);

}  // namespace turnpike::api
