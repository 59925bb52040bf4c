#pragma once

#include <cstdint>
#include <string>

#include "router/router.h"

namespace turnpike::router {

/// Appends the series of LiteLLM that the table knows: litellm_deployment_state (0 healthy, 1 failures in this
/// minute, 2 cooling), litellm_deployment_cooled_down, and the configured rpm and tpm; and how long rests still last;
/// Prometheus text format 0.0.4. For telemetry::Metrics::observe_text.
void append_deployment_metrics(std::string& out, const RoutingTable& table, std::int64_t now_us);

}  // namespace turnpike::router
