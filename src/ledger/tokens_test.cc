#include "ledger/ledger_test_fixture.h"

// Budgets in tokens: accounts beside those of money, in one admission.
namespace turnpike::ledger::tokens_test {
namespace {

struct Tokens : LedgerFixture {
  void SetUp() override {
    LedgerFixture::SetUp();
    crossing = false;
  }
  AccountRef make_counted(const std::string& entity, std::int64_t limit_tokens) {
    std::int64_t id = 0;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      db::NewTerms terms;
      terms.terms.limit = Money::from_nano(limit_tokens);
      id = db::open_account(t, {domain::kind_in_tokens(6), entity}, terms, 1).value();
      return {};
    }));
    return ledger->account(facts(id, entity, Money::from_nano(limit_tokens), {}, 0, domain::kind_in_tokens(6)));
  }
  Admission both(std::int64_t nano, std::int64_t tokens) {
    Admission made = admission({money, counted}, nano);
    made.amount.tokens = tokens;
    return made;
  }
  static domain::CallRecord used(std::int64_t cost_nano, std::uint64_t prompt, std::uint64_t completion) {
    domain::CallRecord made = record(cost_nano);
    made.usage.set(domain::Unit::InputTokens, prompt);
    made.usage.set(domain::Unit::OutputTokens, completion);
    return made;
  }
  std::int64_t booked(const AccountRef& account) {
    ship();
    ledger->close(std::chrono::seconds(10));
    return number("SELECT spent_nano FROM account_window WHERE account_id = " + std::to_string(account->account_id));
  }
  void make(std::int64_t limit_nano, std::int64_t limit_tokens) {
    open();
    money = make_account("key", limit_nano);
    counted = make_counted("key", limit_tokens);
  }
  void expect_held(std::int64_t nano, std::int64_t tokens) const {
    EXPECT_EQ(words(money).held.load(), nano);
    EXPECT_EQ(words(counted).held.load(), tokens);
  }

  AccountRef money, counted;
};

TEST_F(Tokens, ACallTakesMoneyAndTokensOrNeither) {
  make(1'000, 100);
  auto hold = ledger->admit(both(300, 60));
  ASSERT_TRUE(hold.has_value());
  expect_held(300, 60);
  const auto few_tokens = ledger->admit(both(300, 60));
  ASSERT_FALSE(few_tokens.has_value());
  EXPECT_TRUE(few_tokens.error().message.starts_with("Token budget has been exceeded! Used: 0 tokens, Max: 100 tokens"))
      << few_tokens.error().message;
  EXPECT_EQ(few_tokens.error().code, "budget_held");
  const auto little_money = ledger->admit(both(800, 10));
  ASSERT_FALSE(little_money.has_value());
  EXPECT_TRUE(little_money.error().message.starts_with("Budget has been exceeded!")) << little_money.error().message;
  expect_held(300, 60);
  std::move(*hold).undo();
  expect_held(0, 0);
}

TEST_F(Tokens, WhatIsBookedIsThePromptAndTheAnswer) {
  make(1'000, 100);
  auto hold = ledger->admit(both(300, 60));
  ASSERT_TRUE(hold.has_value());
  hold->attempt(1, "deployment", "prices");
  domain::CallRecord made = used(200, 30, 15);
  made.usage.set(domain::Unit::CachedInputTokens, 5);
  std::move(*hold).settle(made);
  EXPECT_EQ(made.marks & domain::kHoldExceeded, 0u);
  expect_held(0, 0);
  EXPECT_EQ(money->spent().nano(), 200);
  EXPECT_EQ(counted->spent().nano(), 50) << "a prompt that was read from a cache counts as one";
  EXPECT_EQ(words(counted).free.load(), 50);
  EXPECT_EQ(booked(money), 200);
  EXPECT_EQ(booked(counted), 50);
  EXPECT_EQ(number("SELECT cost_nano FROM entry"), 200);
}

TEST_F(Tokens, AnAnswerLongerThanItsHoldIsMarked) {
  make(1'000, 100);
  auto hold = ledger->admit(both(300, 60));
  ASSERT_TRUE(hold.has_value());
  hold->attempt(1, "deployment", "prices");
  domain::CallRecord made = used(200, 30, 90);
  std::move(*hold).settle(made);
  EXPECT_NE(made.marks & domain::kHoldExceeded, 0u);
  EXPECT_EQ(words(counted).free.load(), -20);
  const auto next = ledger->admit(both(1, 1));
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().code, "budget_spent");
}

// Spec money 4: a model of price 0 skips budgets of money that are spent; tokens it uses like any other.
TEST_F(Tokens, AFreeModelAsksForTokensAlone) {
  make(0, 100);
  Admission free = both(0, 60);
  free.free_model = true;
  EXPECT_FALSE(ledger->look(free));
  auto hold = ledger->admit(free);
  ASSERT_TRUE(hold.has_value());
  expect_held(0, 60);
  ASSERT_FALSE(ledger->admit(free).has_value());
  Admission replayed = both(0, 0);
  replayed.free_model = true;
  std::move(*hold).undo();
  words(counted).free = 0;
  auto again = ledger->admit(replayed);
  ASSERT_TRUE(again.has_value()) << "an answer that was paid already needs nothing";
  std::move(*again).undo();
}

TEST_F(Tokens, AHoldGrowsByWhatItLacks) {
  make(300, 100);
  auto hold = ledger->admit(both(300, 60));
  ASSERT_TRUE(hold.has_value());
  EXPECT_TRUE(hold->extend({Money(), 30})) << "no money is left, and none is needed";
  EXPECT_FALSE(hold->extend({Money(), 30}));
  EXPECT_FALSE(hold->extend({Money::from_nano(1), 1}));
  expect_held(300, 90);
  hold->enlarge({Money::from_nano(-5), 20});
  expect_held(300, 110);
  EXPECT_EQ(hold->amount().tokens, 110);
  EXPECT_EQ(hold->amount().money, Money::from_nano(300));
  std::move(*hold).undo();
  expect_held(0, 0);
}

TEST_F(Tokens, AHoldThatIsDroppedGivesItsTokensBack) {
  make(1'000, 100);
  {
    auto hold = ledger->admit(both(300, 60));
    ASSERT_TRUE(hold.has_value());
  }
  expect_held(0, 0);
  EXPECT_EQ(booked(counted), 0);
  EXPECT_EQ(number("SELECT held_nano FROM entry"), 300);
}

TEST_F(Tokens, OneCallMayCrossTheLineOfABudgetInTokens) {
  crossing = true;
  make(1'000, 100);
  auto first = ledger->admit(both(10, 90)), second = ledger->admit(both(10, 90));
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(ledger->admit(both(10, 1)).has_value());
  second->attempt(1, "deployment", "prices");
  domain::CallRecord made = used(1, 1, 1);
  std::move(*second).settle(made);
  EXPECT_NE(made.marks & domain::kCrossing, 0u);
  std::move(*first).undo();
}

}  // namespace
}  // namespace turnpike::ledger::tokens_test
