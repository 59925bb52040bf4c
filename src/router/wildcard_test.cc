#include "router/wildcard.h"

#include <gtest/gtest.h>

#include <string>

namespace turnpike::router::wildcard_test {
namespace {

/// "a|b": the captures; "-": no match.
std::string shown(std::string_view pattern, std::string_view name) {
  const auto captures = Wildcard(pattern).match(name);
  if (!captures) return "-";
  std::string text;
  for (std::size_t i = 0; i < captures->size(); ++i) text += (i > 0 ? "|" : "") + std::string((*captures)[i]);
  return text;
}

struct Case {
  const char* pattern;
  const char* name;
  const char* captures;
};

const Case kCases[] = {
    {"openai/*", "openai/gpt-4o", "gpt-4o"},
    {"openai/*", "openai/", ""},
    {"openai/*", "azure/gpt-4o", "-"},
    {"openai/*", "my-openai/gpt-4o", "-"},
    {"*", "anything/at:all", "anything/at:all"},
    {"*", "", ""},
    {"bedrock/*.claude-*", "bedrock/us.anthropic.claude-3", "us.anthropic|3"},
    {"*/*", "a/b/c", "a/b|c"},
    {"a*b", "axbxb", "xbx"},
    {"a*b", "axbxc", "x"},  // The name may go on after the pattern's end.
    {"a*bc*c", "abcc", "|"},
    {"a*bc*c", "abc", "-"},
    {"**", "xy", "xy|"},
    {"ab*ba", "aba", "-"},  // Literals do not overlap.
};

TEST(Wildcard, CapturesLikeAGreedyExpression) {
  for (const Case& row : kCases) {
    EXPECT_EQ(shown(row.pattern, row.name), row.captures) << row.pattern << " on " << row.name;
  }
  EXPECT_EQ(shown("*", std::string(Wildcard::kNameBytesMax + 1, 'x')), "-") << "names are bounded";
}

TEST(Wildcard, LongerPatternsComeFirst) {
  EXPECT_TRUE(Wildcard("openai/gpt-*").comes_before(Wildcard("openai/*")));
  EXPECT_TRUE(Wildcard("a*b*").comes_before(Wildcard("aab*")));
  EXPECT_FALSE(Wildcard("*").comes_before(Wildcard("a*")));
}

TEST(FillStars, PutsCapturesInOneByOne) {
  EXPECT_EQ(fill_stars("openai/*", {"gpt-4o"}, "x/gpt-4o"), "openai/gpt-4o");
  EXPECT_EQ(fill_stars("openai/gpt-4o", {"abc"}, "x/abc"), "openai/gpt-4o") << "without a star it is literal";
  EXPECT_EQ(fill_stars("*/*", {"abc"}, "x/abc"), "x/abc") << "too many stars: the name itself";
  EXPECT_EQ(fill_stars("*-*", {"a", "b"}, "ab"), "a-b");
}

}  // namespace
}  // namespace turnpike::router::wildcard_test
