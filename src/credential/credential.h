#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "http/client.h"
#include "net/io_threads.h"

namespace turnpike::credential {

/// What one attempt proves its right with. Immutable; an attempt holds the one it began with.
struct Credential {
  enum class Kind : std::uint8_t {
    None,    // Nothing is sent.
    Key,     // `token` is a provider's long-lived key.
    Bearer,  // `token` is an access token (OAuth, Entra, IAM, a Bedrock key): always "Authorization: Bearer".
    Aws,     // The three below sign the request.
  };
  Kind kind = Kind::None;
  base::Secret token;
  base::Secret access_key_id;
  base::Secret secret_access_key;
  base::Secret session_token;  // Empty for long-lived keys.
};
using CredentialRef = std::shared_ptr<const Credential>;

/// What fetching a credential may use: the attempt's own thread and client, and its time.
struct Context {
  net::IoThread& thread;
  http::Client& client;
  http::Cancel& cancel;
  base::Monotonic deadline = base::Monotonic::max();
  std::int64_t now_s = 0;  // Unix seconds.
};

/// Where an attempt's credential comes from: asynchronous and with an expiry, so that tokens can be fetched ahead of
/// time (OAuth, STS).
///
/// Errors:    UpstreamUnauthenticated when there is none to give (message says what to set or what refused),
///            UpstreamUnavailable when whoever gives it out cannot be reached, Timeout and CallerGone. Messages hold no
///            secret.
/// Threading: shared by all I/O threads.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  virtual Task<Result<CredentialRef>> get(Context context) = 0;
  /// The provider does not take it: a renewable one is fetched anew by the next `get`. True when that may help.
  virtual bool refused(const CredentialRef& credential) {
    static_cast<void>(credential);
    return false;
  }
};

/// The key of a config line or a variable; an empty one is Kind::None.
std::shared_ptr<CredentialSource> static_credential(base::Secret key);
std::shared_ptr<CredentialSource> static_credential(Credential credential);

/// Has nothing to give: every attempt ends with UpstreamUnauthenticated and the variable to set, and nothing is sent.
std::shared_ptr<CredentialSource> missing_credential(std::string_view label, std::string_view variable);

}  // namespace turnpike::credential
