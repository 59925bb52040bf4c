#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "account/jwt_verify.h"
#include "base/clock.h"
#include "base/task.h"
#include "net/io_threads.h"

namespace turnpike::account {

using JwkSetRef = std::shared_ptr<const JwkSet>;

/// The public keys of the identity providers, fetched when first needed and again when they are older than `ttl` or a
/// token names a key that is not among them.
///
/// Limits:    one fetch at a time over all threads, for all that wait; tokens with unknown keys cause one fetch in
///            `kUnknownPause`, a failure is not repeated within `kFailurePause`. A set that cannot be fetched again is
///            kept for `kKept`.
/// Errors:    Unavailable (503, type "auth_provider_unavailable") while no key could be fetched yet.
/// Threading: shared by all I/O threads; it takes a lock, so callers keep what they have verified (jwt_callers.h).
class JwtKeys : public std::enable_shared_from_this<JwtKeys> {
 public:
  static constexpr std::chrono::seconds kUnknownPause{10};
  static constexpr std::chrono::seconds kFailurePause{2};
  static constexpr std::chrono::seconds kFetchLimit{5};
  static constexpr std::chrono::hours kKept{24};

  /// Fetches a text; overridden in tests.
  using Fetch = std::function<Task<Result<std::string>>(net::IoThread& thread, std::string url)>;
  using Clock = base::Monotonic (*)();
  struct Options {
    std::vector<std::string> urls;  // Key sets, or discovery documents ("/.well-known/openid-configuration").
    std::chrono::milliseconds ttl{600'000};
    Fetch fetch;  // Empty: over HTTP.
    Clock clock = &base::monotonic_now;
  };
  explicit JwtKeys(Options options);

  /// The keys, among them one for `head` if there is one at all.
  Task<Result<JwkSetRef>> keys_for(net::IoThread& thread, JwtHead head);

  const std::vector<std::string>& urls() const { return options_.urls; }
  std::chrono::milliseconds ttl() const { return options_.ttl; }

 private:
  struct Source {
    std::string url;
    JwkSet set;
    base::Monotonic fetched = base::Monotonic::min();  // `min`: never.
  };
  struct Waiter;

  bool wants_fetch(const JwtHead& head, base::Monotonic now) const;
  static Task<void> fetch_all(std::shared_ptr<JwtKeys> self, net::IoThread& thread);
  Task<Result<JwkSet>> fetch_safely(net::IoThread& thread, std::string url);
  Task<Result<JwkSet>> fetch_one(net::IoThread& thread, std::string url);
  void keep(std::vector<Result<JwkSet>> answers, base::Monotonic asked);

  const Options options_;
  std::mutex mutex_;  // Guards what follows.
  std::vector<Source> sources_;
  JwkSetRef keys_;  // All of them; null: none was fetched yet.
  base::Monotonic stale_at_ = base::Monotonic::min();
  base::Monotonic unknown_from_ = base::Monotonic::min();  // Before, an unknown key causes no fetch;
  base::Monotonic next_ = base::Monotonic::min();          // and before this, nothing does.
  bool under_way_ = false;
  std::vector<std::shared_ptr<Waiter>> waiting_;
};

}  // namespace turnpike::account
