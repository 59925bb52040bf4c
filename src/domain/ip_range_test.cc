#include "domain/ip_range.h"

#include <gtest/gtest.h>

namespace turnpike::domain::ip_range_test {
namespace {

TEST(IpRange, HoldsTheAddressesOfItsPrefix) {
  struct Row {
    const char* range;
    const char* address;
    bool held;
  };
  constexpr Row kRows[] = {
      {"10.0.0.0/8", "10.255.1.2", true},
      {"10.0.0.0/8", "11.0.0.1", false},
      {"192.168.1.7", "192.168.1.7", true},
      {"192.168.1.7", "192.168.1.8", false},
      {"192.168.1.128/25", "192.168.1.200", true},
      {"192.168.1.128/25", "192.168.1.100", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "2001:db8::1", false},
      {"::/0", "203.0.113.9", true},
      {"2001:db8::/32", "2001:db8:ffff::1", true},
      {"2001:db8::/33", "2001:db8:ffff::1", false},
      // A socket of both families names IPv4 callers by their mapped form.
      {"10.1.0.0/16", "::ffff:10.1.2.3", true},
      {"::ffff:10.1.0.0/112", "10.1.2.3", true},
  };
  for (const Row& row : kRows) {
    const auto range = parse_ip_range(row.range);
    const auto address = parse_ip(row.address);
    ASSERT_TRUE(range && address) << row.range << " " << row.address;
    EXPECT_EQ(range->holds(*address), row.held) << row.range << " " << row.address;
  }
}

TEST(IpRange, RefusesWhatIsNone) {
  for (const char* text : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0", "2001:db8::/129",
                           "example.com", "/8", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(parse_ip_range(text)) << text;
  }
  EXPECT_FALSE(parse_ip(std::string(1000, '1')));
}

}  // namespace
}  // namespace turnpike::domain::ip_range_test
