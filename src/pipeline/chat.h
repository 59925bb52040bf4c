#pragma once

#include <string>
#include <string_view>

#include "base/task.h"
#include "domain/call_record.h"
#include "http/server.h"
#include "pipeline/gateway.h"

namespace turnpike::pipeline {

/// Tells one call from beginning to end: who, what, may they, hold, route, attempts, answer, settle, record. The one
/// choke point of every inference route. `path_model`: the model a path names, or empty.
///
/// Always answers the exchange, leaves exactly one CallRecord and, once admitted, exactly one ledger entry.
Task<void> serve_call(Gateway& gateway, http::Exchange& exchange, domain::Operation operation, std::string_view route,
                      std::string path_model);

}  // namespace turnpike::pipeline
