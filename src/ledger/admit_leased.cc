#include <algorithm>

#include "http/client.h"
#include "ledger/ledger_impl.h"
#include "ledger/refusal.h"
#include "net/io_threads.h"

// Admission that waits: for money that another admission is just undoing, or for the database to lease some.

namespace turnpike::ledger {
namespace {

constexpr std::chrono::milliseconds kUndoing{1};
constexpr std::chrono::seconds kAwayRetry{2};
constexpr std::chrono::milliseconds kExtensionWait{200};  // A caller whose attempt has failed has waited already.

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

Task<Result<Hold>> LedgerImpl::admit_or_wait(Admission& admission, http::Cancel& cancel) {
  if (Status may = may_admit(); !may) co_return base::fail(std::move(may.error()));
  const std::uint64_t id = next_hold_id();
  const Amounts amount = taken_by(admission);
  const Wish wish{admission.windows, id, amount, admission.may_cross, admission.free_model};
  const AccountWindow* const refused = take_all(wish);
  if (refused == nullptr) co_return make_hold(admission, std::move(admission.windows), id, amount);
  const Status taken = co_await await_money(wish, *refused, cancel);
  if (!taken) co_return base::fail(counted(taken.error()));
  Hold hold = make_hold(admission, std::move(admission.windows), id, amount);
  if (!cancel.requested()) co_return std::move(hold);
  std::move(hold).undo();
  co_return base::fail(caller_gone());
}

Task<bool> LedgerImpl::extend_or_wait(Hold::State& hold, Amounts more, http::Cancel& cancel) {
  more = more.from_zero();
  if (!more.any()) co_return true;
  const Wish wish{hold.windows, hold.id, more, hold.may_cross, true, kExtensionWait};
  if (const AccountWindow* const refused = take_all(wish)) {
    const Status taken = co_await await_money(wish, *refused, cancel);
    if (!taken) co_return false;
  }
  note_extended(hold, more);
  co_return true;
}

Task<Status> LedgerImpl::await_money(Wish wish, const AccountWindow& refused, http::Cancel& cancel) {
  const std::int64_t needed = wish.amount.on(refused.account);
  // What is leased of a limit that has sunk since, or whose increase has ended, is nobody's to spend.
  const bool is_spent = refused.spent().nano() >= refused.account.limit.load();
  if (is_spent || (leases_ && refused.words->refuses(needed, steady_now_us())))
    co_return base::fail(budget_refusal(refused, needed));
  if (cancel.requested()) co_return base::fail(caller_gone());
  if (leases_) co_return co_await await_lease(wish, cancel);
  // Money that another admission was just undoing is there again a millisecond later (spec money 4).
  co_await net::current_io_thread()->sleep(kUndoing);
  if (cancel.requested()) co_return base::fail(caller_gone());
  if (const AccountWindow* const again = take_all(wish))
    co_return base::fail(budget_refusal(*again, wish.amount.on(again->account)));
  co_return Status();
}

Task<Status> LedgerImpl::await_lease(Wish wish, http::Cancel& cancel) {
  if (leases_->away() && options_.budget_away == BudgetAway::Refuse) co_return base::fail(budget_unavailable());
  std::vector<lease::LeaseClaim> claims;
  for (const WindowRef& window : wish.windows) {
    if (window->leased && !wish.passes_over(*window))
      claims.push_back({window->key(), wish.amount.on(window->account)});
  }
  const base::Monotonic begun = base::monotonic_now();
  const LeaseWaitRef wait = leases_->wait(std::move(claims), wish.may_cross, wish.patience, net::current_io_thread());
  cancel.set_action([this, ticket = wait->ticket] { leases_->leave(ticket); });
  co_await wait->done;
  cancel.set_action({});
  count_wait(counters_, base::monotonic_now() - begun);
  co_return take_waited(wish, *wait);
}

/// What has come of a wait. Where it was given its money, that is taken already.
Status LedgerImpl::take_waited(const Wish& wish, const LeaseWait& wait) {
  using Outcome = LeaseWait::Outcome;
  if (wait.outcome == Outcome::Left) return base::fail(caller_gone());
  const bool allowed = wait.outcome == Outcome::Unavailable && options_.budget_away == BudgetAway::Allow;
  if (wait.outcome == Outcome::Unavailable && !allowed) return base::fail(budget_unavailable());
  const auto asked = std::ranges::find_if(
      wish.windows, [&](const WindowRef& window) { return window->leased && window->key() == wait.key; });
  if (wait.outcome == Outcome::Refused) {
    const AccountWindow& refused = asked == wish.windows.end() ? *wish.windows.front() : **asked;
    return base::fail(budget_refusal(refused, wish.amount.on(refused.account)));
  }
  for (const WindowRef& window : wish.windows) {
    if (!window->leased || allowed) lease::take_anyway(*window->words, wish.amount.on(window->account));
  }
  if (wait.crossed && asked != wish.windows.end()) {
    (*asked)->crossing.store(wish.hold_id);
    counters_.crossings.fetch_add(1, std::memory_order_relaxed);
  }
  return {};
}

}  // namespace turnpike::ledger
