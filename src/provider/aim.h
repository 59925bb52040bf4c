#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "config/settings.h"
#include "credential/credential.h"
#include "provider/provider.h"
#include "provider/target.h"

namespace turnpike::provider {

/// What a deployment says of whom it means; pure but for the environment it is given.
struct AimInput {
  const Provider* provider = nullptr;
  std::string model;  // As sent upstream.
  Shape shape = Shape::OpenAi;
  base::Secret api_key;  // Of the config line; empty: the variables of the row.
  std::string api_version;
  const std::vector<std::pair<std::string, base::Secret>>* params = nullptr;  // aws_*, vertex_*, ...
  config::Environment environment;
  bool ssl_verify = true;
  std::string ssl_ca_file;
  std::string api_base;      // Of the config line, as written.
  bool global_only = false;  // The price catalogue: Vertex AI serves this model at the location "global" alone.

  /// A parameter of the config line, else the first variable that is set; empty when none is.
  std::string setting(std::string_view param, std::initializer_list<std::string_view> variables) const;
};

/// The dialect a model is spoken to in: the row's, unless the provider sells models of several makers (Vertex,
/// Bedrock).
Shape shape_of(const Provider& provider, std::string_view model);

/// The address of providers whose customers have one each (region, project, account); empty when the row has its own.
/// Errors: InvalidRequest saying what to set.
Result<std::string> own_base_url(const AimInput& input);

/// What only the provider knows of a target that has its address: the api version of the environment, the path in
/// front of an operation's, a project. Called when all else of `target` is set but the credential.
void complete_target(const AimInput& input, Target& target);

/// Where credentials come from that are no plain key (OAuth, AWS, Entra); null when a plain key is all there is.
/// Errors: InvalidRequest saying what to set.
Result<std::shared_ptr<credential::CredentialSource>> own_credential(const AimInput& input);

/// Whether the row's key variables hold what may stand as `api_key`; false where they name a file (Google) or half of a
/// pair (AWS), or want a prefix in the line (Snowflake).
bool takes_plain_key(const Provider& provider);

}  // namespace turnpike::provider
