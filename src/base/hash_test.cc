#include "base/hash.h"

#include <gtest/gtest.h>

#include "base/text.h"

namespace turnpike::base::hash_test {
namespace {

TEST(Hash, PublishedVectors) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8a9136aau);  // RFC 3720, B.4
}

TEST(Hash, Sha256GoesOverPieces) {
  const std::string_view pieces[] = {"a", "", "bc"};
  EXPECT_EQ(sha256(pieces), sha256("abc"));
}

// RFC 4231, cases 2 and 6.
TEST(Hash, Hmac) {
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hash, CrcContinuesWhereItStopped) {
  const std::string text = "The quick brown fox jumps over the lazy dog";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(crc32c(crc32c(0, text.substr(0, cut)), text.substr(cut)), crc32c(0, text)) << cut;
  }
}

TEST(Hash, CrcByTableAndByInstructionAgree) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(crc32c(7, text), crc32c_by_table(7, text)) << i;
    text.push_back(static_cast<char>(i * 31));
  }
}

}  // namespace
}  // namespace turnpike::base::hash_test
