#include "protocol/openai_write.h"

#include <gtest/gtest.h>

#include "json/document.h"
#include "protocol/openai_pieces.h"

namespace turnpike::protocol::openai_write_test {
namespace {

using Kind = Block::Kind;

Block text(std::string_view words) {
  Block block;
  block.text = words;
  return block;
}

Block thought(std::string_view words, std::string_view signature) {
  Block block;
  block.kind = Kind::Thinking;
  block.text = words;
  block.signature = signature;
  return block;
}

Block call(std::string_view id, std::string_view name, std::string_view arguments, std::string_view signature = {}) {
  Block block;
  block.kind = Kind::ToolUse;
  block.id = id;
  block.name = name;
  block.text = arguments;
  block.signature = signature;
  return block;
}

Block block_of(Kind kind, std::string_view words) {
  Block block;
  block.kind = kind;
  block.text = words;
  return block;
}

Block image(std::string_view base64) {
  Block block;
  block.kind = Kind::Image;
  block.media.mime = "image/png";
  block.media.base64 = base64;
  return block;
}

struct Case {
  const char* name;
  std::vector<Block> blocks;
  Finish finish = Finish::Stop;
  const char* message;  // Behind {"role":"assistant",
  const char* finish_shown = "stop";
  AnswerTerms terms = {};
};

ReplyOptions options() {
  ReplyOptions options;
  options.shown_model = "shown";
  options.provider_label = "Anthropic";
  options.fallback_id = "chatcmpl-01234567-89ab-cdef-0123-456789abcdef";
  options.created_s = 1700000000;
  return options;
}

AnswerTerms by_json_tool(bool unwrap = true) {
  AnswerTerms terms;
  terms.json_tool = true;
  terms.unwrap_json = unwrap;
  return terms;
}

AnswerTerms renamed() {
  AnswerTerms terms;
  terms.tool_names = {{"short", "my.long/name"}};
  return terms;
}

AnswerTerms legacy() {
  AnswerTerms terms;
  terms.legacy_functions = true;
  return terms;
}

TEST(WriteOpenAiReply, WritesMessages) {
  const Case kCases[] = {
      {"text", {text("Hi"), text(" \"you\"")}, Finish::Stop, R"("content":"Hi \"you\"","refusal":null)"},
      {"nothing", {}, Finish::Length, R"("content":"","refusal":null)", "length"},
      {"no word about the end", {text("x")}, Finish::None, R"("content":"x","refusal":null)"},
      {"refusal",
       {block_of(Kind::Refusal, "no")},
       Finish::ContentFilter,
       R"("content":null,"refusal":"no")",
       "content_filter"},
      {"a filter let nothing through", {}, Finish::ContentFilter, R"("content":null,"refusal":null)", "content_filter"},
      {"thinking",
       {thought("a", "S"), block_of(Kind::RedactedThinking, "D"), thought("b", ""), text("x")},
       Finish::Stop,
       R"("content":"x","refusal":null,"reasoning_content":"ab","thinking_blocks":[)"
       R"({"type":"thinking","thinking":"a","signature":"S"},{"type":"redacted_thinking","data":"D"},)"
       R"({"type":"thinking","thinking":"b"}])"},
      {"tool calls end the answer, whatever the provider says",
       {text("x"), call("c1", "f", R"({"a":1})"), call("c2", "g", "")},
       Finish::Stop,
       R"("content":"x","refusal":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f",)"
       R"("arguments":"{\"a\":1}"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}])",
       "tool_calls"},
      {"made ids carry signatures (AC-GEM-1)",
       {call("", "f", "{}", "U0lH"), call("", "f", "{}")},
       Finish::ToolCalls,
       R"("content":null,"refusal":null,"tool_calls":[)"
       R"({"id":"call_0123456789abcdef012345600000__thought__U0lH","type":"function","function":{"name":"f","arguments":"{}"}},)"
       R"({"id":"call_0123456789abcdef012345600001","type":"function","function":{"name":"f","arguments":"{}"}}])",
       "tool_calls"},
      {"cut off in a call",
       {call("c", "f", R"({"a)")},
       Finish::Length,
       R"("content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a"}}])",
       "length"},
      {"the caller's own tool names",
       {call("c", "short", "{}")},
       Finish::ToolCalls,
       R"("content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"my.long/name","arguments":"{}"}}])",
       "tool_calls",
       renamed()},
      {"the older form of calls",
       {call("c", "f", R"({"a":1})")},
       Finish::ToolCalls,
       R"("content":null,"refusal":null,"function_call":{"name":"f","arguments":"{\"a\":1}"})",
       "function_call",
       legacy()},
      {"images",
       {text("x"), image("QUJD")},
       Finish::Stop,
       R"("content":"x","refusal":null,"images":[{"type":"image_url","index":0,)"
       R"("image_url":{"url":"data:image/png;base64,QUJD","detail":"auto"}}])"},
      {"JSON by tool",
       {text("Here it is:"), call("c", "json_tool_call", R"({"a":1})")},
       Finish::ToolCalls,
       R"("content":"{\"a\":1}","refusal":null)",
       "stop",
       by_json_tool()},
      {"JSON by tool, wrapped",
       {call("c", "json_tool_call", R"( { "values" : [1, 2] })")},
       Finish::ToolCalls,
       R"("content":"[1, 2]","refusal":null)",
       "stop",
       by_json_tool()},
      {"JSON by tool, wrapped as a schema",
       {call("c", "json_tool_call", R"({"properties":{"a":1}})")},
       Finish::ToolCalls,
       R"("content":"{\"a\":1}","refusal":null)",
       "stop",
       by_json_tool()},
      {"JSON by tool, more than the wrapper",
       {call("c", "json_tool_call", R"({"values":[1],"b":2})")},
       Finish::ToolCalls,
       R"("content":"{\"values\":[1],\"b\":2}","refusal":null)",
       "stop",
       by_json_tool()},
      {"JSON by tool, whose schema has that name",
       {call("c", "json_tool_call", R"({"values":[1]})")},
       Finish::ToolCalls,
       R"("content":"{\"values\":[1]}","refusal":null)",
       "stop",
       by_json_tool(false)},
      {"JSON asked for, text given",
       {text("x")},
       Finish::Stop,
       R"("content":"x","refusal":null)",
       "stop",
       by_json_tool()},
      {"JSON by tool beside a call",
       {call("c", "json_tool_call", R"({"a":1})"), call("d", "f", "{}")},
       Finish::ToolCalls,
       R"("content":"{\"a\":1}","refusal":null,"tool_calls":[{"id":"d","type":"function","function":{"name":"f","arguments":"{}"}}])",
       "tool_calls",
       by_json_tool()},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    ChatReply reply;
    reply.id = "r1";
    reply.choices.emplace_back().blocks = c.blocks;
    reply.choices[0].finish = c.finish;
    std::string out;
    const auto facts = write_openai_reply(options(), c.terms, reply, out);
    ASSERT_TRUE(facts);
    EXPECT_EQ(out, std::string(R"({"id":"r1","object":"chat.completion","created":1700000000,"model":"shown",)"
                               R"("choices":[{"index":0,"message":{"role":"assistant",)") +
                       c.message + R"(},"logprobs":null,"finish_reason":")" + c.finish_shown + R"("}])");
    EXPECT_EQ(facts->finish_reason, c.finish_shown);
    json::Document document;
    EXPECT_TRUE(facts->owes_usage);
    EXPECT_TRUE(document.parse(out += '}'));
  }
}

TEST(WriteOpenAiReply, WritesWhatStandsAroundMessages) {
  ChatReply reply;
  reply.model = "upstream";
  reply.service_tier = "priority";
  reply.extra_json = R"({"citations":["https://x"]})";
  ReplyChoice& choice = reply.choices.emplace_back();
  choice.index = 1;
  choice.blocks = {text("x")};
  choice.native_finish = "pause_turn";
  choice.finish = Finish::Stop;
  choice.logprobs_json = R"({"content":[]})";
  choice.native_json = R"({"k":1})";
  choice.citations = {{0, 1, "https://x", "X"}};
  reply.usage.emplace().set(domain::Unit::InputTokens, 10);
  reply.usage->set(domain::Unit::CachedInputTokens, 3);
  reply.usage->set(domain::Unit::CacheWriteTokens, 4);
  reply.usage->set(domain::Unit::CacheWrite1hTokens, 5);
  reply.usage->set(domain::Unit::OutputTokens, 6);
  std::string out;
  const auto facts = write_openai_reply(options(), {}, reply, out);
  ASSERT_TRUE(facts);
  EXPECT_EQ(
      out,
      R"({"id":"chatcmpl-01234567-89ab-cdef-0123-456789abcdef","object":"chat.completion","created":1700000000,"model":"shown",)"
      R"("choices":[{"index":1,"message":{"role":"assistant","content":"x","refusal":null,)"
      R"("annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"url":"https://x","title":"X"}}],)"
      R"("provider_specific_fields":{"k":1}},"logprobs":{"content":[]},"finish_reason":"stop",)"
      R"("provider_specific_fields":{"native_finish_reason":"pause_turn"}}],)"
      R"("usage":{"prompt_tokens":22,"completion_tokens":6,"total_tokens":28,"prompt_tokens_details":{"cached_tokens":3,)"
      R"("cache_write_tokens":9,"cache_creation_tokens":9,"cache_creation_token_details":{"ephemeral_5m_input_tokens":4,)"
      R"("ephemeral_1h_input_tokens":5}},"cache_read_input_tokens":3,"cache_creation_input_tokens":9},)"
      R"("service_tier":"priority","citations":["https://x"]})");
  EXPECT_EQ(facts->id, options().fallback_id);
  EXPECT_EQ(facts->model, "upstream");
  EXPECT_EQ(facts->service_tier, "priority");
  EXPECT_EQ(facts->usage->counts, reply.usage->counts);
  EXPECT_EQ(facts->text_for_count, "");
  // Whoever reads our own usage finds the same.
  EXPECT_EQ(read_usage(usage_json(domain::Operation::Chat, *reply.usage))->counts, reply.usage->counts);
}

TEST(WriteOpenAiReply, KeepsAllTextForCountingWhereUsageIsMissing) {
  ChatReply reply;
  reply.choices.emplace_back().blocks = {thought("t", "S"), text("a"), call("c", "f", "{}")};
  std::string out;
  const auto facts = write_openai_reply(options(), {}, reply, out);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->text_for_count, "taf{}");
}

TEST(WriteOpenAiReply, LeavesTheEndOpenForUsageThatIsCountedFirst) {
  struct UsageCase {
    bool input_unsaid;
    bool output_unsaid;
    bool owed;
  };
  for (const UsageCase& c : {UsageCase{false, false, false}, {true, false, true}, {false, true, true}}) {
    ChatReply reply;
    reply.choices.emplace_back().blocks = {text("a")};
    reply.usage.emplace().set(domain::Unit::OutputTokens, 3);
    reply.usage->input_unsaid = c.input_unsaid;
    reply.usage->output_unsaid = c.output_unsaid;
    std::string out;
    const auto facts = write_openai_reply(options(), {}, reply, out);
    ASSERT_TRUE(facts);
    EXPECT_EQ(facts->owes_usage, c.owed);
    EXPECT_EQ(out.find("\"usage\"") == std::string::npos, c.owed);
    EXPECT_EQ(out.ends_with("}]"), c.owed) << out;
  }
}

TEST(WriteOpenAiReply, WritesTextCompletions) {
  ReplyOptions asked = options();
  asked.operation = domain::Operation::Completion;
  ChatReply reply;
  reply.id = "r1";
  reply.choices.emplace_back().blocks = {thought("t", ""), text("a")};
  reply.choices[0].finish = Finish::Length;
  std::string out;
  ASSERT_TRUE(write_openai_reply(asked, {}, reply, out));
  EXPECT_EQ(out, R"({"id":"r1","object":"text_completion","created":1700000000,"model":"shown",)"
                 R"("choices":[{"text":"a","index":0,"logprobs":null,"finish_reason":"length"}])");
}

TEST(WriteOpenAiReply, AnAnswerWithoutChoicesIsNone) {
  std::string out;
  const auto facts = write_openai_reply(options(), {}, {}, out);
  ASSERT_FALSE(facts);
  EXPECT_EQ(facts.error().kind, ErrorKind::UpstreamMalformed);
}

TEST(JsonAnswer, IsKnownByItsFront) {
  EXPECT_EQ(looks_wrapped(""), Wrapped::Maybe);
  EXPECT_EQ(looks_wrapped(" {\n\"val"), Wrapped::Maybe);
  EXPECT_EQ(looks_wrapped("{\"values\" :"), Wrapped::Yes);
  EXPECT_EQ(looks_wrapped("{\"properties\":{"), Wrapped::Yes);
  EXPECT_EQ(looks_wrapped("{\"valuesX"), Wrapped::No);
  EXPECT_EQ(looks_wrapped("[1"), Wrapped::No);
}

}  // namespace
}  // namespace turnpike::protocol::openai_write_test
