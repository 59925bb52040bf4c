#pragma once

#include <memory>
#include <string>

#include "credential/token_request.h"

namespace turnpike::credential {

/// Where AWS credentials come from, in the order of `aws_credential`; empty fields are skipped.
struct AwsOptions {
  std::string label;  // Of the provider, for messages.
  std::string region;

  // 1, 2: a role, taken on with somebody's web identity or with the credentials that the rest gives.
  base::Secret web_identity_token;  // The token, its file ("/path", "oidc/file//path") or variable ("oidc/env/NAME").
  std::string role;
  std::string session_name;
  std::string external_id;
  std::string sts_endpoint;  // Empty: the region's.
  // 3: a profile of the shared files.
  std::string profile;
  std::string config_file, credentials_file;
  // 4: long-lived or temporary keys.
  base::Secret access_key_id, secret_access_key, session_token;

  // 5: what the environment offers when nothing above is given.
  struct Surroundings {
    base::Secret access_key_id, secret_access_key, session_token;  // AWS_ACCESS_KEY_ID, ...
    std::string web_identity_token_file, role, session_name;       // AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN, ...
    std::string profile;                                           // AWS_PROFILE, else "default".
    std::string container_url;  // AWS_CONTAINER_CREDENTIALS_RELATIVE_URI with its host, or ..._FULL_URI.
    base::Secret container_token;
    std::string container_token_file;
    std::string metadata_url;  // Of EC2: "http://169.254.169.254"; empty: not asked.
  } around;
  std::function<std::string(const std::string&)> variable;  // For "oidc/env/NAME".
  Trust trust;
};

/// Temporary credentials of whatever kind the options lead to; profiles may chain (source_profile).
/// What is not served: credential_process and SSO profiles; the message says so.
std::shared_ptr<CredentialSource> aws_credential(AwsOptions options);

}  // namespace turnpike::credential
