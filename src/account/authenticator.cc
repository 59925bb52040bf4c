#include "account/authenticator.h"

#include <algorithm>
#include <limits>
#include <list>
#include <map>
#include <unordered_map>

#include "account/caller_tree.h"
#include "account/jwt_callers.h"
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

std::string_view client_ip(const http::Request& request, const AuthSettings& settings) {
  constexpr std::size_t kHopsMax = 32;
  std::string_view address = request.peer_ip;
  if (settings.trusted_proxies.empty()) return address;
  // From the last hop back: what stands before an address that nobody vouches for may be anybody's invention.
  std::vector<std::string_view> hops;
  for (const http::Field& field : request.fields) {
    if (!base::equals_ignoring_case(field.name, "x-forwarded-for")) continue;
    for (const std::string_view hop : base::split(field.value, ',')) hops.push_back(base::trim(hop));
    if (hops.size() > kHopsMax) return address;
  }
  while (!hops.empty()) {
    const std::optional<domain::IpAddress> known = domain::parse_ip(address);
    if (!known || !domain::holds(settings.trusted_proxies, *known)) break;
    address = hops.back();
    hops.pop_back();
  }
  return address;
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
    std::int64_t until_us = kForever;  // A replaced key's end.
    std::uint64_t seen = 0;            // The newest change that this cannot be missing.
    std::size_t bytes = 0;
    Order::iterator place;
  };
  /// One read of the database that several calls wait for; those who came before a change of anything may have what the
  /// reader gets.
  struct Read {
    std::vector<base::Signal*> waiters;
    std::uint64_t changes = 0;  // How many there had been when it began.
    bool failed = false;        // The database did not answer.
    domain::CallerRef caller;   // Null: nobody has the key.
  };
  static constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
  static constexpr std::size_t kChangedOwnersMax = 10'000;

  State(db::Database& database_in, AuthSettings settings_in, Limits limits_in,
        std::function<void(const domain::Caller&)> on_read_in)
      : database(database_in),
        spenders(database_in),
        settings(std::move(settings_in)),
        limits(limits_in),
        on_read(std::move(on_read_in)) {}

  db::Database& database;
  Spenders spenders;
  AuthSettings settings;
  Limits limits;
  std::function<void(const domain::Caller&)> on_read;
  std::shared_ptr<JwtCallers> tokens;  // Null: none are taken.
  domain::CallerRef admin = make_admin(domain::Role::ProxyAdmin);
  domain::CallerRef anonymous = make_admin(domain::Role::Anonymous);
  std::unordered_map<base::Sha256, Known, HashOfDigest> known;
  // Most recently used first; apart, so that a flood of unknown keys pushes no known one out.
  Order known_order;
  Order unknown_order;
  std::size_t known_bytes = 0;
  std::unordered_map<std::string, std::shared_ptr<Read>> reads;
  std::uint64_t changes = 0;  // Rises with every `forget`: an answer that was under way meanwhile is not kept.
  // Teams, users and organisations by "kind:id", and when they changed. Whoever belongs to them is dropped when he
  // calls next: nobody walks through a hundred thousand keys for it.
  std::unordered_map<std::string, std::uint64_t> changed_owners;
  std::uint64_t newest_owner_change = 0;

  bool is_token(std::string_view key) const {
    return tokens && !key.starts_with("sk-") && !settings.master_key.equals(key) && looks_like_jwt(key);
  }
  void keep(const base::Sha256& digest, domain::CallerRef caller, std::int64_t until_us) {
    drop(digest);
    Known entry;
    entry.unknown_until = base::monotonic_now() + limits.unknown_ttl;
    entry.until_us = until_us;
    entry.seen = changes;
    entry.bytes = caller ? bytes_of(*caller) : 0;
    Order& order = caller ? known_order : unknown_order;
    const std::size_t most = caller ? limits.known_keys_max : limits.unknown_keys_max;
    while (!order.empty() && (order.size() >= most || known_bytes + entry.bytes > limits.known_bytes_max)) {
      drop(base::Sha256(order.back()));
    }
    order.push_front(digest);
    entry.place = order.begin();
    known_bytes += entry.bytes;
    if (caller && base::to_hex(digest) != caller->key_hash_hex) replaced.emplace(caller->key_hash_hex, digest);
    entry.caller = std::move(caller);
    known[digest] = std::move(entry);
  }
  void drop(const base::Sha256& digest) {
    const auto entry = known.find(digest);
    if (entry == known.end()) return;
    known_bytes -= entry->second.bytes;
    (entry->second.caller ? known_order : unknown_order).erase(entry->second.place);
    if (entry->second.caller && !replaced.empty()) {
      const auto [begin, end] = replaced.equal_range(entry->second.caller->key_hash_hex);
      for (auto at = begin; at != end; ++at) {
        if (at->second != digest) continue;
        replaced.erase(at);
        break;
      }
    }
    known.erase(entry);
  }
  /// Whether a team, user or organisation of this caller has changed since he was read.
  bool is_stale(Known& entry) {
    if (entry.seen >= newest_owner_change) return false;
    const domain::Caller& caller = *entry.caller;
    const auto changed = [&](std::string_view kind, const std::string& id) {
      if (id.empty()) return false;
      const auto found = changed_owners.find(std::string(kind) + ":" + id);
      return found != changed_owners.end() && found->second > entry.seen;
    };
    if (changed("team", caller.team_id) || changed("user", caller.user_id) ||
        changed("organization", caller.organization_id))
      return true;
    entry.seen = changes;
    return false;
  }
  void owner_changed(std::string_view kind, std::string_view id) {
    if (changed_owners.size() >= kChangedOwnersMax) return forget_all();
    newest_owner_change = ++changes;
    changed_owners[std::string(kind) + ":" + std::string(id)] = changes;
  }
  void forget_all() {
    ++changes;
    known.clear();
    known_order.clear();
    unknown_order.clear();
    replaced.clear();
    known_bytes = 0;
    changed_owners.clear();
  }
  // Keys that were replaced and are still let in, by the hash of their successor.
  std::multimap<std::string, base::Sha256> replaced;

  /// What a caller takes of memory, near enough.
  static std::size_t bytes_of(const domain::Caller& caller) {
    constexpr std::size_t kEntryBytes = 256;
    constexpr std::size_t kNodeBytes = 48;
    const auto text = [](const std::string& value) { return value.capacity() > 15 ? value.capacity() : 0; };
    const auto texts = [&](const std::vector<std::string>& list) {
      std::size_t bytes = list.capacity() * sizeof(std::string);
      for (const std::string& value : list) bytes += text(value);
      return bytes;
    };
    std::size_t bytes = kEntryBytes + sizeof caller;
    for (const std::string* value :
         {&caller.key_hash_hex, &caller.key_name, &caller.key_alias, &caller.user_id, &caller.user_email,
          &caller.team_id, &caller.team_alias, &caller.organization_id, &caller.organization_alias})
      bytes += text(*value);
    for (const std::vector<std::string>* list :
         {&caller.models, &caller.tags, &caller.allowed_routes, &caller.enforced_params})
      bytes += texts(*list);
    for (const domain::ModelLevel& level : caller.model_levels) bytes += sizeof level + texts(level.models);
    for (const domain::CallerLimits& one : caller.limits)
      bytes += sizeof one + text(one.entity) + text(one.label) + text(one.model);
    for (const auto& [from, to] : caller.aliases) bytes += kNodeBytes + 2 * sizeof from + text(from) + text(to);
    for (const std::vector<domain::CallerAccount>* list : {&caller.accounts, &caller.model_accounts}) {
      for (const domain::CallerAccount& account : *list)
        bytes += sizeof account + text(account.entity) + text(account.label) + text(account.model);
    }
    return bytes + caller.allowed_ips.capacity() * sizeof(domain::IpRange);
  }
};

namespace {

/// What is checked at every call of a known key.
Result<domain::CallerRef> judge(const domain::CallerRef& caller, std::int64_t now_us) {
  if (caller->blocked) return refuse("Key is blocked. Update via `/key/unblock` if you're admin.");
  if (caller->team_blocked)
    return refuse("Team=" + caller->team_id + " is blocked. Update via `/team/unblock` if your admin.");
  if (caller->expires_us && *caller->expires_us <= now_us) {
    return refuse("Authentication Error - Expired Key. Key Expiry time " + base::iso_time(*caller->expires_us) +
                      " and current time " + base::iso_time(now_us),
                  "expired_key", caller->key_name);
  }
  return caller;
}

Error database_away(std::string detail) {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.type = "no_db_connection";
  error.message = "Service Unavailable, the authentication database is temporarily unreachable. Please retry shortly.";
  error.detail = std::move(detail);
  error.retry_after = std::chrono::seconds(2);
  return error;
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

/// LiteLLM's text for an address that may not call.
Status check_address(std::span<const domain::IpRange> allowed, const http::Request& request,
                     const AuthSettings& settings) {
  const std::string_view text = client_ip(request, settings);
  const std::optional<domain::IpAddress> address = domain::parse_ip(text);
  if (address && domain::holds(allowed, *address)) return {};
  return base::fail(ErrorKind::PermissionDenied, "Access forbidden: IP address " + std::string(text) + " not allowed.");
}

/// What is checked of a caller who is known.
Result<domain::CallerRef> admit(const domain::CallerRef& caller, const http::Request& request,
                                const AuthSettings& settings, std::int64_t now_us) {
  if (!caller->allowed_ips.empty()) {
    if (Status inside = check_address(caller->allowed_ips, request, settings); !inside)
      return base::fail(std::move(inside.error()));
  }
  return judge(caller, now_us);
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

Authenticator::Authenticator(db::Database& database, AuthSettings settings, Limits limits,
                             std::function<void(const domain::Caller&)> on_read)
    : state_(std::make_shared<State>(database, std::move(settings), limits, std::move(on_read))) {}

std::optional<Result<domain::CallerRef>> Authenticator::authenticate_known(const http::Request& request,
                                                                           std::int64_t now_us) {
  State& state = *state_;
  if (!state.settings.allowed_ips.empty()) {
    if (Status inside = check_address(state.settings.allowed_ips, request, state.settings); !inside)
      return base::fail(std::move(inside.error()));
  }
  const Presented presented = find_key(request, state.settings);
  if (state.is_token(presented.key)) return state.tokens->known(base::sha256(presented.key), request, now_us);
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
  if (known.until_us <= now_us || state.is_stale(known)) {
    state.drop(base::Sha256(entry->first));
    return std::nullopt;
  }
  if (state.settings.staleness_max.count() > 0 && state.settings.behind &&
      state.settings.behind() > state.settings.staleness_max)
    return base::fail(database_away({}));
  state.known_order.splice(state.known_order.begin(), state.known_order, known.place);
  return admit(known.caller, request, state.settings, now_us);
}

Task<Result<domain::CallerRef>> Authenticator::authenticate(const http::Request& request, std::int64_t now_us) {
  const std::shared_ptr<State> state = state_;
  constexpr int kRoundsMax = 8;  // Each needs a change that arrived while a read was under way.
  for (int round = 0; round < kRoundsMax; ++round) {
    if (std::optional<Result<domain::CallerRef>> known = authenticate_known(request, now_us))
      co_return std::move(*known);
    const Presented presented = find_key(request, state->settings);
    if (state->is_token(presented.key)) {
      const std::shared_ptr<JwtCallers> tokens = state->tokens;
      co_return co_await tokens->recognise(std::string(presented.key), request, now_us);
    }
    const base::Sha256 digest = base::sha256(presented.key);
    const std::string hash = base::to_hex(digest);
    if (const auto found = state->reads.find(hash); found != state->reads.end()) {
      const std::shared_ptr<State::Read> read = found->second;
      const bool before_changes = state->changes == read->changes;
      base::Signal answered;
      read->waiters.push_back(&answered);
      co_await answered;
      if (read->failed) co_return base::fail(database_away({}));
      if (before_changes && read->caller) co_return admit(read->caller, request, state->settings, now_us);
      continue;
    }
    const auto read = std::make_shared<State::Read>();
    state->reads[hash] = read;
    read->changes = state->changes;
    const auto found = std::make_shared<ReadCaller>();
    std::function<Status(db::Transaction&)> work = [hash, now_us, found](db::Transaction& transaction) -> Status {
      Result<ReadCaller> one = read_caller(transaction, hash, now_us);
      if (!one) return base::fail(std::move(one.error()));
      *found = std::move(*one);
      return {};
    };
    const Status done = co_await state->database.read(std::move(work));
    state->reads.erase(hash);
    const domain::CallerRef caller = done ? found->caller : nullptr;
    if (caller && state->on_read) state->on_read(*caller);
    read->failed = !done;
    read->caller = caller;
    if (done && state->changes == read->changes) state->keep(digest, caller, found->until.value_or(State::kForever));
    for (base::Signal* waiter : std::vector<base::Signal*>(read->waiters)) waiter->fire();
    if (!done) co_return base::fail(database_away(done.error().message));
    if (caller) co_return admit(caller, request, state->settings, now_us);
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
  State& state = *state_;
  ++state.changes;
  const auto bytes = base::from_hex(hash_hex);
  base::Sha256 digest{};
  if (!bytes || bytes->size() != digest.size()) return;
  std::copy(bytes->begin(), bytes->end(), digest.begin());
  state.drop(digest);
  for (auto old = state.replaced.find(std::string(hash_hex)); old != state.replaced.end();
       old = state.replaced.find(std::string(hash_hex)))
    state.drop(base::Sha256(old->second));
}

void Authenticator::forget(const std::vector<Change>& changes) {
  struct Owner {
    std::string_view changed, kind;  // What changed; whose callers are made of it.
  };
  constexpr Owner kOwners[] = {
      {"team", "team"},
      {"team_member", "team"},
      {"internal_user", "user"},
      {"organization", "organization"},
      {"organization_member", "organization"},
  };
  // What a caller is never made of.
  constexpr std::string_view kElsewhere[] = {"fallback",      "stored_model", "credential",
                                             "stored_config", "end_user",     "tag"};
  for (const Change& change : changes) {
    const auto owner = std::ranges::find(kOwners, change.kind, &Owner::changed);
    if (change.kind == "key") {
      forget(std::string_view(change.entity));
    } else if (change.kind == "end_user" || change.kind == "tag") {
      state_->spenders.forget(change.kind == "tag" ? kTagKind : kEndUserKind, change.entity);
    } else if (owner != std::end(kOwners)) {
      if (state_->tokens) state_->tokens->forget_all();  // There are few, and reading them again is cheap.
      state_->owner_changed(owner->kind, std::string_view(change.entity).substr(0, change.entity.find("::")));
    } else if (std::ranges::find(kElsewhere, change.kind) == std::end(kElsewhere)) {
      forget_all();
      return;
    }
  }
}

void Authenticator::forget_all() {
  state_->forget_all();
  if (state_->tokens) state_->tokens->forget_all();
  state_->spenders.forget_all();
}

Spenders& Authenticator::spenders() {
  return state_->spenders;
}

void Authenticator::take_tokens(std::shared_ptr<JwtCallers> tokens) {
  state_->tokens = std::move(tokens);
}

void Authenticator::replace_settings(AuthSettings settings) {
  state_->settings = std::move(settings);
}

}  // namespace turnpike::account
