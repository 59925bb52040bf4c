#include "lease/account_words.h"

namespace turnpike::lease {
namespace {

bool take(AccountWords& account, std::int64_t amount_nano) {
  std::int64_t free = account.free.load();
  while (free >= amount_nano) {
    if (!account.free.compare_exchange_weak(free, free - amount_nano)) continue;
    account.held.fetch_add(amount_nano, std::memory_order_relaxed);
    account.taken.fetch_add(amount_nano, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void untake(AccountWords& account, std::int64_t amount_nano) {
  account.taken.fetch_sub(amount_nano, std::memory_order_relaxed);
  account.held.fetch_sub(amount_nano, std::memory_order_relaxed);
  account.free.fetch_add(amount_nano);
}

}  // namespace

bool AccountWords::refuses(std::int64_t amount_nano, std::int64_t now_us) const {
  const std::int64_t until_us = refused_until_us.load();
  // Another verdict may be written meanwhile: amount and time must be of one.
  return now_us < until_us && amount_nano >= refused_nano.load() && refused_until_us.load() == until_us;
}

void AccountWords::refuse(std::int64_t amount_nano, std::int64_t until_us) {
  refused_until_us.store(0);
  refused_nano.store(amount_nano);
  refused_until_us.store(until_us);
}

AccountWords* take_all(std::span<const Taking> takings) {
  for (std::size_t i = 0; i < takings.size(); ++i) {
    if (take(*takings[i].account, takings[i].nano)) continue;
    for (const Taking& before : takings.first(i)) untake(*before.account, before.nano);
    return takings[i].account;
  }
  return nullptr;
}

void take_anyway(AccountWords& account, std::int64_t amount_nano) {
  account.free.fetch_sub(amount_nano);
  account.held.fetch_add(amount_nano, std::memory_order_relaxed);
  account.taken.fetch_add(amount_nano, std::memory_order_relaxed);
}

bool settle(AccountWords& account, std::int64_t hold_nano, std::int64_t cost_nano) {
  const std::int64_t back_nano = hold_nano - cost_nano;
  const std::int64_t free = account.free.fetch_add(back_nano) + back_nano;
  account.held.fetch_sub(hold_nano, std::memory_order_relaxed);
  account.settled.fetch_add(cost_nano, std::memory_order_relaxed);
  // Money is here again: whoever asks for it may find it, or let the database say once more that it is too little.
  if (free > 0 && account.refused_until_us.load(std::memory_order_relaxed) != 0 && free >= account.refused_nano.load())
    account.forget_refusal();
  return free < 0 || account.watched.load(std::memory_order_relaxed);
}

}  // namespace turnpike::lease
