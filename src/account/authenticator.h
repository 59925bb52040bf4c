#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/change_feed.h"
#include "account/spenders.h"
#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "config/settings.h"
#include "domain/caller.h"
#include "http/message.h"

namespace turnpike::account {

class JwtCallers;

struct AuthSettings {
  base::Secret master_key;      // Empty: everybody is admin (AC-SEC-8 decides whether we start at all).
  std::string key_header_name;  // litellm_key_header_name: replaces all other places.
  bool has_database = true;
  std::vector<domain::IpRange> allowed_ips;      // general_settings.allowed_ips; empty: everybody.
  std::vector<domain::IpRange> trusted_proxies;  // Whose X-Forwarded-For is believed.
  std::chrono::milliseconds staleness_max{0};    // Known keys are let in while news of changes is no older; 0: always.
  std::function<std::chrono::milliseconds()> behind;  // How old it is.
};

/// Where the key stands in a request: the places of spec http-api 2.1 in their order, scheme stripped. Empty: none.
struct Presented {
  std::string_view key;
  bool malformed = false;  // An Authorization header without a scheme we know.
};
Presented find_key(const http::Request& request, const AuthSettings& settings);

/// Where a request comes from: the address of the connection, or what a trusted proxy says it is.
std::string_view client_ip(const http::Request& request, const AuthSettings& settings);

/// Who is calling. One per I/O thread: known keys are a look-up in this thread's table (bounded, least recently used
/// goes); an unknown one is one database read of the key and all that stands above it, coalesced, with a negative
/// cache.
///
/// Errors: Unauthenticated with LiteLLM's texts and types (spec http-api 5.2); Unavailable (503, Retry-After) when the
///         database cannot be asked: never 401 (DESIGN 6).
class Authenticator {
 public:
  struct Limits {
    std::size_t known_keys_max = 100'000;
    std::size_t known_bytes_max = std::size_t{64} * 1024 * 1024;
    std::size_t unknown_keys_max = 10'000;
    std::chrono::seconds unknown_ttl{5};
  };
  /// `on_read` is told of every caller that was read: the ledger of this process learns of other replicas' edits so.
  Authenticator(db::Database& database, AuthSettings settings, Limits limits,
                std::function<void(const domain::Caller&)> on_read = {});

  /// Answers at once for a key this thread knows; null when `authenticate` has to ask the database.
  std::optional<Result<domain::CallerRef>> authenticate_known(const http::Request& request, std::int64_t now_us);
  Task<Result<domain::CallerRef>> authenticate(const http::Request& request, std::int64_t now_us);

  void forget(std::string_view hash_hex);  // A key changed.
  /// Whoever is made of what changed: the key itself, all of a team, a user or an organisation; else everybody.
  void forget(const std::vector<Change>& changes);
  void forget_all();  // Changes may have been missed.
  void replace_settings(AuthSettings settings);
  /// Tokens of an identity provider are taken as well; null: they are not.
  void take_tokens(std::shared_ptr<JwtCallers> tokens);

  /// End users and tags, which a call names beside its key.
  Spenders& spenders();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// model_info.access_groups of the configuration: the model names that each group stands for.
using AccessGroups = std::map<std::string, std::vector<std::string>, std::less<>>;
AccessGroups access_groups_of(const config::Settings& settings);

/// The allow-lists of key, team, user and organisation (spec http-api 2.3 steps 9 and 15): PermissionDenied with
/// LiteLLM's later text when one of them does not hold `model`. An entry is a name, a pattern, the name of an access
/// group, or one of LiteLLM's special words.
Status check_model_allowed(const domain::Caller& caller, std::string_view model, const AccessGroups& groups);
bool model_allowed(const domain::Caller& caller, std::string_view model, const AccessGroups& groups);
/// Of a model that the caller may use through access groups only, the entries of the list that may name them: only the
/// deployments in one of these are the caller's. Empty: all are.
std::span<const std::string> deciding_access_groups(const domain::Caller& caller, std::string_view model);

}  // namespace turnpike::account
