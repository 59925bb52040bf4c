#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "account/authenticator.h"
#include "account/jwt_claims.h"
#include "account/jwt_keys.h"
#include "base/hash.h"
#include "db/database.h"
#include "http/message.h"

namespace turnpike::account {

/// Callers who sign in with a token of an identity provider. One per I/O thread: a token that this thread has verified
/// is a look-up by its hash until it ends, is `public_key_ttl` old, or rows that it rests on change.
///
/// Limits: `kKnownMax` tokens are known, `kRefusedMax` are remembered as refused for `kRefusedFor`; least recently used
///         goes.
/// Errors: Unauthenticated, PermissionDenied with LiteLLM's texts (spec management 16); Unavailable while keys or rows
///         cannot be read.
class JwtCallers {
 public:
  static constexpr std::size_t kKnownMax = 20'000;
  static constexpr std::size_t kRefusedMax = 5'000;
  static constexpr std::chrono::seconds kRefusedFor{5};
  static constexpr std::int64_t kLeewaySeconds = 5;

  struct Parts {
    net::IoThread* thread = nullptr;
    db::Database* database = nullptr;
    std::shared_ptr<JwtKeys> keys;
    config::JwtSettings settings;
    AccessGroups access_groups;
    std::function<void(const domain::Caller&)> on_read;  // As Authenticator has it.
  };
  explicit JwtCallers(Parts parts);

  /// Null: the token has to be verified first.
  std::optional<Result<domain::CallerRef>> known(const base::Sha256& digest, const http::Request& request,
                                                 std::int64_t now_us);
  Task<Result<domain::CallerRef>> recognise(std::string token, const http::Request& request, std::int64_t now_us);

  void forget_all();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The model that a request asks for: of its path or its body; empty: none is named.
std::string requested_model(const http::Request& request);

}  // namespace turnpike::account
