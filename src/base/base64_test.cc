#include "base/base64.h"

#include <gtest/gtest.h>

namespace turnpike::base::base64_test {
namespace {

TEST(Base64, WritesEveryLength) {
  struct Case {
    std::string_view bytes;
    std::string_view text;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {{"", ""},
                        {"f", "Zg=="},
                        {"fo", "Zm8="},
                        {"foo", "Zm9v"},
                        {"foob", "Zm9vYg=="},
                        {"foobar", "Zm9vYmFy"},
                        {"\xff\xfe\0"sv, "//4A"}};
  for (const Case& c : cases) EXPECT_EQ(to_base64(c.bytes), c.text);
}

TEST(Base64, IsReadWithPaddingAndWithout) {
  EXPECT_EQ(from_base64(""), "");
  EXPECT_EQ(from_base64("Zg=="), "f");
  EXPECT_EQ(from_base64("Zm8="), "fo");
  EXPECT_EQ(from_base64("Zm9v"), "foo");
  EXPECT_EQ(from_base64("Zm9vYg"), "foob");
  EXPECT_EQ(from_base64("+/+/"), "\xFB\xFF\xBF");
  for (const char* broken : {"Z", "Zm9vY", "Zm=v", "Zm9 ", "====", "-_-_", "Zg==Zg=="}) {
    EXPECT_FALSE(from_base64(broken)) << broken;
  }
}

TEST(Base64, LongTextsComeBackAsTheyWere) {
  for (const std::size_t size : {3u << 20, (3u << 20) + 1, (6u << 20) + 2}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 + i / 251);
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
  }
}

}  // namespace
}  // namespace turnpike::base::base64_test
