#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "base/money.h"
#include "domain/caller_account.h"
#include "lease/account_words.h"
#include "lease/lease.h"

namespace turnpike::ledger {

using AccountFacts = domain::CallerAccount;

class Account;

/// A budgeted entity in one window of its budget (spec: money 4): what a call holds and settles on. Changed by atomics
/// only; found when the call is resolved and pinned by it.
struct AccountWindow {
  AccountWindow(Account& account_in, domain::BudgetWindow window, std::shared_ptr<lease::AccountWords> words_in,
                bool leased_in);

  Account& account;
  const std::int64_t window_id;  // Unix second of its start; 0: the account's first.
  const std::shared_ptr<lease::AccountWords> words;
  const bool leased;  // `words->free` is what the database has granted to this process; else the whole of the limit.
  std::atomic<std::int64_t> ends_us;
  std::atomic<std::int64_t> valid_until_us;   // Of what stands here and in the account's limit.
  std::atomic<std::int64_t> spent_before{0};  // Booked beside what `words` know of, as last read; and edits since.
  std::atomic<std::uint64_t> crossing{0};     // The one hold that may take more than is left (spec money 7.6); 0: none.

  bool holds(std::int64_t at_us) const {
    return at_us >= window_id * 1'000'000 && at_us < valid_until_us.load(std::memory_order_relaxed);
  }
  Money spent() const {
    return Money::from_nano(spent_before.load() + words->elsewhere.load() + words->settled.load());
  }
  /// The hold that crossed the line, if it is this one, no longer does. Others leave the word alone: to write where
  /// there is nothing to change would take its cache line from all other threads.
  void end_crossing(std::uint64_t hold_id) {
    if (crossing.load(std::memory_order_relaxed) == hold_id) crossing.compare_exchange_strong(hold_id, 0);
  }
  lease::LeaseKey key() const;
  /// What the limit leaves: below what may be taken here where other processes hold some of it.
  std::int64_t left_nano() const;
};
using WindowRef = std::shared_ptr<AccountWindow>;

/// A budgeted entity: what is known of it now, and its windows.
///
/// Threading: any; the atomics are for the path of a call, the rest is under `mutex`.
class Account {
 public:
  explicit Account(AccountFacts facts);

  const std::int64_t account_id;
  const std::int16_t kind;  // Kinds of spec money 4; 6 is a key. Those of accounts in tokens: domain/caller_account.h.
  const bool in_tokens;     // Wherever it says nanodollars or Money, it has tokens.
  const std::string entity, label, model;
  std::atomic<std::int64_t> limit{-1};  // Hard budget in force, in nanodollars; negative: none (a total only).
  std::atomic<bool> strict{false};

  /// The newest window there is. Takes the lock: not for the path of a call.
  WindowRef running() const;
  /// Of the window of this moment.
  Money spent() const;

  mutable std::mutex mutex;
  AccountFacts terms;             // As last heard.
  std::deque<WindowRef> windows;  // The running one last; before it those that calls may still be looking for.
  std::int64_t spend_version = 0;
  std::int64_t followed_us = 0;
  lease::LeaseKey
      leased_key;  // The last window that was leased, and its words: a budget may be taken away and given again.
  std::shared_ptr<lease::AccountWords> leased_words;
  // The window after it, opened before it begins; no words: it is not.
  lease::LeaseKey next_key;
  std::shared_ptr<lease::AccountWords> next_words;
  std::int64_t ahead_at_us = 0;  // When that is looked at.
  bool closed = false;           // Whose it was has been deleted; calls that are under way still end on it.
};
using AccountRef = std::shared_ptr<Account>;

inline std::int64_t AccountWindow::left_nano() const {
  return account.limit.load() - spent().nano() - words->held.load();
}

/// What a call holds or has used: money on some of its accounts, tokens on others.
struct Amounts {
  Money money;
  std::int64_t tokens = 0;

  /// What of it is this account's.
  std::int64_t on(const Account& account) const { return account.in_tokens ? tokens : money.nano(); }
  bool any() const { return money > Money() || tokens > 0; }
  /// Without what is below nothing.
  Amounts from_zero() const { return {std::max(money, Money()), std::max<std::int64_t>(tokens, 0)}; }
  Amounts& operator+=(const Amounts& more) {
    money += more.money;
    tokens += more.tokens;
    return *this;
  }
  Amounts operator-(const Amounts& less) const { return {money - less.money, tokens - less.tokens}; }
};

}  // namespace turnpike::ledger
