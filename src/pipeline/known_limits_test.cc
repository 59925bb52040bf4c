#include "pipeline/known_limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace turnpike::pipeline::known_limits_test {
namespace {

limit::LimitList one_limit(limit::Meters& meters, std::int64_t most) {
  return {{meters.find({limit::Kind::Key, "a"}, limit::Unit::Requests, 0), most}};
}

TEST(KnownLimits, AreThoseOfOneSnapshotOfTheCaller) {
  limit::Meters meters;
  KnownLimits known;
  auto caller = std::make_shared<const domain::Caller>();
  EXPECT_EQ(known.find(caller), nullptr);
  known.keep(caller, one_limit(meters, 5));
  ASSERT_NE(known.find(caller), nullptr);
  EXPECT_EQ(known.find(caller)->begin()->most, 5);
  const auto changed = std::make_shared<const domain::Caller>(*caller);
  caller.reset();  // Its address is nobody else's as long as it is known.
  EXPECT_EQ(known.find(changed), nullptr);
  known.keep(changed, one_limit(meters, 9));
  EXPECT_EQ(known.find(changed)->begin()->most, 9);
}

TEST(KnownLimits, KeepTheLinesOfTheListTheyKnow) {
  limit::Meters meters;
  KnownLimits known;
  const auto caller = std::make_shared<const domain::Caller>();
  const limit::LimitList limits = one_limit(meters, 5), others = one_limit(meters, 5);
  EXPECT_EQ(known.fields(caller, limits), nullptr);
  known.keep(caller, limits);
  RestFields* const fields = known.fields(caller, limits);
  ASSERT_NE(fields, nullptr);
  EXPECT_EQ(known.fields(caller, limits), fields);
  EXPECT_EQ(known.fields(caller, others), nullptr);
  known.keep(caller, others);
  EXPECT_EQ(known.fields(caller, limits), nullptr);
  EXPECT_NE(known.fields(caller, others), nullptr);
}

TEST(KnownLimits, AreKeptOfSoManyCallersAtMost) {
  limit::Meters meters;
  KnownLimits known;
  std::vector<domain::CallerRef> callers(4 * KnownLimits::kPlaces);
  for (domain::CallerRef& caller : callers) {
    caller = std::make_shared<const domain::Caller>();
    known.keep(caller, one_limit(meters, 5));
  }
  const auto is_known = [&known](const domain::CallerRef& caller) { return known.find(caller) != nullptr; };
  const auto count = std::ranges::count_if(callers, is_known);
  EXPECT_LE(count, static_cast<std::ptrdiff_t>(KnownLimits::kPlaces));
  EXPECT_GT(count, static_cast<std::ptrdiff_t>(KnownLimits::kPlaces / 2));
  EXPECT_TRUE(is_known(callers.back()));
}

}  // namespace
}  // namespace turnpike::pipeline::known_limits_test
