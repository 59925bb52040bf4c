#include "ledger/ledger_clock.h"

#include <gtest/gtest.h>

namespace turnpike::ledger::ledger_clock_test {
namespace {

constexpr std::int64_t kNowUs = 1'760'000'000'000'000;

TEST(LedgerClock, GoesByTheMedianOfWhatTheDatabaseShowed) {
  struct Case {
    const char* what;
    std::int64_t database_us, sent_us, answered_us;  // Beside kNowUs.
    std::int64_t offset_us;                          // From then on.
  };
  const Case cases[] = {
      {"the first counts at once", 2'000, 0, 2'000, 1'000},
      {"of two the smaller", 12'000, 0, 4'000, 1'000},
      {"of three the middle one", 6'000, 0, 2'000, 5'000},
      {"49 ms there and back", 24'500 + 7'000, 0, 49'000, 5'000},
      {"a slow answer says nothing", 900'000, 0, 50'000, 5'000},
      {"nor one in whose time the wall clock was set back", 900'000, 10, 0, 5'000},
      {"one that is far off", -800'000, 0, 0, 5'000},
      {"the first is forgotten", 7'000, 0, 0, 7'000},
      {"so is the second", 8'000, 0, 0, 7'000},
      {"so is the third", 8'000, 0, 0, 7'000},
      {"so is the fourth", 8'000, 0, 0, 8'000},
  };
  LedgerClock clock([] { return kNowUs; });
  EXPECT_EQ(clock.now_us(), kNowUs);
  for (const Case& one : cases) {
    clock.heard(kNowUs + one.database_us, kNowUs + one.sent_us, kNowUs + one.answered_us);
    EXPECT_EQ(clock.offset_us(), one.offset_us) << one.what;
    EXPECT_EQ(clock.now_us(), kNowUs + one.offset_us) << one.what;
  }
}

}  // namespace
}  // namespace turnpike::ledger::ledger_clock_test
