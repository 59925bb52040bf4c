#include "api/handlers.h"
#include "api/reply.h"
#include "base/text.h"
#include "domain/budget.h"
#include "json/write.h"

// What providers with a budget of their own have spent (spec management-api 10.2).
namespace turnpike::api {
namespace {

/// The running window of an account, as this process knows it.
struct Running {
  Money spent;
  std::int64_t ends_us = domain::kNeverUs;
};
Running running_of(const Context& context, const domain::CallerAccount& facts) {
  const auto calendar = facts.calendar ? *facts.calendar : domain::BudgetCalendar();
  const domain::BudgetWindow window = domain::window_at(facts.window, facts.duration, calendar, context.now_us);
  if (const ledger::AccountRef account = context.gateway.ledger->find_account(facts.account_id))
    return {account->spent(), window.ends_us};
  return {window == facts.window ? facts.spent : Money(), window.ends_us};
}

void write_budget(json::Writer& writer, const Context& context, const config::BudgetEntry& budget,
                  const account::BudgetAccounts& accounts) {
  const Running running = running_of(context, accounts.money);
  writer.begin_object().key("budget_limit");
  budget.limit ? writer.raw(budget.limit->to_string()) : writer.null();
  writer.key("time_period");
  budget.duration.empty() ? writer.null() : writer.string(budget.duration);
  writer.key("spend").raw(running.spent.to_string());
  if (accounts.tokens && budget.limit_tokens) {
    writer.key("budget_limit_tokens").number(*budget.limit_tokens);
    writer.key("spend_tokens").number(running_of(context, *accounts.tokens).spent.nano());
  }
  writer.key("budget_reset_at");
  running.ends_us == domain::kNeverUs ? writer.null() : writer.string(base::iso_time(running.ends_us));
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> provider_budgets(const Context& context) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("providers").begin_object();
  if (const account::ConfigAccounts* accounts = context.snapshot->accounts.get()) {
    const config::BudgetSettings& settings = context.settings().litellm.budgets;
    for (const auto& [provider, accounts_of] : accounts->providers) {
      const auto budget = settings.providers.find(provider);
      if (budget == settings.providers.end()) continue;
      writer.key(provider);
      write_budget(writer, context, budget->second, accounts_of);
    }
  }
  writer.end_object().end_object();
  co_return private_json_reply(std::move(text));
}

}  // namespace turnpike::api
