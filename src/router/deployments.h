#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/settings.h"
#include "provider/own_providers.h"
#include "router/deployment.h"

namespace turnpike::router {

/// What the whole configuration says to every deployment; kept by the table for wildcards whose provider only the
/// requested name decides.
struct CommonParts {
  bool ssl_verify = true;
  std::string ssl_ca_file;
  bool drop_params = false;
  bool modify_params = false;
  std::vector<std::pair<std::string, std::string>> model_alias_map;
  provider::FindListing listing = nullptr;
  std::shared_ptr<const provider::OwnProviders> own;  // Rows of the configuration.
  config::Environment environment;                    // Where keys and addresses of providers may stand.
};
CommonParts common_parts(const config::Settings& settings, provider::FindListing listing);

/// Points `deployment` at `model` ("openai/gpt-4o"): provider, address, credential, price name.
/// Errors: InvalidRequest, the message says what is missing and what to do. `missing_key` is set to the variable that
/// would hold the key when the provider needs one and none is known.
Status aim(Deployment& deployment, std::string_view model, const config::ModelEntry& entry, const CommonParts& common,
           std::string* missing_key);

}  // namespace turnpike::router
