#include "base/regex.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace turnpike::base::regex_test {
namespace {

struct Case {
  const char* name;
  const char* written;
  const char* text;
  bool found;
};

const Case kCases[] = {
    {"anywhere in the text", "claude-code", "User-Agent: claude-code/1.2", true},
    {"from its beginning", "^User-Agent: claude-code\\/", "User-Agent: claude-code/1.2", true},
    {"not elsewhere", "^claude", "User-Agent: claude-code/1.2", false},
    {"a class and a count", R"(python-requests/2\.\d{2})", "User-Agent: python-requests/2.31", true},
    {"case counts", "OPENAI", "User-Agent: OpenAI/Python", false},
    {"unless it says so", "(?i)OPENAI", "User-Agent: OpenAI/Python", true},
    {"a look ahead", "curl(?!/7)", "User-Agent: curl/8.1", true},
    {"bytes that are no text", "a.c",
     "a\xff"
     "c",
     true},
    {"the empty expression", "", "anything", true},
    {"in the empty text", "a", "", false},
};

TEST(Regex, FindsWhatItDescribes) {
  for (const Case& row : kCases) {
    const Result<Regex> regex = Regex::compile(row.written);
    ASSERT_TRUE(regex) << row.name;
    EXPECT_EQ(regex->found_in(row.text), row.found) << row.name;
  }
}

TEST(Regex, SaysWhereItIsBroken) {
  const Result<Regex> regex = Regex::compile("curl(");
  ASSERT_FALSE(regex);
  EXPECT_EQ(regex.error().message, "missing closing parenthesis (at character 6)");
}

TEST(Regex, AHostileTextCostsLittle) {
  const Result<Regex> regex = Regex::compile("^(a+)+$");
  ASSERT_TRUE(regex);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(regex->found_in(std::string(10'000, 'a') + "!")) << "given up";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1)) << "2^10000 steps without the limit";
  EXPECT_TRUE(regex->found_in("aaaa")) << "and the next search begins anew";
}

}  // namespace
}  // namespace turnpike::base::regex_test
