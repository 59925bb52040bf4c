#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/caller.h"

/// `allowed_routes` of a key: which routes of the table it may call. Decided by the row of the table that the request
/// has led to, never by the bytes of its path.
namespace turnpike::account {

/// A row of the route table.
struct RouteFacts {
  std::string_view path;     // As the table has it: "/engines/{model}/embeddings".
  bool calls_model = false;  // Its calls go to a model.
};

/// An entry is a path of the table, a pattern "/prefix/*", or the name of a group of routes (spec management 1.2).
bool route_in(std::span<const std::string> allowed, const RouteFacts& route);
bool is_route_group(std::string_view name);
/// Whether whoever may call all of `held` may call all of `given`; empty: every route.
bool routes_within(std::span<const std::string> given, std::span<const std::string> held);

/// What stands in the place of a key's name where somebody signed in with a token.
inline constexpr std::string_view kTokenKeyName = "jwt";

/// Errors: PermissionDenied with LiteLLM's text.
Status check_route_allowed(const domain::Caller& caller, const RouteFacts& route);
/// Viewers read; they call no model.
Status check_calls_models(const domain::Caller& caller, std::string_view path);

}  // namespace turnpike::account
