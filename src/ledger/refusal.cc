#include "ledger/refusal.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"

namespace turnpike::ledger {
namespace {

/// "first::second", as members of teams and organisations are named.
std::string first_of(const std::string& entity) {
  return entity.substr(0, entity.find("::"));
}
std::string second_of(const std::string& entity) {
  const std::size_t mark = entity.find("::");
  return mark == std::string::npos ? entity : entity.substr(mark + 2);
}

/// Whose budget it is, as LiteLLM's sentence names him.
std::string owner_of(const Account& account) {
  const std::string& entity = account.entity;
  switch (account.kind) {
    case 1:
      return "Proxy=" + entity + " ";
    case 2:
      return "Organization=" + entity + " ";
    case 3:
      return "Team=" + entity + " ";
    case 4:
      return "User=" + second_of(entity) + " in Team=" + first_of(entity) + " ";
    case 8:
      return "Tag=" + entity + " ";
    case 9:
      return "Organization=" + entity + " Model=" + account.model + " ";
    case 10:
      return "Team=" + entity + " Model=" + account.model + " ";
    case 13:
      return "User=" + second_of(entity) + " in Organization=" + first_of(entity) + " ";
    case 20:
      return "Provider=" + entity + " ";
    case 21:
      return "Deployment=" + entity + " ";
    default:
      return {};
  }
}

/// LiteLLM's sentence about the budget of this kind of entity (spec http-api 5.2), with the figures as it writes them.
std::string over_budget(const Account& account, const std::string& spent, const std::string& limit) {
  const std::string costs = "Current cost: " + spent + ", Max budget: " + limit;
  const std::string figures = "Spend=" + spent + ", Budget=" + limit;
  switch (account.kind) {
    case 5:
      return "ExceededBudget: User=" + account.entity + " over budget. " + figures;
    case 7:
      return "ExceededBudget: End User=" + account.entity + " over budget. " + figures;
    case 11:
      return "ExceededBudget: User=" + account.entity + " over budget for model=" + account.model + ". " + figures;
    case 12:
      return "LiteLLM Virtual Key: " + account.entity +
             ", key_alias: " + (account.label.empty() ? "None" : account.label) +
             ", exceeded budget for model=" + account.model + " " + costs;
    case 6:
      return "Budget has been exceeded! " + costs + (account.label.empty() ? "" : " Key=" + account.label + ".");
    default:
      return "Budget has been exceeded! " + owner_of(account) + costs;
  }
}

std::string_view raised_by(std::int16_t kind) {
  switch (kind) {
    case 1:
      return "litellm_settings.max_budget of the configuration";
    case 2:
    case 9:
      return "PATCH /organization/update";
    case 3:
    case 10:
      return "POST /team/update";
    case 4:
      return "POST /team/member_update";
    case 5:
    case 11:
      return "POST /user/update";
    case 7:
      return "POST /customer/update";
    case 8:
      return "POST /tag/update";
    case 13:
      return "PATCH /organization/member_update";
    case 20:
      return "router_settings.provider_budget_config of the configuration";
    case 21:
      return "litellm_params.max_budget of the configuration";
    default:
      return "POST /key/update";
  }
}

/// What to do about it.
std::string remedy_of(const Account& account) {
  const bool is_configured = account.kind == 1 || account.kind >= 20;
  const std::string where(raised_by(account.kind));
  if (is_configured) return " " + where + " is what raises it.";
  return " " + where + " with a larger " + (account.model.empty() ? "max_budget" : "model_max_budget") + " raises it.";
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
    error.message += remedy_of(account);
    if (is_reset)
      error.retry_after =
          std::chrono::seconds(std::max<std::int64_t>(1, (ends_us - base::unix_now_us()) / kSecondUs + 1));
  } else {
    const std::int64_t free = std::max<std::int64_t>(window.words->free.load(), 0) + window.words->room.load();
    const std::int64_t held = std::max<std::int64_t>(limit - spent - free, 0);
    error.message +=
        fmt::format(" Held by calls in flight: {}. This call needs: {}.", dollars(held), needed.to_string());
    error.retry_after = std::chrono::seconds(1);
  }
  return error;
}

}  // namespace turnpike::ledger
