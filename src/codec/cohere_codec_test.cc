#include "codec/cohere_codec.h"

#include "codec/cohere_reply.h"
#include "codec/test_call.h"
#include "json/document.h"

namespace turnpike::codec::cohere_codec_test {
namespace {

using domain::Trait;
using domain::Unit;

constexpr std::string_view kTwoTools =
    R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b","description":"B","parameters":{"type":"object"}}}])";
constexpr std::string_view kA =
    R"({"type":"function","function":{"name":"a","parameters":{"type":"object","properties":{}}}})";
constexpr std::string_view kB =
    R"({"type":"function","function":{"name":"b","description":"B","parameters":{"type":"object"}}})";

/// What stands in the body behind `messages`.
std::string rest_of(std::string_view members, bool reasons, bool drop = false) {
  TestCall call("cohere_chat",
                R"({"model":"m","messages":[{"role":"user","content":"x"}],)" + std::string(members) + "}");
  call.target.base.path = "";
  call.target.drop_unsupported = drop;
  call.input->traits.listed = true;
  call.input->traits.set(Trait::Reasoning, reasons);
  const Result<Encoded> encoded = call.encode();
  if (!encoded) return encoded.error().param + ": " + encoded.error().message;
  const std::string body = body_of(*encoded);
  const std::string start = R"({"model":"wire-model","stream":false,"messages":[{"role":"user","content":"x"}])";
  EXPECT_TRUE(body.starts_with(start)) << body;
  return body.substr(std::min(body.size(), start.size()));
}

struct ParamCase {
  std::string given;
  std::string sent;
  bool reasons = false;
  bool drop = false;
};

TEST(CohereCodec, SpellsParametersItsOwnWay) {
  const std::string two(kTwoTools);
  const std::string a(kA);
  const std::string b(kB);
  const ParamCase cases[] = {
      {R"("max_tokens":5,"temperature":0.30,"top_p":0.9,"top_k":40,"seed":7)",
       R"(,"max_tokens":5,"temperature":0.30,"p":0.9,"k":40,"seed":7})"},
      {R"("max_completion_tokens":6,"frequency_penalty":0.1,"presence_penalty":0.2,"stop":["a","b"])",
       R"(,"max_tokens":6,"frequency_penalty":0.1,"presence_penalty":0.2,"stop_sequences":["a","b"]})"},
      {R"("stop":"a","logprobs":true,"user":"u","parallel_tool_calls":true,"n":1)",
       R"(,"logprobs":true,"stop_sequences":["a"]})"},
      {R"("safety_mode":"STRICT","documents":[{"data":{"text":"t"}}])",
       R"(,"safety_mode":"STRICT","documents":[{"data":{"text":"t"}}]})"},
      {two, R"(,"tools":[)" + a + "," + b + "]}"},
      {two + R"(,"tool_choice":"none")", R"(,"tools":[)" + a + "," + b + R"(],"tool_choice":"NONE"})"},
      {two + R"(,"tool_choice":"required")", R"(,"tools":[)" + a + "," + b + R"(],"tool_choice":"REQUIRED"})"},
      {two + R"(,"tool_choice":{"type":"function","function":{"name":"b"}})",
       R"(,"tools":[)" + b + R"(],"tool_choice":"REQUIRED"})"},
      {two +
           R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"a"}}]}})",
       R"(,"tools":[)" + a + "]}"},
      {two + R"(,"tool_choice":{"type":"function","function":{"name":"c"}})",
       "tool_choice: Cohere names no tool of this call"},
      {R"("tools":[{"type":"function","function":{"name":"a","strict":true,"parameters":{"type":"object"}}}])",
       R"(,"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"object"}}}],"strict_tools":true})"},
      {R"("response_format":{"type":"text"})", "}"},
      {R"("response_format":{"type":"json_object"})", R"(,"response_format":{"type":"json_object"}})"},
      {R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})",
       R"(,"response_format":{"type":"json_object","json_schema":{"type":"object"}}})"},
      {two + R"(,"response_format":{"type":"json_object"})",
       "response_format: Cohere cannot be held to a form while it has tools"},
      {two + R"(,"response_format":{"type":"json_object"})", R"(,"tools":[)" + a + "," + b + "]}", false, true},
      {R"("reasoning_effort":"none")", R"(,"thinking":{"type":"disabled"}})", true},
      {R"("reasoning_effort":"low")", R"(,"thinking":{"type":"enabled","token_budget":1024}})", true},
      {R"("reasoning_effort":"high")", R"(,"thinking":{"type":"enabled","token_budget":4096}})", true},
      {R"("reasoning_effort":"max")", R"(,"thinking":{"type":"enabled"}})", true},
      {R"("thinking":{"type":"enabled","budget_tokens":900},"reasoning_effort":"high")",
       R"(,"thinking":{"type":"enabled","token_budget":900}})", true},
      {R"("reasoning_effort":"low")", "}", false, true},
  };
  for (const ParamCase& c : cases) {
    SCOPED_TRACE(c.given);
    EXPECT_EQ(rest_of(c.given, c.reasons, c.drop), c.sent);
  }
  for (const char* refused :
       {R"("n":2)", R"("logit_bias":{"5":1})", R"("parallel_tool_calls":false)", R"("reasoning_effort":"low")"}) {
    EXPECT_NE(rest_of(refused, false).find("UnsupportedParamsError"), std::string::npos) << refused;
  }
}

struct MessageCase {
  const char* name;
  const char* given;
  const char* sent;
  bool reasons = false;
};

TEST(CohereCodec, SaysMessagesItsOwnWay) {
  const MessageCase cases[] = {
      {"a developer is the system", R"([{"role":"developer","content":"d"}])", R"([{"role":"system","content":"d"}])"},
      {"several texts stay several",
       R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])",
       R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])"},
      {"an image's detail",
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"ultra_high"}}]}])",
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}])"},
      {"a plan goes back as a plan",
       R"([{"role":"assistant","content":null,"reasoning_content":"I plan.","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"i","content":"r"}])",
       R"([{"role":"assistant","tool_plan":"I plan.","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"i","content":"r"}])"},
      {"thinking goes back as thinking",
       R"([{"role":"assistant","content":"a","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"}]}])",
       R"([{"role":"assistant","content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"a"}]}])", true},
      {"a model that does not think gets none", R"([{"role":"assistant","content":"a","reasoning_content":"t"}])",
       R"([{"role":"assistant","content":[{"type":"text","text":"a"}]}])"},
      {"an answer that says nothing is left out",
       R"([{"role":"user","content":"a"},{"role":"assistant","content":"","reasoning_content":"t"},{"role":"user","content":"b"}])",
       R"([{"role":"user","content":"a"},{"role":"user","content":"b"}])"},
      {"a refusal is text", R"([{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]}])",
       R"([{"role":"assistant","content":[{"type":"text","text":"no"}]}])"},
  };
  for (const MessageCase& c : cases) {
    SCOPED_TRACE(c.name);
    TestCall call("cohere_chat", R"({"model":"m","messages":)" + std::string(c.given) + "}");
    call.input->traits.listed = true;
    call.input->traits.set(Trait::Reasoning, c.reasons);
    const Result<Encoded> encoded = call.encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(body_of(*encoded), R"({"model":"wire-model","stream":false,"messages":)" + std::string(c.sent) + "}");
  }
}

struct RefusalCase {
  const char* messages;
  const char* param;
  const char* why;
};

TEST(CohereCodec, RefusesWhatNoMessageHolds) {
  const RefusalCase cases[] = {
      {R"([{"role":"user","content":"a"},{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}]}])",
       "messages[1].content", "Cohere takes no audio here (messages[1].content)"},
      {R"([{"role":"assistant","content":""}])", "messages",
       "'messages' must hold a message that is no system message and not empty"},
      {R"([{"role":"assistant","content":null,"reasoning_content":"t"},{"role":"assistant","content":""}])", "messages",
       "'messages' must hold a message that is no system message and not empty"},
  };
  for (const RefusalCase& c : cases) {
    SCOPED_TRACE(c.messages);
    TestCall call("cohere_chat", R"({"model":"m","messages":)" + std::string(c.messages) + "}");
    call.input->traits.listed = true;
    const Result<Encoded> encoded = call.encode();
    ASSERT_FALSE(encoded);
    EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(encoded.error().param, c.param);
    EXPECT_EQ(encoded.error().message, c.why);
  }
}

TEST(CoherePath, IsOfVersionTwoWhateverTheBaseNames) {
  for (const auto& [base, path] : {std::pair{"", "/v2/chat"},
                                   {"/v2", "/v2/chat"},
                                   {"/v1/chat", "/v2/chat"},
                                   {"/v2/chat", "/v2/chat"},
                                   {"/cohere", "/cohere/v2/chat"}}) {
    provider::Target target;
    target.base.path = base;
    EXPECT_EQ(cohere_path(target, "/chat"), path) << base;
  }
}

struct UsageCase {
  const char* usage;
  std::initializer_list<std::pair<Unit, std::uint64_t>> counts;
  std::uint64_t prompt;
  std::uint64_t completion;
};

TEST(CohereUsage, BooksTheInvoiceAndShowsWhatTheModelSaw) {
  const UsageCase cases[] = {
      {R"({"billed_units":{"input_tokens":5,"output_tokens":418},"tokens":{"input_tokens":71,"output_tokens":430},"cached_tokens":2})",
       {{Unit::InputTokens, 3},
        {Unit::CachedInputTokens, 2},
        {Unit::UnbilledInputTokens, 66},
        {Unit::OutputTokens, 418},
        {Unit::UnbilledOutputTokens, 12}},
       71,
       430},
      {R"({"tokens":{"input_tokens":71,"output_tokens":4}})",
       {{Unit::InputTokens, 71}, {Unit::OutputTokens, 4}},
       71,
       4},
      {R"({"billed_units":{"input_tokens":5.0,"output_tokens":4.0,"search_units":1}})",
       {{Unit::InputTokens, 5}, {Unit::OutputTokens, 4}, {Unit::Queries, 1}},
       5,
       4},
      {R"({"billed_units":{"input_tokens":90,"output_tokens":4},"tokens":{"input_tokens":71,"output_tokens":4}})",
       {{Unit::InputTokens, 90}, {Unit::OutputTokens, 4}},
       90,
       4},
  };
  for (const UsageCase& c : cases) {
    SCOPED_TRACE(c.usage);
    json::Document document;
    ASSERT_TRUE(document.parse(c.usage));
    const std::optional<domain::Usage> usage = cohere_usage(document.root());
    ASSERT_TRUE(usage);
    EXPECT_EQ(usage->counts.size(), c.counts.size());
    for (const auto& [unit, count] : c.counts) EXPECT_EQ(usage->of(unit), count) << domain::unit_name(unit);
    EXPECT_EQ(usage->prompt_tokens(), c.prompt);
    EXPECT_EQ(usage->completion_tokens(), c.completion);
  }
  for (const char* none : {"{}", "null", R"({"tokens":{"input_tokens":99999999999,"output_tokens":-1}})"}) {
    json::Document document;
    ASSERT_TRUE(document.parse(none));
    EXPECT_FALSE(cohere_usage(document.root())) << none;
  }
}

/// Content, citations and finish of a whole answer, or its error.
std::string shown(std::string_view body) {
  const Result<protocol::ChatReply> reply = read_cohere_reply(body, "Cohere");
  if (!reply) return std::string(domain::kind_name(reply.error().kind)) + ": " + reply.error().message;
  const protocol::ReplyChoice& choice = reply->choices[0];
  std::string text;
  for (const protocol::Block& block : choice.blocks) {
    text += block.kind == protocol::Block::Kind::Thinking ? "think "
            : block.kind == protocol::Block::Kind::Text   ? "text "
                                                          : "";
    text.append(block.name).append(block.text).append("; ");
  }
  for (const protocol::Citation& one : choice.citations) {
    text += std::to_string(one.start) + "-" + std::to_string(one.end) + " ";
    text.append(one.url).append(" ").append(one.title).append("; ");
  }
  return text + std::string(finish_name(choice.finish)) + std::string(choice.native_finish) +
         std::string(choice.logprobs_json);
}

TEST(CohereReply, IsReadWhateverItHolds) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"id":"i","finish_reason":"STOP_SEQUENCE","message":{"role":"assistant","content":[{"type":"text","text":"a"}]}})",
       "text a; stop"},
      {R"({"finish_reason":"ERROR_TOXIC","message":{"content":[]}})", "content_filterERROR_TOXIC"},
      {R"({"finish_reason":"NEW_WORD","message":{"content":"a"}})", "text a; stopNEW_WORD"},
      {R"({"finish_reason":"TOOL_CALL","message":{"tool_plan":"p","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{}"}}]}})",
       "think p; f{}; tool_calls"},
      {R"({"finish_reason":"COMPLETE","message":{"content":[{"type":"thinking","thinking":"t"},{"type":"text","text":"é1"},{"type":"text","text":"b2"}],"citations":[{"start":0,"end":1,"content_index":2,"type":"TEXT_CONTENT","sources":[{"type":"document","id":"d0","document":{"title":"T","url":"https://x"}},{"type":"tool","id":"t0"}]},{"start":0,"end":1,"content_index":0,"type":"THINKING_CONTENT","sources":[{"id":"z"}]}]}})",
       "think t; text é1; text b2; 2-3 https://x T; 2-3  t0; stop"},
      {R"({"finish_reason":"COMPLETE","message":{"content":"ab"},"logprobs":[{"text":"a","token_ids":[1],"logprobs":[-0.10]},{"text":"b","token_ids":[2,3],"logprobs":[-0.25,-0.5]}]})",
       R"(text ab; stop{"content":[{"token":"a","logprob":-0.10,"bytes":null,"top_logprobs":[]},{"token":"b","logprob":-0.75,"bytes":null,"top_logprobs":[]}],"refusal":null})"},
      {R"({"finish_reason":"TIMEOUT","message":{"content":"a"}})",
       R"(upstream_unavailable: litellm.ServiceUnavailableError: CohereException - the provider broke the answer off: finish_reason "TIMEOUT")"},
      {R"({"message":"something went wrong"})",
       "upstream_internal: litellm.InternalServerError: CohereException - something went wrong"},
      {R"({"id":"i"})", "upstream_malformed"},
      {"[", "upstream_malformed"},
  };
  for (const auto& [body, expected] : cases) {
    SCOPED_TRACE(body);
    const std::string got = shown(body);
    EXPECT_EQ(std::string_view(expected) == "upstream_malformed" ? got.substr(0, 18) : got, expected);
  }
}

TEST(CohereReply, ThatBreaksOffSaysWhatItUsed) {
  const std::optional<domain::Usage> usage = CohereCodec().usage_of_part(
      R"({"finish_reason":"ERROR","message":{},"usage":{"billed_units":{"input_tokens":4,"output_tokens":1}}})");
  ASSERT_TRUE(usage);
  EXPECT_EQ(usage->prompt_tokens(), 4u);
  for (const char* part : {"", "{\"usage\":", R"({"message":"too busy"})"}) {
    EXPECT_FALSE(CohereCodec().usage_of_part(part)) << part;
  }
}

TEST(CohereStream, ThatBreaksOffIsNoAnswer) {
  const std::pair<const char*, const char*> cases[] = {
      {"event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"i\"}\n\n"
       "event: content-delta\ndata: "
       "{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"a\"}}}}\n\n",
       "upstream_truncated"},
      {"data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"too busy\"}}\n\n",
       "upstream_internal"},
      {"data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TIMEOUT\"}}\n\n", "upstream_unavailable"},
      {"data: {\"message\":\"rate limit exceeded\"}\n\n", "upstream_rate_limited"},
      {"{\"message\":\"too busy\"}", "upstream_internal"},
      {"data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\"}}\n\ndata: [}\n\n", ""},
      {"{\"id\":\"i\",\"finish_reason\":\"COMPLETE\",\"message\":{\"content\":\"a\"}}", ""},
  };
  for (const auto& [bytes, kind] : cases) {
    SCOPED_TRACE(bytes);
    TestCall call("cohere_chat", R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})");
    const Result<Encoded> encoded = call.encode();
    ASSERT_TRUE(encoded);
    const auto stream = codec_of(call.target).follow({}, *encoded);
    std::vector<std::string_view> pieces;
    Status status = stream->feed(bytes, pieces);
    if (status) status = stream->finish(pieces);
    EXPECT_EQ(status ? "" : domain::kind_name(status.error().kind), kind);
  }
}

}  // namespace
}  // namespace turnpike::codec::cohere_codec_test
