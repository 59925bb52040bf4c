#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "credential/renewed.h"

namespace turnpike::credential {

/// The Credentials of an STS answer: XML as documented, or the JSON that STS gives when asked for it.
/// Errors: UpstreamUnauthenticated.
Result<Grant> read_sts_credentials(std::string_view body, std::int64_t now_s);

/// {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"} of the metadata services of EC2, ECS and EKS.
/// Errors: UpstreamUnauthenticated, with the code that the service gives instead.
Result<Grant> read_metadata_credentials(std::string_view body, std::int64_t now_s);

/// Whether a full URI for container credentials may be asked: https, or a host on this machine or of the ECS and EKS
/// agents. Elsewhere the authorization token would travel in the clear.
bool is_container_host(std::string_view url);

}  // namespace turnpike::credential
