#include <gtest/gtest.h>

#include <forward_list>
#include <sstream>

#include "json/document.h"
#include "protocol/openai_write.h"

namespace turnpike::protocol::translated_stream_test {
namespace {

using Kind = ChatEvent::Kind;

/// A dialect of one event a line: "<kind> [choice=1] [tool=0] [id=...] [name=...] [sig=...] [native=...] [text...]";
/// "usage 5 7", "end", "fault".
class LineDecoder final : public EventDecoder {
 public:
  Status feed(std::string_view bytes, std::vector<ChatEvent>& out) override {
    kept_.clear();
    pending_ += bytes;
    for (std::size_t end = pending_.find('\n'); end != std::string::npos; end = pending_.find('\n')) {
      const std::string line = pending_.substr(0, end);
      pending_.erase(0, end + 1);
      if (line == "fault") return base::fail(ErrorKind::UpstreamInternal, "overloaded");
      if (!line.empty()) out.push_back(read(line));
    }
    return {};
  }
  Status finish(std::vector<ChatEvent>&) override {
    return finished_ ? Status() : Status(base::fail(ErrorKind::UpstreamTruncated, "cut off"));
  }
  const std::optional<domain::Usage>& usage() const override { return usage_; }
  std::string_view service_tier() const override { return "standard"; }

 private:
  ChatEvent read(const std::string& line) {
    static const std::pair<std::string_view, Kind> kKinds[] = {
        {"start", Kind::Start},    {"text", Kind::Text},          {"refusal", Kind::Refusal},
        {"think", Kind::Thinking}, {"seal", Kind::Signature},     {"redacted", Kind::RedactedThinking},
        {"tool", Kind::ToolStart}, {"args", Kind::ToolArguments}, {"image", Kind::Image},
        {"audio", Kind::Audio},    {"cite", Kind::Citation},      {"logprobs", Kind::Logprobs},
        {"native", Kind::Native},  {"stop", Kind::Finish},        {"length", Kind::Finish},
        {"calls", Kind::Finish},   {"filter", Kind::Finish},      {"usage", Kind::Usage},
        {"end", Kind::End}};
    std::istringstream words(line);
    std::string word;
    words >> word;
    ChatEvent event;
    for (const auto& [name, kind] : kKinds) {
      if (name == word) event.kind = kind;
    }
    if (word == "stop") event.finish = Finish::Stop;
    if (word == "length") event.finish = Finish::Length;
    if (word == "calls") event.finish = Finish::ToolCalls;
    if (word == "filter") event.finish = Finish::ContentFilter;
    finished_ |= event.kind == Kind::Finish || event.kind == Kind::End;
    if (word == "usage") {
      std::uint64_t in = 0;
      std::uint64_t out = 0;
      words >> in >> out;
      usage_.emplace().set(domain::Unit::InputTokens, in);
      usage_->set(domain::Unit::OutputTokens, out);
      return event;
    }
    std::string rest;
    while (words >> word) {
      const std::size_t equals = word.find('=');
      const std::string key = word.substr(0, equals);
      const std::string_view value =
          kept_.emplace_front(equals == std::string::npos ? std::string() : word.substr(equals + 1));
      if (key == "choice") {
        event.choice = static_cast<std::uint32_t>(std::stoul(std::string(value)));
      } else if (key == "n") {
        event.tool = static_cast<std::uint32_t>(std::stoul(std::string(value)));
      } else if (key == "id") {
        event.id = value;
      } else if (key == "name") {
        event.name = value;
      } else if (key == "sig") {
        event.signature = value;
      } else if (key == "json") {
        event.json = value;
      } else if (key == "word") {
        event.native_finish = value;
      } else if (key == "b64") {
        event.media.base64 = value;
      } else if (key == "url") {
        event.citation.url = value;
      } else {
        rest += (rest.empty() ? "" : " ") + word;
      }
    }
    event.text = kept_.emplace_front(rest);
    return event;
  }

  std::string pending_;
  std::forward_list<std::string> kept_;
  std::optional<domain::Usage> usage_;
  bool finished_ = false;
};

StreamOptions options() {
  StreamOptions options;
  options.shown_model = "shown";
  options.fallback_id = "chatcmpl-01234567-89ab-cdef-0123-456789abcdef";
  options.created_s = 1700000000;
  options.provider_label = "Anthropic";
  return options;
}

struct Told {
  std::string out;
  std::string error;
};

Told run(std::string_view wire, std::size_t cut, const StreamOptions& asked, const AnswerTerms& terms) {
  const auto stream = translate_stream(asked, terms, std::make_unique<LineDecoder>());
  Told told;
  const auto take = [&](Status status, std::vector<std::string_view>& pieces) {
    for (const std::string_view piece : pieces) told.out += piece;
    pieces.clear();
    if (!status) told.error = status.error().message;
  };
  std::vector<std::string_view> pieces;
  for (const std::string_view part : {wire.substr(0, cut), wire.substr(cut)}) {
    // The decoder's views die with the bytes.
    const auto bytes = std::make_unique<std::string>(part);
    if (told.error.empty()) take(stream->feed(*bytes, pieces), pieces);
  }
  if (told.error.empty()) take(stream->finish(pieces), pieces);
  if (stream->owes_usage()) {
    domain::Usage counted;
    counted.set(domain::Unit::InputTokens, 1);
    counted.set(domain::Unit::OutputTokens, 2);
    told.out += stream->last_events(counted);
  }
  return told;
}

/// What the events say, one line each: delta or finish of a choice, usage, [DONE]. Holds each to the rules of all.
std::string show(std::string_view out) {
  std::string text;
  while (!out.empty()) {
    const std::size_t end = out.find("\n\n");
    std::string_view data = out.substr(0, end);
    out.remove_prefix(std::min(end + 2, out.size()));
    EXPECT_TRUE(data.starts_with("data: "));
    data.remove_prefix(6);
    if (data == "[DONE]") {
      text += "[DONE]\n";
      continue;
    }
    json::Document document;
    if (!document.parse(data)) {
      ADD_FAILURE() << "no JSON: " << data;
      return text;
    }
    const json::Value root = document.root();
    EXPECT_EQ(root.find("object").text(), "chat.completion.chunk");
    EXPECT_EQ(root.find("model").text(), "shown");
    EXPECT_EQ(root.find("created").whole(), 1700000000U);
    for (const json::Value choice : root.find("choices").elements()) {
      if (choice.find("index").whole() != 0U) text += std::string(choice.find("index").raw()) + ":";
      text += choice.find("delta").raw();
      const json::Value finish = choice.find("finish_reason");
      EXPECT_TRUE(finish);
      if (choice.find("logprobs")) text += " logprobs=" + std::string(choice.find("logprobs").raw());
      if (finish.is(json::Kind::String)) text += " finish=" + *finish.text();
      if (choice.find("provider_specific_fields")) text += std::string(choice.find("provider_specific_fields").raw());
    }
    if (root.find("usage").is(json::Kind::Object)) text += "usage " + std::string(root.find("usage").raw());
    text += "\n";
  }
  return text;
}

struct Case {
  const char* name;
  std::string_view wire;
  std::string shown;
  AnswerTerms terms = {};
  const char* error = "";
};

const std::string kRole = "{\"role\":\"assistant\",\"content\":\"\"}\n";

AnswerTerms by_json_tool() {
  AnswerTerms terms;
  terms.json_tool = true;
  return terms;
}

AnswerTerms renamed_and_legacy() {
  AnswerTerms terms;
  terms.legacy_functions = true;
  terms.tool_names = {{"short", "my.name"}};
  return terms;
}

TEST(TranslatedStream, SaysTheSameHoweverTheBytesAreCut) {
  const Case kCases[] = {
      {"text", "start id=r1\ntext Hi\ntext \ntext you\nstop\nusage 5 7\nend\n",
       kRole + "{\"content\":\"Hi\"}\n{\"content\":\"you\"}\n{} finish=stop\n[DONE]\n"},
      {"an end without a marker of its own", "text Hi\nstop\n",
       kRole + "{\"content\":\"Hi\"}\n{} finish=stop\n[DONE]\n"},
      {"a marker without a finish", "text Hi\nend\n", kRole + "{\"content\":\"Hi\"}\n{} finish=stop\n[DONE]\n"},
      {"a finish alone", "filter word=SAFETY\nend\n",
       kRole + "{} finish=content_filter{\"native_finish_reason\":\"SAFETY\"}\n[DONE]\n"},
      {"nothing after a finish, one of each choice",
       "text choice=0 a\ntext choice=1 b\nstop choice=0\ntext late\nstop\nlength choice=1\nend\n",
       kRole + "{\"content\":\"a\"}\n1:" + kRole +
           "1:{\"content\":\"b\"}\n{} finish=stop\n1:{} finish=length\n[DONE]\n"},
      {"cut off", "text Hi\n", kRole + "{\"content\":\"Hi\"}\n", {}, "cut off"},
      {"a fault on the way", "text Hi\nfault\ntext no\n", kRole + "{\"content\":\"Hi\"}\n", {}, "overloaded"},
      {"nothing at all",
       "start id=r1\nend\n",
       "",
       {},
       "litellm.APIError: AnthropicException - the stream ended without a single choice"},
      {"thinking", "think one\nthink two\nseal sig=S1\nredacted DATA\ntext Hi\nstop\nend\n",
       kRole + R"({"reasoning_content":"one","thinking_blocks":[{"type":"thinking","thinking":"one"}]})"
               "\n"
               R"({"reasoning_content":"two","thinking_blocks":[{"type":"thinking","thinking":"two"}]})"
               "\n"
               R"({"thinking_blocks":[{"type":"thinking","thinking":"","signature":"S1"}]})"
               "\n"
               R"({"thinking_blocks":[{"type":"redacted_thinking","data":"DATA"}]})"
               "\n"
               R"({"content":"Hi"})"
               "\n{} finish=stop\n[DONE]\n"},
      {"tool calls", "tool n=0 id=c1 name=f\nargs n=0 {\"a\ntool n=1 name=g sig=U0lH\nargs n=0 \":1}\nstop\nend\n",
       kRole + R"({"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}]})"
               "\n"
               R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a"}}]})"
               "\n"
               R"({"tool_calls":[{"index":1,"id":"call_0123456789abcdef012345600001__thought__U0lH","type":"function",)"
               R"("function":{"name":"g","arguments":""}}]})"
               "\n"
               R"({"tool_calls":[{"index":0,"function":{"arguments":"\":1}"}}]})"
               "\n"
               R"({"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})"
               "\n{} finish=tool_calls\n[DONE]\n"},
      {"a function of the older form under its own name",
       "tool n=0 id=c1 name=short\nargs n=0 {}\ntool n=1 name=g\nargs n=1 {}\ncalls\nend\n",
       kRole + R"({"function_call":{"name":"my.name","arguments":""}})"
               "\n"
               R"({"function_call":{"arguments":"{}"}})"
               "\n{} finish=function_call\n[DONE]\n",
       renamed_and_legacy()},
      {"images, sound, sources, fields of the provider's own",
       "image b64=QUJD\naudio id=a1 b64=AA said\ncite url=https://x\nnative name=k json={\"v\":1}\nstop\nend\n",
       kRole +
           R"({"images":[{"type":"image_url","index":0,"image_url":{"url":"data:image/png;base64,QUJD","detail":"auto"}}]})"
           "\n"
           R"({"audio":{"id":"a1","data":"AA","transcript":"said"}})"
           "\n"
           R"({"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":0,"url":"https://x","title":""}}]})"
           "\n"
           R"({"provider_specific_fields":{"k":{"v":1}}})"
           "\n{} finish=stop\n[DONE]\n"},
      {"refusal", "refusal no\nfilter\nend\n", kRole + "{\"refusal\":\"no\"}\n{} finish=content_filter\n[DONE]\n"},
      {"JSON by tool", "text Here:\ntool n=0 id=c name=json_tool_call\nargs n=0 {\"a\nargs n=0 \":1}\ncalls\nend\n",
       kRole + R"({"content":"{\"a"})"
               "\n"
               R"({"content":"\":1}"})"
               "\n{} finish=stop\n[DONE]\n",
       by_json_tool()},
      {"JSON by tool, in an object of the model's own",
       "tool n=0 name=json_tool_call\nargs n=0 {\"val\nargs n=0 ues\":[1\nargs n=0 ,2]}\ncalls\nend\n",
       kRole + R"({"content":"[1,2]"})"
               "\n{} finish=stop\n[DONE]\n",
       by_json_tool()},
      {"JSON by tool, which only begins like that",
       "tool n=0 name=json_tool_call\nargs n=0 {\"val\nargs n=0 id\":1}\ncalls\nend\n",
       kRole + R"({"content":"{\"valid\":1}"})"
               "\n{} finish=stop\n[DONE]\n",
       by_json_tool()},
      {"JSON by tool without a byte", "tool n=0 name=json_tool_call\ncalls\nend\n",
       kRole + R"({"content":"{}"})"
               "\n{} finish=stop\n[DONE]\n",
       by_json_tool()},
      {"JSON asked for, text given", "text a\ntext b\nstop\nend\n",
       kRole + R"({"content":"ab"})"
               "\n{} finish=stop\n[DONE]\n",
       by_json_tool()},
      {"JSON by tool beside a call",
       "tool n=0 name=json_tool_call\nargs n=0 {}\ntool n=1 id=d name=f\nargs n=1 {}\ncalls\nend\n",
       kRole + R"({"content":"{}"})"
               "\n"
               R"({"tool_calls":[{"index":0,"id":"d","type":"function","function":{"name":"f","arguments":""}}]})"
               "\n"
               R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})"
               "\n{} finish=tool_calls\n[DONE]\n",
       by_json_tool()},
  };
  for (const Case& c : kCases) {
    for (std::size_t cut = 0; cut <= c.wire.size(); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      const Told told = run(c.wire, cut, options(), c.terms);
      ASSERT_EQ(show(told.out), c.shown);
      ASSERT_EQ(told.error, c.error);
    }
  }
}

TEST(TranslatedStream, LogprobsTravelWithTheirText) {
  const Told told = run("text Hi\nlogprobs json={\"content\":[]}\nstop\nend\n", 0, options(), {});
  EXPECT_EQ(show(told.out), kRole + "{\"content\":\"Hi\"} logprobs={\"content\":[]}\n{} finish=stop\n[DONE]\n");
}

/// One event whose JSON spans lines.
class PrettyDecoder final : public EventDecoder {
 public:
  Status feed(std::string_view, std::vector<ChatEvent>& out) override {
    ChatEvent& event = out.emplace_back();
    event.kind = Kind::Native;
    event.name = "k";
    event.json = "{\n\r\"v\":\n1}";
    return {};
  }
  Status finish(std::vector<ChatEvent>&) override { return {}; }
  const std::optional<domain::Usage>& usage() const override { return usage_; }

 private:
  std::optional<domain::Usage> usage_;
};

TEST(TranslatedStream, JsonOfTheProvidersOwnStaysOnOneLine) {
  const auto stream = translate_stream(options(), {}, std::make_unique<PrettyDecoder>());
  std::vector<std::string_view> pieces;
  ASSERT_TRUE(stream->feed("x", pieces));
  EXPECT_EQ(show(pieces[0]), kRole + "{\"provider_specific_fields\":{\"k\":{  \"v\": 1}}}\n");
}

TEST(TranslatedStream, UsageComesLastAndOnlyWhenAsked) {
  StreamOptions asked = options();
  asked.include_usage = true;
  const Told told = run("start id=r1\ntext Hi\nstop\nusage 5 7\nend\n", 0, asked, {});
  const std::string head =
      R"(data: {"id":"r1","object":"chat.completion.chunk","created":1700000000,"model":"shown","choices":[)";
  EXPECT_EQ(told.out,
            head + R"({"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null})" +
                "\n\n" + head + R"({"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null})" + "\n\n" +
                head + R"({"index":0,"delta":{},"finish_reason":"stop"}],"usage":null})" + "\n\n" + head +
                R"(],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12},"service_tier":"standard"})" +
                "\n\ndata: [DONE]\n\n");
}

TEST(TranslatedStream, UsageNobodySaidIsOwed) {
  StreamOptions asked = options();
  asked.include_usage = true;
  const Told told = run("text Hi\nstop\nend\n", 0, asked, {});
  EXPECT_EQ(show(told.out), kRole +
                                "{\"content\":\"Hi\"}\n{} finish=stop\n"
                                "usage {\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}\n[DONE]\n");
}

TEST(TranslatedStream, KnowsWhereItStands) {
  const auto stream = translate_stream(options(), {}, std::make_unique<LineDecoder>());
  std::vector<std::string_view> pieces;
  ASSERT_TRUE(stream->feed("start id=r1\n", pieces));
  EXPECT_TRUE(pieces.empty());
  EXPECT_TRUE(stream->choice_seen());
  EXPECT_FALSE(stream->content_seen());
  ASSERT_TRUE(stream->feed("think so\ntext Hi\ntool n=0 name=f\nargs n=0 {}\n", pieces));
  EXPECT_TRUE(stream->content_seen());
  EXPECT_FALSE(stream->complete());
  EXPECT_EQ(stream->id(), "r1");
  EXPECT_EQ(stream->text_for_count(), "soHif{}");
  EXPECT_EQ(stream->text_bytes(), 7U);
  pieces.clear();
  ASSERT_TRUE(stream->feed("calls\nusage 1 2\n", pieces));
  EXPECT_TRUE(stream->complete());
  EXPECT_FALSE(stream->done());
  EXPECT_EQ(stream->finish_reason(), "tool_calls");
  EXPECT_EQ(stream->usage()->of(domain::Unit::OutputTokens), 2U);
  EXPECT_EQ(stream->service_tier(), "standard");
  pieces.clear();
  ASSERT_TRUE(stream->feed("end\ntext late\n", pieces));
  EXPECT_TRUE(stream->done());
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0], "data: [DONE]\n\n");
}

TEST(TranslatedStream, KeepsTextForCountingUpToALimit) {
  const auto stream = translate_stream(options(), {}, std::make_unique<LineDecoder>());
  const std::string line = "text " + std::string(10000, 'x') + "\n";
  std::vector<std::string_view> pieces;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(stream->feed(line, pieces));
  EXPECT_EQ(stream->text_for_count().size(), 64U * 1024);
  EXPECT_EQ(stream->text_bytes(), 100000U);
}

TEST(TranslatedStream, WritesTextCompletions) {
  StreamOptions asked = options();
  asked.operation = domain::Operation::Completion;
  const Told told = run("think so\ntext Hi\nlength\nend\n", 0, asked, {});
  const std::string head =
      R"(data: {"id":"chatcmpl-01234567-89ab-cdef-0123-456789abcdef","object":"text_completion","created":1700000000,"model":"shown","choices":[)";
  EXPECT_EQ(told.out, head + R"({"index":0,"text":"Hi","logprobs":null,"finish_reason":null}]})" + "\n\n" + head +
                          R"({"index":0,"text":"","logprobs":null,"finish_reason":"length"}]})" +
                          "\n\ndata: [DONE]\n\n");
}

}  // namespace
}  // namespace turnpike::protocol::translated_stream_test
