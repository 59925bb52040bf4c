#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "credential/credential.h"

namespace turnpike::credential {

/// A credential with an end, as it was given out.
struct Grant {
  Credential credential;
  std::chrono::seconds good_for{0};
  bool fixed = false;  // Written down somewhere that does not change: asking anew gives the same.
};

/// A credential that expires: asked for when first needed and renewed ahead of its end, while calls go on with the one
/// in force.
///
/// Renewal:   `kAhead` before the end (half of the life of short ones), by one fetch over all threads. Callers who find
///            none in force wait for that fetch; the end of their own time ends their wait and not the fetch.
/// Limits:    a fetch may take `kFetchLimit`. A failure is shared with everybody who waited and stays for
///            `kFailurePause`: a storm of calls is no storm of token requests. A refusal by the provider is heeded once
///            in `kRefusalPause`.
/// Errors:    of `fetch`; Timeout and CallerGone of the caller who waits.
/// Threading: shared by all I/O threads. `get` takes no lock while the credential in force is good: each thread has a
///            copy of the reference, renewed when `version_` moves.
class RenewedSource : public CredentialSource, public std::enable_shared_from_this<RenewedSource> {
 public:
  static constexpr std::chrono::seconds kAhead{300};
  static constexpr std::chrono::seconds kFetchLimit{30};
  static constexpr std::chrono::milliseconds kFailurePause{1000};
  static constexpr std::chrono::seconds kRefusalPause{10};
  using Clock = base::Monotonic (*)();

  /// `label` names the provider in the operator's log.
  explicit RenewedSource(std::string label, Clock clock = &base::monotonic_now)
      : label_(std::move(label)), clock_(clock) {}

  Task<Result<CredentialRef>> get(Context context) final;
  bool refused(const CredentialRef& credential) final;

 protected:
  /// Asks for a new one. `context` is the fetch's own: nobody cancels it, and its deadline is `kFetchLimit` away.
  virtual Task<Result<Grant>> fetch(Context context) = 0;
  const std::string& label() const { return label_; }

 private:
  struct Held {
    CredentialRef credential;
    base::Monotonic renew_at, usable_until;
    bool fixed = false;
    bool good(base::Monotonic now) const { return credential != nullptr && now < usable_until; }
  };
  struct Slot {
    std::uint64_t version = 0;
    Held held;
  };
  struct Waiter;

  Held look(const net::IoThread& thread);
  void renew_ahead(net::IoThread& thread, base::Monotonic now);
  Task<Result<CredentialRef>> wait(Context context);
  static Task<void> renew(std::shared_ptr<RenewedSource> self, net::IoThread& thread);
  Task<Result<Grant>> fetch_safely(Context context);
  void keep(Result<Grant> grant, base::Monotonic asked);

  static constexpr std::size_t kSlots = 64;  // Threads beyond take the lock.

  const std::string label_;
  const Clock clock_;
  std::array<std::unique_ptr<Slot>, kSlots> slots_;  // Each touched by its own thread only.
  std::atomic<std::uint64_t> version_{1};
  /// No fetch begins before; `max` while one is under way.
  std::atomic<base::Monotonic> next_fetch_{base::Monotonic::min()};

  std::mutex mutex_;  // Guards what follows.
  Held held_;
  std::optional<Error> failure_;
  base::Monotonic refusals_from_ = base::Monotonic::min();
  std::vector<std::shared_ptr<Waiter>> waiting_;
};

}  // namespace turnpike::credential
