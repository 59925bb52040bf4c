#include "pipeline/rest_fields.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::pipeline::rest_fields_test {
namespace {

using limit::Kind;
using limit::Unit;

constexpr std::int64_t kNowUs = 9'000'000'000;

limit::Limit limit_of(Kind kind, Unit unit, std::int64_t most, const std::string& model = {}) {
  return {std::make_shared<limit::Meter>(limit::Subject{kind, "a", model}, unit, std::chrono::seconds(60)), most};
}

limit::Terms terms() {
  limit::Terms terms;
  terms.now_us = kNowUs;
  return terms;
}

TEST(RestFields, TellEachLimitAndWhatIsLeft) {
  const limit::Limits limits = {limit_of(Kind::Key, Unit::Requests, 10), limit_of(Kind::Team, Unit::Tokens, 2'000),
                                limit_of(Kind::KeyModel, Unit::Requests, 5, "a/b c"),
                                limit_of(Kind::User, Unit::Calls, 3)};
  limits[1].meter->add(2'500, kNowUs);
  limits[3].meter->add(1, kNowUs);
  EXPECT_EQ(
      RestFields().write(limits, {}, terms()),
      "x-ratelimit-api_key-limit-requests: 10\r\nx-ratelimit-api_key-remaining-requests: 10\r\n"
      "x-litellm-key-rpm-limit: 10\r\n"
      "x-ratelimit-team-limit-tokens: 2000\r\nx-ratelimit-team-remaining-tokens: 0\r\n"
      "x-ratelimit-model_per_key-limit-requests: 5\r\nx-ratelimit-model_per_key-remaining-requests: 5\r\n"
      "x-litellm-key-remaining-requests-a-b-c: 5\r\n"
      "x-ratelimit-user-limit-max_parallel_requests: 3\r\nx-ratelimit-user-remaining-max_parallel_requests: 2\r\n");
}

TEST(RestFields, WrittenAgainAreWhatNewOnesWouldBe) {
  limit::Limits limits = {limit_of(Kind::Key, Unit::Requests, 100'000), limit_of(Kind::Key, Unit::Tokens, 1'000'000),
                          limit_of(Kind::KeyModel, Unit::Tokens, 5'000, "m"), limit_of(Kind::Key, Unit::Calls, 1'000)};
  for (const Kind kind : {Kind::Team, Kind::User, Kind::Organization}) {
    for (const Unit unit : {Unit::Requests, Unit::Tokens}) limits.push_back(limit_of(kind, unit, 1'000'000));
  }
  RestFields kept;
  struct Step {
    const char* name;
    std::size_t limit = 0;
    std::int64_t add = 0;
    std::vector<std::int64_t> over_all = {};
    std::uint32_t replicas = 1;
  };
  const Step steps[] = {
      {"the first time"},
      {"nothing has changed"},
      {"one digit fewer", 0, 1},
      {"the last digit", 0, 1},
      {"several digits, with a borrow", 1, 77'777},
      {"a digit in front only", 1, 100'000},
      {"the number that stands in two places", 2, 7},
      {"five digits are left", 4, 900'001},
      {"the first of five", 4, 10'000},
      {"all but the first of five", 4, 9'876},
      {"from the middle on", 6, 999'990},
      {"to one digit", 6, 1},
      {"to zero", 6, 9},
      {"and below stays zero", 6, 50},
      {"a place is taken", 3, 1},
      {"and given back", 3, -1},
      {"what other replicas leave is less", 0, 0, {3, 2, 1}},
      {"and again", 0, 0, {0, 12, 1}},
      {"nobody knows it any more"},
      {"a share of the limit", 0, 0, {}, 3},
      {"the whole of it again"},
  };
  bool was_full = false;
  for (const Step& step : steps) {
    SCOPED_TRACE(step.name);
    limits[step.limit].meter->add(step.add, kNowUs);
    limit::Terms at = terms();
    if (step.replicas > 1) at.basis = limit::Basis::Share;
    at.share.replicas = step.replicas;
    const std::string text(kept.write(limits, step.over_all, at));
    EXPECT_EQ(text, RestFields().write(limits, step.over_all, at));
    was_full = was_full || text.size() >= RestFields::kBytesMax;
  }
  EXPECT_TRUE(was_full) << "a text that becomes shorter or longer tells more limits or fewer";
}

}  // namespace
}  // namespace turnpike::pipeline::rest_fields_test
