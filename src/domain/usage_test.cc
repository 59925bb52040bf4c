#include "domain/usage.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace turnpike::domain::usage_test {
namespace {

TEST(Usage, TokenKindsAddUpToTheFiguresCallersKnow) {
  Usage usage;
  usage.set(Unit::InputTokens, 100);
  usage.set(Unit::CachedInputTokens, 20);
  usage.set(Unit::CacheWriteTokens, 3);
  usage.set(Unit::CacheWrite1hTokens, 4);
  usage.set(Unit::AudioInputTokens, 5);
  usage.set(Unit::ImageInputTokens, 6);
  usage.set(Unit::OutputTokens, 50);
  usage.set(Unit::ReasoningTokens, 7);
  usage.set(Unit::AudioOutputTokens, 8);
  usage.set(Unit::ImageOutputTokens, 9);
  usage.set(Unit::Images, 1'000);  // No tokens.
  usage.set(Unit::UnbilledInputTokens, 1'000);
  usage.set(Unit::UnbilledOutputTokens, 2'000);
  EXPECT_EQ(usage.prompt_tokens(), 1'138u);
  EXPECT_EQ(usage.completion_tokens(), 2'074u);
}

TEST(Usage, HoldsEachUnitAtMostOnceAndNoZeros) {
  Usage usage;
  EXPECT_TRUE(usage.empty());
  usage.set(Unit::InputTokens, 0);
  EXPECT_TRUE(usage.empty());
  usage.set(Unit::InputTokens, 5);
  usage.set(Unit::InputTokens, 9);
  EXPECT_EQ(usage.of(Unit::InputTokens), 9u);
  EXPECT_EQ(usage.counts.size(), 1u);
  usage.set(Unit::InputTokens, 0);
  EXPECT_TRUE(usage.empty());
  EXPECT_EQ(usage.of(Unit::InputTokens), 0u);
}

TEST(Usage, EveryUnitHasANameOfItsOwn) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kUnitCount; ++i) names.emplace(unit_name(static_cast<Unit>(i)));
  EXPECT_EQ(names.size(), kUnitCount);
  EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace turnpike::domain::usage_test
