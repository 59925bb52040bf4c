#include <algorithm>

#include "base/fault.h"
#include "ledger/ledger_impl.h"
#include "ledger/refusal.h"

// Admission: atomics only.

namespace turnpike::ledger {

bool LedgerImpl::take_one(AccountWindow& window, std::int64_t nano, std::uint64_t crossing_id) {
  std::atomic<std::int64_t>& free_word = window.words->free;
  const std::int64_t limit = window.account.limit.load(std::memory_order_relaxed);
  if (limit < 0) {
    free_word.fetch_sub(nano);
    return true;
  }
  if (window.leased) {  // Who may cross is decided by the database.
    if (window.spent().nano() >= limit || (options_.budget_away == BudgetAway::Refuse && leases_->away())) return false;
    for (std::int64_t free = free_word.load(); free >= nano;) {
      if (free_word.compare_exchange_weak(free, free - nano)) return true;
    }
    return false;
  }
  std::int64_t free = free_word.load();
  while (free > 0 && free >= nano) {
    if (free_word.compare_exchange_weak(free, free - nano)) return true;
  }
  if (crossing_id == 0 || free <= 0 || window.account.strict.load(std::memory_order_relaxed)) return false;
  // The call that crosses the line: one at a time, and only while something is left (spec money 7.6).
  std::uint64_t none = 0;
  if (!window.crossing.compare_exchange_strong(none, crossing_id)) return false;
  while (free > 0) {
    if (!free_word.compare_exchange_weak(free, free - nano)) continue;
    if (free < nano) {
      counters_.crossings.fetch_add(1, std::memory_order_relaxed);
    } else {
      window.crossing.store(0);  // Enough had come back meanwhile.
    }
    return true;
  }
  window.crossing.store(0);
  return false;
}

AccountWindow* LedgerImpl::take_all(const Wish& wish) {
  const std::vector<WindowRef>& windows = wish.windows;
  const std::uint64_t crossing_id = wish.crossing_id();
  for (std::size_t i = 0; i < windows.size(); ++i) {
    const std::int64_t nano = wish.amount.on(windows[i]->account);
    if (wish.passes_over(*windows[i])) continue;
    if (take_one(*windows[i], nano, crossing_id)) {
      windows[i]->words->held.fetch_add(nano, std::memory_order_relaxed);
      windows[i]->words->taken.fetch_add(nano, std::memory_order_relaxed);
      continue;
    }
    for (std::size_t k = 0; k < i; ++k) {
      const std::int64_t taken_nano = wish.amount.on(windows[k]->account);
      windows[k]->words->taken.fetch_sub(taken_nano, std::memory_order_relaxed);
      give(*windows[k], taken_nano, 0);
      if (crossing_id != 0) windows[k]->end_crossing(crossing_id);
    }
    return windows[i].get();
  }
  return nullptr;
}

void LedgerImpl::give(AccountWindow& window, std::int64_t held_nano, std::int64_t cost_nano) {
  if (lease::settle(*window.words, held_nano, cost_nano) && window.leased) leases_->touched(window.key());
}

Error LedgerImpl::counted(Error refusal) {
  if (refusal.kind == ErrorKind::BudgetSpent) counters_.refused_spent.fetch_add(1, std::memory_order_relaxed);
  if (refusal.kind == ErrorKind::BudgetHeld) counters_.refused_held.fetch_add(1, std::memory_order_relaxed);
  if (refusal.kind == ErrorKind::Unavailable) counters_.refused_unavailable.fetch_add(1, std::memory_order_relaxed);
  return refusal;
}

std::optional<Error> LedgerImpl::look(const Admission& admission) {
  const Amounts amount = taken_by(admission);
  for (const WindowRef& window : admission.windows) {
    const std::int64_t limit = window->account.limit.load();
    const std::int64_t nano = amount.on(window->account);
    if (admission.free_model && nano == 0) continue;
    const bool is_spent =
        window->leased ? window->words->refuses(nano, steady_now_us()) : window->spent().nano() >= limit;
    if (limit >= 0 && is_spent) return counted(budget_refusal(*window, nano));
  }
  return std::nullopt;
}

/// Whether anything may be admitted at all.
Status LedgerImpl::may_admit() {
  const bool no_room = !has_room();
  if (no_room || closing_.load(std::memory_order_relaxed) || shipper_->superseded() ||
      (leases_ && leases_->superseded())) {
    if (no_room) counters_.journal_full.fetch_add(1, std::memory_order_relaxed);
    Error error = journal_full();
    if (no_room && !journal_) {
      error.message = "The database takes no entries and there is no journal: the gateway admits no new calls.";
    } else if (!no_room) {
      error.code = "shutting_down";
      error.message = "The gateway is shutting down.";
    }
    return base::fail(std::move(error));
  }
  return {};
}

std::uint64_t LedgerImpl::next_hold_id() {
  return journal_ ? journal_->next_hold_id() : hold_id_.fetch_add(1, std::memory_order_relaxed) + 1;
}

Result<Hold> LedgerImpl::admit(const Admission& admission) {
  if (Status may = may_admit(); !may) return base::fail(std::move(may.error()));
  const std::uint64_t id = next_hold_id();
  const Amounts amount = taken_by(admission);
  const Wish wish{admission.windows, id, amount, admission.may_cross, admission.free_model};
  if (const AccountWindow* const refused = take_all(wish))
    return base::fail(counted(budget_refusal(*refused, amount.on(refused->account))));
  return make_hold(admission, admission.windows, id, amount);
}

Hold LedgerImpl::make_hold(const Admission& admission, std::vector<WindowRef> windows, std::uint64_t id,
                           const Amounts& amount) {
  fault::kill_at("hold.after_accounts");
  auto state = std::make_unique<Hold::State>();
  state->ledger = this;
  state->id = id;
  state->amount = amount;
  state->started_us = admission.started_us;
  state->free_model = admission.free_model;
  state->may_cross = admission.may_cross;
  state->windows = std::move(windows);
  state->own_windows = state->windows.size();
  journal::HoldFacts facts;
  facts.hold_id = id;
  facts.started_us = admission.started_us;
  facts.amount = amount.money;
  facts.tokens = amount.tokens;
  facts.record_id = admission.record_id;
  facts.prompt_tokens = admission.prompt_tokens;
  facts.accounts = pairs_of(state->windows);
  facts.call_id = admission.call_id;
  facts.key_hash = admission.key_hash;
  facts.model_group = admission.model_group;
  state->record.begin(journal::RecordType::Hold);
  journal::put_hold(state->record.payload(), facts);
  state->record.end();
  if (journal_) journal_->open_holds.fetch_add(1, std::memory_order_relaxed);
  return Hold(std::move(state));
}

}  // namespace turnpike::ledger
