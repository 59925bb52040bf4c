#pragma once

#include <memory>
#include <string>

#include "credential/token_request.h"

namespace turnpike::credential {

/// Where Microsoft Entra's access tokens come from: the first that is complete is used.
struct AzureOptions {
  std::string label;      // Of the provider, for messages.
  std::string authority;  // "https://login.microsoftonline.com"
  std::string scope;      // "https://cognitiveservices.azure.com/.default"
  std::string tenant, client_id;
  base::Secret client_secret;    // An application.
  std::string username;          // A person, without any second factor.
  base::Secret password;         //
  std::string federated_file;    // Workload identity: a token of the cluster's, exchanged.
  std::string identity_url;      // Managed identity: of the App Service, with its header ...
  base::Secret identity_header;  //
  std::string instance_url;      // ... or of the machine: "http://169.254.169.254"; empty: not asked.
  Trust trust;

  bool complete() const;
};

std::shared_ptr<CredentialSource> azure_credential(AzureOptions options);

}  // namespace turnpike::credential
