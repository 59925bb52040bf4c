#include "ledger/account.h"

#include "base/clock.h"

namespace turnpike::ledger {

AccountWindow::AccountWindow(Account& account_in, domain::BudgetWindow window,
                             std::shared_ptr<lease::AccountWords> words_in, bool leased_in)
    : account(account_in),
      window_id(window.id),
      words(std::move(words_in)),
      leased(leased_in),
      ends_us(window.ends_us),
      valid_until_us(window.ends_us) {}

lease::LeaseKey AccountWindow::key() const {
  return {account.account_id, window_id};
}

Account::Account(AccountFacts facts)
    : account_id(facts.account_id),
      kind(facts.kind),
      in_tokens(domain::counts_tokens(facts.kind)),
      entity(std::move(facts.entity)),
      label(std::move(facts.label)),
      model(std::move(facts.model)),
      terms(std::move(facts)) {}

WindowRef Account::running() const {
  const std::lock_guard lock(mutex);
  return windows.back();
}

Money Account::spent() const {
  const WindowRef window = running();
  return base::unix_now_us() < window->ends_us.load() ? window->spent() : Money();
}

}  // namespace turnpike::ledger
