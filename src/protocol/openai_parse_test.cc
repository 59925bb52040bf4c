#include <gtest/gtest.h>

#include "protocol/chat_request_dump.h"

namespace turnpike::protocol::openai_parse_test {
namespace {

ChatRequest parse(std::string_view body) {
  ChatSources sources;
  sources.body = body;
  auto request = parse_openai_chat(sources);
  EXPECT_TRUE(request) << request.error().message;
  return request ? std::move(*request) : ChatRequest();
}

struct Case {
  const char* name;
  std::string body;
  const char* shown;
};

std::string body_of(std::string_view messages) {
  return R"({"model":"m","messages":[)" + std::string(messages) + "]}";
}

TEST(ParseOpenAiChat, ReadsMessages) {
  const std::string call =
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]})";
  const Case kCases[] = {
      {"a plain question", body_of(R"({"role":"user","content":"hi"})"), "user[text:hi]"},
      {"escapes are resolved", body_of(R"({"role":"user","content":"a\n\u00e9"})"), "user[text:a\n\u00e9]"},
      {"all plain roles",
       body_of(
           R"({"role":"system","content":"s"},{"role":"developer","content":"d"},{"role":"user","name":"u","content":"q"},
                  {"role":"assistant","content":"a"})"),
       "system[text:s] developer[text:d] user(u)[text:q] assistant[text:a]"},
      {"cache marks",
       body_of(R"({"role":"user","cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"x",
                  "cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"y","cache_control":null}]})"),
       "user cache[text:x cache=1h | text:y]"},
      {"image by address",
       body_of(
           R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/a.png?b=.gif","detail":"low"}},
                  {"type":"image_url","image_url":"https://x/a"}]})"),
       "user[image mime=image/png url=https://x/a.png?b=.gif detail=low | image url=https://x/a]"},
      {"image by data, usual spelling of its type",
       body_of(R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/jpg;base64,QUJD"}}]})"),
       "user[image mime=image/jpeg b64=QUJD]"},
      {"image with its type beside it, slashes escaped",
       body_of(
           R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"https:\/\/x\/a","format":"image\/webp"}}]})"),
       "user[image mime=image/webp url=https://x/a]"},
      {"audio",
       body_of(R"({"role":"user","content":[{"type":"input_audio","input_audio":{"data":"QUJD","format":"mp3"}},
                  {"type":"input_audio","input_audio":{"data":"data:audio/wav;base64,QUJD"}}]})"),
       "user[audio b64=QUJD format=mp3 | audio mime=audio/wav b64=QUJD format=wav]"},
      {"files",
       body_of(
           R"({"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBE","filename":"a.pdf"}},
                  {"type":"file","file":{"file_id":"file-1"}},{"type":"file","file":{"file_id":"gs://b/a.PDF"}},
                  {"type":"file","file":{"file_id":"https://x/f","format":"text/plain"}},
                  {"type":"file","file":{"file_data":"JVBE","filename":"a.txt"}}]})"),
       "user[document mime=application/pdf b64=JVBE file=a.pdf | document file_id=file-1 | "
       "document mime=application/pdf url=gs://b/a.PDF | document mime=text/plain url=https://x/f | "
       "document mime=text/plain b64=JVBE file=a.txt]"},
      {"a file may be an image",
       body_of(R"({"role":"user","content":[{"type":"file","file":{"file_data":"data:image/png;base64,AA=="}}]})"),
       "user[image mime=image/png b64=AA==]"},
      {"video", body_of(R"({"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x/v.mp4"}}]})"),
       "user[video mime=video/mp4 url=https://x/v.mp4]"},
      {"parts of other dialects",
       body_of(R"({"role":"user","content":[{"type":"document","source":{},"cache_control":{"type":"ephemeral"}},
                  {"type":"guarded_text","text":"g"}]})"),
       "user[native name=document cache | native name=guarded_text]"},
      {"tool call and result", body_of(call + R"(,{"role":"tool","tool_call_id":"c1","content":"r"})"),
       "assistant[tool_use:{\"a\":1} id=c1 name=f] tool[tool_result id=c1 name=f (text:r)]"},
      {"a tool's result of parts",
       body_of(call + R"(,{"role":"tool","tool_call_id":"c1","is_error":true,"content":[{"type":"text","text":"r"},
                          {"type":"image_url","image_url":"data:image/png;base64,AA"}]})"),
       "assistant[tool_use:{\"a\":1} id=c1 name=f] "
       "tool[tool_result id=c1 name=f error (text:r | image mime=image/png b64=AA)]"},
      {"a signature in the id (AC-GEM-1)",
       body_of(
           R"({"role":"assistant","tool_calls":[{"id":"c1__thought__U0lH","type":"function","function":{"name":"f"}}]},
                  {"role":"tool","tool_call_id":"c1__thought__U0lH","content":"r"})"),
       "assistant[tool_use:{} id=c1 name=f sig=U0lH] tool[tool_result id=c1 name=f (text:r)]"},
      {"arguments that are no object are kept inside one",
       body_of(R"({"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":"}},
                  {"id":"d","function":{"name":"g","arguments":{"b":2}}},{"id":"e","function":{"name":"h","arguments":""}}]})"),
       "assistant[tool_use:{\"INVALID_JSON\":\"{\\\"a\\\":\"} id=c name=f | tool_use:{\"b\":2} id=d name=g | "
       "tool_use:{} id=e name=h]"},
      {"custom tools",
       body_of(R"({"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"p","input":"x = 1"}}]},
                  {"role":"tool","tool_call_id":"c","content":"1"})"),
       "assistant[tool_use:x = 1 id=c name=p custom] tool[tool_result id=c name=p custom (text:1)]"},
      {"functions of the older form",
       body_of(R"({"role":"assistant","content":"","function_call":{"name":"f","arguments":"{}"}},
                  {"role":"function","name":"f","content":"r"})"),
       "assistant[tool_use:{} id=call_function_0 name=f] tool(f)[tool_result id=call_function_0 name=f (text:r)]"},
      {"thinking comes first, its blocks say what reasoning_content repeats",
       body_of(R"({"role":"assistant","content":"a","reasoning_content":"t","thinking_blocks":[
                  {"type":"thinking","thinking":"t","signature":"S"},{"type":"redacted_thinking","data":"D"}]})"),
       "assistant[thinking:t sig=S | redacted:D | text:a]"},
      {"thinking among the parts", body_of(R"({"role":"assistant","content":[{"type":"text","text":"a"},
                  {"type":"thinking","thinking":"t","signature":"S"}]})"),
       "assistant[thinking:t sig=S | text:a]"},
      {"thinking without a seal",
       body_of(
           R"({"role":"assistant","content":"a","reasoning_content":"t"},{"role":"assistant","content":"b","reasoning":"u"})"),
       "assistant[thinking:t | text:a] assistant[thinking:u | text:b]"},
      {"refusal, audio and images of an earlier answer",
       body_of(R"({"role":"assistant","refusal":"no","audio":{"id":"a1"},
                  "images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]})"),
       "assistant[refusal:no | audio id=a1 | image mime=image/png b64=AA]"},
      {"an answer of nothing", body_of(R"({"role":"assistant","content":""})"), "assistant[]"},
      {"a completion's prompt", R"({"model":"m","prompt":["once"]})", "user[text:once]"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(dump_messages(parse(c.body)), c.shown);
  }
}

TEST(ParseOpenAiChat, ReadsParameters) {
  const Case kCases[] = {
      {"numbers stay as written", R"("temperature":0.70,"top_p":1e-1,"top_k":5,"seed":-3,"presence_penalty":0.5)",
       "temperature=0.70 top_p=1e-1 top_k=5 presence=0.5 seed=-3"},
      {"null is not given", R"("temperature":null,"tools":null,"stop":null,"user":null)", ""},
      {"the newer limit wins, before or after", R"("max_tokens":5,"max_completion_tokens":7)", "max_tokens=7"},
      {"the newer limit wins, first", R"("max_completion_tokens":7,"max_tokens":5)", "max_tokens=7"},
      {"the older limit", R"("max_tokens":5)", "max_tokens=5"},
      {"stop as a text", R"("stop":"END")", "stop=END"},
      {"stop as a list", R"("stop":["a\n","b"])", "stop=a\n stop=b"},
      {"logprobs", R"("logprobs":true,"top_logprobs":3,"n":2,"logit_bias":{"1":2})",
       "n=2 logprobs=true top_logprobs=3 bias={\"1\":2}"},
      {"tools",
       R"("tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true},
          "cache_control":{"type":"ephemeral"}},{"type":"custom","custom":{"name":"c","format":{"type":"text"}}},
          {"type":"web_search_20250305","name":"web_search"},{"googleSearch":{}}])",
       "tool=function f 'd'{\"type\":\"object\"} strict cache tool=custom c tool=native web_search tool=native "},
      {"no tools", R"("tools":[])", ""},
      {"functions", R"("functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"})",
       "tool=function f{} legacy=true choice=named:f"},
      {"tools win over functions",
       R"("functions":[{"name":"f"}],"tools":[{"function":{"name":"g"}}],"function_call":"none")",
       "tool=function g choice=none"},
      {"choice required", R"("tool_choice":"required")", "choice=required"},
      {"choice any", R"("tool_choice":"any")", "choice=required"},
      {"choice named", R"("tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false)",
       "choice=named:f parallel=false"},
      {"choice custom", R"("tool_choice":{"type":"custom","custom":{"name":"c"}})", "choice=named:c"},
      {"choice in Anthropic's words", R"("tool_choice":{"type":"tool","name":"f"})", "choice=named:f"},
      {"choice of some",
       R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},
          {"type":"function","function":{"name":"g"}}]}})",
       "choice=allowed:f:g!"},
      {"plain text is no format", R"("response_format":{"type":"text"})", "format=text"},
      {"JSON", R"("response_format":{"type":"json_object"})", "format=json"},
      {"JSON by LiteLLM's schema", R"("response_format":{"type":"json_object","response_schema":{"a":1}})",
       "format=schema format.schema={\"a\":1}"},
      {"JSON by schema",
       R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"a":1},"strict":true}})",
       "format=schema format.name=n format.schema={\"a\":1} format.strict=true"},
      {"effort", R"("reasoning_effort":"low","verbosity":"high")", "effort=low verbosity=high"},
      {"effort with a summary", R"("reasoning_effort":{"effort":"high","summary":"auto"})", "effort=high summary=auto"},
      {"thinking", R"("thinking":{"type":"enabled","budget_tokens":1024})", "thinking=enabled budget=1024"},
      {"thinking adaptive", R"("thinking":{"type":"adaptive"})", "thinking=adaptive"},
      {"sound and prediction", R"("modalities":["text","audio"],"audio":{"voice":"v"},"prediction":{"type":"content"})",
       "modality=text modality=audio audio={\"voice\":\"v\"} prediction={\"type\":\"content\"}"},
      {"the gateway's own fields stay here",
       R"("timeout":3,"tags":["a"],"num_retries":1,"mock_response":"x","drop_params":true,"stream_options":{},"stream":true)",
       "stream=true"},
      {"what nobody knows is kept in order", R"("b":1,"a":{"x":null},"c":null)", "+b=1 +a={\"x\":null}"},
      {"extra_body is spread, the caller's own wins",
       R"("extra_body":{"temperature":1,"top_p":0.5,"x":2,"y":3,"messages":[{"role":"user","content":"no"}]},"temperature":0,"y":4)",
       "temperature=0 top_p=0.5 +y=4 +x=2"},
      {"names may be escaped", R"("\u0074op_p":0.5)", "top_p=0.5"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const std::string body = R"({"model":"m","messages":[{"role":"user","content":"hi"}],)" + c.body + "}";
    const ChatRequest request = parse(body);
    EXPECT_EQ(dump_params(request), c.shown);
    EXPECT_EQ(dump_messages(request), "user[text:hi]");
  }
}

TEST(ParseOpenAiChat, EarlierSourcesWin) {
  ChatSources sources;
  sources.overrides_json = R"({"model":"other","temperature":1,"max_tokens":9,"x":1})";
  sources.body =
      R"({"messages":[{"role":"user","content":"hi"}],"temperature":0,"max_completion_tokens":5,"top_p":1,"x":2})";
  sources.defaults_json = R"({"top_p":0.1,"seed":4,"x":3,"y":3,"functions":[{"name":"f"}]})";
  const auto request = parse_openai_chat(sources);
  ASSERT_TRUE(request);
  EXPECT_EQ(dump_params(*request), "temperature=1 top_p=1 max_tokens=9 seed=4 tool=function f legacy=true +x=1 +y=3");
}

TEST(ParseOpenAiChat, ViewsTheBodyUnlessSomethingIsEscaped) {
  const std::string body = body_of(R"({"role":"user","content":"plain"})");
  const ChatRequest request = parse(body);
  const std::string_view text = request.messages[0].blocks[0].text;
  EXPECT_GE(text.data(), body.data());
  EXPECT_LT(text.data(), body.data() + body.size());
}

TEST(ParseOpenAiChat, NamesTheFieldAtFault) {
  struct Fault {
    const char* body;
    const char* param;
    const char* what;
  };
  const Fault kFaults[] = {
      {R"({"messages":"x"})", "messages", "must be a list"},
      {R"({"messages":[]})", "messages", "must hold at least one message"},
      {R"({"messages":[1]})", "messages[0]", "must be an object"},
      {R"({"messages":[{"content":"x"}]})", "messages[0].role", "is required"},
      {R"({"messages":[{"role":"king","content":"x"}]})", "messages[0].role", "must be one of"},
      {R"({"messages":[{"role":"user"}]})", "messages[0].content", "is required"},
      {R"({"messages":[{"role":"user","content":7}]})", "messages[0].content", "must be a string or a list"},
      {R"({"messages":[{"role":"user","content":[{"text":"x"}]}]})", "messages[0].content[0].type", "is required"},
      {R"({"messages":[{"role":"user","content":"x"},{"role":"user","content":[{"type":"text","text":1}]}]})",
       "messages[1].content[0].text", "must be a string"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"QUJD"}}]}]})",
       "messages[0].content[0].image_url.url", "must be an http(s)"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":"file:///etc/passwd"}]}]})",
       "messages[0].content[0].image_url", "must be an http(s)"},
      {R"({"messages":[{"role":"user","content":[{"type":"file","file":{}}]}]})", "messages[0].content[0].file",
       "must have"},
      {R"({"messages":[{"role":"tool","content":"x"}]})", "messages[0].tool_call_id", "is required"},
      {R"({"messages":[{"role":"tool","tool_call_id":"a","content":"x"}]})", "messages[0].tool_call_id",
       "answers no tool call"},
      {R"({"messages":[{"role":"function","name":"f","content":"x"}]})", "messages[0].name",
       "answers no function call"},
      {R"({"messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{}}]}]})",
       "messages[0].tool_calls[0].function.name", "is required"},
      {R"({"messages":[{"role":"user","content":"x"}],"temperature":"hot"})", "temperature", "must be a number"},
      {R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]})", "tools[0].function",
       "is required"},
      {R"({"messages":[{"role":"user","content":"x"}],"tool_choice":"perhaps"})", "tool_choice", "must be none, auto"},
      {R"({"messages":[{"role":"user","content":"x"}],"response_format":{"type":"xml"}})", "response_format.type",
       "must be text"},
      {R"({"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema"}})",
       "response_format.json_schema", "is required"},
      {R"({"messages":[{"role":"user","content":"x"}],"stop":[1]})", "stop[0]", "must be a string"},
      {R"({"messages":[{"role":"user","content":"x"}],"n":0})", "n", "must be 1 or more"},
      {R"({"messages":[{"role":"user","content":"x"}],"extra_body":{"seed":"s"}})", "seed", "must be a number"},
      {R"({"prompt":["a","b"]})", "prompt", "must be one text"},
  };
  for (const Fault& fault : kFaults) {
    SCOPED_TRACE(fault.body);
    ChatSources sources;
    sources.body = fault.body;
    const auto request = parse_openai_chat(sources);
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(request.error().param, fault.param);
    EXPECT_EQ(request.error().message.find("'" + std::string(fault.param) + "' " + fault.what), 0U)
        << request.error().message;
  }
}

}  // namespace
}  // namespace turnpike::protocol::openai_parse_test
