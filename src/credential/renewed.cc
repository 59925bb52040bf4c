#include "credential/renewed.h"

#include <algorithm>
#include <exception>

#include "base/log.h"
#include "http/exchange_clock.h"
#include "net/blocking.h"

namespace turnpike::credential {

/// One call that waits for the fetch under way.
struct RenewedSource::Waiter {
  explicit Waiter(net::EventLoop& loop) : meeting(loop), mailbox(loop.mailbox()) {}
  net::Rendezvous meeting;
  std::shared_ptr<net::Mailbox> mailbox;
  Result<CredentialRef> outcome;  // Written before the meeting is completed.
};

namespace {

constexpr base::Monotonic kUnderWay = base::Monotonic::max();

/// A credential must not expire on its way to the provider.
constexpr std::chrono::seconds kMargin{10};
/// What has no end is looked up again all the same.
constexpr std::chrono::hours kLifeMax{24};

}  // namespace

RenewedSource::Held RenewedSource::look(const net::IoThread& thread) {
  if (thread.index() >= kSlots) {
    const std::lock_guard lock(mutex_);
    return held_;
  }
  std::unique_ptr<Slot>& slot = slots_[thread.index()];
  if (!slot) slot = std::make_unique<Slot>();
  if (slot->version != version_.load(std::memory_order_acquire)) {
    const std::lock_guard lock(mutex_);
    slot->held = held_;
    slot->version = version_.load(std::memory_order_relaxed);
  }
  return slot->held;
}

Task<Result<CredentialRef>> RenewedSource::get(Context context) {
  const base::Monotonic now = clock_();
  Held held = look(context.thread);
  if (!held.good(now)) co_return co_await wait(context);
  if (now >= held.renew_at) renew_ahead(context.thread, now);
  co_return std::move(held.credential);
}

void RenewedSource::renew_ahead(net::IoThread& thread, base::Monotonic now) {
  base::Monotonic from = next_fetch_.load(std::memory_order_relaxed);
  if (now < from || !next_fetch_.compare_exchange_strong(from, kUnderWay)) return;
  base::spawn(renew(shared_from_this(), thread));
}

Task<Result<CredentialRef>> RenewedSource::wait(Context context) {
  if (context.cancel.requested()) co_return base::fail(http::ExchangeClock::cancelled());
  const auto waiter = std::make_shared<Waiter>(net::loop_of(context.thread));
  bool begin = false;
  {
    const std::lock_guard lock(mutex_);
    const base::Monotonic now = clock_();
    if (held_.good(now)) co_return held_.credential;  // Somebody was faster.
    base::Monotonic from = next_fetch_.load(std::memory_order_relaxed);
    if (now < from && from != kUnderWay) co_return base::fail(*failure_);
    begin = from != kUnderWay && next_fetch_.compare_exchange_strong(from, kUnderWay);
    waiting_.push_back(waiter);
  }
  if (begin) base::spawn(renew(shared_from_this(), context.thread));
  context.cancel.set_action([waiter] { waiter->meeting.complete(net::Wake::Woken); });
  const net::Wake wake = co_await waiter->meeting.wait(context.deadline);
  context.cancel.set_action({});
  if (context.cancel.requested() || wake == net::Wake::Woken) co_return base::fail(http::ExchangeClock::cancelled());
  if (wake == net::Wake::Timeout) {
    co_return base::fail(ErrorKind::Timeout, "litellm.Timeout: the timeout of the call expired while " + label_ +
                                                 " was asked for an access token.");
  }
  co_return std::move(waiter->outcome);
}

Task<void> RenewedSource::renew(std::shared_ptr<RenewedSource> self, net::IoThread& thread) {
  // Of its own: the caller's may end before the fetch does.
  const std::unique_ptr<http::Client> client = http::Client::make(thread, {});
  http::Cancel never;
  const base::Monotonic asked = self->clock_();
  Result<Grant> grant = co_await self->fetch_safely(
      {thread, *client, never, base::monotonic_now() + kFetchLimit, base::unix_now_us() / 1'000'000});
  if (!grant) {
    base::log(base::LogLevel::Warning, "No access token: {}{}{}", grant.error().message,
              grant.error().detail.empty() ? "" : " | ", grant.error().detail);
  }
  self->keep(std::move(grant), asked);
}

Task<Result<Grant>> RenewedSource::fetch_safely(Context context) {
  try {
    co_return co_await fetch(context);
  } catch (const std::exception& failure) {
    co_return base::fail(ErrorKind::Internal, "the gateway failed to ask for an access token", failure.what());
  }
}

void RenewedSource::keep(Result<Grant> grant, base::Monotonic asked) {
  std::vector<std::shared_ptr<Waiter>> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (grant) {
      const std::chrono::milliseconds life = std::clamp<std::chrono::seconds>(grant->good_for, {}, kLifeMax);
      held_.credential = std::make_shared<const Credential>(std::move(grant->credential));
      held_.fixed = grant->fixed;
      held_.renew_at = asked + life - std::min<std::chrono::milliseconds>(kAhead, life / 2);
      held_.usable_until = asked + life - std::min<std::chrono::milliseconds>(kMargin, life / 10);
      failure_.reset();
      version_.fetch_add(1, std::memory_order_release);
    } else {
      failure_ = grant.error();
    }
    for (const std::shared_ptr<Waiter>& waiter : waiting_) {
      if (grant) {
        waiter->outcome = held_.credential;
      } else {
        waiter->outcome = base::fail(*failure_);
      }
    }
    waiting.swap(waiting_);
    // Last: from here on somebody may begin the next one.
    next_fetch_.store(grant ? base::Monotonic::min() : clock_() + kFailurePause, std::memory_order_release);
  }
  for (const std::shared_ptr<Waiter>& waiter : waiting) {
    waiter->mailbox->post([waiter] { waiter->meeting.complete(net::Wake::Ready); });
  }
}

bool RenewedSource::refused(const CredentialRef& credential) {
  const std::lock_guard lock(mutex_);
  if (held_.fixed) return false;
  if (held_.credential != credential) return true;  // Renewed since.
  const base::Monotonic now = clock_();
  if (now < refusals_from_) return false;
  refusals_from_ = now + kRefusalPause;
  held_ = {};
  version_.fetch_add(1, std::memory_order_release);
  return true;
}

}  // namespace turnpike::credential
