#include "codec/bedrock_codec.h"

#include <gtest/gtest.h>

#include <string>

#include "base/text.h"
#include "codec/bedrock_request.h"
#include "codec/codecs.h"
#include "codec/wire_support.h"
#include "domain/call_record.h"
#include "provider/aim.h"

namespace turnpike::codec::bedrock_codec_test {
namespace {

constexpr std::string_view kClaude = "us.anthropic.claude-x-v1:0";
constexpr std::string_view kNova = "amazon.nova-x-v1:0";
constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"hi"}])";
constexpr std::string_view kCalled =
    R"("messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"id":"c","type":"function",)"
    R"("function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"1"}])";
constexpr std::string_view kTool = R"("tools":[{"type":"function","function":{"name":"f"}}])";

/// `traits`: fields of the price file, "!" before one that is said to be lacking, "unlisted" for a model nobody knows.
std::unique_ptr<TestCall> call_of(std::string_view model, std::string_view traits, const std::string& body) {
  ShapeTarget target = target_of_shape("bedrock", {});
  target.model = model;
  target.traits.clear();
  for (const std::string_view trait : base::split(traits, ' ')) {
    if (trait == "drop") target.drop_params = true;
    if (trait == "modify") target.modify_params = true;
    if (trait.starts_with("supports_") || trait.starts_with("!") || trait.find("cache") != std::string_view::npos ||
        trait.starts_with("bedrock_")) {
      target.traits.emplace_back(trait);
    }
  }
  auto call = aimed_call(target, "{\"model\":\"group\"," + body + "}");
  call->input->traits.listed = traits != "unlisted";
  return call;
}

struct Case {
  const char* name;
  std::string_view model;
  const char* traits;
  std::string body;
  const char* sent;  // Stands in what is sent; with "- " in front: does not. Several lines: each.
};

std::vector<Case> sent_cases() {
  const std::string hi(kHi), called(kCalled), tool(kTool);
  const auto user = [](const std::string& content) {
    return R"("messages":[{"role":"user","content":)" + content + "}]";
  };
  const auto then = [&](const std::string& more) {
    return R"("messages":[{"role":"user","content":"a"},)" + more + "]";
  };
  return {
      {"a text", kClaude, "", hi, R"({"messages":[{"role":"user","content":[{"text":"hi"}]}]})"},
      {"turns of one role are one", kClaude, "",
       then(R"({"role":"user","content":"b"},{"role":"assistant","content":"c"},{"role":"assistant","content":"d"})"),
       R"([{"role":"user","content":[{"text":"a"},{"text":"b"}]},{"role":"assistant","content":[{"text":"c"},{"text":"d"}]}])"},
      {"blank texts go", kClaude, "", user(R"([{"type":"text","text":" \n"},{"type":"text","text":"x"}])"),
       R"("content":[{"text":"x"}])"},
      {"an assistant that said nothing goes", kClaude, "",
       then(R"({"role":"assistant","content":""},{"role":"user","content":"b"})"),
       R"([{"role":"user","content":[{"text":"a"},{"text":"b"}]}])"},
      {"what the model goes on from ends in a letter", kClaude, "",
       then(
           R"({"role":"assistant","content":"b \n"},{"role":"assistant","content":[{"type":"text","text":" c\t "},{"type":"text","text":" "}]})"),
       R"({"role":"assistant","content":[{"text":"b \n"},{"text":" c"}]}])"},
      {"a text beside a document, modified", kClaude, "modify",
       user(R"([{"type":"file","file":{"file_data":"data:text/plain;base64,YQ=="}}])"),
       R"("source":{"bytes":"YQ=="}}},{"text":"Please continue."}]}])"},
      {"results before a text", kClaude, "",
       called.substr(0, called.size() - 1) + R"(,{"role":"user","content":"b"}],)" + tool,
       R"("content":[{"toolResult":{"toolUseId":"c","content":[{"text":"1"}]}},{"text":"b"}])"},
      {"a text before the calls", kClaude, "",
       then(
           R"({"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""}}]},{"role":"assistant","content":"b"})") +
           "," + tool,
       R"("content":[{"text":"b"},{"toolUse":{"toolUseId":"c","name":"f","input":{}}}])"},
      {"a failed result that says nothing", kClaude, "",
       called.substr(0, called.size() - 4) + R"(","is_error":true}],)" + tool,
       R"({"toolResult":{"toolUseId":"c","content":[{"json":{}}],"status":"error"}})"},
      {"a result that says nothing", kClaude, "", called.substr(0, called.size() - 4) + R"("}],)" + tool,
       R"({"toolResult":{"toolUseId":"c","content":[]}})"},
      {"system messages together", kClaude, "",
       R"("messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"developer","content":"t"}])",
       R"("messages":[{"role":"user","content":[{"text":"a"}]}],"system":[{"text":"s"},{"text":"t"}])"},
      {"a system message in its place", kClaude, "supports_mid_conversation_system",
       R"("messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"system","content":"t"}])",
       R"([{"role":"user","content":[{"text":"a"}]},{"role":"system","content":[{"text":"t"}]}],"system":[{"text":"s"}])"},
      {"a cache point", kClaude, "supports_prompt_caching",
       user(R"([{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}])"),
       R"([{"text":"x"},{"cachePoint":{"type":"default"}}])"},
      {"a cache point for an hour", kClaude, "supports_prompt_caching cache_creation_input_token_cost_above_1hr",
       user(R"([{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"1h"}}])"),
       R"({"cachePoint":{"type":"default","ttl":"1h"}})"},
      {"no cache point where the model has no cache", kClaude, "",
       user(R"([{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}])"), "- cachePoint"},
      {"inference", kClaude, "", hi + R"(,"max_tokens":5,"temperature":0.70,"top_p":1e-1,"stop":["","x"])",
       R"("inferenceConfig":{"maxTokens":5,"temperature":0.70,"topP":1e-1,"stopSequences":["x"]})"},
      {"top_k of Claude", kClaude, "", hi + R"(,"top_k":5)", R"("additionalModelRequestFields":{"top_k":5})"},
      {"top_k of Nova", kNova, "", hi + R"(,"top_k":5)",
       R"("additionalModelRequestFields":{"inferenceConfig":{"topK":5}})"},
      {"unknown members", kClaude, "", hi + R"(,"new":{"a":1})", R"("additionalModelRequestFields":{"new":{"a":1}})"},
      {"members of Converse", kClaude, "", hi + R"(,"performanceConfig":{"latency":"optimized"})",
       R"("performanceConfig":{"latency":"optimized"})"
       "\n- additional"},
      {"service_tier auto", kClaude, "", hi + R"(,"service_tier":"auto")", R"("serviceTier":{"type":"default"})"},
      {"service_tier that AWS lacks", kClaude, "", hi + R"(,"service_tier":"scale")", "- serviceTier"},
      {"an effort with a budget", kClaude, "supports_reasoning", hi + R"(,"reasoning_effort":"low","max_tokens":9000)",
       R"("thinking":{"type":"enabled","budget_tokens":1024})"},
      {"an effort by itself", kClaude, "supports_reasoning supports_adaptive_thinking supports_max_reasoning_effort",
       hi + R"(,"reasoning_effort":"max")", R"("output_config":{"effort":"max"})"},
      {"an effort of Nova", kNova, "supports_reasoning", hi + R"(,"reasoning_effort":"minimal")",
       R"("reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"})"},
      {"an effort of gpt-oss", "openai.gpt-oss-x", "supports_reasoning", hi + R"(,"reasoning_effort":"high")",
       R"("additionalModelRequestFields":{"reasoning_effort":"high"})"},
      {"thinking as it came", kClaude, "supports_reasoning",
       hi + R"(,"thinking":{"type":"enabled","budget_tokens":2000})",
       R"("maxTokens":6096)"
       "\n"
       R"("thinking":{"type":"enabled","budget_tokens":2000})"},
      {"one call at a time", kClaude, "supports_parallel_tool_use_config",
       hi + R"(,"parallel_tool_calls":false,"tool_choice":"required",)" + tool,
       R"("toolChoice":{"any":{}})"
       "\n"
       R"("tool_choice":{"type":"any","disable_parallel_tool_use":true})"},
      {"a tool", kClaude, "", hi + "," + tool,
       R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"f","inputSchema":{"json":{"type":"object","properties":{}}}}}]})"},
      {"a strict tool", kClaude, "supports_native_structured_output",
       hi +
           R"(,"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{}}}}])",
       R"("additionalProperties":false)"
       "\n"
       R"("strict":true)"},
      {"a strict tool where Bedrock knows none", kClaude,
       "supports_native_structured_output !bedrock_converse_supports_strict_tools",
       hi +
           R"(,"tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{}}}}])",
       "- strict"},
      {"only allowed tools", kClaude, "",
       hi +
           R"(,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],)"
           R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}})",
       R"("name":"g")"
       "\n"
       R"("toolChoice":{"any":{}})"
       "\n"
       R"(- "name":"f")"},
      {"no tools wanted", kClaude, "", hi + R"(,"tool_choice":"none",)" + tool, "- toolConfig"},
      {"no tools wanted, dropped", kClaude, "drop", called + R"(,"tool_choice":"none",)" + tool,
       R"("toolConfig":{"tools":)"
       "\n- toolChoice"},
      {"forced while it thinks, dropped", kClaude, "drop supports_reasoning",
       hi + R"(,"reasoning_effort":"low","tool_choice":"required",)" + tool,
       "- toolChoice\n"
       R"("thinking")"},
      {"forced instead of thinking, modified", kClaude, "modify supports_reasoning",
       hi + R"(,"reasoning_effort":"low","tool_choice":"required",)" + tool,
       R"("toolChoice":{"any":{}})"
       "\n- \"thinking\""},
      {"no thinking behind calls made without, modified", kClaude, "modify supports_reasoning",
       called + R"(,"reasoning_effort":"low",)" + tool, "- \"thinking\""},
      {"samples while it thinks, dropped", kClaude, "drop supports_reasoning",
       hi + R"(,"reasoning_effort":"low","temperature":0.2,"top_k":3)", "- temperature\n- top_k"},
      {"a dummy tool", kClaude, "modify", called, R"("name":"dummy_tool")"},
      {"a tool of Claude's own", kClaude, "", hi + R"(,"tools":[{"type":"computer_20250124","name":"computer"}])",
       R"("additionalModelRequestFields":{"tools":[{"type":"computer_20250124","name":"computer"}]})"
       "\n- toolConfig"},
      {"a tool of Converse's own", kNova, "",
       hi + R"(,"tools":[{"systemTool":{"name":"nova_grounding"},"type":"system"}])",
       R"("tools":[{"systemTool":{"name":"nova_grounding"}}])"},
      {"a search on the web", kNova, "", hi + R"(,"web_search_options":{})",
       R"("tools":[{"systemTool":{"name":"nova_grounding"}}])"},
      {"a grammar", kClaude, "supports_native_structured_output",
       hi +
           R"(,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}}}}})",
       R"("outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\")"
       "\n"
       R"("name":"n")"
       "\n- toolConfig"},
      {"a map has no grammar", kClaude, "supports_native_structured_output",
       hi +
           R"(,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","additionalProperties":{"type":"string"}}}})",
       R"("name":"json_tool_call")"
       "\n- outputConfig"},
      {"an unlisted model is asked for everything", "anthropic.new-model", "unlisted",
       hi + R"(,"reasoning_effort":"low")", R"("thinking")"},
      {"a start by the assistant", kClaude, "modify", R"("messages":[{"role":"assistant","content":"a"}])",
       R"([{"role":"user","content":[{"text":"Please continue."}]},{"role":"assistant")"},
      {"an end by the assistant", kClaude, "modify !supports_assistant_prefill",
       then(R"({"role":"assistant","content":"b"})"), R"({"role":"user","content":[{"text":"Please continue."}]}])"},
      {"a prefill", kClaude, "modify", then(R"({"role":"assistant","content":"b"})"), R"({"text":"b"}]}])"},
      {"an unsealed thought that ends a conversation is trimmed as the text it becomes", kClaude, "modify",
       then(R"({"role":"assistant","content":" ","thinking_blocks":[{"type":"thinking","thinking":"b\r\n"}]})"),
       R"({"text":"b"}]}])"},
      {"and so is a refusal", kClaude, "modify", then(R"({"role":"assistant","content":null,"refusal":"b \n"})"),
       R"({"text":"b"}]}])"},
      {"a converse part as it is", kClaude, "",
       user(R"([{"type":"search","searchResult":{"source":"s","title":"t","content":[{"text":"x"}]}}])"),
       R"({"searchResult":{"source":"s","title":"t","content":[{"text":"x"}]}})"},
  };
}

TEST(BedrockCodec, SendsWhatConverseTakes) {
  for (const Case& c : sent_cases()) {
    SCOPED_TRACE(c.name);
    const auto call = call_of(c.model, c.traits, c.body);
    const auto encoded = call->encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    const std::string body = body_of(*encoded);
    json::Document document;
    EXPECT_TRUE(document.parse(body)) << body;
    for (const std::string_view line : base::split(c.sent, '\n')) {
      const bool absent = line.starts_with("- ");
      const std::string_view text = absent ? line.substr(2) : line;
      EXPECT_EQ(body.find(text) != std::string::npos, !absent) << text << "\n" << body;
    }
  }
}

TEST(BedrockCodec, RefusesByNameWhatConverseLacks) {
  const std::string hi(kHi), called(kCalled), tool(kTool);
  const Case cases[] = {
      {"no user", kClaude, "", R"("messages":[{"role":"assistant","content":"a"}])", "messages"},
      {"nothing said", kClaude, "", R"("messages":[{"role":"user","content":" "}])", "messages[0].content"},
      {"tools missing", kClaude, "", called, "tools"},
      {"tools forbidden", kClaude, "", called + R"(,"tool_choice":"none",)" + tool, "tool_choice"},
      {"forced while it thinks", kClaude, "supports_reasoning",
       hi + R"(,"reasoning_effort":"low","tool_choice":"required",)" + tool, "tool_choice"},
      {"forced where the model cannot", kClaude, "!supports_tool_choice", hi + R"(,"tool_choice":"required",)" + tool,
       "tool_choice"},
      {"a seed", kClaude, "", hi + R"(,"seed":1)", "seed"},
      {"several answers", kClaude, "", hi + R"(,"n":2)", "n"},
      {"an effort where nobody thinks", kClaude, "", hi + R"(,"reasoning_effort":"low")", "reasoning_effort"},
      {"sampling", kClaude, "!supports_sampling_params", hi + R"(,"temperature":0.5)", "temperature"},
      {"sampling while it thinks", kClaude, "supports_reasoning", hi + R"(,"reasoning_effort":"low","temperature":0.2)",
       "temperature"},
      {"a custom tool", kClaude, "", hi + R"(,"tools":[{"type":"custom","custom":{"name":"f"}}])", "tools[0].type"},
      {"somebody else's tool", kNova, "", hi + R"(,"tools":[{"type":"computer_20250124","name":"computer"}])",
       "tools[0].type"},
      {"a document without a text", kClaude, "",
       R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/plain;base64,YQ=="}},{"type":"text","text":" "}]}])",
       "messages[0].content"},
      {"somebody else's file", kClaude, "",
       R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1","format":"application/pdf"}}]}])",
       "messages[0].content[0]"},
      {"a type AWS does not take", kClaude, "",
       R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:image/tiff;base64,AAAA"}]}])",
       "messages[0].content[0]"},
      {"an address nobody fetches", kClaude, "",
       R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":"gs://b/a.png"}]}])",
       "messages[0].content[0]"},
      {"somebody else's part", kClaude, "", R"("messages":[{"role":"user","content":[{"type":"hologram"}]}])",
       "messages[0].content[0].type"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const auto encoded = call_of(c.model, c.traits, c.body)->encode();
    ASSERT_FALSE(encoded) << body_of(*encoded);
    EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(encoded.error().param, c.sent) << encoded.error().message;
  }
}

TEST(BedrockCodec, FetchesEveryAddressOfTheWeb) {
  const auto call = call_of(
      kClaude, "",
      R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://a/b.png"},)"
      R"({"type":"image_url","image_url":"s3://a/b.png"},{"type":"file","file":{"file_id":"http://a/c.pdf"}}]}])");
  EXPECT_EQ(codec_of(call->target).urls_to_fetch(*call->input),
            (std::vector<std::string>{"https://a/b.png", "http://a/c.pdf"}));
}

TEST(BedrockCodec, NamesDocumentsOnceAndForGood) {
  const std::string part = R"({"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}})";
  const auto call = call_of(
      kClaude, "", R"("messages":[{"role":"user","content":[{"type":"text","text":"x"},)" + part + "," + part + "]}]");
  const auto first = call->encode(), second = call->encode();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(body_of(*first), body_of(*second));
  EXPECT_NE(body_of(*first).find(R"("name":"document-63c1dd951ffedf6f")"), std::string::npos) << body_of(*first);
  EXPECT_NE(body_of(*first).find(R"("name":"document-63c1dd951ffedf6f-2")"), std::string::npos);
}

struct Address {
  const char* name;
  const char* model;
  const char* model_id;
  const char* path;
};

TEST(BedrockCodec, CallsTheModelThatIsMeant) {
  const Address cases[] = {
      {"as it is", "us.anthropic.claude-x-v1:0", "", "/model/us.anthropic.claude-x-v1%3A0/converse"},
      {"with a route", "converse/meta.llama-x", "", "/model/meta.llama-x/converse"},
      {"with a region", "eu-west-1/meta.llama-x", "", "/model/meta.llama-x/converse"},
      {"with both", "converse/us-gov-west-1/meta.llama-x", "", "/model/meta.llama-x/converse"},
      {"an ARN", "arn:aws:bedrock:us-east-1:1:provisioned-model/abc", "",
       "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprovisioned-model%2Fabc/converse"},
      {"an ARN beside the model", "anthropic.claude-x", "arn:aws:bedrock:us-east-1:1:inference-profile/x",
       "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse"},
      {"a slash that is no region", "imported/abc", "", "/model/imported%2Fabc/converse"},
  };
  for (const Address& c : cases) {
    SCOPED_TRACE(c.name);
    const auto call = call_of(c.model, "", std::string(kHi));
    if (*c.model_id != '\0') call->target.params.emplace_back("model_id", base::Secret(c.model_id));
    const auto encoded = call->encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(encoded->path, c.path);
  }
}

TEST(BedrockCodec, KnowsTheMakerOfAModel) {
  const std::pair<const char*, BedrockMaker> cases[] = {
      {"anthropic.claude-x", BedrockMaker::Anthropic},
      {"us.anthropic.claude-x", BedrockMaker::Anthropic},
      {"converse/eu-west-1/anthropic.claude-x", BedrockMaker::Anthropic},
      {"arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-x", BedrockMaker::Amazon},
      {"global.amazon.nova-2-x", BedrockMaker::Amazon},
      {"openai.gpt-oss-x-1:0", BedrockMaker::OpenAi},
      {"meta.llama-x", BedrockMaker::Other},
      {"arn:aws:bedrock:us-east-1:1:application-inference-profile/anthropic", BedrockMaker::Other},
  };
  for (const auto& [model, maker] : cases) {
    provider::Target target;
    target.model = model;
    EXPECT_EQ(bedrock_maker(target), maker) << model;
  }
}

TEST(BedrockCodec, ProvesItsRightByKeyOrBySignature) {
  const auto call = call_of(kClaude, "", std::string(kHi));
  const auto is_signed = call->encode();
  ASSERT_TRUE(is_signed);
  EXPECT_NE(is_signed->fields.find("Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), std::string::npos);

  call->credential.kind = credential::Credential::Kind::Bearer;
  call->credential.token = base::Secret("bedrock-api-key-x");
  const auto keyed = call->encode();
  ASSERT_TRUE(keyed);
  EXPECT_NE(keyed->fields.find("Authorization: Bearer bedrock-api-key-x\r\n"), std::string::npos);
  EXPECT_EQ(keyed->fields.find("X-Amz-Date"), std::string::npos);
}

/// What a caller gets of a stream that is these bytes, read in one piece or cut in two.
std::string followed(std::string_view bytes, std::size_t cut) {
  const auto call = call_of(kClaude, "", std::string(kHi));
  const Encoded request = *call->encode();
  protocol::StreamOptions options;
  options.shown_model = "m";
  options.fallback_id = "ours";
  options.include_usage = true;
  options.provider_label = "Bedrock";
  const auto stream = codec_of(call->target).follow(std::move(options), request);
  std::string out;
  Status status;
  std::vector<std::string_view> pieces;
  const auto take = [&] {
    for (const std::string_view piece : pieces) out += piece;
    pieces.clear();
  };
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    const std::string copy(part);
    if (status) status = stream->feed(copy, pieces);
    take();
  }
  if (status && !stream->done()) status = stream->finish(pieces);
  take();
  return status ? out : out + std::string(domain::kind_name(status.error().kind));
}

struct Stream {
  const char* name;
  std::string bytes;
  const char* got;
};

TEST(BedrockCodec, FollowsWhateverCameForAStream) {
  const std::string begin = "messageStart {\"role\":\"assistant\"}\n";
  const std::string text = "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"x\"}}\n";
  const std::string stop = "messageStop {\"stopReason\":\"end_turn\"}\n";
  std::string many = begin;
  for (int i = 0; i < 1100; ++i) {
    many += "contentBlockDelta {\"contentBlockIndex\":" + std::to_string(i) + ",\"delta\":{\"text\":\"\"}}\n";
  }
  const Stream cases[] = {
      {"an answer in one piece",
       R"({"output":{"message":{"role":"assistant","content":[{"text":"x"}]}},"stopReason":"end_turn",)"
       R"("usage":{"inputTokens":3,"outputTokens":1,"totalTokens":4},"metrics":{"latencyMs":1}})",
       R"("prompt_tokens":3)"},
      {"an error in a 200", R"({"message":"slow","__type":"ThrottlingException"})", "upstream_rate_limited"},
      {"half an answer", R"({"output":{"message":)", "upstream_truncated"},
      {"something else in JSON", R"({"ok":true})", "upstream_malformed"},
      {"a page", "<html>no</html>", "upstream_malformed"},
      {"nothing", "", "upstream_truncated"},
      {"no end", frames_of(begin + text), "upstream_truncated"},
      {"half a frame", frames_of(begin + text + stop).substr(0, 150), "upstream_truncated"},
      {"usage before the end",
       frames_of(begin + text + R"(metadata {"usage":{"inputTokens":3,"outputTokens":1}})" + "\n" + stop), "[DONE]"},
      {"something behind the end", frames_of(begin + text + stop + "metadata {}\n") + "garbage garbage",
       R"("finish_reason":"stop")"},
      {"zeros that are said",
       frames_of(begin + text + R"(metadata {"usage":{"inputTokens":0,"outputTokens":0,"totalTokens":0}})" + "\n" +
                 R"(messageStop {"stopReason":"guardrail_intervened"})" + "\n"),
       R"("usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0)"},
      {"an error of the frame",
       frames_of(begin) + frames_of("!validationException {\"message\":\"Input is too long\"}"),
       "upstream_context_window"},
      {"an unknown event", frames_of(begin + "news {}\n" + text + stop), R"("finish_reason":"stop")"},
      {"arguments without a call",
       frames_of(begin + R"(contentBlockDelta {"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}})"),
       "upstream_malformed"},
      {"too many blocks", frames_of(many), "upstream_malformed"},
      {"an event that is no JSON", frames_of(begin + "messageStop {\"\n"), "upstream_malformed"},
  };
  for (const Stream& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string whole = followed(c.bytes, c.bytes.size());
    EXPECT_NE(whole.find(c.got), std::string::npos) << whole;
    for (std::size_t cut = 0; cut < c.bytes.size(); cut += c.bytes.size() / 150 + 1) {
      ASSERT_EQ(followed(c.bytes, cut), whole) << cut;
    }
  }
}

struct Failure {
  const char* name;
  int status;
  const char* type;
  const char* body;
  ErrorKind kind;
  int shown;
};

TEST(BedrockCodec, KnowsItsExceptions) {
  const Failure cases[] = {
      {"throttled", 429, "ThrottlingException:http://internal.amazon.com/x", R"({"message":"slow"})",
       ErrorKind::UpstreamRateLimited, 429},
      {"a quota is a limit", 400, "ServiceQuotaExceededException", R"({"message":"quota"})",
       ErrorKind::UpstreamRateLimited, 429},
      {"no right to the model", 403, "AccessDeniedException", R"({"Message":"no"})", ErrorKind::UpstreamForbidden, 403},
      {"an unknown key", 403, "UnrecognizedClientException", R"({"message":"bad"})", ErrorKind::UpstreamUnauthenticated,
       403},
      {"an old token", 403, "ExpiredTokenException", R"({"message":"old"})", ErrorKind::UpstreamUnauthenticated, 403},
      {"a wrong signature", 403, "", R"({"__type":"com.amazon.coral.service#InvalidSignatureException","message":"x"})",
       ErrorKind::UpstreamUnauthenticated, 403},
      {"no such model", 404, "ResourceNotFoundException", R"({"message":"x"})", ErrorKind::UpstreamNotFound, 404},
      {"a slow model", 408, "ModelTimeoutException", R"({"message":"x"})", ErrorKind::UpstreamTimeout, 408},
      {"a model that failed", 424, "ModelErrorException", R"({"message":"x","originalStatusCode":500})",
       ErrorKind::UpstreamInternal, 500},
      {"a model that is not there yet", 429, "ModelNotReadyException", R"({"message":"x"})",
       ErrorKind::UpstreamRateLimited, 429},
      {"too long", 400, "ValidationException", R"({"message":"Input is too long for requested model."})",
       ErrorKind::UpstreamContextWindow, 400},
      {"too long in Nova's words", 400, "ValidationException", R"({"message":"Input Tokens Exceeded: 300000"})",
       ErrorKind::UpstreamContextWindow, 400},
      {"a wrong request", 400, "ValidationException", R"({"message":"x"})", ErrorKind::UpstreamBadRequest, 400},
      {"down", 503, "ServiceUnavailableException", R"({"message":"x"})", ErrorKind::UpstreamUnavailable, 503},
      {"a name nobody knows", 418, "TeapotException", R"({"message":"x"})", ErrorKind::UpstreamBadRequest, 418},
      {"a page", 502, "", "<html>bad gateway</html>", ErrorKind::UpstreamBadGateway, 502},
      {"nothing", 504, "", "", ErrorKind::UpstreamTimeout, 504},
  };
  for (const Failure& c : cases) {
    SCOPED_TRACE(c.name);
    Refusal refusal;
    refusal.status = c.status;
    refusal.error_type = c.type;
    refusal.body = c.body;
    refusal.label = "Bedrock";
    const Error error = bedrock_codec().read_error(refusal);
    EXPECT_EQ(error.kind, c.kind) << error.message;
    EXPECT_EQ(error.status, c.shown);
    EXPECT_NE(error.message.find("BedrockException - "), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find('{'), std::string::npos) << error.message;
  }
}

}  // namespace
}  // namespace turnpike::codec::bedrock_codec_test
