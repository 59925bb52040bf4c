#include "account/authenticator.h"

#include <list>
#include <unordered_map>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"

namespace turnpike::account {
namespace {

/// Longer values are no key of anybody: refused before a hash is spent on them (AC-SEC-1).
constexpr std::size_t kKeyBytesMax = 4096;

std::string_view strip_scheme(std::string_view value, std::initializer_list<std::string_view> schemes) {
  for (const std::string_view scheme : schemes) {
    if (value.size() >= scheme.size() && base::equals_ignoring_case(value.substr(0, scheme.size()), scheme)) {
      return base::trim(value.substr(scheme.size()));
    }
  }
  return {};
}

/// The key inside "AWS4-HMAC-SHA256 Credential=Bearer sk-.../...", which SDKs of AWS can be made to send.
std::string_view aws_credential_key(std::string_view value) {
  constexpr std::string_view kMark = "Credential=Bearer ";
  if (!value.starts_with("AWS4-HMAC-SHA256")) return {};
  const std::size_t at = value.find(kMark);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = value.substr(at + kMark.size());
  return rest.substr(0, rest.find_first_of("/, "));
}

tl::unexpected<Error> refuse(std::string message, std::string_view type = "auth_error", std::string param = {}) {
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.message = std::move(message);
  error.type = type;
  error.param = std::move(param);
  return base::fail(std::move(error));
}

/// "sk-x****abcd": enough to recognise one's own key by.
std::string shown(std::string_view key) {
  std::string plain;
  for (const char c : key) plain.push_back(c >= ' ' && c < 0x7f ? c : '?');
  if (plain.size() <= 8) return "****";
  return plain.substr(0, 4) + "****" + plain.substr(plain.size() - 4);
}

domain::CallerRef make_admin(domain::Role role) {
  auto caller = std::make_shared<domain::Caller>();
  caller->role = role;
  caller->user_id = "default_user_id";
  caller->key_alias = role == domain::Role::ProxyAdmin ? "master_key" : "";
  caller->key_hash_hex = role == domain::Role::ProxyAdmin ? "litellm_proxy_master_key" : "";
  return caller;
}

}  // namespace

Presented find_key(const http::Request& request, const AuthSettings& settings) {
  if (!settings.key_header_name.empty()) {
    const std::string_view value = base::trim(request.find(settings.key_header_name));
    const std::string_view bare = strip_scheme(value, {"Bearer "});
    return {bare.empty() ? value : bare, false};
  }
  if (const std::string_view value = base::trim(request.find("x-litellm-api-key")); !value.empty()) {
    const std::string_view bare = strip_scheme(value, {"Bearer "});
    return {bare.empty() ? value : bare, false};
  }
  if (const std::string_view value = base::trim(request.find("authorization")); !value.empty()) {
    if (const std::string_view bare = strip_scheme(value, {"Bearer ", "Basic "}); !bare.empty()) return {bare, false};
    if (const std::string_view aws = aws_credential_key(value); !aws.empty()) return {aws, false};
    return {{}, true};
  }
  for (const char* name : {"api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"}) {
    if (const std::string_view value = base::trim(request.find(name)); !value.empty()) return {value, false};
  }
  const bool google = request.path.find("generateContent") != std::string_view::npos ||
                      request.path.find("streamGenerateContent") != std::string_view::npos ||
                      request.path.starts_with("/gemini/");
  if (google) {
    constexpr std::string_view kParameter = "key=";
    for (const std::string_view pair : base::split(request.query, '&')) {
      if (pair.starts_with(kParameter)) return {pair.substr(kParameter.size()), false};
    }
  }
  return {};
}

struct Authenticator::State {
  struct HashOfDigest {
    std::size_t operator()(const base::Sha256& digest) const {
      std::size_t word;
      static_assert(sizeof word <= sizeof digest);
      std::copy_n(reinterpret_cast<const unsigned char*>(digest.data()), sizeof word,
                  reinterpret_cast<unsigned char*>(&word));
      return word;
    }
  };
  using Order = std::list<base::Sha256>;
  struct Known {
    domain::CallerRef caller;  // Null: nobody has this key, until `unknown_until`.
    base::Monotonic unknown_until;
    Order::iterator place;
  };
  /// One read of the database that several calls wait for.
  struct Read {
    std::vector<base::Signal*> waiters;
  };

  State(KeyStore& store_in, AuthSettings settings_in, Limits limits_in)
      : store(store_in), settings(std::move(settings_in)), limits(limits_in) {}

  KeyStore& store;
  AuthSettings settings;
  Limits limits;
  domain::CallerRef admin = make_admin(domain::Role::ProxyAdmin);
  domain::CallerRef anonymous = make_admin(domain::Role::Anonymous);
  std::unordered_map<base::Sha256, Known, HashOfDigest> known;
  // Most recently used first; apart, so that a flood of unknown keys pushes no known one out.
  Order known_order;
  Order unknown_order;
  std::unordered_map<std::string, std::shared_ptr<Read>> reads;
  std::uint64_t changes = 0;  // Rises with every `forget`: an answer that was under way meanwhile is not kept.

  void keep(const base::Sha256& digest, domain::CallerRef caller) {
    drop(digest);
    Order& order = caller ? known_order : unknown_order;
    const std::size_t most = caller ? limits.known_keys_max : limits.unknown_keys_max;
    while (order.size() >= most && !order.empty()) drop(base::Sha256(order.back()));
    order.push_front(digest);
    known[digest] = {std::move(caller), base::monotonic_now() + limits.unknown_ttl, order.begin()};
  }
  void drop(const base::Sha256& digest) {
    const auto entry = known.find(digest);
    if (entry == known.end()) return;
    (entry->second.caller ? known_order : unknown_order).erase(entry->second.place);
    known.erase(entry);
  }
};

namespace {

/// What is checked at every call of a known key.
Result<domain::CallerRef> judge(const domain::CallerRef& caller, std::int64_t now_us) {
  if (caller->blocked) return refuse("Key is blocked. Update via `/key/unblock` if you're admin.");
  if (caller->expires_us && *caller->expires_us <= now_us) {
    return refuse("Authentication Error - Expired Key. Key Expiry time " + base::iso_time(*caller->expires_us) +
                      " and current time " + base::iso_time(now_us),
                  "expired_key", caller->key_name);
  }
  return caller;
}

tl::unexpected<Error> unknown_key(std::string_view key, const std::string& hash) {
  return refuse(
      "Authentication Error, Invalid proxy server token passed. Received API Key = sk-..." +
          std::string(key.size() > 12 ? key.substr(key.size() - 4) : std::string_view("****")) +
          ", Key Hash (Token) =" + hash +
          ". Unable to find token in cache or `LiteLLM_VerificationTokenTable`. This gateway has no such key, or it "
          "was deleted: POST /key/generate with the master key makes one.",
      "token_not_found_in_db", "key");
}

/// What can be said without looking the key up.
std::optional<Result<domain::CallerRef>> judge_form(const Presented& presented, const AuthSettings& settings,
                                                    const domain::CallerRef& admin,
                                                    const domain::CallerRef& anonymous) {
  const std::string_view key = presented.key;
  if (!settings.master_key.empty() && settings.master_key.equals(key)) return admin;
  if (settings.master_key.empty() && !key.starts_with("sk-")) return anonymous;
  if (presented.malformed)
    return refuse("Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.");
  if (key.empty()) return refuse("Authentication Error, No api key passed in. Send one: Authorization: Bearer sk-...");
  if (key.size() > kKeyBytesMax) return refuse("Authentication Error, the key is longer than any key of this gateway.");
  if (!key.starts_with("sk-")) {
    return refuse("Authentication Error, LiteLLM Virtual Key expected. Received=" + shown(key) +
                  ", expected to start with 'sk-'.");
  }
  return std::nullopt;
}

}  // namespace

Authenticator::Authenticator(KeyStore& store, AuthSettings settings, Limits limits)
    : state_(std::make_shared<State>(store, std::move(settings), limits)) {}

std::optional<Result<domain::CallerRef>> Authenticator::authenticate_known(const http::Request& request,
                                                                           std::int64_t now_us) {
  State& state = *state_;
  const Presented presented = find_key(request, state.settings);
  if (std::optional<Result<domain::CallerRef>> judged =
          judge_form(presented, state.settings, state.admin, state.anonymous))
    return judged;
  const auto entry = state.known.find(base::sha256(presented.key));
  if (entry == state.known.end()) return std::nullopt;
  State::Known& known = entry->second;
  if (!known.caller) {
    if (known.unknown_until <= base::monotonic_now()) return std::nullopt;
    if (state.settings.master_key.empty()) return Result<domain::CallerRef>(state.anonymous);
    return unknown_key(presented.key, base::to_hex(entry->first));
  }
  state.known_order.splice(state.known_order.begin(), state.known_order, known.place);
  return judge(known.caller, now_us);
}

Task<Result<domain::CallerRef>> Authenticator::authenticate(const http::Request& request, std::int64_t now_us) {
  const std::shared_ptr<State> state = state_;
  for (int round = 0; round < 2; ++round) {
    if (std::optional<Result<domain::CallerRef>> known = authenticate_known(request, now_us))
      co_return std::move(*known);
    const Presented presented = find_key(request, state->settings);
    const base::Sha256 digest = base::sha256(presented.key);
    const std::string hash = base::to_hex(digest);
    if (const auto read = state->reads.find(hash); read != state->reads.end()) {
      base::Signal answered;
      read->second->waiters.push_back(&answered);
      co_await answered;
      continue;
    }
    const auto read = std::make_shared<State::Read>();
    state->reads[hash] = read;
    const std::uint64_t changes = state->changes;
    Result<std::optional<KeyRow>> row = co_await state->store.find(hash);
    state->reads.erase(hash);
    domain::CallerRef caller = row && *row ? to_caller(**row) : nullptr;
    if (row && state->changes == changes) state->keep(digest, caller);
    for (base::Signal* waiter : std::vector<base::Signal*>(read->waiters)) waiter->fire();
    if (!row) {
      Error error;
      error.kind = ErrorKind::Unavailable;
      error.type = "no_db_connection";
      error.message =
          "Service Unavailable, the authentication database is temporarily unreachable. Please retry shortly.";
      error.detail = row.error().message;
      error.retry_after = std::chrono::seconds(2);
      co_return base::fail(std::move(error));
    }
    if (caller) co_return judge(caller, now_us);
    if (state->settings.master_key.empty()) co_return state->anonymous;
    co_return unknown_key(presented.key, hash);
  }
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = "Service Unavailable, the key could not be looked up. Please retry shortly.";
  error.retry_after = std::chrono::seconds(1);
  co_return base::fail(std::move(error));
}

void Authenticator::forget(std::string_view hash_hex) {
  ++state_->changes;
  const auto bytes = base::from_hex(hash_hex);
  base::Sha256 digest{};
  if (!bytes || bytes->size() != digest.size()) return;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  state_->drop(digest);
}

void Authenticator::forget(const std::vector<Change>& changes) {
  // What a caller is never made of.
  constexpr std::string_view kElsewhere[] = {"fallback", "stored_model", "credential", "stored_config"};
  for (const Change& change : changes) {
    if (change.kind == "key") {
      forget(std::string_view(change.entity));
    } else if (std::find(std::begin(kElsewhere), std::end(kElsewhere), change.kind) == std::end(kElsewhere)) {
      forget_all();
      return;
    }
  }
}

void Authenticator::forget_all() {
  State& state = *state_;
  ++state.changes;
  state.known.clear();
  state.known_order.clear();
  state.unknown_order.clear();
}

void Authenticator::replace_settings(AuthSettings settings) {
  state_->settings = std::move(settings);
}

}  // namespace turnpike::account
