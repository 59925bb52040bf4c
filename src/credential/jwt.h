#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::credential {

/// What a service account says of itself for a token. Source: RFC 7523, Google's "server to server" OAuth guide.
struct JwtClaims {
  std::string issuer;  // Its e-mail address.
  std::string scope;
  std::string audience;  // The token server.
  std::int64_t issued_s = 0;
  std::int64_t expires_s = 0;
};

/// "header.claims.signature", RS256 by the PEM key. Pure and slow (a millisecond): not for I/O threads.
/// Errors: UpstreamUnauthenticated when the key is none.
Result<std::string> signed_jwt(const JwtClaims& claims, std::string_view key_id, std::string_view private_key_pem);

}  // namespace turnpike::credential
