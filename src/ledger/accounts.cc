#include <algorithm>

#include "base/clock.h"
#include "ledger/ledger_impl.h"

namespace turnpike::ledger {
namespace {

constexpr std::size_t kEarlyEditsMax = 100'000;
constexpr std::size_t kThreadAccountsMax = 200'000;
constexpr std::int64_t kAheadLeastUs = 100'000;
constexpr std::int64_t kAheadUs = 5'000'000;  // Before its window begins money is asked for, or half a window before.
constexpr std::size_t kWindowsKept = 4;  // Of one account, for calls that started in them and are not admitted yet.

/// Accounts this thread has looked up, with the window it found last: no lock is taken while that window runs. The
/// count of who refers to the window is the thread's own, so that calls of different threads do not write to one place.
struct ThreadAccounts {
  struct Known {
    AccountRef account;
    WindowRef window;
  };
  std::uint64_t instance = 0;
  std::unordered_map<std::int64_t, Known> known;
};
thread_local ThreadAccounts thread_accounts;

ThreadAccounts& accounts_of_thread(std::uint64_t instance) {
  ThreadAccounts& mine = thread_accounts;
  if (mine.instance != instance || mine.known.size() > kThreadAccountsMax) {
    mine.known.clear();
    mine.instance = instance;
  }
  return mine;
}

bool is_increased(const AccountFacts& terms, std::int64_t at_us) {
  return terms.limit && terms.increase.nano() != 0 && at_us < terms.increase_until_us;
}

std::int64_t limit_at(const AccountFacts& terms, std::int64_t at_us) {
  if (!terms.limit) return -1;
  const Money limit = is_increased(terms, at_us) ? *terms.limit + terms.increase : *terms.limit;
  return std::max<std::int64_t>(limit.nano(), 0);
}

domain::BudgetWindow window_at(domain::BudgetWindow known, const AccountFacts& terms, std::int64_t at_us) {
  static const domain::BudgetCalendar utc;
  return domain::window_at(known, terms.duration, terms.calendar ? *terms.calendar : utc, at_us);
}

}  // namespace

AccountRef LedgerImpl::find_account(std::int64_t account_id) const {
  ThreadAccounts& mine = accounts_of_thread(instance_);
  if (const auto known = mine.known.find(account_id); known != mine.known.end()) return known->second.account;
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end()) return nullptr;
  mine.known[account_id].account = found->second;
  return found->second;
}

AccountRef LedgerImpl::account(const AccountFacts& facts) {
  if (AccountRef known = find_account(facts.account_id)) return known;
  const std::lock_guard lock(accounts_mutex_);
  AccountRef& account = accounts_[facts.account_id];
  if (account) return account;
  // Whoever resolves the key may have read its row before an edit whose news came first.
  AccountFacts terms = facts;
  Money spent = facts.spent;
  std::int64_t spend_version = facts.version;
  if (auto early = early_terms_.extract(facts.account_id); early && early.mapped().version > facts.version) {
    AccountFacts& newer = early.mapped();
    newer.entity = facts.entity;
    newer.label = facts.label;
    newer.model = facts.model;
    terms = std::move(newer);
  }
  if (auto early = early_spends_.extract(facts.account_id); early && early.mapped().version > spend_version) {
    spent = early.mapped().spent;
    spend_version = early.mapped().version;
  }
  account = std::make_shared<Account>(std::move(terms));
  account->spend_version = spend_version;
  const std::int64_t now_us = clock_.now_us();
  account->limit = limit_at(account->terms, now_us);
  account->strict = account->terms.strict;
  begin_window(*account, account->terms.window, spent);
  follow_time(*account, now_us);
  return account;
}

WindowRef LedgerImpl::window(const AccountFacts& facts, std::int64_t at_us) {
  ThreadAccounts& mine = accounts_of_thread(instance_);
  const auto known = mine.known.find(facts.account_id);
  if (known != mine.known.end() && known->second.window && known->second.window->holds(at_us))
    return known->second.window;
  const AccountRef found = account(facts);
  const std::lock_guard lock(found->mutex);
  follow_time(*found, at_us);
  const auto begun = [at_us](const WindowRef& window) { return at_us >= window->window_id * 1'000'000; };
  const auto at = std::find_if(found->windows.rbegin(), found->windows.rend(), begun);
  const WindowRef& window = at == found->windows.rend() ? found->windows.front() : *at;
  ThreadAccounts::Known& mine_now = mine.known[facts.account_id];
  mine_now = {found, WindowRef(std::make_shared<const WindowRef>(window), window.get())};
  return mine_now.window;
}

void LedgerImpl::begin_window(Account& account, domain::BudgetWindow window, Money spent) {
  const WindowRef before = account.windows.empty() ? nullptr : account.windows.back();
  account.windows.push_back(make_window(account, window, spent));
  if (account.windows.size() > kWindowsKept) account.windows.pop_front();
  if (before && before->leased) leases_->let_go(before->key());
}

WindowRef LedgerImpl::make_window(Account& account, domain::BudgetWindow window, Money spent) {
  if (!leases_ || account.limit.load() < 0) {
    auto made = std::make_shared<AccountWindow>(account, window, std::make_shared<lease::AccountWords>(), false);
    made->spent_before = spent.nano();
    made->words->free = (Money::from_nano(counted_limit(account.limit.load())) - spent).nano();
    return made;
  }
  const lease::LeaseKey key{account.account_id, window.id};
  const std::optional<lease::LeaseKey> before = account.leased_words ? std::optional(account.leased_key) : std::nullopt;
  if (!account.leased_words || account.leased_key != key) {
    const std::shared_ptr<lease::AccountWords> ahead = std::exchange(account.next_words, nullptr);
    const bool is_open = ahead && account.next_key == key;
    if (ahead && !is_open) leases_->let_go(account.next_key);
    account.leased_words = is_open ? ahead : std::make_shared<lease::AccountWords>();
    if (!is_open) account.leased_words->elsewhere = spent.nano();  // Until the database says it with the first money.
    account.leased_key = key;
  }
  open_lease(account, before);
  return std::make_shared<AccountWindow>(account, window, account.leased_words, true);
}

void LedgerImpl::open_lease(const Account& account, std::optional<lease::LeaseKey> before) {
  lease::LeaseAccount lease;
  lease.key = account.leased_key;
  lease.strict = account.terms.strict;  // budget_mode is said with each call.
  lease.limit_nano = account.limit.load();
  lease.in_tokens = account.in_tokens;
  if (before != lease.key) lease.after = before;
  leases_->open(lease, account.leased_words);
}

/// What changes by itself: windows end and the next begin, increases end. Under the account's lock.
void LedgerImpl::follow_time(Account& account, std::int64_t at_us) {
  account.followed_us = at_us = std::max(at_us, account.followed_us);  // Who comes late does not turn the time back.
  const AccountWindow& last = *account.windows.back();
  const domain::BudgetWindow known{last.window_id, last.ends_us.load()};
  if (const domain::BudgetWindow now = window_at(known, account.terms, at_us); now != known)
    begin_window(account, now, Money());
  put_limit(account, limit_at(account.terms, at_us));
  AccountWindow& running = *account.windows.back();
  const std::int64_t ends_us = running.ends_us.load();
  running.valid_until_us.store(is_increased(account.terms, at_us) ? std::min(ends_us, account.terms.increase_until_us)
                                                                  : ends_us);
  plan_ahead(account);
}

/// Looks at the account again shortly before its window ends. Under its lock.
void LedgerImpl::plan_ahead(Account& account) {
  const AccountWindow& running = *account.windows.back();
  const std::int64_t ends_us = running.ends_us.load();
  if (!running.leased || ends_us == domain::kNeverUs) return;
  const domain::BudgetWindow next = window_at({running.window_id, ends_us}, account.terms, ends_us);
  const std::int64_t at_us = ends_us - std::min(kAheadUs, (next.ends_us - ends_us) / 2);
  if (std::exchange(account.ahead_at_us, at_us) == at_us) return;
  leases_->run_at(at_us, [this, &account] { open_ahead(account); });
}

/// Asks for money of the window to come, so that nobody waits for it when it begins; where somebody uses this one.
void LedgerImpl::open_ahead(Account& account) {
  const std::lock_guard lock(account.mutex);
  const AccountWindow& running = *account.windows.back();
  const std::int64_t ends_us = running.ends_us.load();
  const std::int64_t left_us = ends_us - clock_.now_us();
  const bool has_moved = left_us <= 0 || clock_.now_us() < account.ahead_at_us;
  if (!running.leased || has_moved || account.closed || account.next_words) return;
  if (running.words->taken.load(std::memory_order_relaxed) == 0) {  // Its first call may still come.
    if (left_us > kAheadLeastUs) leases_->run_at(ends_us - left_us / 2, [this, &account] { open_ahead(account); });
    return;
  }
  const domain::BudgetWindow next = window_at({running.window_id, ends_us}, account.terms, ends_us);
  account.next_key = {account.account_id, next.id};
  account.next_words = std::make_shared<lease::AccountWords>();
  lease::LeaseAccount lease;
  lease.key = account.next_key;
  lease.strict = account.terms.strict;
  lease.limit_nano = limit_at(account.terms, ends_us);
  lease.after = running.key();
  lease.in_tokens = account.in_tokens;
  leases_->open(lease, account.next_words);
}

void LedgerImpl::put_limit(Account& account, std::int64_t limit_nano) {
  const std::int64_t before = account.limit.load();
  const bool was_strict = account.strict.exchange(account.terms.strict);
  if (before == limit_nano && was_strict == account.terms.strict) return;
  if (leases_) return put_leased_limit(account, limit_nano);
  // More room comes before the new limit, less after it: a call in between sees too little, never too much.
  account.windows.back()->words->free.fetch_add(counted_limit(limit_nano) - counted_limit(before));
  account.limit.store(limit_nano);
}

/// What may be spent is the database's to say. Calls that were admitted while there was no budget are booked beside all
/// leases: they keep the window they have, and others get one that is leased.
void LedgerImpl::put_leased_limit(Account& account, std::int64_t limit_nano) {
  account.limit.store(limit_nano);
  WindowRef& running = account.windows.back();
  if (running->leased == (limit_nano >= 0)) {
    if (!running->leased) return;
    running->words->forget_refusal();
    return open_lease(account, std::nullopt);
  }
  const WindowRef before = running;
  running = make_window(account, {before->window_id, before->ends_us.load()}, before->spent());
  before->valid_until_us.store(INT64_MIN);
}

std::vector<AccountRef> LedgerImpl::budgeted_accounts(std::int16_t kind, std::size_t count_max) const {
  std::vector<AccountRef> found;
  const std::lock_guard lock(accounts_mutex_);
  for (const auto& [id, account] : accounts_) {
    if (found.size() == count_max) break;
    if (account->kind != kind || account->limit.load(std::memory_order_relaxed) < 0) continue;
    const std::lock_guard account_lock(account->mutex);
    if (!account->closed) found.push_back(account);
  }
  return found;
}

AccountRef LedgerImpl::find_shared(std::int64_t account_id) const {
  const auto found = accounts_.find(account_id);
  return found == accounts_.end() ? nullptr : found->second;
}

template <typename Edit>
void LedgerImpl::keep_early(std::unordered_map<std::int64_t, Edit>& edits, std::int64_t account_id, const Edit& edit) {
  const auto known = edits.find(account_id);
  if (known == edits.end()) {
    if (edits.size() < kEarlyEditsMax) edits.emplace(account_id, edit);
  } else if (edit.version >= known->second.version) {
    known->second = edit;
  }
}

void LedgerImpl::terms_changed(const AccountFacts& facts) {
  take_terms(facts, false);
}

void LedgerImpl::account_read(const AccountFacts& facts) {
  if (find_account(facts.account_id)) take_terms(facts, true);
}

void LedgerImpl::take_terms(const AccountFacts& facts, bool is_read) {
  std::unique_lock lock(accounts_mutex_);
  const AccountRef account = find_shared(facts.account_id);
  if (!account) return keep_early(early_terms_, facts.account_id, facts);
  lock.unlock();
  const std::lock_guard account_lock(account->mutex);
  if (facts.version < account->terms.version) return;
  account->closed = false;
  account->terms = facts;
  const std::int64_t now_us = clock_.now_us();
  AccountWindow& running = *account->windows.back();
  const domain::BudgetWindow told = window_at(facts.window, facts, now_us);
  if (told.id > running.window_id) {
    begin_window(*account, told, told.id == facts.window.id ? facts.spent : Money());
  } else {
    running.ends_us.store(told.ends_us);  // Another duration: the window goes on with what is spent.
  }
  if (is_read && running.leased && facts.window.id == running.window_id && facts.version >= account->spend_version) {
    // An edit of what is spent, on another replica. Own entries on their way are not in it: the database is asked.
    running.words->elsewhere.store(facts.spent.nano() - running.words->settled.load());
    running.words->forget_refusal();
    leases_->look(running.key());
    account->spend_version = facts.version;
  }
  follow_time(*account, now_us);
}

void LedgerImpl::account_closed(std::int64_t account_id, std::int64_t version) {
  std::unique_lock lock(accounts_mutex_);
  const AccountRef account = find_shared(account_id);
  lock.unlock();
  if (!account) return;
  const std::lock_guard account_lock(account->mutex);
  if (version < account->terms.version) return;
  account->terms.version = version;
  account->closed = true;
}

void LedgerImpl::spend_changed(std::int64_t account_id, Money spent, Money difference, std::int64_t version) {
  std::unique_lock lock(accounts_mutex_);
  const AccountRef account = find_shared(account_id);
  if (!account) return keep_early(early_spends_, account_id, {spent, version});
  lock.unlock();
  // Differences may arrive in any order; those that the row had in it when this account was made must not count again.
  const std::lock_guard account_lock(account->mutex);
  if (version <= account->spend_version) return;
  AccountWindow& running = *account->windows.back();
  if (running.leased) {  // What it means for others' money, the database knows.
    running.words->elsewhere.fetch_add(difference.nano());
    running.words->forget_refusal();
    leases_->look(running.key());  // An answer may have known of it already.
    return;
  }
  running.spent_before.fetch_add(difference.nano());
  running.words->free.fetch_sub(difference.nano());
}

}  // namespace turnpike::ledger
