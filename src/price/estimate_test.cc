#include "price/estimate.h"

#include <gtest/gtest.h>

#include <random>

#include "price/bill.h"
#include "price/catalogue.h"

namespace turnpike::price::estimate_test {
namespace {

Prices prices_of(const char* input, const char* output) {
  Prices prices;
  prices.set({PriceField::Input, ServiceTier::Standard, 0}, *Price::parse(input));
  prices.set({PriceField::Output, ServiceTier::Standard, 0}, *Price::parse(output));
  return prices;
}

// AC-BUDGET-3: 100k-token prompts, max_tokens 32,000, 8 in parallel, real output 400, a $25 key.
TEST(Estimate, CodingAssistantsFitTheirBudget) {
  const Prices prices = prices_of("0.000003", "0.000015");
  Estimator estimator;
  const Estimator::Settings settings;
  Estimator::Estimate first = estimator.estimate("key", "group", 399'996, 32'000, 64'000, false, settings);
  EXPECT_EQ(first.prompt_tokens, 100'000u);
  EXPECT_EQ(first.output_tokens, 1024u);
  EXPECT_EQ(hold_amount(prices, first).to_string(), "0.31536");

  for (int i = 0; i < 20; ++i) estimator.learn("key", "group", 400'000, 100'000, 400, 0.2);
  Estimator::Estimate learned = estimator.estimate("key", "group", 399'996, 32'000, 64'000, false, settings);
  EXPECT_EQ(learned.output_tokens, 512u);
  EXPECT_LT(hold_amount(prices, learned), *Money::parse("0.09"));
}

TEST(Estimate, CapsHold) {
  Estimator estimator;
  const Estimator::Settings settings;
  EXPECT_EQ(estimator.estimate("k", "g", 10, 50, 0, false, settings).output_tokens, 50u);
  EXPECT_EQ(estimator.estimate("k", "g", 10, 0, 30, false, settings).output_tokens, 30u);
  EXPECT_EQ(estimator.estimate("k", "g", 10, 0, 0, true, settings).output_tokens, 4096u);
}

TEST(Estimate, ForgetsAndStaysBounded) {
  Estimator estimator;
  const Estimator::Settings settings;
  for (int i = 0; i < 300; ++i) estimator.learn("k", "g", 100, 25, 4000, 1.0);
  EXPECT_GT(estimator.estimate("k", "g", 100, 0, 0, false, settings).output_tokens, 4000u);
  for (int i = 0; i < 2000; ++i) estimator.learn("k", "g", 100, 25, 20, 1.0);
  EXPECT_LT(estimator.estimate("k", "g", 100, 0, 0, false, settings).output_tokens, 50u);
  for (int i = 0; i < 100; ++i) estimator.learn("k" + std::to_string(i), "g", 100, 25, 20, 1.0, 10);
  EXPECT_LE(estimator.rows(), 10u);
}

// money.md section 10: hold(strict) >= cost for every usage within the caps, whatever the prices look like.
TEST(Estimate, StrictCoversEveryUsageWithinItsCaps) {
  using domain::Unit;
  const auto catalogue = Catalogue::built_in();
  std::mt19937_64 random(3);
  for (const char* name : {"gpt-5.6", "claude-sonnet-4-5", "gemini/gemini-2.5-pro", "dashscope/qwen-plus-2025-07-28",
                           "deepseek/deepseek-chat", "gpt-4o-mini"}) {
    SCOPED_TRACE(name);
    const std::optional<Prices> prices = catalogue->find(name);
    ASSERT_TRUE(prices);
    for (int round = 0; round < 500; ++round) {
      for (const ServiceTier service : {ServiceTier::Standard, ServiceTier::Priority}) {
        const std::uint64_t counted = random() % 400'000;
        const std::uint64_t cap = random() % 32'000;
        // The provider may count up to 5 % + 64 more than we did, and splits it as it likes.
        std::uint64_t prompt = counted + counted / 20 + 64;
        domain::Usage usage;
        for (const Unit unit : {Unit::CachedInputTokens, Unit::CacheWriteTokens, Unit::CacheWrite1hTokens}) {
          const std::uint64_t part = random() % 2 == 0 ? 0 : random() % (prompt + 1);
          usage.set(unit, part);
          prompt -= part;
        }
        usage.set(Unit::InputTokens, prompt);
        const std::uint64_t reasoning = random() % (cap + 1);
        usage.set(Unit::ReasoningTokens, reasoning);
        usage.set(Unit::OutputTokens, cap - reasoning);
        const Bill cost = bill(*prices, usage, {.service = service});
        ASSERT_FALSE(cost.unknown);
        ASSERT_GE(hold_amount_strict(*prices, {.prompt_tokens = counted, .output_cap = cap}, {.service = service}),
                  cost.cost);
      }
    }
  }
}

TEST(Estimate, HoldsOfOtherKindsOfPrices) {
  Estimator::Estimate estimate;
  estimate.prompt_tokens = 1000;
  estimate.output_tokens = 100;
  EXPECT_EQ(hold_amount(Prices(), estimate), Money()) << "unknown: the caller decides before";
  const auto listed = Catalogue::built_in()->find("gpt-4o");
  ASSERT_TRUE(listed);
  EXPECT_GT(hold_amount(*listed, estimate, {.service = ServiceTier::Priority}), hold_amount(*listed, estimate));
  estimate.input_factor = 0.25;
  EXPECT_EQ(hold_amount(prices_of("0.000003", "0.000015"), estimate).nano(), 750'000 + 1'500'000);
}

// The table of spec money 3: eight calls of a coding assistant against $25, before and after they are known, strict
// too.
TEST(Estimate, EightCodingAssistantsAtOnce) {
  struct Case {
    const char* input;
    const char* output;
    const char* write;
    const char* fresh;    // Eight holds with nothing learned.
    const char* learned;  // Eight holds after twenty calls.
    const char* strict;   // One.
    int strict_calls;     // That fit into $25.
  };
  const Case kCases[] = {
      {"0.000003", "0.000015", "0.00000375", "2.52288", "0.66144", "0.87402", 8},
      {"0.000015", "0.000075", "0.00001875", "12.6144", "3.3072", "4.3701", 5},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.input);
    Prices prices = prices_of(c.input, c.output);
    prices.set({PriceField::CacheWrite}, *Price::parse(c.write));
    const auto eight = [](Money one) { return Money::from_nano(8 * one.nano()).to_string(); };
    Estimator estimator;
    const Estimator::Settings settings;
    const auto ask = [&] { return estimator.estimate("key", "group", 399'996, 32'000, 64'000, false, settings); };
    EXPECT_EQ(eight(hold_amount(prices, ask())), c.fresh);
    for (int i = 0; i < 20; ++i) estimator.learn("key", "group", 400'000, 100'000, 400, 0.2);
    EXPECT_EQ(eight(hold_amount(prices, ask())), c.learned);
    const Money strict = hold_amount_strict(prices, {.prompt_tokens = 100'000, .output_cap = 32'000});
    EXPECT_EQ(strict.to_string(), c.strict);
    EXPECT_EQ(std::min<std::int64_t>(8, Money::parse("25")->nano() / strict.nano()), c.strict_calls);
  }
}

TEST(Estimate, WhatCannotBeBoundedCannotBeAfforded) {
  const Prices prices = prices_of("0.000003", "0.000015");
  EXPECT_EQ(hold_amount_strict(prices, {.output_cap = 2'000'000'000}), kUnaffordable);
  EXPECT_EQ(hold_amount_strict(prices_of("0.000003", "9000"), {.output_cap = 1'000'000}), kUnaffordable);
  EXPECT_EQ(hold_amount_strict(Prices(), {.output_cap = 2'000'000'000}), Money()) << "no price: decided elsewhere";
}

TEST(Estimate, RequestsTimeMediaAndTiersAreHeldToo) {
  Prices prices = prices_of("0.000001", "0.000002");
  prices.set({PriceField::Request}, *Price::parse("0.005"));
  prices.set({PriceField::AudioInput}, *Price::parse("0.00004"));
  prices.set({PriceField::Input, ServiceTier::Priority}, *Price::parse("0.000005"));
  Estimator::Estimate estimate;
  estimate.prompt_tokens = 1000;
  EXPECT_EQ(hold_amount(prices, estimate).nano(), 1'000'000 + 5'000'000);
  EXPECT_EQ(hold_amount(prices, estimate, {.service = ServiceTier::Priority}).nano(), 5'000'000 + 5'000'000);
  const Money text = hold_amount_strict(prices, {.prompt_tokens = 1000});
  EXPECT_EQ(text.nano(), 1122 * 1000 + 5'000'000);
  EXPECT_EQ(hold_amount_strict(prices, {.prompt_tokens = 1000, .media = true}).nano(), 1122 * 40'000 + 5'000'000);
  EXPECT_EQ(hold_amount_strict(prices, {.prompt_tokens = 1000}, {.service = ServiceTier::Flex}), text);
  EXPECT_EQ(hold_amount_strict(prices, {.prompt_tokens = 1000, .messages = 101}).nano(), text.nano() + 800'000);

  Prices by_time;
  by_time.set({PriceField::SecondInput}, *Price::parse("0.001"));
  estimate.milliseconds = 2500;
  EXPECT_EQ(hold_amount(by_time, estimate).nano(), 2'500'000);
  EXPECT_EQ(hold_amount_strict(by_time, {.prompt_tokens = 10, .output_cap = 10, .milliseconds = 60'000}).nano(),
            60'000'000);
}

}  // namespace
}  // namespace turnpike::price::estimate_test
