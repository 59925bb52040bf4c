#include "account/jwt_keys.h"

#include "base/log.h"
#include "base/secret.h"
#include "config/jwt_settings.h"
#include "credential/token_request.h"
#include "json/document.h"
#include "net/blocking.h"

namespace turnpike::account {
namespace {

constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";

tl::unexpected<Error> away() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.type = "auth_provider_unavailable";
  error.message =
      "Service Unavailable, the public keys of the identity provider cannot be fetched, so the token could not be "
      "verified. Please retry shortly; the gateway's log says why.";
  error.retry_after = std::chrono::seconds(2);
  return base::fail(std::move(error));
}

Task<Result<std::string>> fetch_text(net::IoThread& thread, std::string url) {
  const std::unique_ptr<http::Client> client = http::Client::make(thread, {});
  http::Cancel never;
  credential::TokenRequest request = credential::request_to("Identity provider", std::move(url), {});
  request.method = "GET";
  request.limit = JwtKeys::kFetchLimit;
  credential::Context context{thread, *client, never, base::monotonic_now() + JwtKeys::kFetchLimit,
                              base::unix_now_us() / 1'000'000};
  Result<credential::TokenAnswer> answer = co_await credential::ask(context, std::move(request));
  if (!answer) co_return base::fail(std::move(answer.error()));
  co_return std::move(answer->body);
}

}  // namespace

struct JwtKeys::Waiter {
  explicit Waiter(net::EventLoop& loop) : meeting(loop), mailbox(loop.mailbox()) {}
  net::Rendezvous meeting;
  std::shared_ptr<net::Mailbox> mailbox;
};

JwtKeys::JwtKeys(Options options) : options_(std::move(options)) {
  for (const std::string& url : options_.urls) sources_.push_back({url, {}});
}

bool JwtKeys::wants_fetch(const JwtHead& head, base::Monotonic now) const {
  if (now < next_) return false;
  if (keys_ == nullptr || now >= stale_at_) return true;
  return !has_key_for(*keys_, head) && now >= unknown_from_;
}

Task<Result<JwkSetRef>> JwtKeys::keys_for(net::IoThread& thread, JwtHead head) {
  std::shared_ptr<Waiter> waiter;
  bool begin = false;
  {
    const std::lock_guard lock(mutex_);
    // Whoever needs a key that a fetch under way may bring waits for it as well.
    const bool lacks = keys_ == nullptr || !has_key_for(*keys_, head);
    begin = !under_way_ && wants_fetch(head, options_.clock());
    if (begin || (under_way_ && lacks)) {
      waiter = std::make_shared<Waiter>(net::loop_of(thread));
      waiting_.push_back(waiter);
      under_way_ = true;
    }
  }
  if (begin) base::spawn(fetch_all(shared_from_this(), thread));
  // Longer than the fetch can take: two requests for each address.
  if (waiter) co_await waiter->meeting.wait(base::monotonic_now() + kFetchLimit * 4);
  const std::lock_guard lock(mutex_);
  if (keys_ == nullptr) co_return away();
  co_return keys_;
}

Task<void> JwtKeys::fetch_all(std::shared_ptr<JwtKeys> self, net::IoThread& thread) {
  const base::Monotonic asked = self->options_.clock();
  std::vector<Result<JwkSet>> answers;
  for (const std::string& url : self->options_.urls) {
    Result<JwkSet> answer = co_await self->fetch_safely(thread, url);
    if (!answer) {
      base::log(base::LogLevel::Warning, "Public keys for tokens could not be fetched from {}: {}{}{}",
                base::without_credentials(url), answer.error().message, answer.error().detail.empty() ? "" : " | ",
                answer.error().detail);
    }
    answers.push_back(std::move(answer));
  }
  self->keep(std::move(answers), asked);
}

Task<Result<JwkSet>> JwtKeys::fetch_safely(net::IoThread& thread, std::string url) {
  try {
    co_return co_await fetch_one(thread, std::move(url));
  } catch (const std::exception& failure) {
    co_return base::fail(ErrorKind::Internal, failure.what());
  }
}

Task<Result<JwkSet>> JwtKeys::fetch_one(net::IoThread& thread, std::string url) {
  const Fetch& fetch = options_.fetch;
  const auto ask = [&](std::string where) { return fetch ? fetch(thread, where) : fetch_text(thread, where); };
  if (url.find(kDiscovery) != std::string::npos) {
    const Result<std::string> text = co_await ask(url);
    if (!text) co_return base::fail(text.error());
    {
      json::Document document;
      url = document.parse(*text) ? document.root().find("jwks_uri").text().value_or("") : "";
    }
    if (!config::may_bring_keys(url)) {
      co_return base::fail(ErrorKind::InvalidRequest,
                           "the discovery document names no jwks_uri that is an https address or one of this machine");
    }
  }
  const Result<std::string> text = co_await ask(url);
  if (!text) co_return base::fail(text.error());
  co_return parse_jwks(*text);
}

void JwtKeys::keep(std::vector<Result<JwkSet>> answers, base::Monotonic asked) {
  std::vector<std::shared_ptr<Waiter>> waiting;
  {
    const std::lock_guard lock(mutex_);
    const base::Monotonic now = options_.clock();
    bool all = true;
    auto keys = std::make_shared<JwkSet>();
    bool some = false;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      Source& source = sources_[i];
      if (answers[i]) {
        source.set = std::move(*answers[i]);
        source.fetched = asked;
      } else {
        all = false;
      }
      if (source.fetched == base::Monotonic::min() || now - source.fetched > kKept) continue;
      some = true;
      keys->keys.insert(keys->keys.end(), source.set.keys.begin(), source.set.keys.end());
    }
    keys_ = some ? std::move(keys) : nullptr;
    if (all) stale_at_ = asked + options_.ttl;
    next_ = all ? base::Monotonic::min() : now + kFailurePause;
    unknown_from_ = now + kUnknownPause;
    under_way_ = false;
    waiting.swap(waiting_);
  }
  for (const std::shared_ptr<Waiter>& waiter : waiting) {
    waiter->mailbox->post([waiter] { waiter->meeting.complete(net::Wake::Ready); });
  }
}

}  // namespace turnpike::account
