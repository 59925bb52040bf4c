#include "codec/chat_codec.h"

#include "codec/test_call.h"
#include "protocol/chat_request_dump.h"

namespace turnpike::codec::chat_codec_test {
namespace {

using protocol::Param;
using protocol::ParamSet;

/// A dialect that writes down what it is given, and whose answers and streams are plain text.
class EchoCodec final : public ChatCodec {
 public:
  Error read_error(const Refusal&) const override { return {}; }

 protected:
  ParamSet supported(const EncodeInput&) const override {
    return {Param::Temperature,    Param::MaxTokens, Param::Tools,          Param::ToolChoice,
            Param::ResponseFormat, Param::Thinking,  Param::ReasoningEffort};
  }
  Status encode_chat(protocol::ChatRequest& request, const EncodeInput&, Encoded& out) const override {
    if (request.given.has(Param::ResponseFormat)) use_json_tool(request, out.terms);
    const std::string params = protocol::dump_params(request);
    out.set_body(protocol::dump_messages(request) + (params.empty() ? "" : " " + params));
    return {};
  }
  Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const override {
    if (body.empty()) return base::fail(ErrorKind::UpstreamMalformed, std::string(label) + " says nothing");
    protocol::ChatReply reply;
    reply.choices.emplace_back().blocks.emplace_back().text = body;
    reply.choices[0].finish = protocol::Finish::Stop;
    reply.usage.emplace().set(domain::Unit::OutputTokens, 3);
    return reply;
  }
  std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view) const override { return nullptr; }
  bool needs_bytes(const protocol::Block& block, const EncodeInput&) const override {
    return block.kind != protocol::Block::Kind::Video;
  }
};

std::string chat_body(std::string_view more) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more.empty() ? "" : ",") +
         std::string(more) + "}";
}

struct Case {
  const char* name;
  std::string params;
  const char* sent;  // Or the parameters refused.
  bool drop = false;
  std::vector<std::string> additional_drop = {};
  std::vector<std::string> allowed = {};
  bool refused = false;
};

TEST(ChatCodec, FitsParametersToTheTarget) {
  const Case kCases[] = {
      {"what is known goes out", R"("temperature":1,"max_tokens":5)", "user[text:hi] temperature=1 max_tokens=5"},
      {"what is not is refused by name", R"("seed":1,"top_p":0.5)", "'top_p', 'seed'", false, {}, {}, true},
      {"dropped by the deployment", R"("seed":1,"temperature":1)", "user[text:hi] temperature=1", true},
      {"dropped by the call", R"("seed":1,"drop_params":true)", "user[text:hi]"},
      {"the call's word against dropping", R"("seed":1,"drop_params":false)", "'seed'", true, {}, {}, true},
      {"let through by the deployment", R"("seed":1)", "user[text:hi] seed=1", false, {}, {"seed"}},
      {"let through by the call", R"("seed":1,"allowed_openai_params":["seed"])", "user[text:hi] seed=1"},
      {"let through under another spelling",
       R"("functions":[{"name":"f"}],"n":2)",
       "user[text:hi] n=2 tool=function f legacy=true",
       false,
       {},
       {"functions", "n"}},
      {"dropped though known",
       R"("temperature":1,"max_completion_tokens":5,"x":1)",
       "user[text:hi]",
       false,
       {"temperature", "max_completion_tokens", "x"}},
      {"dropped though known, by the call", R"("temperature":1,"additional_drop_params":["temperature"])",
       "user[text:hi]"},
      {"a place inside a parameter",
       R"("tools":[{"function":{"name":"f","strict":true,"parameters":{"a":1,"b":2}}},{"function":{"name":"g","strict":true}}])",
       "user[text:hi] tool=function f{\"b\":2} tool=function g strict",
       false,
       {"tools[0].function.strict", "tools[*].function.parameters.a"}},
      {"hints are dropped in silence",
       R"("user":"u","store":true,"metadata":{"a":"b"},"service_tier":"auto","prompt_cache_key":"k")", "user[text:hi]"},
      {"values that ask for nothing",
       R"("n":1,"top_p":1.0,"presence_penalty":0.0,"frequency_penalty":0,"logprobs":false,"logit_bias":{},
        "parallel_tool_calls":true,"modalities":["text"],"response_format":{"type":"text"},"top_logprobs":0)",
       "user[text:hi] format=text"},
      {"what has no name for us travels on", R"("safe_mode":true)", "user[text:hi] +safe_mode=true"},
  };
  const EchoCodec codec;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    TestCall call("anthropic", chat_body(c.params));
    call.target.drop_unsupported = c.drop;
    call.target.drop_params = c.additional_drop;
    call.target.allowed_params = c.allowed;
    const auto encoded = codec.encode(*call.input);
    if (!c.refused) {
      ASSERT_TRUE(encoded) << encoded.error().message;
      EXPECT_EQ(body_of(*encoded), c.sent);
      continue;
    }
    ASSERT_FALSE(encoded);
    EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(encoded.error().code, "unsupported_parameter");
    EXPECT_NE(encoded.error().message.find("does not support " + std::string(c.sent) + " for the model wire-model"),
              std::string::npos)
        << encoded.error().message;
  }
}

TEST(ChatCodec, AsksForJsonByATool) {
  const std::string schema =
      R"("response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":{"a":{}}}}})";
  const std::string tool = R"(tool=function json_tool_call{"type":"object","properties":{"a":{}}})";
  const struct {
    const char* name;
    std::string params;
    std::string sent;
    bool unwrap = true;
  } kCases[] = {
      {"by its schema", schema, tool + " choice=named:json_tool_call"},
      {"without a schema", R"("response_format":{"type":"json_object"})",
       R"(tool=function json_tool_call{"type":"object","additionalProperties":true,"properties":{}} choice=named:json_tool_call)"},
      {"thinking cannot be forced", schema + R"(,"thinking":{"type":"enabled","budget_tokens":1024})",
       tool + " choice=auto thinking=enabled budget=1024"},
      {"effort is thinking", schema + R"(,"reasoning_effort":"low")", tool + " choice=auto effort=low"},
      {"beside tools any will do", schema + R"(,"tools":[{"function":{"name":"f"}}])",
       "tool=function f " + tool + " choice=required"},
      {"a tool that was named stays",
       schema + R"(,"tools":[{"function":{"name":"f"}}],"tool_choice":{"function":{"name":"f"}})",
       "tool=function f " + tool + " choice=named:f"},
      {"a schema of no object", R"("response_format":{"type":"json_schema","json_schema":{"schema":{"type":"array"}}})",
       R"(tool=function json_tool_call{"type":"object","properties":{"values":{"type":"array"}},"required":["values"],)"
       R"("additionalProperties":false} choice=named:json_tool_call)"},
      {"a schema that has the wrapper's name",
       R"("response_format":{"type":"json_object","response_schema":{"properties":{"values":{}}}})",
       R"(tool=function json_tool_call{"properties":{"values":{}}} choice=named:json_tool_call)", false},
  };
  const EchoCodec codec;
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    const TestCall call("anthropic", chat_body(c.params));
    const auto encoded = codec.encode(*call.input);
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(body_of(*encoded), "user[text:hi] " + c.sent);
    EXPECT_TRUE(encoded->terms.json_tool);
    EXPECT_EQ(encoded->terms.unwrap_json, c.unwrap);
  }
}

TEST(ChatCodec, PutsFetchedFilesInThePlaceOfTheirAddresses) {
  const TestCall call("anthropic", R"({"model":"m","messages":[{"role":"user","content":[
    {"type":"image_url","image_url":{"url":"https://x/a.png"}},{"type":"image_url","image_url":{"url":"https://x/a.png"}},
    {"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}},{"type":"image_url","image_url":{"url":"gs://b/c.png"}},
    {"type":"video_url","video_url":{"url":"https://x/v.mp4"}},{"type":"file","file":{"file_id":"https:\/\/x\/f"}}]},
    {"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]},
    {"role":"tool","tool_call_id":"c","content":[{"type":"image_url","image_url":"http://y/b"}]}]})");
  const EchoCodec codec;
  EXPECT_EQ(codec.urls_to_fetch(*call.input),
            (std::vector<std::string>{"https://x/a.png", "https://x/f", "http://y/b"}));
  const FetchedByUrl fetched = {{"https://x/a.png", {"application/octet-stream", "QQ=="}},
                                {"https://x/f", {"image/gif", "Rg=="}},
                                {"https://x/v.mp4", {"video/mp4", "no"}},
                                {"http://y/b", {"image/jpeg", "Qg=="}}};
  call.input->fetched = &fetched;
  const auto encoded = codec.encode(*call.input);
  ASSERT_TRUE(encoded);
  EXPECT_EQ(body_of(*encoded),
            "user[image mime=image/png b64=QQ== | image mime=image/png b64=QQ== | image mime=image/png b64=AA | "
            "image mime=image/png url=gs://b/c.png | video mime=video/mp4 url=https://x/v.mp4 | image mime=image/gif "
            "b64=Rg==] "
            "assistant[tool_use:{} id=c name=f] tool[tool_result id=c name=f (image mime=image/jpeg b64=Qg==)]");
}

TEST(ChatCodec, ReadsWholeAnswersAndPartsOfThem) {
  const TestCall call("anthropic", chat_body({}));
  const EchoCodec codec;
  const auto encoded = codec.encode(*call.input);
  ASSERT_TRUE(encoded);
  protocol::ReplyOptions options;
  options.shown_model = "shown";
  options.provider_label = "Echo";
  options.fallback_id = "chatcmpl-1";
  options.created_s = 7;
  std::string scratch;
  std::vector<std::string_view> pieces;
  const auto facts = codec.read_reply(options, *encoded, "Hi", scratch, pieces);
  ASSERT_TRUE(facts);
  ASSERT_EQ(pieces.size(), 1U);
  EXPECT_EQ(pieces[0],
            R"({"id":"chatcmpl-1","object":"chat.completion","created":7,"model":"shown","choices":[{"index":0,)"
            R"("message":{"role":"assistant","content":"Hi","refusal":null},"logprobs":null,"finish_reason":"stop"}],)"
            R"("usage":{"prompt_tokens":0,"completion_tokens":3,"total_tokens":3}})");
  EXPECT_EQ(facts->finish_reason, "stop");
  EXPECT_EQ(codec.usage_of_part("x")->completion_tokens(), 3U);
  EXPECT_FALSE(codec.usage_of_part(""));
  const auto unread = codec.read_reply(options, *encoded, "", scratch, pieces);
  ASSERT_FALSE(unread);
  EXPECT_EQ(unread.error().message, "Echo says nothing");
}

TEST(ChatCodec, ServesTextCompletionsAsChatAndRefusesOtherOperations) {
  const EchoCodec codec;
  const TestCall completion("anthropic", R"({"model":"m","prompt":"once","max_tokens":5})",
                            domain::Operation::Completion);
  const auto encoded = codec.encode(*completion.input);
  ASSERT_TRUE(encoded);
  EXPECT_EQ(body_of(*encoded), "user[text:once] max_tokens=5");
  const TestCall plain("anthropic", R"({"model":"m","prompt":"once","echo":false,"best_of":1,"suffix":null})",
                       domain::Operation::Completion);
  EXPECT_EQ(body_of(*codec.encode(*plain.input)), "user[text:once]");
  TestCall more("anthropic", R"({"model":"m","prompt":"once","echo":true,"x":1})", domain::Operation::Completion);
  const auto echo = codec.encode(*more.input);
  ASSERT_FALSE(echo);
  EXPECT_EQ(echo.error().param, "echo");
  EXPECT_EQ(echo.error().code, "unsupported_parameter");
  more.target.drop_unsupported = true;
  EXPECT_EQ(body_of(*codec.encode(*more.input)), "user[text:once] +x=1");
  const TestCall embedding("anthropic", R"({"model":"m","input":"x"})", domain::Operation::Embedding);
  const auto refused = codec.encode(*embedding.input);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::InvalidRequest);
  EXPECT_EQ(refused.error().message,
            "litellm.BadRequestError: Anthropic is asked for chat only, not for the operation embedding");
}

}  // namespace
}  // namespace turnpike::codec::chat_codec_test
