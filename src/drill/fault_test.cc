#include "drill/fault.h"

#include <gtest/gtest.h>

#include <set>

#include "fake_provider/script.h"

namespace turnpike::drill::fault_test {
namespace {

TEST(Faults, AreKnownToTheScriptedProvider) {
  for (const Fault& fault : catalogue()) {
    fake_provider::Script script;
    EXPECT_TRUE(fake_provider::apply_list(script, fault.script)) << fault.name;
    const bool scripted = fault.place == Place::Provider && &fault != &no_fault();
    EXPECT_EQ(!fault.script.empty(), scripted) << fault.name;
  }
}

TEST(Faults, HaveNamesOfTheirOwnAndSayWhatCallersMayBeTold) {
  std::set<std::string_view> names, titles;
  for (const Fault& fault : catalogue()) {
    EXPECT_TRUE(names.insert(fault.name).second) << fault.name;
    EXPECT_TRUE(titles.insert(fault.title).second) << fault.title;
    EXPECT_EQ(find_fault(fault.name), &fault);
    EXPECT_TRUE(fault.whole || fault.streamed) << fault.name;
    if (fault.reach != Reach::StillAnswers) EXPECT_NE(fault.statuses[0], 0) << fault.name;
    EXPECT_FALSE(fault.tells(0)) << fault.name;
  }
  EXPECT_EQ(find_fault("no-such-fault"), nullptr);
}

}  // namespace
}  // namespace turnpike::drill::fault_test
