#include <algorithm>

#include "http/client.h"
#include "ledger/ledger_impl.h"
#include "net/io_threads.h"

// Admission that waits: for money that another admission is just undoing, or for the database to lease some.

namespace turnpike::ledger {
namespace {

constexpr std::chrono::milliseconds kUndoing{1};
constexpr std::chrono::seconds kAwayRetry{2};

Error caller_gone() {
  Error error;
  error.kind = ErrorKind::CallerGone;
  error.message = "The caller has gone.";
  return error;
}

Error budget_unavailable() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.code = "budget_unavailable";
  error.message = "The database that keeps the budgets cannot be reached, please retry shortly.";
  error.retry_after = kAwayRetry;
  return error;
}

void count_wait(LedgerCounters& counters, base::Monotonic::duration waited) {
  const auto* const place =
      std::ranges::find_if(kBudgetWaits, [waited](std::chrono::milliseconds most) { return waited <= most; });
  counters.budget_waits[place - std::begin(kBudgetWaits)].fetch_add(1, std::memory_order_relaxed);
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(waited).count();
  counters.budget_wait_us.fetch_add(static_cast<std::uint64_t>(us), std::memory_order_relaxed);
}

}  // namespace

Task<Result<Hold>> LedgerImpl::admit_or_wait(Admission admission, http::Cancel& cancel) {
  if (Status may = may_admit(); !may) co_return base::fail(std::move(may.error()));
  const std::uint64_t id = next_hold_id();
  const std::int64_t nano = admission.free_model ? 0 : std::max<std::int64_t>(admission.amount.nano(), 0);
  const std::uint64_t crossing_id = admission.may_cross ? id : 0;
  const AccountWindow* refused = admission.free_model ? nullptr : take_all(admission.windows, nano, crossing_id);
  if (refused == nullptr) co_return make_hold(admission, id, nano);
  if (leases_) {
    // What is leased of a limit that has sunk since, or whose increase has ended, is nobody's to spend.
    const bool is_spent = refused->spent().nano() >= refused->account.limit.load();
    if (is_spent || refused->words->refuses(nano, steady_now_us())) co_return base::fail(refusal(*refused, nano));
    co_return co_await wait_for_money(admission, id, nano, cancel);
  }
  if (refused->spent().nano() >= refused->account.limit.load()) co_return base::fail(refusal(*refused, nano));
  // Money that another admission was just undoing is there again a millisecond later (spec money 4).
  co_await net::current_io_thread()->sleep(kUndoing);
  if (cancel.requested()) co_return base::fail(caller_gone());
  refused = take_all(admission.windows, nano, crossing_id);
  if (refused != nullptr) co_return base::fail(refusal(*refused, nano));
  co_return make_hold(admission, id, nano);
}

Error LedgerImpl::unavailable() {
  counters_.refused_unavailable.fetch_add(1, std::memory_order_relaxed);
  return budget_unavailable();
}

Task<Result<Hold>> LedgerImpl::wait_for_money(const Admission& admission, std::uint64_t id, std::int64_t nano,
                                              http::Cancel& cancel) {
  if (cancel.requested()) co_return base::fail(caller_gone());
  if (leases_->away() && options_.budget_away == BudgetAway::Refuse) co_return base::fail(unavailable());
  std::vector<lease::LeaseKey> keys;
  for (const WindowRef& window : admission.windows) {
    if (window->leased) keys.push_back(window->key());
  }
  const base::Monotonic begun = base::monotonic_now();
  const LeaseWaitRef wait =
      leases_->wait(std::move(keys), nano, admission.may_cross, std::nullopt, net::current_io_thread());
  cancel.set_action([this, ticket = wait->ticket] { leases_->leave(ticket); });
  co_await wait->done;
  cancel.set_action({});
  count_wait(counters_, base::monotonic_now() - begun);
  Result<Hold> hold = take_waited(admission, id, nano, *wait);
  if (!hold || !cancel.requested()) co_return std::move(hold);
  std::move(*hold).undo();
  co_return base::fail(caller_gone());
}

/// What has come of a wait. Where it was given its money, that is taken already.
Result<Hold> LedgerImpl::take_waited(const Admission& admission, std::uint64_t id, std::int64_t nano,
                                     const LeaseWait& wait) {
  using Outcome = LeaseWait::Outcome;
  if (wait.outcome == Outcome::Left) return base::fail(caller_gone());
  const bool allowed = wait.outcome == Outcome::Unavailable && options_.budget_away == BudgetAway::Allow;
  if (wait.outcome == Outcome::Unavailable && !allowed) return base::fail(unavailable());
  const auto asked = std::ranges::find_if(
      admission.windows, [&](const WindowRef& window) { return window->leased && window->key() == wait.key; });
  if (wait.outcome == Outcome::Refused) {
    const AccountWindow& refused = asked == admission.windows.end() ? *admission.windows.front() : **asked;
    return base::fail(refusal(refused, nano));
  }
  for (const WindowRef& window : admission.windows) {
    if (!window->leased || allowed) lease::take_anyway(*window->words, nano);
  }
  if (wait.crossed && asked != admission.windows.end()) {
    (*asked)->crossing.store(id);
    counters_.crossings.fetch_add(1, std::memory_order_relaxed);
  }
  return make_hold(admission, id, nano);
}

}  // namespace turnpike::ledger
