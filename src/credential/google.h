#pragma once

#include <memory>
#include <string>

#include "credential/token_request.h"

namespace turnpike::credential {

/// Where Google's access tokens come from.
struct GoogleOptions {
  std::string label;            // Of the provider, for messages.
  base::Secret credentials;     // JSON of a credential file, or its path; empty: the two below.
  std::string well_known_file;  // Of `gcloud auth application-default login`; used when it exists.
  std::string metadata_host;    // "metadata.google.internal", else with its port.
  Trust trust;
};

/// Files are read when a token is needed, so that a changed one is noticed.
std::shared_ptr<CredentialSource> google_credential(GoogleOptions options);

}  // namespace turnpike::credential
