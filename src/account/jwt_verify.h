#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// Tokens that an identity provider has signed (JWT, RFC 7519): whether one holds, by the provider's public keys (JWKS,
/// RFC 7517). Pure.
namespace turnpike::account {

/// A public key as OpenSSL holds it; shared because copies of a key set share their keys.
struct PublicKey;

struct Jwk {
  std::string kid;  // Empty: the set gives it no name.
  std::string alg;  // Empty: whatever fits its type.
  std::shared_ptr<const PublicKey> key;
};

struct JwkSet {
  std::vector<Jwk> keys;
};

inline constexpr std::size_t kJwtBytesMax = 16 * 1024;
inline constexpr std::size_t kJwksKeysMax = 256;

/// Reads {"keys": [...]}: RSA from 2,048 bits, P-256, P-384, P-521, Ed25519. Keys of other kinds, those meant for
/// encryption and symmetric ones are passed over. Errors: InvalidRequest when the text is no key set.
Result<JwkSet> parse_jwks(std::string_view json);

/// What a token says of itself before anything is believed.
struct JwtHead {
  std::string alg;
  std::string kid;
};

/// Whether `token` has the form of a JWT: three parts in base64url.
bool looks_like_jwt(std::string_view token);

/// Errors: Unauthenticated when it is none, or wants an algorithm that is not one of RS, PS, ES 256 to 512 and EdDSA
/// ("none" and the symmetric ones never are).
Result<JwtHead> read_jwt_head(std::string_view token);

struct JwtRules {
  std::vector<std::string> audiences;  // Empty: `aud` is not looked at.
  std::vector<std::string> issuers;    // Empty: `iss` is not looked at.
  std::int64_t leeway_s = 0;           // By how much clocks may differ.
};

struct JwtVerified {
  std::string claims_json;  // An object.
  std::int64_t expires_s = 0;
};

/// Whether the set has a key that could have signed it: by `kid` where the token names one.
bool has_key_for(const JwkSet& keys, const JwtHead& head);

/// Signature, then `exp` (which must be there), `nbf`, `iat`, `aud`, `iss`.
///
/// Errors: Unauthenticated: "Token Expired", else "Validation fails: <why>".
Result<JwtVerified> verify_jwt(std::string_view token, const JwkSet& keys, const JwtRules& rules, std::int64_t now_s);

}  // namespace turnpike::account
