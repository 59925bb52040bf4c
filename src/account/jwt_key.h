#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "account/jwt_verify.h"
#include "json/document.h"

/// The cryptography of signed tokens (RFC 7518, RFC 8037): keys from their JSON, signatures by their name.
namespace turnpike::account {

bool is_known_algorithm(std::string_view alg);
/// The key of a JWK; null when it is of a kind that signs no tokens here, or broken.
std::shared_ptr<const PublicKey> read_public_key(const json::Value& jwk);
/// Whether `alg` is one for keys of this type (and curve).
bool key_fits(const PublicKey& key, std::string_view alg);
bool signature_holds(const PublicKey& key, std::string_view alg, std::string_view text, std::string_view signature);

std::optional<std::string> from_base64url(std::string_view text);

}  // namespace turnpike::account
