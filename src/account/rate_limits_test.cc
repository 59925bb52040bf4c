#include "account/rate_limits.h"

#include <gtest/gtest.h>

#include "account/tables.h"

namespace turnpike::account::rate_limits_test {
namespace {

using domain::CallerLimits;

struct Case {
  const char* name;
  const char* metadata;
  const char* model_max_budget;
  std::int16_t kind;
  const char* limits;  // "kind:model requests tokens", sorted by model; "-" for none.
};

const Case kCases[] = {
    {"nothing", "{}", "{}", 6, ""},
    {"no object", "[1]", "", 6, ""},
    {"requests of a key", R"({"model_rpm_limit":{"gpt":3}})", "{}", 6, "12:gpt 3 -;"},
    {"both of a team", R"({"model_rpm_limit":{"gpt":3},"model_tpm_limit":{"gpt":9,"other":1}})", "{}", 3,
     "10:gpt 3 9;10:other - 1;"},
    {"of a user, beside a budget", R"({"model_tpm_limit":{"gpt":9}})",
     R"({"gpt":{"budget_limit":1,"rpm_limit":2,"tpm_limit":5},"dear":{"budget_limit":1}})", 5, "11:gpt 2 9;"},
    {"of an organisation", R"({"model_rpm_limit":{"a/b":0}})", "", 2, "9:a/b 0 -;"},
    {"what is no number limits nothing", R"({"model_rpm_limit":{"gpt":"3"},"model_tpm_limit":5})", "{}", 6, ""},
    {"an escaped name", R"({"model_rpm_limit":{"g\u0070t":3}})", "{}", 6, "12:gpt 3 -;"},
};

std::string shown(const std::vector<CallerLimits>& limits) {
  const auto number = [](const std::optional<std::int64_t>& limit) { return limit ? std::to_string(*limit) : "-"; };
  std::string text;
  for (const CallerLimits& one : limits) {
    EXPECT_EQ(one.entity, "id");
    EXPECT_EQ(one.label, "name");
    text += std::to_string(one.kind) + ":" + one.model + " " + number(one.most.requests) + " " +
            number(one.most.tokens) + ";";
  }
  return text;
}

TEST(RateLimits, PerModelAreReadFromMetadataAndBudgets) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    std::vector<CallerLimits> limits;
    add_model_limits(c.metadata, c.model_max_budget, {c.kind, "id", "name", {}, {}}, limits);
    EXPECT_EQ(shown(limits), c.limits);
  }
}

TEST(RateLimits, OfARowAreItsColumns) {
  Record team(kTeams);
  EXPECT_FALSE(rate_limits_of(team).any());
  team.set("rpm_limit", db::Value(std::int64_t{0})).set("max_parallel_requests", db::Value(std::int64_t{2}));
  const domain::RateLimits limits = rate_limits_of(team);
  EXPECT_EQ(limits.requests, 0);
  EXPECT_EQ(limits.tokens, std::nullopt);
  EXPECT_EQ(limits.calls, 2);
  EXPECT_FALSE(rate_limits_of(Record(kTeamMembers)).any()) << "they have none but those of their budget";
  std::vector<CallerLimits> all;
  add_limits({3, "id", "name", {}, limits}, all);
  add_limits({5, "id", "name", {}, {}}, all);
  EXPECT_EQ(all.size(), 1U);
}

TEST(RateLimits, GiveWhereTheirTypeSaysSo) {
  const auto given = [](const char* metadata) {
    CallerLimits limits;
    add_limit_types(metadata, limits);
    return std::pair(limits.requests_give, limits.tokens_give);
  };
  EXPECT_EQ(given("{}"), std::pair(false, false));
  EXPECT_EQ(given(R"({"rpm_limit_type":"dynamic"})"), std::pair(true, false));
  EXPECT_EQ(given(R"({"tpm_limit_type":"dynamic","rpm_limit_type":"guaranteed_throughput"})"), std::pair(false, true));
  EXPECT_EQ(given(R"({"rpm_limit_type":null,"tpm_limit_type":"best_effort_throughput"})"), std::pair(false, false));
}

}  // namespace
}  // namespace turnpike::account::rate_limits_test
