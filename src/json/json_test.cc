#include <gtest/gtest.h>

#include "json/document.h"
#include "json/scan.h"
#include "json/splice.h"
#include "json/write.h"

namespace turnpike::json::json_test {
namespace {

using std::string_view_literals::operator""sv;

struct Sound {
  const char* name;
  std::string_view text;
  bool ok;
};

const Sound kTexts[] = {
    {"empty object", "{}", true},
    {"spaces around", " \r\n\t{ \"a\" : 1 } \n", true},
    {"nested", R"({"a":[1,{"b":[[],{}]},"x"],"c":null})", true},
    {"numbers", "[0,-0,1.5,1e9,-2.5E-3,12]", true},
    {"bare scalar", "true", true},
    {"braces in strings", R"({"a":"}{][\",:"})", true},
    {"empty", "", false},
    {"only space", "  ", false},
    {"second document", "{}{}", false},
    {"text after", "{} x", false},
    {"closing without opening", "}", false},
    {"unclosed", R"({"a":[1})", false},
    {"skipped value broken", R"({"model":"m","a":[1,,2]})", false},
    {"wrong bracket", R"({"a":[1}})", false},
    {"comma at the end of an object", R"({"a":1,})", false},
    {"comma at the end of an array", "[1,]", false},
    {"colon missing", R"({"a" 1})", false},
    {"value missing", R"({"a":})", false},
    {"name without quotes", "{a:1}", false},
    {"two values", R"({"a":1 2})", false},
    {"string then text", R"({"a":"b"c})", false},
    {"number then string", R"([1"b"])", false},
    {"leading zero", "[01]", false},
    {"plus", "[+1]", false},
    {"dot without digits", "[1.]", false},
    {"exponent without digits", "[1e]", false},
    {"word", "[nul]", false},
    {"long word", "[nullx]", false},
    {"NaN", "[NaN]", false},
    {"unclosed string", R"({"a":"b)", false},
    {"control character in a string", "[\"a\nb\"]", false},
    {"not UTF-8", "[\"\xff\"]", false},
    {"NUL", "{\"a\":1}\0"sv, false},
};

TEST(Document, ChecksTheWholeStructure) {
  for (const Sound& c : kTexts) {
    SCOPED_TRACE(c.name);
    // An exact heap copy: reading past the end is seen by the sanitizer.
    const std::vector<char> bytes(c.text.begin(), c.text.end());
    Document document;
    EXPECT_EQ(document.parse({bytes.data(), bytes.size()}).has_value(), c.ok);
  }
}

TEST(Document, RefusesWhatIsNestedTooDeep) {
  const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
  const std::string deepest = nested(Document::kDepthMax), too_deep = nested(Document::kDepthMax + 1);
  Document document;
  EXPECT_TRUE(document.parse(deepest));
  EXPECT_FALSE(document.parse(too_deep));
}

TEST(Document, FindsValuesWithoutATree) {
  const std::string text =
      R"( {"a" : [1, {"b":[]} , "x" ] ,"c":{"d" : -1.5e1 },"\u0065":"\u00e9\ud83d\ude00\n", "f":12.0} )";
  Document document;
  ASSERT_TRUE(document.parse(text));
  const Value root = document.root();
  EXPECT_EQ(root.find("a").raw(), R"([1, {"b":[]} , "x" ])");
  std::vector<std::string_view> elements;
  for (const Value element : root.find("a").elements()) elements.push_back(element.raw());
  EXPECT_EQ(elements, (std::vector<std::string_view>{"1", R"({"b":[]})", R"("x")"}));
  EXPECT_EQ(root.find("c").find("d").number(), -15.0);
  EXPECT_EQ(root.find("e").text(), "\xC3\xA9\xF0\x9F\x98\x80\n");
  EXPECT_EQ(root.find("f").whole(), 12U);
  EXPECT_FALSE(root.find("nothing"));
  EXPECT_FALSE(root.find("nothing").find("below"));
  EXPECT_TRUE(root.find("f").elements().empty());
}

TEST(Document, TwoLiveAtOnce) {
  Document outer;
  ASSERT_TRUE(outer.parse(R"({"a":{"b":1}})"));
  {
    Document inner;
    ASSERT_TRUE(inner.parse(outer.root().find("a").raw()));
    EXPECT_EQ(inner.root().find("b").whole(), 1U);
  }
  EXPECT_EQ(outer.root().find("a").raw(), R"({"b":1})");
}

TEST(Unescape, ResolvesEscapes) {
  EXPECT_EQ(unescape(R"(a\"\\\/\b\f\n\r\t\u0041)"), "a\"\\/\b\f\n\r\tA");
  EXPECT_EQ(unescape(R"(\ud83d\ude00)"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(unescape(R"(\ud83d)"), "\xEF\xBF\xBD");
  EXPECT_EQ(unescape(R"(\ud83dA)"),
            "\xEF\xBF\xBD"
            "A");
  EXPECT_EQ(unescape(R"(\x)"), std::nullopt);
  EXPECT_EQ(unescape(R"(\u12)"), std::nullopt);
  EXPECT_EQ(unescape("\\"), std::nullopt);
}

constexpr std::string_view kActed[] = {"model", "stream"};

TEST(Scan, ListsTopLevelMembersWithTheirRanges) {
  const std::string body = R"({"model" : "gpt", "n":2,"x":{"model":1}})";
  Scan scanned;
  ASSERT_TRUE(scan(body, kActed, scanned));
  ASSERT_EQ(scanned.members.size(), 3U);
  EXPECT_EQ(scanned.members[0].key_range.in(body), "\"model\"");
  EXPECT_EQ(scanned.members[0].value.in(body), "\"gpt\"");
  EXPECT_EQ(scanned.members[0].kind, Kind::String);
  EXPECT_EQ(scanned.find("x")->value.in(body), R"({"model":1})");
  EXPECT_EQ(scanned.find("y"), nullptr);
}

TEST(Scan, RefusesAnActedOnKeyTwice) {
  struct Case {
    const char* body;
    const char* param;
  };
  const Case cases[] = {
      {R"({"model":"a","model":"b"})", "model"},
      {R"({"model":"a","mod\u0065l":"b"})", "model"},
      {R"({"\u006dodel":"a","mod\u0065l":"b"})", "model"},
      {R"({"a":1,"a":2,"stream":true,"stream":true})", "stream"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    Scan scanned;
    const auto status = scan(c.body, kActed, scanned);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(status.error().param, c.param);
  }
  std::string many = "{\"model\":1";
  for (int i = 0; i < 100; ++i) many += ",\"k" + std::to_string(i) + "\":1";
  Scan scanned;
  EXPECT_TRUE(scan(many + "}", kActed, scanned));
  EXPECT_FALSE(scan(many + ",\"mode\\u006c\":2}", kActed, scanned));
  EXPECT_TRUE(scan(R"({"a":1,"a":2})", kActed, scanned)) << "a key nobody acts on is the provider's business";
}

TEST(Scan, RefusesWhatIsNoObject) {
  Scan scanned;
  for (const char* body : {"[]", "1", "null", "\"{}\"", "{}{}", "{\"a\":1}x"}) {
    EXPECT_FALSE(scan(body, kActed, scanned)) << body;
  }
  std::string many = "{";
  for (std::size_t i = 0; i <= kMembersMax; ++i) many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":1";
  EXPECT_FALSE(scan(many + "}", kActed, scanned));
}

TEST(Scan, TextOfResolvesEscapesAndInsistsOnAString) {
  const std::string body = R"({"a":"x\ny","b":1,"c":"\q"})";
  Scan scanned;
  ASSERT_TRUE(scan(body, kActed, scanned));
  EXPECT_EQ(text_of(body, *scanned.find("a")), "x\ny");
  EXPECT_EQ(text_of(body, *scanned.find("b")).error().param, "b");
  EXPECT_FALSE(text_of(body, *scanned.find("c")));
}

struct Cut {
  const char* body;
  std::vector<const char*> removed;
  bool add;
  const char* expected;
};

TEST(Splice, RemovesAndAddsWithTheRightCommas) {
  const Cut cases[] = {
      {R"({"a":1,"b":2,"c":3})", {"a"}, false, R"({"b":2,"c":3})"},
      {R"({"a":1,"b":2,"c":3})", {"b"}, false, R"({"a":1,"c":3})"},
      {R"({"a":1,"b":2,"c":3})", {"c"}, false, R"({"a":1,"b":2})"},
      {R"({"a":1,"b":2,"c":3})", {"c", "b"}, false, R"({"a":1})"},
      {R"({"a":1,"b":2,"c":3})", {"a", "b"}, false, R"({"c":3})"},
      {R"({"a":1,"b":2,"c":3})", {"a", "c"}, false, R"({"b":2})"},
      {R"({"a":1,"b":2,"c":3})", {"a", "b", "c", "c"}, false, R"({})"},
      {R"({ "a" : 1 , "b" : 2 })", {"b"}, false, R"({ "a" : 1 })"},
      {R"({ "a" : 1 , "b" : 2 })", {"a"}, false, R"({ "b" : 2 })"},
      {R"({"a":1})", {}, true, R"({"a":1,"z":[0]})"},
      {R"({"a":1})", {"a"}, true, R"({"z":[0]})"},
      {R"({"a":1,"b":2})", {"b"}, true, R"({"a":1,"z":[0]})"},
      {"{ }\n", {}, true, "{ \"z\":[0]}\n"},
  };
  for (const Cut& c : cases) {
    SCOPED_TRACE(c.body);
    Scan scanned;
    ASSERT_TRUE(scan(c.body, kActed, scanned));
    Splice splice(c.body);
    EXPECT_TRUE(splice.unchanged());
    if (c.add) splice.add(scanned, "z", "[0]");
    for (const char* key : c.removed) splice.remove(scanned, *scanned.find(key));
    EXPECT_FALSE(splice.unchanged());
    EXPECT_EQ(splice.to_string(), c.expected);
    EXPECT_EQ(splice.to_string(), c.expected) << "asking twice changes nothing";
  }
}

TEST(Splice, ReplacesInAnyOrder) {
  const std::string body = R"({"model":"a","n":1})";
  Scan scanned;
  ASSERT_TRUE(scan(body, kActed, scanned));
  Splice splice(body);
  splice.replace(scanned.find("n")->value, "22");
  splice.replace(scanned.find("model")->value, "\"longer\"");
  std::vector<std::string_view> pieces;
  splice.pieces(pieces);
  EXPECT_EQ(pieces.size(), 5U);
  EXPECT_EQ(splice.to_string(), R"({"model":"longer","n":22})");
}

TEST(Write, EscapesStrings) {
  EXPECT_EQ(quoted("a\"\\\n\x01/\x7f"), "\"a\\\"\\\\\\n\\u0001/\x7f\"");
  EXPECT_EQ(quoted("\xC3\xA9\xF0\x9F\x98\x80"), "\"\xC3\xA9\xF0\x9F\x98\x80\"");
  EXPECT_EQ(quoted("\xff\xC3"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(quoted("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"") << "a surrogate is no UTF-8";
}

TEST(Write, PutsCommasWhereTheyBelong) {
  std::string out;
  Writer writer(out);
  writer.begin_object().key("a").begin_array().number(std::int64_t{-1}).begin_object().end_object().null().end_array();
  writer.key("b").boolean(true).key("c").raw("{}").key("d").string("x").end_object();
  EXPECT_EQ(out, R"({"a":[-1,{},null],"b":true,"c":{},"d":"x"})");
}

TEST(Write, EscapesWhereverTheOddByteStands) {
  for (std::size_t length = 0; length < 20; ++length) {
    EXPECT_EQ(json::quoted(std::string(length, 'a')), '"' + std::string(length, 'a') + '"');
    for (std::size_t at = 0; at < length; ++at) {
      for (const auto& [odd, written] : std::initializer_list<std::pair<char, const char*>>{{'"', "\\\""},
                                                                                            {'\\', "\\\\"},
                                                                                            {'\n', "\\n"},
                                                                                            {'\0', "\\u0000"},
                                                                                            {'\x1f', "\\u001f"},
                                                                                            {'\x80', "\xEF\xBF\xBD"},
                                                                                            {'\x7f', "\x7f"},
                                                                                            {' ', " "}}) {
        std::string text(length, 'a');
        text[at] = odd;
        EXPECT_EQ(json::quoted(text), '"' + std::string(at, 'a') + written + std::string(length - at - 1, 'a') + '"');
      }
    }
  }
}

TEST(Document, FindTellsNamesThatBeginAlikeApart) {
  const std::string text = R"({"ab":1,"a":2,"a\u0062c":3,"abcd":4,"a\"":5,"":6})";
  Document document;
  ASSERT_TRUE(document.parse(text));
  EXPECT_EQ(document.root().find("a").whole(), 2u);
  EXPECT_EQ(document.root().find("ab").whole(), 1u);
  EXPECT_EQ(document.root().find("abc").whole(), 3u);
  EXPECT_EQ(document.root().find("abcd").whole(), 4u);
  EXPECT_EQ(document.root().find("a\"").whole(), 5u);
  EXPECT_EQ(document.root().find("").whole(), 6u);
  EXPECT_FALSE(document.root().find("abcde"));

  constexpr std::string_view kKeys[] = {"abcde", "abc", "a", "", "a"};
  Value found[5];
  document.root().find_each(kKeys, found);
  EXPECT_FALSE(found[0]);
  EXPECT_EQ(found[1].whole(), 3u);
  EXPECT_EQ(found[2].whole(), 2u);
  EXPECT_EQ(found[3].whole(), 6u);
  EXPECT_FALSE(found[4]) << "each member is given once";
}

TEST(Json, CompactLeavesOutWhatStandsBetweenTokens) {
  EXPECT_EQ(compact("{\n \"a b\" : [ 1 , 2 ] ,\t\"c\\\" d\\\\\" : \" \"\r\n}"),
            "{\"a b\":[1,2],\"c\\\" d\\\\\":\" \"}");
}

}  // namespace
}  // namespace turnpike::json::json_test
