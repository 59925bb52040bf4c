#include "http/public_address.h"

#include <gtest/gtest.h>

namespace turnpike::http::public_address_test {
namespace {

net::Address address(const char* text) {
  const std::vector<net::Address> parsed = net::Address::parse(text, 443);
  EXPECT_EQ(parsed.size(), 1u) << text;
  return parsed.empty() ? net::Address() : parsed.front();
}

TEST(PublicAddress, TellsTheInternetFromEverythingNearer) {
  struct Case {
    const char* address;
    bool is_public;
    const char* what;
  };
  const Case cases[] = {
      {"8.8.8.8", true, "a public one"},
      {"1.1.1.1", true, "a public one"},
      {"9.255.255.255", true, "the last before 10/8"},
      {"11.0.0.0", true, "the first after 10/8"},
      {"172.15.255.255", true, "the last before 172.16/12"},
      {"172.32.0.0", true, "the first after 172.16/12"},
      {"100.63.255.255", true, "the last before 100.64/10"},
      {"100.128.0.0", true, "the first after 100.64/10"},
      {"169.253.255.255", true, "the last before 169.254/16"},
      {"169.255.0.0", true, "the first after 169.254/16"},
      {"192.167.255.255", true, "the last before 192.168/16"},
      {"192.169.0.0", true, "the first after 192.168/16"},
      {"198.17.255.255", true, "the last before 198.18/15"},
      {"198.20.0.0", true, "the first after 198.18/15"},
      {"223.255.255.255", true, "the last before 224/4"},
      {"168.63.129.15", true, "beside Azure's host"},
      {"0.0.0.0", false, "unspecified"},
      {"0.1.2.3", false, "this network"},
      {"10.0.0.1", false, "private"},
      {"100.64.0.1", false, "carrier NAT"},
      {"100.100.100.200", false, "Alibaba's metadata"},
      {"127.0.0.1", false, "loopback"},
      {"127.255.255.255", false, "loopback"},
      {"168.63.129.16", false, "Azure's host"},
      {"169.254.0.1", false, "link-local"},
      {"169.254.169.254", false, "metadata"},
      {"169.254.170.2", false, "ECS credentials"},
      {"172.16.0.1", false, "private"},
      {"172.31.255.255", false, "private"},
      {"192.0.0.192", false, "Oracle's metadata"},
      {"192.0.2.1", false, "documentation"},
      {"192.88.99.1", false, "6to4 relay"},
      {"192.168.1.1", false, "private"},
      {"198.18.0.1", false, "benchmarks"},
      {"198.51.100.1", false, "documentation"},
      {"203.0.113.1", false, "documentation"},
      {"224.0.0.1", false, "group"},
      {"239.255.255.250", false, "group"},
      {"240.0.0.1", false, "reserved"},
      {"255.255.255.255", false, "broadcast"},
      {"2606:4700:4700::1111", true, "a public one"},
      {"2a00:1450:4001::1", true, "a public one"},
      {"::", false, "unspecified"},
      {"::1", false, "loopback"},
      {"::8.8.8.8", false, "IPv4-compatible, withdrawn"},
      {"::ffff:127.0.0.1", false, "loopback, mapped"},
      {"::ffff:10.0.0.1", false, "private, mapped"},
      {"::ffff:169.254.169.254", false, "metadata, mapped"},
      {"::ffff:8.8.8.8", true, "a public one, mapped"},
      {"::ffff:0:127.0.0.1", false, "IPv4-translated"},
      {"64:ff9b::127.0.0.1", false, "loopback behind NAT64"},
      {"64:ff9b::a9fe:a9fe", false, "metadata behind NAT64"},
      {"64:ff9b::8.8.8.8", true, "a public one behind NAT64"},
      {"64:ff9b:1::8.8.8.8", false, "NAT64 of a network's own"},
      {"100::1", false, "discard"},
      {"2001::1", false, "Teredo"},
      {"2001:2::1", false, "benchmarks"},
      {"2001:10::1", false, "ORCHID"},
      {"2001:20::1", false, "ORCHID 2"},
      {"2001:200::1", true, "the first after 2001::/23"},
      {"2001:db8::1", false, "documentation"},
      {"2002:7f00:1::1", false, "6to4 of the loopback"},
      {"2002:808:808::1", false, "6to4"},
      {"3fff::1", false, "documentation"},
      {"5f00::1", false, "segment routing"},
      {"fc00::1", false, "unique local"},
      {"fd00:ec2::254", false, "EC2's metadata"},
      {"fe80::1", false, "link-local"},
      {"fec0::1", false, "site-local"},
      {"ff02::1", false, "group"},
      {"4000::1", false, "not in use"},
  };
  for (const Case& c : cases) EXPECT_EQ(is_public(address(c.address)), c.is_public) << c.address << ": " << c.what;
  EXPECT_FALSE(is_public(net::Address())) << "no address at all";
}

TEST(AddressRange, HoldsWhatItSays) {
  struct Case {
    const char* range;
    const char* address;
    bool inside;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "10.255.0.1", true},
      {"10.0.0.0/8", "11.0.0.0", false},
      {"192.168.4.0/22", "192.168.7.255", true},
      {"192.168.4.0/22", "192.168.8.0", false},
      {"127.0.0.1", "127.0.0.1", true},
      {"127.0.0.1", "127.0.0.2", false},
      {"0.0.0.0/0", "203.0.113.9", true},
      {"0.0.0.0/0", "::1", false},
      {"10.0.0.0/8", "::ffff:10.1.2.3", true},
      {"fd00::/8", "fd12::1", true},
      {"fd00::/8", "fe80::1", false},
      {"::1", "::1", true},
      {"::/0", "::1", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(AddressRange::parse(c.range)->contains(address(c.address)), c.inside) << c.range << " " << c.address;
  }
  for (const char* text :
       {"", "10.0.0.0/33", "10.0.0/8", "::/129", "example.com", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(AddressRange::parse(text)) << text;
  }
}

}  // namespace
}  // namespace turnpike::http::public_address_test
