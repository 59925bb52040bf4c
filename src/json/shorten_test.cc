#include "json/shorten.h"

#include <gtest/gtest.h>

namespace turnpike::json::shorten_test {
namespace {

TEST(ShortenStrings, CutsLongValuesAndNothingElse) {
  struct Case {
    const char* text;
    const char* shortened;
  };
  const Case kCases[] = {
      {R"j({"a":"12345678"})j", R"j({"a":"12345678"})j"},
      {R"j({"a":"123456789"})j", R"j({"a":"12345678... (1 bytes left out)"})j"},
      {R"j({"a name of many bytes":1})j", R"j({"a name of many bytes":1})j"},
      {R"j( ["0123456789abc" , {"b" : "0123456789"}, 12345678901] )j",
       R"j( ["01234567... (5 bytes left out)" , {"b" : "01234567... (2 bytes left out)"}, 12345678901] )j"},
      {R"j(["1234567\"9"])j", R"j(["1234567... (3 bytes left out)"])j"},
      {R"j(["123456\\\\9"])j", R"j(["123456\\... (3 bytes left out)"])j"},
      {R"j(["12345\u00e9x"])j", R"j(["12345... (7 bytes left out)"])j"},
      {R"j(["\ud83d\ude00xx"])j", R"j(["... (14 bytes left out)"])j"},
      {"[\"1234567\xC3\xA9\"]", "[\"1234567... (2 bytes left out)\"]"},
      {"[\"123456\xC3\xA9x\"]", "[\"123456\xC3\xA9... (1 bytes left out)\"]"},
      {"[\"12345\xF0\x9F\x98\x80x\"]", "[\"12345... (5 bytes left out)\"]"},
      {R"j("123456789")j", R"j("12345678... (1 bytes left out)")j"},
      {"null", "null"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.text);
    const std::string text = c.text;
    Document document;
    ASSERT_TRUE(document.parse(text));
    const std::string shortened = shorten_strings(document, 8);
    EXPECT_EQ(shortened, c.shortened);
    Document again;
    EXPECT_TRUE(again.parse(shortened)) << "still JSON";
  }
}

}  // namespace
}  // namespace turnpike::json::shorten_test
