#include "codec/ollama_codec.h"

#include "codec/test_call.h"

namespace turnpike::codec::ollama_codec_test {
namespace {

using domain::Trait;

struct BodyCase {
  const char* name;
  const char* given;  // Members behind the model.
  const char* sent;   // Members behind `stream`.
};

TEST(OllamaCodec, WritesItsOwnBody) {
  const BodyCase cases[] = {
      {"options",
       R"("messages":[{"role":"user","content":"x"}],"max_tokens":5,"temperature":0.5,"top_p":0.9,"top_k":4,"seed":1,"stop":["a"],"frequency_penalty":0.5,"presence_penalty":0.25,"num_ctx":8192,"keep_alive":"5m","options":{"mirostat":1})",
       R"("messages":[{"role":"user","content":"x"}],"options":{"num_predict":5,"temperature":0.5,"top_p":0.9,"top_k":4,"seed":1,"frequency_penalty":0.5,"presence_penalty":0.25,"stop":["a"],"num_ctx":8192,"mirostat":1},"keep_alive":"5m")"},
      {"lists become text",
       R"("messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}])",
       R"("messages":[{"role":"system","content":"a\nb"}])"},
      {"images stand beside",
       R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}},{"type":"text","text":"a"}]}])",
       R"("messages":[{"role":"user","content":"a","images":["QQ=="]}])"},
      {"a turn with tools",
       R"("messages":[{"role":"assistant","content":null,"reasoning_content":"t","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"j","type":"function","function":{"name":"g","arguments":""}}]},{"role":"tool","tool_call_id":"j","content":"r"},{"role":"tool","tool_call_id":"i","content":[{"type":"text","text":"s"}]}])",
       R"("messages":[{"role":"assistant","content":"","thinking":"t","tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":{}}}]},{"role":"tool","content":"r","tool_name":"g"},{"role":"tool","content":"s","tool_name":"f"}])"},
      {"forms", R"("messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"})",
       R"("messages":[{"role":"user","content":"x"}],"format":"json")"},
      {"a schema",
       R"("messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})",
       R"("messages":[{"role":"user","content":"x"}],"format":{"type":"object"})"},
      {"tools that may be called",
       R"("messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a","strict":true}},{"type":"function","function":{"name":"b","parameters":{"type":"object"}}}],"tool_choice":{"type":"function","function":{"name":"b"}})",
       R"("messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"b","parameters":{"type":"object"}}}])"},
      {"no tools at all",
       R"("messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":"none")",
       R"("messages":[{"role":"user","content":"x"}],"tools":[])"},
      {"an effort", R"("messages":[{"role":"user","content":"x"}],"reasoning_effort":"minimal")",
       R"("messages":[{"role":"user","content":"x"}],"think":"low")"},
      {"no effort", R"("messages":[{"role":"user","content":"x"}],"reasoning_effort":"none")",
       R"("messages":[{"role":"user","content":"x"}],"think":false)"},
      {"thinking", R"("messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled","budget_tokens":9})",
       R"("messages":[{"role":"user","content":"x"}],"think":true)"},
      {"logprobs", R"("messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":2)",
       R"("messages":[{"role":"user","content":"x"}],"logprobs":true,"top_logprobs":2)"},
  };
  for (const BodyCase& c : cases) {
    SCOPED_TRACE(c.name);
    TestCall call("ollama", R"({"model":"m",)" + std::string(c.given) + "}");
    const Result<Encoded> encoded = call.encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(body_of(*encoded), R"({"model":"wire-model","stream":false,)" + std::string(c.sent) + "}");
    EXPECT_EQ(encoded->path, "/api/chat");
  }
}

TEST(OllamaCodec, FetchesImagesAndRefusesOneThatCouldNotBe) {
  TestCall call(
      "ollama",
      R"({"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]})");
  EXPECT_EQ(codec_of(call.target).urls_to_fetch(*call.input), std::vector<std::string>{"https://x/y.png"});
  EXPECT_FALSE(call.encode());
  const FetchedByUrl fetched = {{"https://x/y.png", {"image/png", "QQ=="}}};
  call.input->fetched = &fetched;
  const Result<Encoded> encoded = call.encode();
  ASSERT_TRUE(encoded) << encoded.error().message;
  EXPECT_NE(body_of(*encoded).find(R"("images":["QQ=="])"), std::string::npos);
}

TEST(OllamaPath, IsNativeWhateverTheBaseNames) {
  for (const auto& [base, path] : {std::pair{"", "/api/chat"},
                                   {"/v1", "/api/chat"},
                                   {"/api", "/api/chat"},
                                   {"/api/generate", "/api/chat"},
                                   {"/v1/chat/completions", "/api/chat"},
                                   {"/ollama", "/ollama/api/chat"}}) {
    provider::Target target;
    target.base.path = base;
    EXPECT_EQ(ollama_path(target, "/chat"), path) << base;
  }
}

struct StreamCase {
  const char* name;
  const char* lines;
  const char* kind;  // Of the error; empty: none.
  const char* part;  // Of what the caller gets.
};

TEST(OllamaStream, EndsByItsLastLineOnly) {
  const StreamCase cases[] = {
      {"old servers think in the text",
       "{\"message\":{\"content\":\"<think>why</think>\\n\\nbecause\"}}\n{\"done\":true}\n", "",
       R"("reasoning_content":"why")"},
      {"a last line without its end", "{\"message\":{\"content\":\"a\"}}\n{\"done\":true,\"done_reason\":\"stop\"}", "",
       R"("finish_reason":"stop")"},
      {"a model that was only loaded", "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}\n", "",
       R"("native_finish_reason":"load")"},
      {"ids of newer servers",
       "{\"message\":{\"tool_calls\":[{\"id\":\"call_1\",\"function\":{\"name\":\"f\",\"arguments\":{}}}]}}\n{\"done\":"
       "true,\"done_reason\":\"stop\"}\n",
       "", R"("id":"call_1")"},
      {"cut off", "{\"message\":{\"content\":\"a\"}}\n", "upstream_truncated", R"("content":"a")"},
      {"cut off in a line", "{\"message\":{\"content\":\"a\"}}\n{\"mess", "upstream_truncated", R"("content":"a")"},
      {"an error line", "{\"message\":{\"content\":\"a\"}}\n{\"error\":\"unexpected EOF\"}\n", "upstream_internal",
       R"("content":"a")"},
      {"an error first", "{\"error\":\"model 'x' not found\"}\n", "upstream_internal", ""},
      {"no JSON", "hello\n", "upstream_malformed", ""},
      {"a page", "<html><body>Bad gateway</body></html>", "upstream_malformed", ""},
  };
  for (const StreamCase& c : cases) {
    SCOPED_TRACE(c.name);
    TestCall call("ollama", R"({"model":"m","stream":true,"messages":[{"role":"user","content":"x"}]})");
    const Result<Encoded> encoded = call.encode();
    ASSERT_TRUE(encoded);
    const std::string_view bytes = c.lines;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      const auto stream = codec_of(call.target).follow({}, *encoded);
      std::string seen;
      std::vector<std::string_view> pieces;
      const auto take = [&] {
        for (const std::string_view piece : pieces) seen += piece;
        pieces.clear();
      };
      Status status;
      for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
        if (status) status = stream->feed(part, pieces);
        take();
      }
      if (status) status = stream->finish(pieces);
      take();
      EXPECT_EQ(status ? "" : domain::kind_name(status.error().kind), c.kind) << "cut at " << cut;
      EXPECT_NE(seen.find(c.part), std::string::npos) << "cut at " << cut << ": " << seen;
    }
  }
}

}  // namespace
}  // namespace turnpike::codec::ollama_codec_test
