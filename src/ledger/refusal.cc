#include "ledger/refusal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"

namespace turnpike::ledger {
namespace {

std::string key_words(const Account& account) {
  return account.label.empty() ? std::string() : " Key=" + account.label + ".";
}

/// LiteLLM's sentence about the budget of this kind of entity (spec http-api 5.2), with the figures as it writes them.
std::string over_budget(const Account& account, const std::string& spent, const std::string& limit) {
  const std::string& entity = account.entity;
  const std::size_t mark = entity.find("::");
  const std::string costs = "Current cost: " + spent + ", Max budget: " + limit;
  const std::string exceeded = "Budget has been exceeded! ";
  switch (account.kind) {
    case 2:
      return exceeded + "Organization=" + entity + " " + costs;
    case 3:
      return exceeded + "Team=" + entity + " " + costs;
    case 4:
      return exceeded + "User=" + entity.substr(std::min(mark + 2, entity.size())) +
             " in Team=" + entity.substr(0, mark) + " " + costs;
    case 5:
      return "ExceededBudget: User=" + entity + " over budget. Spend=" + spent + ", Budget=" + limit;
    case 7:
      return "ExceededBudget: End User=" + entity + " over budget. Spend=" + spent + ", Budget=" + limit;
    case 8:
      return exceeded + "Tag=" + entity + " " + costs;
    case 13:
      return exceeded + "User=" + entity.substr(std::min(mark + 2, entity.size())) +
             " in Organization=" + entity.substr(0, mark) + " " + costs;
    default:
      return exceeded + costs + key_words(account);
  }
}

std::string_view raised_by(std::int16_t kind) {
  switch (kind) {
    case 2:
      return "PATCH /organization/update";
    case 3:
      return "POST /team/update";
    case 4:
      return "POST /team/member_update";
    case 5:
      return "POST /user/update";
    case 7:
      return "POST /customer/update";
    case 8:
      return "POST /tag/update";
    case 13:
      return "PATCH /organization/member_update";
    default:
      return "POST /key/update";
  }
}

}  // namespace

Error budget_refusal(const AccountWindow& window, Money needed) {
  constexpr std::int64_t kSecondUs = 1'000'000;
  const Account& account = window.account;
  const std::int64_t limit = account.limit.load();
  const std::int64_t spent = window.spent().nano();
  const std::int64_t ends_us = window.ends_us.load();
  const bool is_spent = spent >= limit;
  const bool is_reset = ends_us != domain::kNeverUs;
  Error error;
  error.kind = is_spent ? ErrorKind::BudgetSpent : ErrorKind::BudgetHeld;
  error.type = "budget_exceeded";
  error.code = is_spent ? "budget_spent" : "budget_held";
  const auto dollars = [](std::int64_t nano) { return Money::from_nano(nano).to_string(); };
  // LiteLLM's sentence and ours behind it, as spec money 3 writes them: no full stop, which would join the figure.
  error.message = over_budget(account, dollars(spent), dollars(limit));
  error.message += " Reset: " + (is_reset ? base::iso_time(ends_us) : std::string("never")) + ".";
  if (is_spent) {
    error.message += fmt::format(" {} with a larger max_budget raises it.", raised_by(account.kind));
    if (is_reset)
      error.retry_after =
          std::chrono::seconds(std::max<std::int64_t>(1, (ends_us - base::unix_now_us()) / kSecondUs + 1));
  } else {
    const std::int64_t free = std::max<std::int64_t>(window.words->free.load(), 0);
    const std::int64_t held = std::max<std::int64_t>(limit - spent - free, 0);
    error.message +=
        fmt::format(" Held by calls in flight: {}. This call needs: {}.", dollars(held), needed.to_string());
    error.retry_after = std::chrono::seconds(1);
  }
  return error;
}

}  // namespace turnpike::ledger
