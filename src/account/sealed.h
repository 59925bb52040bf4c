#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/result.h"
#include "base/secret.h"

/// Secrets that stand in the database: keys of stored models, values of credentials, environment variables.
namespace turnpike::account {

/// Seals with a key derived from one secret, in the form LiteLLM reads and writes.
///
/// Source: spec management-api 20.1 point 7. NaCl SecretBox (XSalsa20-Poly1305) under SHA-256 of LITELLM_SALT_KEY, or
///         of the master key without one; nonce and ciphertext as URL-safe base64. `open` takes standard base64 too,
///         which older rows have.
class Sealer {
 public:
  /// Without a secret (no salt key and no master key) nothing can be sealed: `ready` is false.
  Sealer() = default;
  explicit Sealer(const base::Secret& secret);

  bool ready() const { return ready_; }
  /// Of a ready one.
  std::string seal(std::string_view text) const;
  /// Nothing when it was sealed with another key, or is no sealed text at all.
  std::optional<std::string> open(std::string_view sealed) const;

 private:
  bool ready_ = false;
  base::Sha256 key_{};
};

/// LITELLM_SALT_KEY where it is set, else the master key.
Sealer make_sealer(const std::optional<std::string>& salt_key, const base::Secret& master_key);

/// Every string value of a JSON text sealed, at every depth; names, numbers and flags stay readable.
/// Errors: InvalidRequest for what is no JSON; Unavailable when the sealer has no key.
Result<std::string> seal_strings(const Sealer& sealer, std::string_view json_text);
/// The way back. Errors: Unavailable naming the first member that does not open.
Result<std::string> open_strings(const Sealer& sealer, std::string_view json_text);

}  // namespace turnpike::account
