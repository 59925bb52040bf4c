#include "ledger/ledger_impl.h"

namespace turnpike::ledger {
namespace {

constexpr std::size_t kEarlyEditsMax = 100'000;
constexpr std::size_t kThreadAccountsMax = 200'000;

/// Accounts this thread has looked up: the shared table's lock is taken once per account and thread.
struct ThreadAccounts {
  std::uint64_t instance = 0;
  std::unordered_map<std::int64_t, AccountRef> known;
};
thread_local ThreadAccounts thread_accounts;

}  // namespace

AccountRef LedgerImpl::find_account(std::int64_t account_id) const {
  ThreadAccounts& mine = thread_accounts;
  if (mine.instance != instance_ || mine.known.size() > kThreadAccountsMax) {
    mine.known.clear();
    mine.instance = instance_;
  }
  if (const auto known = mine.known.find(account_id); known != mine.known.end()) return known->second;
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end()) return nullptr;
  mine.known.emplace(account_id, found->second);
  return found->second;
}

AccountRef LedgerImpl::account(std::int64_t account_id, std::int16_t kind, const std::string& entity,
                               const std::string& label, std::optional<Money> limit, Money spent) {
  if (AccountRef known = find_account(account_id)) return known;
  const std::lock_guard lock(accounts_mutex_);
  AccountRef& account = accounts_[account_id];
  if (account) return account;
  account = std::make_shared<AccountWindow>();
  account->account_id = account_id;
  account->kind = kind;
  account->entity = entity;
  account->label = label;
  // Whoever resolves the key may have read its row before an edit.
  if (const auto early = early_spends_.find(account_id); early != early_spends_.end()) {
    spent = Money::from_nano(early->second);
    early_spends_.erase(early);
  }
  account->spent_before = spent.nano();
  std::int64_t limit_nano = limit ? limit->nano() : -1;
  if (const auto early = early_limits_.find(account_id); early != early_limits_.end()) {
    limit_nano = early->second;
    early_limits_.erase(early);
  }
  account->limit = limit_nano;
  account->free = (Money::from_nano(counted_limit(limit_nano)) - spent).nano();
  return account;
}

void LedgerImpl::limit_changed(std::int64_t account_id, std::optional<Money> limit) {
  const std::int64_t limit_nano = limit ? limit->nano() : -1;
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end()) {
    if (early_limits_.size() < kEarlyEditsMax) early_limits_[account_id] = limit_nano;
    return;
  }
  AccountWindow& account = *found->second;
  // More room comes before the new limit, less after it: a call in between sees too little, never too much.
  const std::int64_t before = account.limit.load();
  account.free.fetch_add(counted_limit(limit_nano) - counted_limit(before));
  account.limit.store(limit_nano);
}

void LedgerImpl::spend_changed(std::int64_t account_id, Money spent, Money difference) {
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end()) {
    if (early_spends_.size() < kEarlyEditsMax) early_spends_[account_id] = spent.nano();
    return;
  }
  AccountWindow& account = *found->second;
  account.spent_before.fetch_add(difference.nano());
  account.free.fetch_sub(difference.nano());
}

}  // namespace turnpike::ledger
