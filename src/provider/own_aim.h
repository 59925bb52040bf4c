#pragma once

#include <string>
#include <string_view>

#include "provider/aim.h"

// What `aim.cc` asks of the providers whose addresses, versions or paths are their own; one source each.
namespace turnpike::provider {

/// Azure OpenAI and Foundry: who speaks which dialect at which host, the api version.
Shape azure_shape(const Provider& provider, std::string_view model);
void complete_azure(const AimInput& input, Target& target);

/// Cloudflare, Databricks, watsonx, Snowflake, DataRobot: the account's address.
Result<std::string> account_base_url(const AimInput& input);
void complete_other(const AimInput& input, Target& target);
/// As configured: a JWT, or "pat/" and a programmatic access token.
std::string snowflake_key(const AimInput& input);

/// Vertex AI: Google's own models and those of other makers, each in its dialect. The address ends behind the location
/// ("/v1/projects/p/locations/l"), for OpenAI's dialect behind the endpoint, for rawPredict behind the model.
Shape vertex_shape(std::string_view model);
/// Errors: InvalidRequest when nothing says which project.
Result<std::string> vertex_base_url(const AimInput& input);
/// A configured address without a path gets the same one.
void complete_vertex(const AimInput& input, Target& target);

}  // namespace turnpike::provider
