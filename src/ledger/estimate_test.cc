#include "ledger/estimate.h"

#include <gtest/gtest.h>

#include <random>

#include "ledger/bill.h"
#include "ledger/catalogue.h"

namespace turnpike::ledger {
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
        ASSERT_GE(hold_amount_strict(*prices, counted, 1, cap, service), cost.cost);
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
  EXPECT_GT(hold_amount(*listed, estimate, ServiceTier::Priority), hold_amount(*listed, estimate));
  estimate.input_factor = 0.25;
  EXPECT_EQ(hold_amount(prices_of("0.000003", "0.000015"), estimate).nano(), 750'000 + 1'500'000);
}

}  // namespace
}  // namespace turnpike::ledger
