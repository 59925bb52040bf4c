#pragma once

#include <optional>
#include <vector>

#include "api/context.h"
#include "json/write.h"
#include "pipeline/probes.h"

namespace turnpike::api {

/// Reading the state of deployments, for the health routes.

/// The deployments that the query's `model` (a group or litellm_params.model) and `model_id` name and the caller may
/// see. Errors: NotFound when the query names something and nothing matches.
Result<std::vector<router::DeploymentRef>> wanted_deployments(const Context& context);

bool is_resting(const router::Deployment& deployment, std::int64_t now_us);
/// The latest probe failed, and lies less than health_check_staleness_threshold back.
bool failed_probe(const Context& context, const router::Deployment& deployment);
std::optional<pipeline::ProbeResult> latest_probe(const Context& context, const router::Deployment& deployment);

/// Seconds, begun ones counted.
std::int64_t whole_seconds(std::int64_t us);
/// Members of an object: calls and failures of the minute.
void write_minute(json::Writer& writer, const router::Deployment& deployment, std::int64_t now_us);
/// "HTTP 429" or "a connection failure".
std::string cause_of_rest(const router::Deployment& deployment);

}  // namespace turnpike::api
