#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "config/stored.h"
#include "http/server.h"
#include "pipeline/gateway.h"

namespace turnpike::api {

/// What the routes need beyond the gateway; provided by `app`.
struct Hooks {
  /// Validates and swaps the configuration; success: a text report (diff), failure: why the old one stays. Resumes on
  /// `thread`, which it does not hold up while files are read.
  std::function<Task<Result<std::string>>(net::IoThread& thread)> reload;
  /// Puts the fallbacks that stand in the database in force, the same way.
  std::function<Task<Status>(net::IoThread& thread)> fallbacks_changed;
  /// The same for models and credentials of the database.
  std::function<Task<Status>(net::IoThread& thread)> stored_changed;
  /// Whether such models could be served, beside what the configuration and the database have. Blocks a little. Errors:
  /// InvalidRequest with the field as `param`.
  std::function<Status(config::Stored)> check_stored;
  std::string version;
  std::string root_path;  // A prefix under which every route is served too: "/gateway"; empty: none.
};

/// SERVER_ROOT_PATH as `Hooks::root_path` wants it: one slash before, none behind. Errors: what no path can begin with.
Result<std::string> clean_root_path(std::string_view text);

/// All routes: inference, models, keys, spend, health, metrics, the page at "/". Paths are compared byte by byte; what
/// is not listed is 404 (unknown path) or 405 (known path, other method) in the OpenAI error shape.
http::Handler make_handler(pipeline::Gateway& gateway, Hooks hooks);

/// The body of an error made before a handler ran (framing, limits).
std::string error_body(int status, std::string_view message);

}  // namespace turnpike::api
