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

AccountRef LedgerImpl::account(const AccountFacts& facts) {
  if (AccountRef known = find_account(facts.account_id)) return known;
  const std::lock_guard lock(accounts_mutex_);
  AccountRef& account = accounts_[facts.account_id];
  if (account) return account;
  account = std::make_shared<AccountWindow>();
  account->account_id = facts.account_id;
  account->kind = facts.kind;
  account->entity = facts.entity;
  account->label = facts.label;
  account->limit_version = account->spend_version = facts.version;
  // Whoever resolves the key may have read its row before an edit whose news came first.
  std::int64_t spent_nano = facts.spent.nano();
  std::int64_t limit_nano = facts.limit ? facts.limit->nano() : -1;
  const auto catch_up = [&](EarlyEdits& edits, std::int64_t& nano, std::int64_t& version) {
    const auto early = edits.find(facts.account_id);
    if (early == edits.end()) return;
    if (early->second.version > version) {
      nano = early->second.nano;
      version = early->second.version;
    }
    edits.erase(early);
  };
  catch_up(early_spends_, spent_nano, account->spend_version);
  catch_up(early_limits_, limit_nano, account->limit_version);
  account->spent_before = spent_nano;
  account->limit = limit_nano;
  account->free = (Money::from_nano(counted_limit(limit_nano)) - Money::from_nano(spent_nano)).nano();
  return account;
}

std::vector<AccountRef> LedgerImpl::budgeted_accounts(std::int16_t kind, std::size_t count_max) const {
  std::vector<AccountRef> found;
  const std::lock_guard lock(accounts_mutex_);
  for (const auto& [id, account] : accounts_) {
    if (found.size() == count_max) break;
    if (account->kind == kind && !account->closed && account->limit.load(std::memory_order_relaxed) >= 0)
      found.push_back(account);
  }
  return found;
}

void LedgerImpl::keep_early(EarlyEdits& edits, std::int64_t account_id, EarlyEdit edit) {
  const auto known = edits.find(account_id);
  if (known == edits.end()) {
    if (edits.size() < kEarlyEditsMax) edits.emplace(account_id, edit);
  } else if (edit.version >= known->second.version) {
    known->second = edit;
  }
}

void LedgerImpl::limit_changed(std::int64_t account_id, std::optional<Money> limit, std::int64_t version) {
  const std::int64_t limit_nano = limit ? limit->nano() : -1;
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end()) {
    keep_early(early_limits_, account_id, {limit_nano, version});
    return;
  }
  AccountWindow& account = *found->second;
  if (version < account.limit_version) return;
  account.limit_version = version;
  account.closed = false;
  // More room comes before the new limit, less after it: a call in between sees too little, never too much.
  const std::int64_t before = account.limit.load();
  account.free.fetch_add(counted_limit(limit_nano) - counted_limit(before));
  account.limit.store(limit_nano);
}

void LedgerImpl::account_closed(std::int64_t account_id, std::int64_t version) {
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end() || version < found->second->limit_version) return;
  found->second->limit_version = version;
  found->second->closed = true;
}

void LedgerImpl::spend_changed(std::int64_t account_id, Money spent, Money difference, std::int64_t version) {
  const std::lock_guard lock(accounts_mutex_);
  const auto found = accounts_.find(account_id);
  if (found == accounts_.end()) {
    keep_early(early_spends_, account_id, {spent.nano(), version});
    return;
  }
  // Differences may arrive in any order; those that the row had in it when this account was made must not count again.
  AccountWindow& account = *found->second;
  if (version <= account.spend_version) return;
  account.spent_before.fetch_add(difference.nano());
  account.free.fetch_sub(difference.nano());
}

}  // namespace turnpike::ledger
