#pragma once

#include <functional>
#include <memory>
#include <string>

#include "credential/credential.h"

namespace turnpike::credential {

/// The source that deployments of the same `identity` share, over reloads too, as long as one of them lives; made when
/// there is none. `identity` is everything that `make` goes by; only its digest is kept.
/// Threading: any; takes a lock, but only when a deployment is made.
std::shared_ptr<CredentialSource> shared_source(const std::string& identity,
                                                const std::function<std::shared_ptr<CredentialSource>()>& make);

}  // namespace turnpike::credential
