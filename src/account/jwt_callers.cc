#include "account/jwt_callers.h"

#include "account/jwt_rows.h"
#include "account/route_access.h"
#include "base/clock.h"
#include "base/text.h"
#include "protocol/multipart.h"

namespace turnpike::account {
namespace {

/// What is known of a verified token.
struct Session {
  JwtIdentity identity;
  std::vector<domain::CallerRef> callers;
  std::int64_t expires_s = 0;
};
using SessionRef = std::shared_ptr<const Session>;

struct DigestHash {
  std::size_t operator()(const base::Sha256& digest) const {
    std::size_t word;
    std::copy_n(digest.data(), sizeof word, reinterpret_cast<unsigned char*>(&word));
    return word;
  }
};

/// Sessions by the hash of their token; bounded, least recently used goes.
class Sessions {
 public:
  struct Entry {
    Result<SessionRef> session;
    base::Monotonic until;
    std::list<base::Sha256>::iterator place;
  };

  Entry* find(const base::Sha256& digest) {
    const auto found = entries_.find(digest);
    if (found == entries_.end()) return nullptr;
    if (found->second.until <= base::monotonic_now()) {
      drop(digest);
      return nullptr;
    }
    std::list<base::Sha256>& order = order_of(found->second);
    order.splice(order.begin(), order, found->second.place);
    return &found->second;
  }
  void keep(const base::Sha256& digest, Result<SessionRef> session, std::chrono::milliseconds life) {
    drop(digest);
    std::list<base::Sha256>& order = session ? good_ : refused_;
    const std::size_t most = session ? JwtCallers::kKnownMax : JwtCallers::kRefusedMax;
    while (order.size() >= most) drop(base::Sha256(order.back()));
    order.push_front(digest);
    entries_.insert({digest, Entry{std::move(session), base::monotonic_now() + life, order.begin()}});
  }
  void drop(const base::Sha256& digest) {
    const auto found = entries_.find(digest);
    if (found == entries_.end()) return;
    order_of(found->second).erase(found->second.place);
    entries_.erase(found);
  }
  void clear() {
    entries_.clear();
    good_.clear();
    refused_.clear();
  }

 private:
  std::list<base::Sha256>& order_of(const Entry& entry) { return entry.session ? good_ : refused_; }

  std::unordered_map<base::Sha256, Entry, DigestHash> entries_;
  std::list<base::Sha256> good_, refused_;  // Most recently used first; a flood of bad tokens pushes no good one out.
};

bool is_lasting(const Error& error) {
  return error.kind == ErrorKind::Unauthenticated || error.kind == ErrorKind::PermissionDenied;
}

tl::unexpected<Error> expired() {
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "auth_error";
  error.message = "Token Expired";
  return base::fail(std::move(error));
}

tl::unexpected<Error> owners_away(std::string why) {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.type = "no_db_connection";
  error.message = "Service Unavailable, the authentication database is temporarily unreachable. Please retry shortly.";
  error.detail = std::move(why);
  error.retry_after = std::chrono::seconds(2);
  return base::fail(std::move(error));
}

Result<domain::CallerRef> judge(const domain::CallerRef& caller) {
  if (!caller->team_blocked) return caller;
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "auth_error";
  error.message = "Team=" + caller->team_id + " is blocked. Update via `/team/unblock` if your admin.";
  return base::fail(std::move(error));
}

bool allows(const std::vector<std::string>& models, std::string_view model, const AccessGroups& groups) {
  domain::Caller limited;
  limited.model_levels.push_back({domain::ModelLevel::Of::Key, models});
  return model_allowed(limited, model, groups);
}

/// Of several teams the first that may call the model.
Result<domain::CallerRef> choose(const Session& session, const http::Request& request, const AccessGroups& groups) {
  const bool matters = session.callers.size() > 1 || !session.identity.model_limits.empty();
  const std::string model = matters ? requested_model(request) : std::string();
  if (!model.empty()) {
    Status allowed = check_token_models(
        session.identity, model,
        [&](const std::vector<std::string>& list, std::string_view name) { return allows(list, name, groups); });
    if (!allowed) return base::fail(std::move(allowed.error()));
  }
  if (session.callers.size() == 1 || model.empty()) return judge(session.callers.front());
  std::vector<std::string> teams;
  for (const domain::CallerRef& caller : session.callers) {
    const auto alias = caller->aliases.find(model);
    if (!caller->team_blocked && (model_allowed(*caller, model, groups) ||
                                  (alias != caller->aliases.end() && model_allowed(*caller, alias->second, groups)))) {
      return caller;
    }
    teams.push_back(caller->team_id);
  }
  Error error;
  error.kind = ErrorKind::PermissionDenied;
  error.type = "team_model_access_denied";
  error.param = "model";
  error.message = "No team has access to the requested model: " + model + ". Checked teams=" + shown_list(teams) +
                  ". Check `/models` to see all available models.";
  return base::fail(std::move(error));
}

}  // namespace

struct JwtCallers::State {
  explicit State(Parts parts_in) : parts(std::move(parts_in)) {}

  Parts parts;
  Sessions table;
  std::unordered_map<base::Sha256, std::vector<base::Signal*>, DigestHash> under_way;
  std::uint64_t changes = 0;  // Rises when rows change: what was read meanwhile is not kept.

  Task<Result<SessionRef>> verify(std::string token, std::int64_t now_us);
  Task<Result<JwtOwners>> read_owners(std::shared_ptr<const JwtIdentity> identity,
                                      std::shared_ptr<const domain::Caller> like, bool may_write, std::int64_t now_us);
};

JwtCallers::JwtCallers(Parts parts) : state_(std::make_shared<State>(std::move(parts))) {}

std::optional<Result<domain::CallerRef>> JwtCallers::known(const base::Sha256& digest, const http::Request& request,
                                                           std::int64_t now_us) {
  const Sessions::Entry* entry = state_->table.find(digest);
  if (entry == nullptr) return std::nullopt;
  if (!entry->session) return Result<domain::CallerRef>(base::fail(entry->session.error()));
  const Session& session = **entry->session;
  if (session.expires_s + kLeewaySeconds <= now_us / 1'000'000) return Result<domain::CallerRef>(expired());
  return choose(session, request, state_->parts.access_groups);
}

Task<Result<domain::CallerRef>> JwtCallers::recognise(std::string token, const http::Request& request,
                                                      std::int64_t now_us) {
  const std::shared_ptr<State> state = state_;
  const base::Sha256 digest = base::sha256(token);
  if (const auto read = state->under_way.find(digest); read != state->under_way.end()) {
    base::Signal done;
    read->second.push_back(&done);
    co_await done;
    if (std::optional<Result<domain::CallerRef>> found = known(digest, request, now_us)) co_return std::move(*found);
  }
  state->under_way.try_emplace(digest);
  const std::uint64_t changes = state->changes;
  Result<SessionRef> session = co_await state->verify(std::move(token), now_us);
  if (session && state->changes == changes) {
    const std::chrono::seconds left((*session)->expires_s + kLeewaySeconds - now_us / 1'000'000);
    state->table.keep(digest, session, std::min<std::chrono::milliseconds>(left, state->parts.settings.public_key_ttl));
  } else if (!session && is_lasting(session.error())) {
    state->table.keep(digest, session, kRefusedFor);
  }
  auto waiting = state->under_way.extract(digest);
  if (!waiting.empty()) {
    for (base::Signal* waiter : waiting.mapped()) waiter->fire();
  }
  if (!session) co_return base::fail(std::move(session.error()));
  co_return choose(**session, request, state->parts.access_groups);
}

Task<Result<SessionRef>> JwtCallers::State::verify(std::string token, std::int64_t now_us) {
  const Result<JwtHead> head = read_jwt_head(token);
  if (!head) co_return base::fail(head.error());
  const Result<JwkSetRef> keys = co_await parts.keys->keys_for(*parts.thread, *head);
  if (!keys) co_return base::fail(keys.error());
  const JwtRules rules{parts.settings.audiences, parts.settings.issuers, kLeewaySeconds};
  const Result<JwtVerified> verified = verify_jwt(token, **keys, rules, now_us / 1'000'000);
  if (!verified) co_return base::fail(verified.error());
  Result<JwtIdentity> identity = read_identity(verified->claims_json, parts.settings);
  if (!identity) co_return base::fail(std::move(identity.error()));

  auto session = std::make_shared<Session>();
  session->identity = std::move(*identity);
  session->expires_s = verified->expires_s;
  auto like = std::make_shared<domain::Caller>();
  like->key_hash = base::sha256(token);
  like->key_hash_hex = base::to_hex(like->key_hash);
  like->key_name = kTokenKeyName;
  like->end_user = session->identity.end_user;
  like->allowed_routes = session->identity.allowed_routes;
  for (const TokenModels& limit : session->identity.model_limits)
    like->model_levels.push_back({domain::ModelLevel::Of::Key, limit.models});
  const auto shared = std::make_shared<const JwtIdentity>(session->identity);
  Result<JwtOwners> owners = co_await read_owners(shared, like, false, now_us);
  if (owners && owners->lacks_rows) {
    Result<JwtOwners> made = co_await read_owners(shared, like, true, now_us);
    owners = std::move(made);
  }
  if (!owners) {
    if (is_lasting(owners.error())) co_return base::fail(std::move(owners.error()));
    co_return owners_away(owners.error().message);
  }
  session->callers = std::move(owners->callers);
  for (const domain::CallerRef& caller : session->callers) {
    if (parts.on_read) parts.on_read(*caller);
  }
  co_return SessionRef(std::move(session));
}

Task<Result<JwtOwners>> JwtCallers::State::read_owners(std::shared_ptr<const JwtIdentity> identity,
                                                       std::shared_ptr<const domain::Caller> like, bool may_write,
                                                       std::int64_t now_us) {
  const auto found = std::make_shared<JwtOwners>();
  const auto settings = std::make_shared<const config::JwtSettings>(parts.settings);
  std::function<Status(db::Transaction&)> work = [=](db::Transaction& transaction) -> Status {
    Result<JwtOwners> owners = find_owners(transaction, *identity, *settings, *like, may_write, now_us);
    if (!owners) return base::fail(std::move(owners.error()));
    *found = std::move(*owners);
    return {};
  };
  Status done;
  if (may_write) {
    done = co_await parts.database->transact(std::move(work));
  } else {
    done = co_await parts.database->read(std::move(work));
  }
  if (!done) co_return base::fail(std::move(done.error()));
  co_return std::move(*found);
}

void JwtCallers::forget_all() {
  ++state_->changes;
  state_->table.clear();
}

std::string requested_model(const http::Request& request) {
  for (const std::string_view prefix : {"/engines/", "/openai/deployments/"}) {
    const std::size_t at = request.path.find(prefix);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = request.path.substr(at + prefix.size());
    return base::percent_decode(rest.substr(0, rest.find('/'))).value_or("");
  }
  if (request.body.empty()) return {};
  const std::string_view type = request.find("content-type");
  if (protocol::is_form(type)) {
    const Result<protocol::Form> form = protocol::parse_form(type, request.body);
    const protocol::FormPart* part = form ? form->find("model") : nullptr;
    return part == nullptr ? std::string() : std::string(part->value.in(request.body));
  }
  json::Document document;
  return document.parse(request.body) ? document.root().find("model").text().value_or("") : std::string();
}

}  // namespace turnpike::account
