#pragma once

#include <string_view>

#include "base/result.h"
#include "domain/routing_wishes.h"

namespace turnpike::account {

/// Reads `router_settings` of a key, a JSON object: `fallbacks`, `context_window_fallbacks`,
/// `content_policy_fallbacks`, `max_fallbacks`, `num_retries`, `timeout` (also `request_timeout`), `stream_timeout`,
/// `retry_policy`, `model_group_retry_policy`, `routing_strategy`, `enable_tag_filtering`.
///
/// Errors: InvalidRequest, `param` "router_settings.<field>": a wrong type; every other field that asks for something,
///         by name: it would change what all calls share.
Result<domain::KeyRouting> parse_key_routing(std::string_view json_text);

}  // namespace turnpike::account
