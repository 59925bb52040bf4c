#include "ledger/estimate.h"

#include <gtest/gtest.h>

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
}

TEST(Estimate, StrictCoversTheWorstCase) {
  const Prices prices = prices_of("0.000003", "0.000015");
  EXPECT_GE(hold_amount_strict(prices, 1000, 1, 100), *Money::parse("0.0045"));
}

}  // namespace
}  // namespace turnpike::ledger
