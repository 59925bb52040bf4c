#include "protocol/answer_quirks.h"

#include <gtest/gtest.h>

#include "protocol/openai_reply.h"
#include "protocol/openai_stream.h"

namespace turnpike::protocol::answer_quirks_test {
namespace {

struct Case {
  const char* name;
  AnswerQuirks quirks;
  const char* from_provider;
  const char* to_caller;
};

constexpr AnswerQuirks kTags{.think_tags = true};
constexpr AnswerQuirks kTool{.json_tool = true};
constexpr AnswerQuirks kCites{.cites = true};

std::string read(const Case& c, std::string& finish) {
  ReplyOptions options;
  options.shown_model = "m";
  options.provider_label = "P";
  options.fallback_id = "chatcmpl-0199f2c0-0000-7000-8000-000000000001";
  options.quirks = c.quirks;
  std::string scratch;
  std::vector<std::string_view> pieces;
  const auto facts = read_reply(options, c.from_provider, scratch, pieces);
  EXPECT_TRUE(facts);
  if (facts) finish = facts->finish_reason;
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  return out;
}

TEST(AnswerQuirks, OfWholeAnswers) {
  const Case cases[] = {
      {"thoughts in tags", kTags,
       R"({"id":"1","model":"m","choices":[{"message":{"content":"<think>\na \"b\"\n</think>\n\nc"},"finish_reason":"stop"}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"content":"c","reasoning_content":"\na \"b\"\n"},"finish_reason":"stop"}]})"},
      {"tags escaped as Go does", kTags,
       R"({"id":"1","model":"m","choices":[{"message":{"content":"\u003cthink\u003ea\u003c/think\u003eb"}}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"content":"b","reasoning_content":"a"}}]})"},
      {"nothing thought", kTags, R"({"id":"1","model":"m","choices":[{"message":{"content":"<think></think>b"}}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"content":"b"}}]})"},
      {"tags further on are text", kTags, R"({"id":"1","model":"m","choices":[{"message":{"content":"b <think>"}}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"content":"b <think>"}}]})"},
      {"tags of others are text",
       {},
       R"({"id":"1","model":"m","choices":[{"message":{"content":"<think>a</think>b"}}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"content":"<think>a</think>b"}}]})"},
      {"parts",
       {},
       R"({"id":"1","model":"m","choices":[{"message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"w\n"},{"type":"text","text":"x"}]},{"type":"text","text":"y"},{"type":"text","text":"\u00e9"}]}}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"role":"assistant","content":"y\u00e9","reasoning_content":"w\nx"}}]})"},
      {"a summary of the thoughts",
       {},
       R"({"id":"1","model":"m","choices":[{"message":{"role":"assistant","content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"w","signature":"s"}]},{"type":"text","text":"y"}]}}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"role":"assistant","content":"y","reasoning_content":"w"}}]})"},
      {"arguments as an object, no id",
       {},
       R"({"id":"1","model":"m","choices":[{"message":{"tool_calls":[{"id":"null","function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"tool_calls":[{"type":"function","id":"call_000070008000000000000001_0_0","function":{"name":"f","arguments":"{\"a\":1}"}},{"type":"function","id":"call_000070008000000000000001_0_1","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})"},
      {"arguments of nothing are an object, as in a stream",
       {},
       R"({"id":"1","model":"m","choices":[{"message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}},{"id":"b","type":"function","function":{"name":"g","arguments":null}}]},"finish_reason":"tool_calls"}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})"},
      {"the JSON tool", kTool,
       R"({"id":"1","model":"m","choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"json_tool_call","arguments":"{\"a\":1}"}}]},"finish_reason":"tool_calls"}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"role":"assistant","content":"{\"a\":1}"},"finish_reason":"stop"}]})"},
      {"another tool", kTool,
       R"({"id":"1","model":"m","choices":[{"message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})",
       R"({"id":"1","model":"m","choices":[{"message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})"},
      {"sources", kCites,
       R"({"id":"1","model":"m","citations":["https://a","https://b"],"search_results":[{"title":"A","url":"https://a"}],"choices":[{"message":{"content":"é[1] b[2][3] [0] [x"}}]})",
       R"({"id":"1","model":"m","citations":["https://a","https://b"],"search_results":[{"title":"A","url":"https://a"}],"choices":[{"message":{"content":"é[1] b[2][3] [0] [x","annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":4,"url":"https://a","title":"A"}},{"type":"url_citation","url_citation":{"start_index":6,"end_index":9,"url":"https://b","title":""}}]}}]})"},
      {"a tier nobody knows",
       {},
       R"({"id":"1","model":"m","service_tier":"on_demand","choices":[]})",
       R"({"id":"1","model":"m","service_tier":"auto","choices":[]})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    std::string finish;
    EXPECT_EQ(read(c, finish), c.to_caller);
    if (std::string_view(c.name) == "the JSON tool") {
      EXPECT_EQ(finish, "stop");
    }
  }
}

std::string follow(const Case& c, std::size_t first, std::size_t second) {
  StreamOptions options;
  options.shown_model = "m";
  options.fallback_id = "chatcmpl-ours";
  options.created_s = 5;
  options.provider_label = "P";
  options.quirks = c.quirks;
  OpenAiStream stream(options);
  std::string wire;
  std::string_view rest = c.from_provider;
  while (!rest.empty()) {
    const std::size_t end = rest.find('|');
    wire.append("data: ").append(rest.substr(0, end)).append("\n\n");
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  std::string out;
  std::vector<std::string_view> pieces;
  const std::string_view bytes = wire;
  first = std::min(first, bytes.size());
  second = std::min(second, bytes.size());
  for (const std::string_view part :
       {bytes.substr(0, first), bytes.substr(first, second - first), bytes.substr(second)}) {
    EXPECT_TRUE(stream.feed(part, pieces));
    for (const std::string_view piece : pieces) out += piece;
    pieces.clear();
  }
  EXPECT_TRUE(stream.finish(pieces));
  for (const std::string_view piece : pieces) out += piece;
  // One line per delta: what the choices say.
  std::string said;
  for (std::size_t at = out.find("\"choices\":"); at != std::string::npos; at = out.find("\"choices\":", at + 1)) {
    said += out.substr(at + 11, out.find("]}\n", at) - at - 11) + "\n";
  }
  return said;
}

TEST(AnswerQuirks, OfStreams) {
  const Case cases[] = {
      {"thoughts in tags", kTags,
       R"({"choices":[{"index":0,"delta":{"role":"assistant","content":"<th"}}]}|{"choices":[{"index":0,"delta":{"content":"ink>a</thin"}}]}|{"choices":[{"index":0,"delta":{"content":"k>\nb"}}]}|{"choices":[{"index":0,"delta":{"content":"<c"},"finish_reason":"stop"}]}|[DONE])",
       R"({"finish_reason":null,"index":0,"delta":{"role":"assistant"}}
{"finish_reason":null,"index":0,"delta":{"reasoning_content":"a"}}
{"finish_reason":null,"index":0,"delta":{"content":"b"}}
{"index":0,"delta":{"content":"<c"},"finish_reason":"stop"}
)"},
      {"what was held back comes with the finish", kTags,
       R"({"choices":[{"index":0,"delta":{"content":"<th"}}]}|{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}|[DONE])",
       R"({"index":0,"delta":{"role":"assistant","content":"<th"},"finish_reason":"stop"}
)"},
      {"what was held back comes before [DONE]", kTags, R"({"choices":[{"index":0,"delta":{"content":"<th"}}]}|[DONE])",
       R"({"index":0,"delta":{"role":"assistant","content":"<th"},"finish_reason":null}
{"index":0,"delta":{},"finish_reason":"stop"}
)"},
      {"both in one chunk", kTags,
       R"({"choices":[{"index":0,"delta":{"content":"<think>a</think>b"},"finish_reason":"stop"}]}|[DONE])",
       R"({"index":0,"delta":{"role":"assistant","reasoning_content":"a","content":"b"},"finish_reason":"stop"}
)"},
      {"thoughts first",
       {},
       R"({"choices":[{"index":0,"delta":{"reasoning":"a"}}]}|{"choices":[{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}]}|[DONE])",
       R"({"finish_reason":null,"index":0,"delta":{"role":"assistant","reasoning_content":"a"}}
{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}
)"},
      {"parts",
       {},
       R"({"choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]}]}}]}|{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"b"}]},"finish_reason":"stop"}]}|[DONE])",
       R"({"finish_reason":null,"index":0,"delta":{"role":"assistant","reasoning_content":"a"}}
{"index":0,"delta":{"content":"b"},"finish_reason":"stop"}
)"},
      {"the JSON tool", kTool,
       R"({"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"json_tool_call","arguments":""}}]}}]}|{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}|{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}|{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}|[DONE])",
       R"({"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}
{"finish_reason":null,"index":0,"delta":{"content":"{\"a\""}}
{"finish_reason":null,"index":0,"delta":{"content":":1}"}}
{"index":0,"delta":{},"finish_reason":"stop"}
)"},
      {"another tool", kTool,
       R"({"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}|{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}|[DONE])",
       R"({"finish_reason":null,"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}
{"index":0,"delta":{},"finish_reason":"tool_calls"}
)"},
      {"sources, and the text so far in every chunk", kCites,
       R"({"citations":["https://a"],"choices":[{"index":0,"message":{"role":"assistant","content":"x[1"},"delta":{"content":"x[1"}}]}|{"citations":["https://a"],"choices":[{"index":0,"delta":{"content":"]"},"message":{"content":"x[1]"},"finish_reason":"stop"}]}|[DONE])",
       R"({"finish_reason":null,"index":0,"delta":{"role":"assistant","content":"x[1"}}
{"index":0,"delta":{"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":4,"url":"https://a","title":""}}],"content":"]"},"finish_reason":"stop"}
)"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::size_t size = std::string_view(c.from_provider).size() + 64;
    EXPECT_EQ(follow(c, size, size), c.to_caller);
    for (std::size_t cut = 0; cut < size; ++cut) ASSERT_EQ(follow(c, cut, cut + 1), c.to_caller) << "cut at " << cut;
  }
}

TEST(SharedNames, FitWhatOpenAiTakesBack) {
  EXPECT_EQ(call_id_stem("chatcmpl-0199f2c0-0000-7000-8000-000000000001"), "000070008000000000000001");
  EXPECT_LE(("call_" + call_id_stem("chatcmpl-0199f2c0-0000-7000-8000-000000000001") + "_4095_1023").size(), 40U);
  EXPECT_EQ(shown_tier("flex"), "");
  EXPECT_EQ(shown_tier("performance"), "auto");
}

}  // namespace
}  // namespace turnpike::protocol::answer_quirks_test
