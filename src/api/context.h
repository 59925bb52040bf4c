#pragma once

#include <string>
#include <string_view>

#include "api/api.h"
#include "api/reply.h"
#include "domain/caller.h"
#include "http/server.h"
#include "pipeline/gateway.h"

namespace turnpike::api {

/// A management body larger than this is a mistake, whatever the server lets through for prompts.
constexpr std::size_t kManagementBodyBytesMax = 1024 * 1024;

/// Whether a caller may do what the master key may: that key, or anybody where none is configured (AC-SEC-8 keeps such
/// a gateway on the loopback interface).
inline bool administers(const domain::Caller& caller) {
  return caller.is_admin() || caller.role == domain::Role::Anonymous;
}

/// What a route handler works with: one request, on its I/O thread, after the permission column has been checked.
struct Context {
  pipeline::Gateway& gateway;
  const Hooks& hooks;
  http::Exchange& exchange;
  pipeline::SnapshotRef snapshot;  // The one in force when the request came.
  domain::CallerRef caller;        // Null on public routes.
  std::string captured;            // What `{...}` of the route stood for, percent-decoded: data, never a path again.
  std::int64_t now_us = 0;
  std::string request_id;  // The reply's x-request-id; the audit log has it too.

  const http::Request& request() const { return exchange.request(); }
  const config::Settings& settings() const { return *snapshot->settings; }
};

/// Whom the audit columns name: `litellm-changed-by` if the administrator says so.
std::string author(const Context& context);

}  // namespace turnpike::api
