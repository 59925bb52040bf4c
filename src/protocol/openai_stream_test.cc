#include "protocol/openai_stream.h"

#include <gtest/gtest.h>

#include "json/document.h"

namespace turnpike::protocol::openai_stream_test {
namespace {

using domain::Operation;
using domain::Unit;

struct Seen {
  std::string out;
  std::optional<ErrorKind> error;
  std::string message;
  std::string id;
  std::string finish_reason;
  std::optional<domain::Usage> usage;
  std::string text;
  std::uint64_t text_bytes = 0;
  bool done = false;
};

StreamOptions options_of(bool include_usage, Operation operation = Operation::Chat) {
  StreamOptions options;
  options.operation = operation;
  options.shown_model = "m";
  options.include_usage = include_usage;
  options.fallback_id = "chatcmpl-ours";
  options.created_s = 7;
  options.provider_label = "Test";
  return options;
}

// Feeds `parts` one by one, each from a copy that dies at once.
Seen run(const std::vector<std::string_view>& parts, StreamOptions options, const domain::Usage& counted = {}) {
  OpenAiStream stream(std::move(options));
  Seen result;
  Status status;
  std::vector<std::string_view> pieces;
  const auto drain = [&] {
    for (const std::string_view piece : pieces) result.out += piece;
    pieces.clear();
  };
  for (const std::string_view part : parts) {
    const auto copy = std::make_unique<std::string>(part);
    status = stream.feed(*copy, pieces);
    drain();
    if (!status) break;
  }
  if (status && !stream.done()) {
    status = stream.finish(pieces);
    drain();
  }
  if (!status) {
    result.error = status.error().kind;
    result.message = status.error().message;
  }
  result.text = stream.text_for_count();
  result.text_bytes = stream.text_bytes();
  if (stream.owes_usage()) result.out += stream.last_events(counted);
  result.id = stream.id();
  result.finish_reason = stream.finish_reason();
  result.usage = stream.usage();
  result.done = stream.done();
  return result;
}

// `lines` are the data of events; "data: " and blank lines come here.
std::string wire(const std::vector<std::string>& lines, std::string_view line_end = "\n") {
  std::string text;
  for (const std::string& line : lines) text.append("data: ").append(line).append(line_end).append(line_end);
  return text;
}

std::string show(const std::optional<domain::Usage>& usage) {
  if (!usage) return "none";
  return std::to_string(usage->prompt_tokens()) + "/" + std::to_string(usage->completion_tokens());
}

// A chunk as OpenAI writes it, with what stands in `choices` and after.
std::string chunk(std::string_view choices, std::string_view after = "") {
  return R"({"id":"c1","object":"chat.completion.chunk","created":5,"model":"gpt","choices":[)" + std::string(choices) +
         "]" + std::string(after) + "}";
}
std::string shown(std::string_view choices, std::string_view after = "") {
  return R"({"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[)" + std::string(choices) +
         "]" + std::string(after) + "}";
}
const char kRole[] = R"({"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null})";
const char kHi[] = R"({"index":0,"delta":{"content":"Hi"},"finish_reason":null})";
const char kStop[] = R"({"index":0,"delta":{},"finish_reason":"stop"})";
const char kUsage[] = R"({"prompt_tokens":3,"completion_tokens":2,"total_tokens":5})";
const char kToolStop[] = R"({"index":0,"delta":{},"finish_reason":"tool_calls"})";

std::string tools(std::string_view calls) {
  return R"({"index":0,"delta":{"tool_calls":[)" + std::string(calls) + R"(]},"finish_reason":null})";
}
std::string first_tools(std::string_view calls) {
  return R"({"index":0,"delta":{"role":"assistant","tool_calls":[)" + std::string(calls) +
         R"(]},"finish_reason":null})";
}

struct Case {
  const char* name;
  bool include_usage;
  std::vector<std::string> from_provider;
  std::vector<std::string> to_caller;
  const char* usage = "none";
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"compliant stream: only the model changes",
       false,
       {chunk(kRole, R"(,"system_fingerprint":"fp","x":{"y":[1]})"), chunk(kHi, R"(,"obfuscation":"ab")"), chunk(kStop),
        "[DONE]"},
       {shown(kRole, R"(,"system_fingerprint":"fp","x":{"y":[1]})"), shown(kHi, R"(,"obfuscation":"ab")"), shown(kStop),
        "[DONE]"}},
      {"usage asked by us is kept from the caller",
       false,
       {chunk(kRole, R"(,"usage":null)"), chunk(kHi, R"(,"usage":null)"), chunk(kStop, R"(,"usage":null)"),
        chunk("", std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       {shown(kRole), shown(kHi), shown(kStop), "[DONE]"},
       "3/2"},
      {"usage asked by the caller comes last",
       true,
       {chunk(kRole, R"(,"usage":null)"), chunk(kHi, R"(,"usage":null)"), chunk(kStop, R"(,"usage":null)"),
        chunk("", std::string(R"(,"usage":)") + kUsage + R"(,"service_tier":"default")"), "[DONE]"},
       {shown(kRole, R"(,"usage":null)"), shown(kHi, R"(,"usage":null)"), shown(kStop, R"(,"usage":null)"),
        shown("", std::string(R"(,"usage":)") + kUsage + R"(,"service_tier":"default")"), "[DONE]"},
       "3/2"},
      {"usage before the finish chunk is held back",
       true,
       {chunk(kRole), chunk("", std::string(R"(,"usage":)") + kUsage), chunk(kHi), chunk(kStop), "[DONE]"},
       {R"({"usage":null,)" + shown(kRole).substr(1), R"({"usage":null,)" + shown(kHi).substr(1),
        R"({"usage":null,)" + shown(kStop).substr(1), shown("", std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       "3/2"},
      {"usage with the finish",
       true,
       {chunk(kRole, R"(,"usage":null)"), chunk(kStop, std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       {shown(kRole, R"(,"usage":null)"), shown(kStop, R"(,"usage":null)"),
        shown("", std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       "3/2"},
      {"usage with the finish, not asked",
       false,
       {chunk(kRole), chunk(kStop, std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       {shown(kRole), shown(kStop), "[DONE]"},
       "3/2"},
      {"cumulative usage in every chunk: the last counts",
       false,
       {chunk(kRole, R"(,"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4})"),
        chunk(kStop, std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       {shown(kRole), shown(kStop), "[DONE]"},
       "3/2"},
      {"x_groq.usage",
       false,
       {chunk(kRole, R"(,"x_groq":{"id":"r"})"),
        chunk(kStop, std::string(R"(,"x_groq":{"id":"r","usage":)") + kUsage + "}"), "[DONE]"},
       {shown(kRole, R"(,"x_groq":{"id":"r"})"), shown(kStop), "[DONE]"},
       "3/2"},
      {"usage that does not add up is put right (xAI)",
       true,
       {chunk(kRole, R"(,"usage":null)"),
        chunk(
            kStop,
            R"(,"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":4}})"),
        "[DONE]"},
       {shown(kRole, R"(,"usage":null)"), shown(kStop, R"(,"usage":null)"),
        shown(
            "",
            R"(,"usage":{"prompt_tokens":3,"completion_tokens":6,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":4}})"),
        "[DONE]"},
       "3/6"},
      {"empty choices (Azure's first chunk): neither sent nor learned from",
       false,
       {R"({"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[]})", chunk(kRole),
        chunk(kStop), "[DONE]"},
       {shown(kRole), shown(kStop), "[DONE]"}},
      {"choices missing or null",
       false,
       {R"({"id":"c1"})", R"({"id":"c1","choices":null})", chunk(kRole), chunk(kStop), "[DONE]"},
       // The id of the first chunk holds; created comes from the first that has one.
       {shown(kRole), shown(kStop), "[DONE]"}},
      {"delta missing or null at the finish",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":null,"finish_reason":null})"),
        chunk(R"({"index":0,"finish_reason":"stop"})"), "[DONE]"},
       {shown(kRole), shown(R"({"delta":{},"index":0,"finish_reason":"stop"})"), "[DONE]"}},
      {"role repeated in every chunk",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null})"),
        chunk(R"({"index":0,"delta":{"content":"!","role":"assistant"},"finish_reason":null})"),
        chunk(R"({"index":0,"delta":{"role":"assistant"},"finish_reason":"stop"})"), "[DONE]"},
       {shown(kRole), shown(kHi), shown(R"({"index":0,"delta":{"content":"!"},"finish_reason":null})"), shown(kStop),
        "[DONE]"}},
      {"role null after the first",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":{"role":null,"content":"Hi"},"finish_reason":null})"), chunk(kStop),
        "[DONE]"},
       {shown(kRole), shown(kHi), shown(kStop), "[DONE]"}},
      {"role missing",
       false,
       {chunk(kHi), chunk(kStop), "[DONE]"},
       {shown(R"({"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null})"), shown(kStop),
        "[DONE]"}},
      {"content null beside the role is kept",
       false,
       {chunk(R"({"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null})"), chunk(kHi),
        chunk(kStop), "[DONE]"},
       {shown(R"({"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null})"), shown(kHi),
        shown(kStop), "[DONE]"}},
      {"empty deltas are swallowed",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":{},"finish_reason":null})"),
        chunk(R"({"index":0,"delta":{"content":"","tool_calls":[]},"finish_reason":null})"), chunk(kHi), chunk(kStop),
        "[DONE]"},
       {shown(kRole), shown(kHi), shown(kStop), "[DONE]"}},
      {"finish_reason missing or empty",
       false,
       {chunk(R"({"index":0,"delta":{"role":"assistant","content":"a"}})"),
        chunk(R"({"index":0,"delta":{"content":"b"},"finish_reason":""})"), chunk(kStop), "[DONE]"},
       {shown(R"({"finish_reason":null,"index":0,"delta":{"role":"assistant","content":"a"}})"),
        shown(R"({"index":0,"delta":{"content":"b"},"finish_reason":null})"), shown(kStop), "[DONE]"}},
      {"finish twice",
       false,
       {chunk(kRole), chunk(kStop), chunk(kStop), chunk(kHi), "[DONE]"},
       {shown(kRole), shown(kStop), "[DONE]"}},
      {"finish with the last content",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":{"content":"Hi"},"finish_reason":"length"})"), "[DONE]"},
       {shown(kRole), shown(R"({"index":0,"delta":{"content":"Hi"},"finish_reason":"length"})"), "[DONE]"}},
      {"a provider's own finish word",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":{},"finish_reason":"eos"})"), "[DONE]"},
       {shown(kRole),
        shown(
            R"({"index":0,"delta":{},"finish_reason":"stop","provider_specific_fields":{"native_finish_reason":"eos"}})"),
        "[DONE]"}},
      {"finish \"\" with tool calls, then [DONE] (xAI)",
       false,
       {chunk(first_tools(R"({"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{}"}})")),
        chunk(R"({"index":0,"delta":{},"finish_reason":""})"), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{}"}})")),
        shown(R"({"index":0,"delta":{},"finish_reason":"tool_calls"})"), "[DONE]"}},
      {"[DONE] without a finish",
       false,
       {chunk(kRole), chunk(kHi), "[DONE]"},
       {shown(kRole), shown(kHi), shown(kStop), "[DONE]"}},
      {"[DONE] missing after the finish",
       true,
       {chunk(kRole, R"(,"usage":null)"), chunk(kStop, R"(,"usage":null)"),
        chunk("", std::string(R"(,"usage":)") + kUsage)},
       {shown(kRole, R"(,"usage":null)"), shown(kStop, R"(,"usage":null)"),
        shown("", std::string(R"(,"usage":)") + kUsage), "[DONE]"},
       "3/2"},
      {"text after [DONE]",
       false,
       {chunk(kRole), chunk(kStop), "[DONE]", chunk(kHi), "rubbish"},
       {shown(kRole), shown(kStop), "[DONE]"}},
      {"ids, time and model that change",
       false,
       {chunk(kRole),
        R"({"id":"c2","object":"chat.completion.chunk","created":6,"model":"other","choices":[)" + std::string(kHi) +
            "]}",
        R"({"id":null,"created":null,"choices":[)" + std::string(kStop) + "]}", "[DONE]"},
       {shown(kRole), shown(kHi),
        R"({"object":"chat.completion.chunk","model":"m","id":"c1","created":5,"choices":[)" + std::string(kStop) +
            "]}",
        "[DONE]"}},
      {"no id, no time, no object",
       false,
       {R"({"choices":[)" + std::string(kRole) + "]}", R"({"choices":[)" + std::string(kStop) + "]}", "[DONE]"},
       {R"({"id":"chatcmpl-ours","object":"chat.completion.chunk","created":7,"model":"m","choices":[)" +
            std::string(kRole) + "]}",
        R"({"id":"chatcmpl-ours","object":"chat.completion.chunk","created":7,"model":"m","choices":[)" +
            std::string(kStop) + "]}",
        "[DONE]"}},
      {"created in milliseconds",
       false,
       {R"({"id":"c1","object":"chat.completion.chunk","created":1700000000123,"model":"gpt","choices":[)" +
            std::string(kRole) + "]}",
        "[DONE]"},
       {R"({"id":"c1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[)" +
            std::string(kRole) + "]}",
        R"({"id":"c1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[)" +
            std::string(kStop) + "]}",
        "[DONE]"}},
      {"created as a float",
       false,
       {R"({"id":"c1","object":"chat.completion.chunk","created":5.75,"model":"gpt","choices":[)" + std::string(kRole) +
            "]}",
        chunk(kStop), "[DONE]"},
       {shown(kRole), shown(kStop), "[DONE]"}},
      {"tool calls as they should be",
       false,
       {chunk(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}})")),
        chunk(tools(R"({"index":0,"function":{"arguments":"{\"a"}})")),
        chunk(tools(R"({"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}})")),
        chunk(tools(R"({"index":0,"function":{"arguments":"\":1}"}})")), chunk(kToolStop), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"{\"a"}})")),
        shown(tools(R"({"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"\":1}"}})")), shown(kToolStop), "[DONE]"}},
      {"tool calls without index",
       false,
       {chunk(first_tools(R"({"id":"t1","type":"function","function":{"name":"f","arguments":"{"}})")),
        chunk(tools(R"({"function":{"arguments":"}"}})")),
        chunk(tools(R"({"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}})")), chunk(kToolStop),
        "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{"}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"}"}})")),
        shown(tools(R"({"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":"{}"}})")),
        shown(kToolStop), "[DONE]"}},
      {"parallel calls that all say index 0",
       false,
       {chunk(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}})")),
        chunk(tools(R"({"index":0,"id":"t2","type":"function","function":{"name":"g","arguments":"{"}})")),
        chunk(tools(R"({"index":0,"function":{"arguments":"}"}})")), chunk(kToolStop), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}})")),
        shown(tools(R"({"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":"{"}})")),
        shown(tools(R"({"index":1,"function":{"arguments":"}"}})")), shown(kToolStop), "[DONE]"}},
      {"tool call index that counts content blocks",
       false,
       {chunk(first_tools(R"({"index":1,"id":"t1","type":"function","function":{"name":"f","arguments":"{"}})")),
        chunk(tools(R"({"index":1,"function":{"arguments":"}"}})")), chunk(kToolStop), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{"}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"}"}})")), shown(kToolStop), "[DONE]"}},
      {"id, type and name repeated in every piece",
       false,
       {chunk(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{"}})")),
        chunk(tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"}"}})")),
        chunk(kToolStop), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{"}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"}"}})")), shown(kToolStop), "[DONE]"}},
      {"tool call id null, type null, arguments as an object",
       false,
       {chunk(first_tools(R"({"index":0,"id":null,"type":null,"function":{"name":"f","arguments":{"a":"b"}}})")),
        chunk(kToolStop), "[DONE]"},
       {shown(first_tools(
            R"({"index":0,"id":"call_chatcmplours_0_0","type":"function","function":{"name":"f","arguments":"{\"a\":\"b\"}"}})")),
        shown(kToolStop), "[DONE]"}},
      {"tool call without a byte of arguments",
       false,
       {chunk(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}})")),
        chunk(kToolStop), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"{}"}})")), shown(kToolStop), "[DONE]"}},
      {"tool calls without a byte of arguments are one choice",
       false,
       {chunk(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}})")),
        chunk(tools(R"({"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":""}})")),
        chunk(kToolStop), "[DONE]"},
       {shown(first_tools(R"({"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}})")),
        shown(tools(R"({"index":1,"id":"t2","type":"function","function":{"name":"g","arguments":""}})")),
        shown(tools(R"({"index":0,"function":{"arguments":"{}"}},{"index":1,"function":{"arguments":"{}"}})")),
        shown(kToolStop), "[DONE]"}},
      {"tool call without arguments in the finish chunk",
       false,
       {chunk(
            R"({"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":"tool_calls"})"),
        "[DONE]"},
       {shown(
            R"({"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"})"),
        "[DONE]"}},
      {"reasoning gets the name callers know",
       false,
       {chunk(kRole), chunk(R"({"index":0,"delta":{"reasoning":"hm"},"finish_reason":null})"),
        chunk(R"({"index":0,"delta":{"reasoning_content":"x","reasoning":"x"},"finish_reason":null})"), chunk(kStop),
        "[DONE]"},
       {shown(kRole), shown(R"({"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null})"),
        shown(R"({"index":0,"delta":{"reasoning_content":"x","reasoning":"x"},"finish_reason":null})"), shown(kStop),
        "[DONE]"}},
      {"two choices keep their own roles and ends",
       false,
       {chunk(std::string(kRole) + R"(,{"index":1,"delta":{"content":"b"},"finish_reason":null})"),
        chunk(std::string(kStop) + R"(,{"index":1,"delta":{},"finish_reason":null})"),
        chunk(std::string(kHi) + R"(,{"index":1,"delta":{"content":"c"},"finish_reason":"stop"})"), "[DONE]"},
       {shown(std::string(kRole) + R"(,{"index":1,"delta":{"role":"assistant","content":"b"},"finish_reason":null})"),
        shown(kStop), shown(R"({"index":1,"delta":{"content":"c"},"finish_reason":"stop"})"), "[DONE]"}},
      {"index missing",
       false,
       {chunk(R"({"delta":{"role":"assistant","content":"a"},"finish_reason":"stop"})"), "[DONE]"},
       {shown(R"({"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":"stop"})"), "[DONE]"}},
      {"error null is no error",
       false,
       {chunk(kRole, R"(,"error":null)"), chunk(kStop), "[DONE]"},
       {shown(kRole, R"(,"error":null)"), shown(kStop), "[DONE]"}},
  };
  return kCases;
}

TEST(OpenAiStream, GivesTheSameBytesHoweverTheStreamIsCut) {
  for (const Case& c : cases()) {
    const std::string expected = wire(c.to_caller);
    for (const std::string_view line_end : {"\n", "\r\n", "\r"}) {
      const std::string bytes = ": comment\n\n" + wire(c.from_provider, line_end);
      for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut) + ", line end of " +
                     std::to_string(line_end.size()));
        const std::string_view all = bytes;
        const Seen result = run({all.substr(0, cut), all.substr(cut)}, options_of(c.include_usage));
        ASSERT_FALSE(result.error) << result.message;
        ASSERT_EQ(result.out, expected);
        ASSERT_EQ(show(result.usage), c.usage);
        ASSERT_TRUE(result.done);
        if (line_end != "\n" && cut > 40) break;
      }
    }
  }
}

TEST(OpenAiStream, GivesTheSameBytesByteByByte) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const std::string bytes = "\xEF\xBB\xBF" + wire(c.from_provider);
    std::vector<std::string_view> parts;
    for (std::size_t i = 0; i < bytes.size(); ++i) parts.push_back(std::string_view(bytes).substr(i, 1));
    const Seen result = run(parts, options_of(c.include_usage));
    ASSERT_FALSE(result.error) << result.message;
    EXPECT_EQ(result.out, wire(c.to_caller));
  }
}

TEST(OpenAiStream, ReadsAStreamWithoutItsLastBlankLine) {
  const std::string bytes = wire({chunk(kRole), chunk(kStop)}) + "data: [DONE]";
  const Seen result = run({bytes}, options_of(false));
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.out, wire({shown(kRole), shown(kStop), "[DONE]"}));
}

struct Broken {
  const char* name;
  std::string bytes;
  ErrorKind kind;
  std::vector<std::string> sent;
  const char* says;
};

TEST(OpenAiStream, TellsTheTruthAboutBrokenStreams) {
  const Broken broken[] = {
      {"closed without a finish",
       wire({chunk(kRole), chunk(kHi)}),
       ErrorKind::UpstreamTruncated,
       {shown(kRole), shown(kHi)},
       "ended before"},
      {"closed inside an event",
       wire({chunk(kRole)}) + "data: {\"id\":\"c1\",\"cho",
       ErrorKind::UpstreamTruncated,
       {shown(kRole)},
       "ended before"},
      {"closed at once", "", ErrorKind::UpstreamTruncated, {}, ""},
      {"[DONE] alone", wire({"[DONE]"}), ErrorKind::UpstreamTruncated, {}, "without a single choice"},
      {"one of two choices unfinished",
       wire({chunk(std::string(kRole) + R"(,{"index":1,"delta":{"content":"b"},"finish_reason":null})"), chunk(kStop)}),
       ErrorKind::UpstreamTruncated,
       {shown(std::string(kRole) + R"(,{"index":1,"delta":{"role":"assistant","content":"b"},"finish_reason":null})"),
        shown(kStop)},
       ""},
      {"error member in a chunk",
       wire({chunk(kRole), R"({"error":{"message":"boom","type":"server_error","code":"server_error"}})"}),
       ErrorKind::UpstreamInternal,
       {shown(kRole)},
       "litellm.InternalServerError: TestException - boom"},
      {"error member beside choices (OpenRouter)",
       wire({chunk(kRole), chunk(R"({"index":0,"delta":{"content":""},"finish_reason":"error"})",
                                 R"(,"error":{"code":502,"message":"upstream gone"})")}),
       ErrorKind::UpstreamBadGateway,
       {shown(kRole)},
       "upstream gone"},
      {"error event",
       "event: error\n" + wire({R"({"error":{"message":"Rate limit reached","type":"tokens"}})"}),
       ErrorKind::UpstreamRateLimited,
       {},
       "Rate limit reached"},
      {"JSON error instead of a stream",
       R"({"error":{"message":"bad key","type":"invalid_request_error","code":"invalid_api_key"}})",
       ErrorKind::UpstreamUnauthenticated,
       {},
       "bad key"},
      {"HTML of a proxy",
       "<html><body>502 Bad Gateway " + std::string(2000, 'x') + "</body></html>",
       ErrorKind::UpstreamMalformed,
       {},
       "502 Bad Gateway"},
      {"MiniMax's status in a 200",
       R"({"base_resp":{"status_code":1002,"status_msg":"too fast"}})",
       ErrorKind::UpstreamRateLimited,
       {},
       "too fast"},
      {"the provider says it broke off",
       wire(
           {chunk(kRole), chunk(R"({"index":0,"delta":{},"finish_reason":"insufficient_system_resource"})"), "[DONE]"}),
       ErrorKind::UpstreamUnavailable,
       {shown(kRole)},
       "insufficient_system_resource"},
      {"an event that is no JSON", wire({chunk(kRole), "{oops}"}), ErrorKind::UpstreamMalformed, {shown(kRole)}, ""},
      {"an event that is no object", wire({"[1]"}), ErrorKind::UpstreamMalformed, {}, ""},
  };
  for (const Broken& c : broken) {
    for (std::size_t cut = 0; cut <= std::min<std::size_t>(c.bytes.size(), 700); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      const std::string_view all = c.bytes;
      const Seen result = run({all.substr(0, cut), all.substr(cut)}, options_of(true));
      ASSERT_TRUE(result.error);
      ASSERT_EQ(*result.error, c.kind) << result.message;
      ASSERT_NE(result.message.find(c.says), std::string::npos) << result.message;
      ASSERT_LT(result.message.size(), 700U);
      const Seen plain = run({all.substr(0, cut), all.substr(cut)}, options_of(false));
      ASSERT_EQ(plain.out, wire(c.sent));
    }
  }
}

TEST(OpenAiStream, TurnsAWholeReplyIntoAStream) {
  const std::string body =
      R"({"id":"c1","object":"chat.completion","created":5,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","content":"Hi","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":)" +
      std::string(kUsage) + "}";
  const Seen result = run({body}, options_of(false));
  ASSERT_FALSE(result.error) << result.message;
  EXPECT_EQ(
      result.out,
      wire(
          {shown(
               R"({"index":0,"delta":{"role":"assistant","content":"Hi","tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"})"),
           "[DONE]"}));
  EXPECT_EQ(show(result.usage), "3/2");
}

TEST(OpenAiStream, FollowsTextCompletions) {
  const auto text_chunk = [](std::string_view model, std::string_view choice) {
    return R"({"id":"c1","object":"text_completion","created":5,"model":")" + std::string(model) + R"(","choices":[)" +
           std::string(choice) + "]}";
  };
  const Seen result = run({wire({text_chunk("gpt", R"({"text":"Hi","index":0,"logprobs":null})"),
                                 text_chunk("gpt", R"({"text":"","index":0,"finish_reason":null})"),
                                 text_chunk("gpt", R"({"index":0,"finish_reason":"length"})"), "[DONE]"})},
                          options_of(false, Operation::Completion));
  ASSERT_FALSE(result.error) << result.message;
  EXPECT_EQ(result.out, wire({text_chunk("m", R"({"finish_reason":null,"text":"Hi","index":0,"logprobs":null})"),
                              text_chunk("m", R"({"text":"","index":0,"finish_reason":"length"})"), "[DONE]"}));
  EXPECT_EQ(result.text, "Hi");
  EXPECT_EQ(result.finish_reason, "length");
}

TEST(OpenAiStream, CountsWhenTheProviderDoesNot) {
  domain::Usage counted;
  counted.set(Unit::InputTokens, 4);
  counted.set(Unit::OutputTokens, 1);
  // An escape pair split over two chunks is one character.
  const Seen result =
      run({wire({chunk(kRole), chunk(R"({"index":0,"delta":{"content":"Hi\n\ud83d"},"finish_reason":null})"),
                 chunk(R"({"index":0,"delta":{"content":"\ude00"},"finish_reason":"stop"})"), "[DONE]"})},
          options_of(true), counted);
  EXPECT_EQ(result.text, "Hi\n\xF0\x9F\x98\x80");
  EXPECT_EQ(result.text_bytes, result.text.size()) << "escapes are no text";
  EXPECT_TRUE(result.out.ends_with(
      wire({shown("", R"(,"usage":{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5})"), "[DONE]"})))
      << result.out;
}

TEST(OpenAiStream, KnowsWhenContentHasLeft) {
  OpenAiStream stream(options_of(false));
  std::vector<std::string_view> pieces;
  ASSERT_TRUE(stream.feed(wire({chunk("")}), pieces));
  ASSERT_TRUE(stream.feed(wire({chunk(kRole)}), pieces));
  EXPECT_FALSE(stream.content_seen());
  ASSERT_TRUE(stream.feed(wire({chunk(kHi)}), pieces));
  EXPECT_TRUE(stream.content_seen());
}

TEST(BrokenStreamEvents, EndWithAnErrorAndDone) {
  Error error;
  error.kind = ErrorKind::UpstreamTruncated;
  error.message = "gone";
  EXPECT_EQ(
      broken_stream_events(error),
      "data: {\"error\":{\"message\":\"gone\",\"type\":\"upstream_stream_error\",\"param\":null,\"code\":\"502\"}}"
      "\n\ndata: [DONE]\n\n");
}

}  // namespace
}  // namespace turnpike::protocol::openai_stream_test
