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
  switch (domain::kind_of_entity(account.kind)) {
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

/// An amount as this account counts: "1.5", "1500 tokens".
std::string shown(const Account& account, std::int64_t nano) {
  return account.in_tokens ? fmt::format("{} tokens", nano) : Money::from_nano(nano).to_string();
}

/// LiteLLM's sentence about the budget of this kind of entity (spec http-api 5.2), with the figures as it writes them;
/// the same of a budget in tokens, of which it knows none.
std::string over_budget(const Account& account, const std::string& spent, const std::string& limit) {
  const bool in_tokens = account.in_tokens;
  const std::string used = "Used: " + spent + ", Max: " + limit;
  const std::string costs = in_tokens ? used : "Current cost: " + spent + ", Max budget: " + limit;
  const std::string figures = in_tokens ? used : "Spend=" + spent + ", Budget=" + limit;
  const std::string_view budget = in_tokens ? "token budget" : "budget";
  const std::string exceeded = in_tokens ? "Token budget has been exceeded! " : "Budget has been exceeded! ";
  switch (domain::kind_of_entity(account.kind)) {
    case 5:
      return fmt::format("ExceededBudget: User={} over {}. {}", account.entity, budget, figures);
    case 7:
      return fmt::format("ExceededBudget: End User={} over {}. {}", account.entity, budget, figures);
    case 11:
      return fmt::format("ExceededBudget: User={} over {} for model={}. {}", account.entity, budget, account.model,
                         figures);
    case 12:
      return fmt::format("LiteLLM Virtual Key: {}, key_alias: {}, exceeded {} for model={} {}", account.entity,
                         account.label.empty() ? "None" : account.label, budget, account.model, costs);
    case 6:
      return exceeded + costs + (account.label.empty() ? "" : " Key=" + account.label + ".");
    default:
      return exceeded + owner_of(account) + costs;
  }
}

std::string_view raised_by(std::int16_t kind) {
  switch (kind) {
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
    default:
      return "POST /key/update";
  }
}

std::string configured_as(std::int16_t kind, std::string_view field) {
  if (kind == 20) return "router_settings.provider_budget_config";
  return fmt::format("{}.{}", kind == 1 ? "litellm_settings" : "litellm_params", field);
}

/// What to do about it.
std::string remedy_of(const Account& account) {
  const std::int16_t kind = domain::kind_of_entity(account.kind);
  const bool is_configured = kind == 1 || kind >= 20;
  const std::string_view field = account.in_tokens ? "max_budget_tokens" : "max_budget";
  if (is_configured) return fmt::format(" {} of the configuration is what raises it.", configured_as(kind, field));
  return fmt::format(" {} with a larger {} raises it.", raised_by(kind),
                     account.model.empty() ? field : "model_max_budget");
}

}  // namespace

Error budget_refusal(const AccountWindow& window, std::int64_t needed_nano) {
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
  // LiteLLM's sentence and ours behind it, as spec money 3 writes them: no full stop, which would join the figure.
  error.message = over_budget(account, shown(account, spent), shown(account, limit));
  error.message += " Reset: " + (is_reset ? base::iso_time(ends_us) : std::string("never")) + ".";
  if (is_spent) {
    error.message += remedy_of(account);
    if (is_reset)
      error.retry_after =
          std::chrono::seconds(std::max<std::int64_t>(1, (ends_us - base::unix_now_us()) / base::kSecondUs + 1));
  } else {
    const std::int64_t free = std::max<std::int64_t>(window.words->free.load(), 0) + window.words->room.load();
    const std::int64_t held = std::max<std::int64_t>(limit - spent - free, 0);
    error.message += fmt::format(" Held by calls in flight: {}. This call needs: {}.", shown(account, held),
                                 shown(account, needed_nano));
    error.retry_after = std::chrono::seconds(1);
  }
  return error;
}

}  // namespace turnpike::ledger
