#include "price/bill.h"

#include <gtest/gtest.h>

#include <random>

#include "price/price_file.h"

namespace turnpike::price::bill_test {
namespace {

using domain::Unit;
using domain::Usage;

Prices prices_of(std::string_view json) {
  const Result<Prices> prices = read_price_entry("test", json);
  EXPECT_TRUE(prices) << json;
  return prices ? *prices : Prices();
}

Usage used(std::initializer_list<domain::UnitCount> counts) {
  Usage usage;
  for (const domain::UnitCount& entry : counts) usage.set(entry.unit, entry.count);
  return usage;
}

constexpr const char* kAnthropic =
    R"({"input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05, "cache_creation_input_token_cost": 3.75e-06,
        "cache_creation_input_token_cost_above_1hr": 6e-06, "cache_read_input_token_cost": 3e-07})";
constexpr const char* kTiered =
    R"({"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1e-07,
        "input_cost_per_token_above_200k_tokens": 2e-06, "output_cost_per_token_above_200k_tokens": 3e-05,
        "input_cost_per_token_priority": 5e-06, "input_cost_per_token_above_200k_tokens_priority": 7e-06})";
constexpr const char* kRows =
    R"({"tiered_pricing": [
         {"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05, "range": [0, 1000.0]},
         {"input_cost_per_token": 2e-06, "output_cost_per_token": 3e-05, "range": [1000.0, 1e4]}]})";

struct Case {
  const char* name;
  const char* prices;
  std::initializer_list<domain::UnitCount> usage;
  std::int64_t nano;
  std::int64_t hold_nano;
};

constexpr const char* kSearchesByPrompt =
    R"({"litellm_provider": "gemini", "input_cost_per_token": 1e-06,
        "search_context_cost_per_query": {"search_context_size_medium": 0.035}})";
constexpr const char* kSearchesByQuery =
    R"({"litellm_provider": "gemini", "input_cost_per_token": 1e-06, "web_search_billing_unit": "per_query",
        "search_context_cost_per_query": {"search_context_size_medium": 0.014}})";

const Case kCases[] = {
    {"Google's older models: searches of one prompt cost once, 1000 x 0.000001 + 0.035",
     kSearchesByPrompt,
     {{Unit::InputTokens, 1000}, {Unit::Queries, 3}},
     36'000'000,
     36'000'000},
    {"Google's newer models: each search, 1000 x 0.000001 + 3 x 0.014",
     kSearchesByQuery,
     {{Unit::InputTokens, 1000}, {Unit::Queries, 3}},
     43'000'000,
     43'000'000},
    {"Anthropic with a cache write (AC-PRICE-1)",
     kAnthropic,
     {{Unit::InputTokens, 3}, {Unit::CacheWriteTokens, 12'304}, {Unit::OutputTokens, 550}},
     54'399'000,
     54'399'000},
    {"one-hour write apart from the five-minute one",
     kAnthropic,
     {{Unit::CacheWriteTokens, 1000}, {Unit::CacheWrite1hTokens, 1000}, {Unit::CachedInputTokens, 1000}},
     3'750'000 + 6'000'000 + 300'000,
     10'050'000},
    {"0.13 nanodollars", R"({"input_cost_per_token": 1.3e-10})", {{Unit::InputTokens, 1}}, 0, 1},
    {"half goes to the even zero", R"({"input_cost_per_token": 1e-10})", {{Unit::InputTokens, 5}}, 0, 1},
    {"half goes to the even two", R"({"input_cost_per_token": 1e-10})", {{Unit::InputTokens, 15}}, 2, 2},
    {"half goes down to the even two", R"({"input_cost_per_token": 1e-10})", {{Unit::InputTokens, 25}}, 2, 3},
    {"just above half", R"({"input_cost_per_token": 5.00000000000001e-10})", {{Unit::InputTokens, 1}}, 1, 1},
    {"cached tokens without a price cost the input price",
     R"({"input_cost_per_token": 1e-06})",
     {{Unit::InputTokens, 10}, {Unit::CachedInputTokens, 90}},
     100'000,
     100'000},
    {"writes without a price cost the input price",
     R"({"input_cost_per_token": 1e-06})",
     {{Unit::CacheWriteTokens, 60}, {Unit::CacheWrite1hTokens, 40}},
     100'000,
     100'000},
    {"tokens on no invoice cost nothing",
     R"({"input_cost_per_token": 1e-06, "output_cost_per_token": 1e-05})",
     {{Unit::InputTokens, 5},
      {Unit::OutputTokens, 7},
      {Unit::UnbilledInputTokens, 66},
      {Unit::UnbilledOutputTokens, 20}},
     75'000,
     75'000},
    {"reasoning costs the output price",
     R"({"output_cost_per_token": 1e-06})",
     {{Unit::OutputTokens, 10}, {Unit::ReasoningTokens, 90}},
     100'000,
     100'000},
    {"reasoning with its own price",
     R"({"output_cost_per_token": 1e-06, "output_cost_per_reasoning_token": "2e-06"})",
     {{Unit::OutputTokens, 10}, {Unit::ReasoningTokens, 90}},
     190'000,
     190'000},
    {"audio with its own price",
     R"({"input_cost_per_token": 1e-06, "input_cost_per_audio_token": 4e-06})",
     {{Unit::InputTokens, 10}, {Unit::AudioInputTokens, 10}, {Unit::ImageInputTokens, 10}},
     60'000,
     60'000},
    {"at the threshold the plain price holds",
     kTiered,
     {{Unit::InputTokens, 200'000}, {Unit::OutputTokens, 10}},
     200'100'000,
     200'100'000},
    {"above it the whole request, and cached tokens count towards it",
     kTiered,
     {{Unit::InputTokens, 100'001}, {Unit::CachedInputTokens, 100'000}, {Unit::OutputTokens, 10}},
     200'002'000 + 10'000'000 + 300'000,
     210'302'000},
    {"first row of tiered pricing", kRows, {{Unit::InputTokens, 1000}, {Unit::OutputTokens, 1}}, 1'010'000, 1'010'000},
    {"second row", kRows, {{Unit::InputTokens, 1001}, {Unit::OutputTokens, 1}}, 2'032'000, 2'032'000},
    {"beyond the last row it goes on", kRows, {{Unit::InputTokens, 20'000}}, 40'000'000, 40'000'000},
    {"a cached token in a row without its price", kRows, {{Unit::CachedInputTokens, 10}}, 10'000, 10'000},
    {"whisper: one of the two seconds is charged",
     R"({"input_cost_per_second": 0.0001, "output_cost_per_second": 0.0001})",
     {{Unit::Milliseconds, 2500}},
     250'000,
     250'000},
    {"characters, images, pages, queries, requests",
     R"({"input_cost_per_character": 1e-05, "output_cost_per_image": 0.04, "ocr_cost_per_page": 0.001,
         "input_cost_per_query": 0.002, "input_cost_per_request": 0.005})",
     {{Unit::Characters, 2}, {Unit::Images, 1}, {Unit::Pages, 3}, {Unit::Queries, 1}, {Unit::Requests, 1}},
     20'000 + 40'000'000 + 3'000'000 + 2'000'000 + 5'000'000,
     50'020'000},
    {"DeepSeek's older name of the cache read",
     R"({"input_cost_per_token": 1e-06, "input_cost_per_token_cache_hit": 1e-07})",
     {{Unit::CachedInputTokens, 10}},
     1000,
     1000},
    {"nothing used", kAnthropic, {}, 0, 0},
};

TEST(Bill, PricesEachUnitAndRoundsOnce) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Prices prices = prices_of(c.prices);
    const Bill exact = bill(prices, used(c.usage));
    EXPECT_FALSE(exact.unknown);
    EXPECT_EQ(exact.cost.nano(), c.nano);
    EXPECT_EQ(bill_rounded_up(prices, used(c.usage)).cost.nano(), c.hold_nano);
  }
}

TEST(Bill, ServiceTierOfTheAnswerChoosesThePrice) {
  const Prices prices = prices_of(kTiered);
  const auto cost = [&](std::initializer_list<domain::UnitCount> usage, ServiceTier service) {
    return bill(prices, used(usage), {.service = service}).cost.nano();
  };
  EXPECT_EQ(cost({{Unit::InputTokens, 10}}, ServiceTier::Priority), 50'000);
  EXPECT_EQ(cost({{Unit::InputTokens, 200'001}}, ServiceTier::Priority), 200'001 * 7'000LL);
  EXPECT_EQ(cost({{Unit::OutputTokens, 10}}, ServiceTier::Priority), 100'000) << "no priority price: the plain one";
  EXPECT_EQ(cost({{Unit::InputTokens, 10}}, ServiceTier::Flex), 10'000);
  EXPECT_EQ(parse_service_tier("default"), ServiceTier::Standard);
}

TEST(Bill, BatchesCostHalfWhereOpenAiNamesNoPrice) {
  Prices prices = prices_of(R"({"input_cost_per_token": 1e-06, "output_cost_per_token": 4e-06,
                                "output_cost_per_token_batches": 1e-06, "litellm_provider": "openai"})");
  const Usage usage = used({{Unit::InputTokens, 10}, {Unit::OutputTokens, 10}});
  EXPECT_EQ(bill(prices, usage, {.service = ServiceTier::Batch}).cost.nano(), 5'000 + 10'000);
  prices.provider = "groq";
  EXPECT_EQ(bill(prices, usage, {.service = ServiceTier::Batch}).cost.nano(), 10'000 + 10'000);
}

TEST(Bill, FactorsAreAppliedOnceBeforeTheRounding) {
  const Prices prices = prices_of(kAnthropic);
  const Usage usage = used({{Unit::InputTokens, 3}, {Unit::CacheWriteTokens, 12'304}, {Unit::OutputTokens, 550}});
  const std::uint64_t margin[] = {1'100'000'000};
  EXPECT_EQ(bill(prices, usage, {.factors_ppb = margin}).cost.nano(), 59'838'900);
  // 0.95 x 1.1 x 1.000000001 of 3 nanodollars: rounding in between would lose the last factor.
  const Prices tiny = prices_of(R"({"input_cost_per_token": 1e-03})");
  const std::uint64_t three[] = {950'000'000, 1'100'000'000, 1'000'000'001};
  EXPECT_EQ(bill(tiny, used({{Unit::InputTokens, 1'000'000}}), {.factors_ppb = three}).cost.nano(), 1'045'000'001'045);
  const std::uint64_t nothing[] = {0};
  EXPECT_EQ(bill(prices, usage, {.factors_ppb = nothing}).cost.nano(), 0);
}

TEST(Bill, ARegionalHostCostsItsFactor) {
  Prices prices = prices_of(R"({"input_cost_per_token": 1e-06, "regional_processing_uplift_multiplier_eu": 1.1})");
  const Usage usage = used({{Unit::InputTokens, 10}});
  for (const auto& [host, nano] :
       {std::pair{"api.openai.com", 10'000}, {"eu.api.openai.com", 11'000}, {"us.api.openai.com", 10'000}}) {
    prices.apply_host(host);
    EXPECT_EQ(bill(prices, usage).cost.nano(), nano) << host;
    EXPECT_EQ(bill_rounded_up(prices, usage).cost.nano(), nano) << host;
  }
}

TEST(Bill, WhatACallUsesByBeingMade) {
  Usage usage = used({{Unit::InputTokens, 10}});
  add_own_units(usage, prices_of(kAnthropic), 1500);
  EXPECT_EQ(usage.counts, used({{Unit::InputTokens, 10}}).counts);
  const Prices fee = prices_of(R"({"input_cost_per_token": 1e-06, "input_cost_per_request": 0.005})");
  add_own_units(usage, fee, 1500);
  EXPECT_EQ(bill(fee, usage).cost.nano(), 10'000 + 5'000'000);
  Usage timed = used({{Unit::InputTokens, 10}, {Unit::OutputTokens, 5}});
  const Prices by_time = prices_of(R"({"input_cost_per_second": 0.002})");
  add_own_units(timed, by_time, 1500);
  EXPECT_EQ(bill(by_time, timed).cost.nano(), 3'000'000);
}

// money.md section 10: one call of two attempts costs the sum of its two bills.
TEST(Bill, AttemptsAddUpAsIntegers) {
  const Prices prices = prices_of(R"({"input_cost_per_token": 1.5e-10})");
  const Money one = bill(prices, used({{Unit::InputTokens, 1}})).cost;
  const Money two = bill(prices, used({{Unit::InputTokens, 9}})).cost;
  EXPECT_EQ((one + two).nano(), 0 + 1) << "1.35 and 0.15, each rounded once; the sum is never rounded again";
}

TEST(Bill, UnknownIsAStateNotAZero) {
  const Bill no_price = bill(Prices(), used({{Unit::InputTokens, 1}}));
  EXPECT_TRUE(no_price.unknown);
  EXPECT_FALSE(no_price.free);
  EXPECT_EQ(no_price.cost.nano(), 0);
  EXPECT_TRUE(bill(prices_of(R"({"input_cost_per_token": 1e-06})"), used({{Unit::OutputTokens, 1}})).unknown);
  EXPECT_TRUE(bill(prices_of(kAnthropic), used({{Unit::Images, 1}})).unknown);
  EXPECT_EQ(bill_grains(Prices(), used({{Unit::InputTokens, 1}})), -1);
  // Charged by time: tokens beside it need no price.
  const Prices by_time = prices_of(R"({"input_cost_per_second": 0.001})");
  EXPECT_TRUE(by_time.by_second());
  EXPECT_EQ(bill(by_time, used({{Unit::InputTokens, 9}, {Unit::Milliseconds, 1000}})).cost.nano(), 1'000'000);
}

TEST(Bill, SearchesWithoutAPriceLeaveTheRestOfTheBillAndAreNotSilent) {
  const Bill made = bill(prices_of(kAnthropic), used({{Unit::InputTokens, 1000}, {Unit::Queries, 2}}));
  EXPECT_TRUE(made.partial);
  EXPECT_FALSE(made.unknown);
  EXPECT_EQ(made.cost, bill(prices_of(kAnthropic), used({{Unit::InputTokens, 1000}})).cost);
  EXPECT_FALSE(bill(prices_of(kAnthropic), used({{Unit::InputTokens, 1000}})).partial);
  const char* free = R"({"input_cost_per_token": 0, "output_cost_per_token": 0})";
  EXPECT_FALSE(bill(prices_of(free), used({{Unit::InputTokens, 1000}, {Unit::Queries, 2}})).partial);
  EXPECT_FALSE(bill(prices_of(kSearchesByQuery), used({{Unit::InputTokens, 1}, {Unit::Queries, 2}})).partial);
}

TEST(Bill, ExplicitZeroIsFree) {
  const Bill out = bill(prices_of(R"({"input_cost_per_token": 0, "output_cost_per_token": 0.0})"),
                        used({{Unit::InputTokens, 1}, {Unit::OutputTokens, 1}}));
  EXPECT_TRUE(out.free);
  EXPECT_FALSE(out.unknown);
  EXPECT_FALSE(bill(prices_of(R"({"input_cost_per_token": 1e-20})"), used({{Unit::InputTokens, 1}})).free)
      << "too little to show is not free";
}

TEST(Bill, AbsurdCountsAndProductsAreNotBelieved) {
  EXPECT_TRUE(bill(prices_of(kAnthropic), used({{Unit::InputTokens, 1'000'000'001}})).absurd);
  EXPECT_TRUE(bill(prices_of(R"({"input_cost_per_token": 0.6})"), used({{Unit::InputTokens, 1'000'000'000}})).unknown);
  EXPECT_FALSE(bill(prices_of(kAnthropic), used({{Unit::InputTokens, 1'000'000'000}})).absurd);
}

// money.md section 10: rounding within half a nanodollar of the exact sum, a hold never below the cost and at most one
// nanodollar above, order of the units without influence.
TEST(Bill, PropertiesHoldForRandomUsage) {
  std::mt19937_64 random(20'260'816);
  const char* const kFiles[] = {kAnthropic, kTiered, kRows};
  for (int round = 0; round < 5000; ++round) {
    const Prices prices = prices_of(kFiles[random() % 3]);
    const auto count = [&] { return random() % (random() % 4 == 0 ? 300'000 : 3'000); };
    std::vector<domain::UnitCount> counts = {{Unit::InputTokens, count()},
                                             {Unit::CachedInputTokens, count()},
                                             {Unit::OutputTokens, count()},
                                             {Unit::ReasoningTokens, count()}};
    Usage usage, reversed;
    for (const auto& entry : counts) usage.set(entry.unit, entry.count);
    for (auto entry = counts.rbegin(); entry != counts.rend(); ++entry) reversed.set(entry->unit, entry->count);
    const Grains exact = bill_grains(prices, usage);
    const Bill cost = bill(prices, usage);
    const Bill hold = bill_rounded_up(prices, usage);
    Grains error = static_cast<Grains>(cost.cost.nano()) * kGrainsPerNano - exact;
    if (error < 0) error = -error;
    ASSERT_LE(error, kGrainsPerNano / 2);
    ASSERT_GE(hold.cost, cost.cost);
    ASSERT_LE(hold.cost.nano() - cost.cost.nano(), 1);
    ASSERT_EQ(bill(prices, reversed), cost);
  }
}

}  // namespace
}  // namespace turnpike::price::bill_test
