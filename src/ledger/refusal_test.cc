#include "ledger/refusal.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/text.h"

namespace turnpike::ledger::refusal_test {
namespace {

struct Refused {
  const char* name;
  std::int16_t kind;
  const char* entity;
  const char* label;
  const char* model;
  const char* begin;  // Of the message.
  const char* remedy;
};

// The sentences of spec http-api 5.2, one for each kind of spec money 4.
constexpr Refused kRefused[] = {
    {"proxy", 1, "litellm-proxy-budget", "", "",
     "Budget has been exceeded! Proxy=litellm-proxy-budget Current cost: 2, Max budget: 1.5 ",
     "litellm_settings.max_budget"},
    {"organisation", 2, "o", "Org", "", "Budget has been exceeded! Organization=o Current cost: 2, Max budget: 1.5 ",
     "PATCH /organization/update with a larger max_budget"},
    {"team", 3, "t", "", "", "Budget has been exceeded! Team=t Current cost: 2, Max budget: 1.5 ", "POST /team/update"},
    {"member", 4, "t::u", "", "", "Budget has been exceeded! User=u in Team=t Current cost: 2, Max budget: 1.5 ",
     "POST /team/member_update"},
    {"user", 5, "u", "", "", "ExceededBudget: User=u over budget. Spend=2, Budget=1.5 ", "POST /user/update"},
    {"key", 6, "h", "", "", "Budget has been exceeded! Current cost: 2, Max budget: 1.5 ", "POST /key/update"},
    {"named key", 6, "h", "app", "", "Budget has been exceeded! Current cost: 2, Max budget: 1.5 Key=app. ",
     "POST /key/update"},
    {"customer", 7, "c", "", "", "ExceededBudget: End User=c over budget. Spend=2, Budget=1.5 ",
     "POST /customer/update"},
    {"tag", 8, "g", "", "", "Budget has been exceeded! Tag=g Current cost: 2, Max budget: 1.5 ", "POST /tag/update"},
    {"organisation x model", 9, "o", "", "m",
     "Budget has been exceeded! Organization=o Model=m Current cost: 2, Max budget: 1.5 ",
     "PATCH /organization/update with a larger model_max_budget"},
    {"team x model", 10, "t", "", "m", "Budget has been exceeded! Team=t Model=m Current cost: 2, Max budget: 1.5 ",
     "POST /team/update with a larger model_max_budget"},
    {"user x model", 11, "u", "", "m", "ExceededBudget: User=u over budget for model=m. Spend=2, Budget=1.5 ",
     "POST /user/update with a larger model_max_budget"},
    {"key x model", 12, "h", "app", "m",
     "LiteLLM Virtual Key: h, key_alias: app, exceeded budget for model=m Current cost: 2, Max budget: 1.5 ",
     "POST /key/update with a larger model_max_budget"},
    {"member of an organisation", 13, "o::u", "", "",
     "Budget has been exceeded! User=u in Organization=o Current cost: 2, Max budget: 1.5 ",
     "PATCH /organization/member_update"},
    {"provider", 20, "openai", "", "", "Budget has been exceeded! Provider=openai Current cost: 2, Max budget: 1.5 ",
     "router_settings.provider_budget_config"},
    {"deployment", 21, "d", "", "", "Budget has been exceeded! Deployment=d Current cost: 2, Max budget: 1.5 ",
     "litellm_params.max_budget"},
};

TEST(BudgetRefusal, NamesWhoseBudgetItIs) {
  for (const Refused& c : kRefused) {
    SCOPED_TRACE(c.name);
    AccountFacts facts;
    facts.account_id = 1;
    facts.kind = c.kind;
    facts.entity = c.entity;
    facts.label = c.label;
    facts.model = c.model;
    facts.limit = Money::from_nano(1'500'000'000);
    Account account(facts);
    account.limit = facts.limit->nano();
    const domain::BudgetWindow window{0, *base::parse_iso_time("2999-01-01T00:00:00Z")};
    AccountWindow spent(account, window, std::make_shared<lease::AccountWords>(), false);
    spent.spent_before = 2'000'000'000;
    const Error error = budget_refusal(spent, 1);
    EXPECT_TRUE(error.message.starts_with(c.begin)) << error.message;
    EXPECT_NE(error.message.find(" Reset: 2999-01-01T00:00:00.000000Z. "), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(c.remedy), std::string::npos) << error.message;
    EXPECT_EQ(error.type, "budget_exceeded");
    EXPECT_EQ(error.code, "budget_spent");
    EXPECT_GT(error.retry_after.value_or(std::chrono::seconds(0)), std::chrono::seconds(3600));

    // What is only held comes back when calls end.
    spent.spent_before = 1'000'000'000;
    const Error held = budget_refusal(spent, 700'000'000);
    EXPECT_EQ(held.code, "budget_held");
    EXPECT_NE(held.message.find(" This call needs: 0.7."), std::string::npos) << held.message;
    EXPECT_EQ(held.retry_after, std::chrono::seconds(1));
  }
}

// The same sentences with tokens for dollars.
constexpr Refused kRefusedTokens[] = {
    {"proxy", 101, "litellm-proxy-budget", "", "",
     "Token budget has been exceeded! Proxy=litellm-proxy-budget Used: 2000 tokens, Max: 1500 tokens Reset: ",
     "litellm_settings.max_budget_tokens of the configuration"},
    {"member", 104, "t::u", "", "",
     "Token budget has been exceeded! User=u in Team=t Used: 2000 tokens, Max: 1500 tokens Reset: ",
     "POST /team/member_update with a larger max_budget_tokens"},
    {"user", 105, "u", "", "", "ExceededBudget: User=u over token budget. Used: 2000 tokens, Max: 1500 tokens Reset: ",
     "POST /user/update with a larger max_budget_tokens"},
    {"key", 106, "h", "app", "", "Token budget has been exceeded! Used: 2000 tokens, Max: 1500 tokens Key=app. Reset: ",
     "POST /key/update with a larger max_budget_tokens"},
    {"key x model", 112, "h", "", "m",
     "LiteLLM Virtual Key: h, key_alias: None, exceeded token budget for model=m Used: 2000 tokens, Max: 1500 tokens "
     "Reset: ",
     "POST /key/update with a larger model_max_budget"},
    {"provider", 120, "openai", "", "",
     "Token budget has been exceeded! Provider=openai Used: 2000 tokens, Max: 1500 tokens Reset: ",
     "router_settings.provider_budget_config"},
    {"deployment", 121, "d", "", "",
     "Token budget has been exceeded! Deployment=d Used: 2000 tokens, Max: 1500 tokens Reset: ",
     "litellm_params.max_budget_tokens"},
};

TEST(BudgetRefusal, SpeaksOfTokensWhereTheseAreCounted) {
  for (const Refused& c : kRefusedTokens) {
    SCOPED_TRACE(c.name);
    AccountFacts facts;
    facts.kind = c.kind;
    facts.entity = c.entity;
    facts.label = c.label;
    facts.model = c.model;
    Account account(facts);
    account.limit = 1'500;
    AccountWindow window(account, {}, std::make_shared<lease::AccountWords>(), false);
    window.spent_before = 2'000;
    const Error spent = budget_refusal(window, 1);
    EXPECT_TRUE(spent.message.starts_with(c.begin)) << spent.message;
    EXPECT_NE(spent.message.find(c.remedy), std::string::npos) << spent.message;
    EXPECT_EQ(spent.type, "budget_exceeded");
    EXPECT_EQ(spent.code, "budget_spent");
    window.spent_before = 1'000;
    window.words->free = 100;
    const Error held = budget_refusal(window, 700);
    EXPECT_EQ(held.code, "budget_held");
    EXPECT_NE(held.message.find(" Held by calls in flight: 400 tokens. This call needs: 700 tokens."),
              std::string::npos)
        << held.message;
  }
}

}  // namespace
}  // namespace turnpike::ledger::refusal_test
