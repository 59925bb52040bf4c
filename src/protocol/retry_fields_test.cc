#include "protocol/retry_fields.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace turnpike::protocol::retry_fields_test {
namespace {

constexpr std::int64_t kNow = 1'777'636'800;  // 2026-05-01T12:00:00Z
constexpr int kNothing = -1;

struct Case {
  const char* name;
  std::map<std::string, std::string, std::less<>> fields;
  int wait_ms = kNothing;
  std::optional<bool> should_retry = {};
};

const Case kCases[] = {
    {"nothing said", {}},
    {"OpenAI, requests", {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "1s"}}, 1'000},
    {"OpenAI, tokens", {{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "6m0s"}}, 360'000},
    {"milliseconds", {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "20ms"}}, 20},
    {"Groq's fractions", {{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "1m2.5s"}}, 62'500},
    {"Azure's seconds", {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "10"}}, 10'000},
    {"a limit with something left says nothing",
     {{"x-ratelimit-remaining-requests", "12"},
      {"x-ratelimit-reset-requests", "6m0s"},
      {"x-ratelimit-remaining-tokens", "0"},
      {"x-ratelimit-reset-tokens", "2s"}},
     2'000},
    {"of two the longer",
     {{"x-ratelimit-remaining-requests", "0"},
      {"x-ratelimit-reset-requests", "3s"},
      {"x-ratelimit-remaining-tokens", "0"},
      {"x-ratelimit-reset-tokens", "2s"}},
     3'000},
    {"a reset without what remains", {{"x-ratelimit-reset-requests", "3s"}}},
    {"no length", {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "soon"}}},
    {"half a length", {{"x-ratelimit-remaining-requests", "0"}, {"x-ratelimit-reset-requests", "6m0x"}}},
    {"Anthropic",
     {{"anthropic-ratelimit-input-tokens-remaining", "0"},
      {"anthropic-ratelimit-input-tokens-reset", "2026-05-01T12:00:30Z"}},
     30'000},
    {"with a fraction and an offset",
     {{"anthropic-ratelimit-requests-remaining", "0"},
      {"anthropic-ratelimit-requests-reset", "2026-05-01T14:00:05.25+02:00"}},
     5'000},
    {"a time gone by",
     {{"anthropic-ratelimit-requests-remaining", "0"}, {"anthropic-ratelimit-requests-reset", "2026-05-01T11:59:59Z"}}},
    {"no date",
     {{"anthropic-ratelimit-requests-remaining", "0"}, {"anthropic-ratelimit-requests-reset", "2026-05-01"}}},
    {"not more than a day", {{"x-ratelimit-remaining-tokens", "0"}, {"x-ratelimit-reset-tokens", "900h"}}, 86'400'000},
    {"try again", {{"x-should-retry", "true"}}, kNothing, true},
    {"do not", {{"x-should-retry", "False"}}, kNothing, false},
    {"another word", {{"x-should-retry", "maybe"}}},
};

Error heeded(const Case& row, Error error) {
  const auto find = [&](std::string_view name) -> std::string_view {
    const auto found = row.fields.find(name);
    return found == row.fields.end() ? std::string_view() : std::string_view(found->second);
  };
  heed_retry_fields(error, find, kNow);
  return error;
}

TEST(RetryFields, SayWhenAndWhether) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    Error error;
    error.kind = ErrorKind::UpstreamRateLimited;
    const Error heard = heeded(row, error);
    EXPECT_EQ(heard.retry_after ? heard.retry_after->count() : kNothing, row.wait_ms);
    EXPECT_EQ(heard.should_retry, row.should_retry);

    error.retry_after = std::chrono::milliseconds(7);
    EXPECT_EQ(heeded(row, error).retry_after, std::chrono::milliseconds(7)) << "Retry-After has the word";
    error = {};
    error.kind = ErrorKind::UpstreamUnavailable;
    EXPECT_FALSE(heeded(row, error).retry_after) << "limits are about a 429";
  }
}

}  // namespace
}  // namespace turnpike::protocol::retry_fields_test
