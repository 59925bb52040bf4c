#pragma once

#include <atomic>
#include <cstdint>
#include <span>

namespace turnpike::lease {

/// The words of one account in one window in this process: all that admitting and settling a call touches.
/// `free` = granted - held - settled, always; it alone decides, and it is changed by compare-and-swap (taking) and by
/// adding (settling, grants, returns), so that no lock is needed anywhere (spec: money 4).
///
/// Threading: any. Amounts are nanodollars, of accounts that count tokens (domain/caller_account.h) tokens.
/// Layout:    what calls read and change is one cache line, which nobody else's words share.
struct alignas(64) AccountWords {
  std::atomic<std::int64_t> free{0};
  std::atomic<std::int64_t> held{0};
  std::atomic<std::int64_t> settled{0};
  std::atomic<std::int64_t> taken{0};      // The sum of all holds there ever were: how fast it grows is the pace.
  std::atomic<std::int64_t> elsewhere{0};  // Booked outside of `settled`: by others, as last heard.
  std::atomic<std::int64_t> room{0};       // What the database may still lease to anybody, as last heard.
  std::atomic<bool> watched{false};        // The lease keeper wants to hear of money that comes back.

  // The verdict: holds of this size and above were refused by the database a moment ago and need not ask again.
  std::atomic<std::int64_t> refused_until_us{0};
  std::atomic<std::int64_t> refused_nano{0};

  /// Whether a call that finds too little here is refused without asking.
  bool refuses(std::int64_t amount_nano, std::int64_t now_us) const;
  void refuse(std::int64_t amount_nano, std::int64_t until_us);
  void forget_refusal() { refused_until_us.store(0); }
};

/// Takes each amount on its account, or none of them; the account that has too little, or null.
struct Taking {
  AccountWords* account = nullptr;
  std::int64_t nano = 0;
};
AccountWords* take_all(std::span<const Taking> takings);
/// Takes it whatever is left: `free` may go below zero.
void take_anyway(AccountWords& account, std::int64_t amount_nano);
/// Ends a hold. True: the keeper is to be told (`LeaseKeeper::touched`).
bool settle(AccountWords& account, std::int64_t hold_nano, std::int64_t cost_nano);

}  // namespace turnpike::lease
