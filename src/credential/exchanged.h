#pragma once

#include <memory>
#include <string>

#include "credential/token_request.h"

namespace turnpike::credential {

/// An IBM Cloud API key, exchanged at `url` (https://iam.cloud.ibm.com/identity/token).
std::shared_ptr<CredentialSource> ibm_credential(std::string label, std::string url, base::Secret api_key, Trust trust);

/// A Databricks service principal (OAuth machine-to-machine) of the workspace at `workspace` ("https://host").
std::shared_ptr<CredentialSource> databricks_credential(std::string label, std::string workspace, std::string client_id,
                                                        base::Secret client_secret, Trust trust);

}  // namespace turnpike::credential
