// Bodies of whole calls are in test/wire/chat; here is what they do not show.
#include <gtest/gtest.h>

#include "codec/gemini_model.h"
#include "codec/gemini_request.h"
#include "codec/wire_support.h"

namespace turnpike::codec::gemini_request_test {
namespace {

ShapeTarget target_of(std::string provider, std::string model) {
  ShapeTarget target;
  target.provider = std::move(provider);
  target.model = std::move(model);
  target.base_url = target.provider == "gemini"
                        ? "https://generativelanguage.googleapis.com"
                        : "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l";
  target.traits = {"supports_reasoning"};
  return target;
}

std::string call_with(std::string_view members) {
  return R"({"model":"group","messages":[{"role":"user","content":"Hi"}],)" + std::string(members) + "}";
}

/// The body without its contents, or the error.
std::string body_behind(const ShapeTarget& target, std::string body) {
  const auto call = aimed_call(target, std::move(body));
  const Result<Encoded> encoded = call->encode();
  if (!encoded) return encoded.error().param + ": " + encoded.error().message;
  std::string text = body_of(*encoded);
  constexpr std::string_view kContents = R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}])";
  if (text.starts_with(kContents)) text.erase(0, kContents.size() + (text[kContents.size()] == ',' ? 1 : 0));
  return text;
}

// clang-format off
TEST(GeminiRequest, SaysWhichToolsMayBeCalled) {
  const std::string tools = R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}])";
  const std::string both = R"("tools":[{"functionDeclarations":[{"name":"a"},{"name":"b"}]}])";
  struct Case { const char* name; std::string choice; std::string want; };
  const Case cases[] = {
      {"unset", "", both + "}"},
      {"none", R"(,"tool_choice":"none")", both + R"(,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}})"},
      {"auto", R"(,"tool_choice":"auto")", both + R"(,"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}})"},
      {"required", R"(,"tool_choice":"required")", both + R"(,"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}})"},
      {"named", R"(,"tool_choice":{"type":"function","function":{"name":"b"}})",
       both + R"(,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["b"]}}})"},
      {"one of some", R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"b"}}]}})",
       both + R"(,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["b"]}}})"},
      {"perhaps one of some: the others are not declared",
       R"(,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"b"}}]}})",
       R"("tools":[{"functionDeclarations":[{"name":"b"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}})"},
      {"in Google's words", R"(,"tool_choice":"auto","tool_config":{"functionCallingConfig":{"mode":"VALIDATED"}})",
       both + R"(,"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(body_behind(target_of("gemini", "gemini-2.5-pro"), call_with(tools + c.choice)), c.want);
  }
}

TEST(GeminiRequest, PutsParametersInTheirPlaces) {
  struct Case { const char* name; std::string model; std::string members; std::string want; };
  const std::string pro = "gemini-2.5-pro", flash = "gemini-2.5-flash", lite = "gemini-2.5-flash-lite", third = "gemini-3-flash-preview";
  const Case cases[] = {
      {"nothing", flash, R"("stream":false)", "}"},
      {"a budget for an effort", flash, R"("reasoning_effort":"low")", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":1024,"includeThoughts":true}}})"},
      {"Pro cannot stop thinking", pro, R"("reasoning_effort":"none")", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":128,"includeThoughts":false}}})"},
      {"Flash can", flash, R"("reasoning_effort":"disable")", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":0,"includeThoughts":false}}})"},
      {"a level for an effort", third, R"("reasoning_effort":"medium")", R"("generationConfig":{"thinkingConfig":{"thinkingLevel":"MEDIUM","includeThoughts":true}}})"},
      {"the lowest level for none", third, R"("reasoning_effort":"none")", R"("generationConfig":{"thinkingConfig":{"thinkingLevel":"MINIMAL","includeThoughts":false}}})"},
      {"a budget goes before an effort, never beside a level", third, R"("reasoning_effort":"high","thinking":{"type":"enabled","budget_tokens":99})", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":99,"includeThoughts":true}}})"},
      {"thinking off", lite, R"("thinking":{"type":"disabled"})", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":0,"includeThoughts":false}}})"},
      {"thinking as the model likes", flash, R"("thinking":{"type":"enabled"})", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}}})"},
      {"the same in the third generation", third, R"("thinking":{"type":"adaptive"})", R"("generationConfig":{"thinkingConfig":{"includeThoughts":true}}})"},
      {"own words win", flash, R"("reasoning_effort":"low","thinking_config":{"thinkingBudget":7})", R"("generationConfig":{"thinkingConfig":{"thinkingBudget":7}}})"},
      {"any JSON", flash, R"("response_format":{"type":"json_object"})", R"("generationConfig":{"responseMimeType":"application/json"}})"},
      {"text", flash, R"("response_format":{"type":"text"})", "}"},
      {"numbers keep their digits", flash, R"("temperature":0.10,"top_p":1e0,"top_k":3,"seed":12345678901234567890)", R"("generationConfig":{"temperature":0.10,"topP":1e0,"topK":3,"seed":12345678901234567890}})"},
      {"one choice", flash, R"("n":3)", R"("generationConfig":{"candidateCount":3}})"},
      {"a voice alone asks for sound", flash, R"("audio":{"voice":"Kore"})", R"("generationConfig":{"responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}}}})"},
      {"text is what comes anyway", flash, R"("modalities":["text"])", "}"},
      {"a search for web_search_options", flash, R"("web_search_options":{"search_context_size":"low"})", R"("tools":[{"googleSearch":{}}]})"},
      {"what nobody knows travels on", flash, R"("brandNewMember":{"a":1})", R"("brandNewMember":{"a":1}})"},
      {"a tier", flash, R"("service_tier":"flex")", R"("serviceTier":"flex"})"},
      {"no tier of Google's", flash, R"("service_tier":"auto")", "}"},
      {"cacheable parts are cached unasked", flash, R"("prompt_cache_key":"k")", "}"},
      {"metadata is for Vertex", flash, R"("metadata":{"team":"red"},"user":"u","store":true)", "}"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(body_behind(target_of("gemini", c.model), call_with(c.members)), c.want);
  }
}

TEST(GeminiRequest, RefusesByName) {
  struct Case { const char* name; std::string members; std::string_view param; };
  const Case cases[] = {
      {"a tool of free text", R"("tools":[{"type":"custom","custom":{"name":"a"}}])", "tools[0].type"},
      {"another's tool", R"("tools":[{"type":"function","function":{"name":"a"}},{"type":"computer_20250124","name":"c"}])", "tools[1].type"},
      {"a schema of null alone", R"("tools":[{"type":"function","function":{"name":"a","parameters":{"anyOf":[{"type":"null"}]}}}])", "tools[0].function.parameters"},
      {"sound that is no pcm16", R"("modalities":["audio"],"audio":{"voice":"Kore","format":"mp3"})", "audio"},
      {"biases", R"("logit_bias":{"1":2})", "logit_bias"},
      {"predictions", R"("prediction":{"type":"content","content":"x"})", "prediction"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ShapeTarget target = target_of("gemini", "gemini-1.5-pro");
    EXPECT_TRUE(body_behind(target, call_with(c.members)).starts_with(c.param)) << body_behind(target, call_with(c.members));
  }
  ShapeTarget target = target_of("gemini", "gemini-1.5-pro");
  target.drop_params = true;
  EXPECT_EQ(body_behind(target, call_with(R"("logit_bias":{"1":2},"unknown":1,"tools":[{"type":"custom","custom":{"name":"a"}}],"audio":{"format":"mp3"},"parallel_tool_calls":false)")),
            R"("generationConfig":{"responseModalities":["AUDIO"]}})");
}

TEST(GeminiRequest, PartsThatHaveNoCounterpartAreRefused) {
  const auto call = aimed_call(target_of("gemini", "gemini-2.5-pro"), R"({"model":"g","messages":[{"role":"user","content":[{"type":"hologram","hologram":1}]}]})");
  const Result<Encoded> encoded = call->encode();
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
  EXPECT_NE(encoded.error().message.find("hologram"), std::string::npos);
}

TEST(GeminiRequest, NamesOfToolsBeginWithALetter) {
  const std::string body =
      R"({"model":"g","messages":[{"role":"user","content":"Hi"},)"
      R"({"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"2nd tool","arguments":"{}"}}]},)"
      R"({"role":"tool","tool_call_id":"c","content":"x"}],)"
      R"("tools":[{"type":"function","function":{"name":"2nd tool"}},{"type":"function","function":{"name":"_2nd_tool"}}],)"
      R"("tool_choice":{"type":"function","function":{"name":"2nd tool"}}})";
  const auto call = aimed_call(target_of("vertex_ai", "gemini-2.5-pro"), body);
  const Result<Encoded> encoded = call->encode();
  ASSERT_TRUE(encoded) << encoded.error().message;
  EXPECT_EQ(body_of(*encoded),
            R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]},)"
            R"({"role":"model","parts":[{"functionCall":{"name":"_2nd_tool_2","args":{}}}]},)"
            R"({"role":"user","parts":[{"functionResponse":{"name":"_2nd_tool_2","response":{"output":"x"}}}]}],)"
            R"("tools":[{"functionDeclarations":[{"name":"_2nd_tool_2"},{"name":"_2nd_tool"}]}],)"
            R"("toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["_2nd_tool_2"]}}})");
  ASSERT_EQ(encoded->terms.tool_names.size(), 1U);
  EXPECT_EQ(encoded->terms.tool_names[0].second, "2nd tool");
}

TEST(GeminiRequest, ReasoningIsForModelsThatReason) {
  ShapeTarget target = target_of("gemini", "gemini-2.0-flash");
  target.traits = {"supports_vision"};
  EXPECT_TRUE(body_behind(target, call_with(R"("reasoning_effort":"low")")).starts_with("reasoning_effort: "));
}

TEST(GeminiRequest, SystemTextsGoWhereTheModelTakesThem) {
  const std::string body = R"({"model":"g","messages":[{"role":"system","content":"S"},{"role":"user","content":"U"},{"role":"system","content":[{"type":"text","text":"T1"},{"type":"text","text":"T2"}]}]})";
  EXPECT_EQ(body_behind(target_of("gemini", "gemini-2.5-pro"), body),
            R"({"systemInstruction":{"parts":[{"text":"S"},{"text":"T1T2"}]},"contents":[{"role":"user","parts":[{"text":"U"}]}]})");
  ShapeTarget gemma = target_of("gemini", "gemma-3-27b-it");
  gemma.traits = {"!supports_system_messages"};
  EXPECT_EQ(body_behind(gemma, body), R"({"contents":[{"role":"user","parts":[{"text":"S"},{"text":"T1T2"},{"text":"U"}]}]})");
  EXPECT_EQ(body_behind(target_of("gemini", "gemini-2.5-pro"), R"({"model":"g","messages":[{"role":"system","content":"S"}]})"),
            R"({"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"."}]}]})");
}

// Which files the gateway fetches itself.
TEST(GeminiRequest, AUserSpeaksFirstWhereRequestsAreToBeRepaired) {
  const std::string body = R"({"model":"group","messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"}]})";
  const std::string said = R"({"role":"model","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":"b"}]}]})";
  ShapeTarget target = target_of("gemini", "gemini-2.5-pro");
  EXPECT_EQ(body_behind(target, body), R"({"contents":[)" + said);
  target.modify_params = true;
  EXPECT_EQ(body_behind(target, body), R"({"contents":[{"role":"user","parts":[{"text":"."}]},)" + said);
}

TEST(GeminiRequest, AsksForBytesWhereGoogleDoesNotFetch) {
  struct Case { const char* model; std::string_view url; bool fetched; };
  const Case cases[] = {
      {"gemini-2.5-flash", "https://a.example/a.png", false},
      {"gemini-2.5-flash", "http://a.example/a.png", true},
      {"gemini-2.5-flash", "https://a.example/picture", true},  // Of unknown type.
      {"gemini-2.0-flash", "https://a.example/a.png", true},
      {"gemma-3-27b-it", "https://a.example/a.png", true},
      {"gemini-2.0-flash", "https://generativelanguage.googleapis.com/v1beta/files/abc", false},
      {"gemini-2.0-flash", "https://www.youtube.com/watch?v=abc", false},
      {"gemini-2.0-flash", "gs://bucket/a.png", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.model + std::string(" ") + std::string(c.url));
    const auto call = aimed_call(target_of("gemini", c.model), R"({"model":"g","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":")" + std::string(c.url) + R"("}}]}]})");
    EXPECT_EQ(codec_of(call->target).urls_to_fetch(*call->input).empty(), !c.fetched);
  }
}

TEST(GeminiRequest, HasTheAddressOfItsModel) {
  struct Case { const char* provider; const char* model; const char* base; bool stream; const char* path; };
  const Case cases[] = {
      {"gemini", "gemini-2.5-pro", "https://g.example", false, "/v1beta/models/gemini-2.5-pro:generateContent"},
      {"gemini", "models/gemini-2.5-pro", "https://g.example", true, "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"},
      {"gemini", "tunedModels/my-model", "https://g.example", false, "/v1beta/tunedModels/my-model:generateContent"},
      {"gemini", "gemini-2.5-pro", "https://g.example/proxy/v1", false, "/proxy/v1/models/gemini-2.5-pro:generateContent"},
      {"gemini", "../x?y#z", "https://g.example", false, "/v1beta/models/..%2Fx%3Fy%23z:generateContent"},
      {"vertex_ai", "gemini-2.5-pro@001", "https://v.example/v1/projects/p/locations/l", false, "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-pro@001:generateContent"},
      {"vertex_ai", "1234567890", "https://v.example/v1/projects/p/locations/l", true, "/v1/projects/p/locations/l/endpoints/1234567890:streamGenerateContent?alt=sse"},
      {"vertex_ai", "gemini-2.5-pro", "https://v.example/v1", false, "/v1/publishers/google/models/gemini-2.5-pro:generateContent"},
      {"vertex_ai", "meta/llama-4-maas", "https://v.example/v1/projects/p/locations/l/endpoints/openapi", true, "/v1/projects/p/locations/l/endpoints/openapi/chat/completions"},
      {"vertex_ai", "mistral-large@2411", "https://v.example/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large@2411", false, "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large@2411:rawPredict"},
      {"vertex_ai", "jamba-1.5-mini", "https://v.example/v1beta1/projects/p/locations/l/publishers/ai21/models/jamba-1.5-mini", true, "/v1beta1/projects/p/locations/l/publishers/ai21/models/jamba-1.5-mini:streamRawPredict"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.model);
    ShapeTarget target = target_of(c.provider, c.model);
    target.base_url = c.base;
    const auto call = aimed_call(target, call_with(c.stream ? R"("stream":true)" : R"("stream":false)"));
    const Result<Encoded> encoded = call->encode();
    ASSERT_TRUE(encoded) << encoded.error().message;
    EXPECT_EQ(encoded->path, c.path);
  }
}
// clang-format on

TEST(GeminiRequest, MistralOnVertexIsSpokenToAsMistral) {
  ShapeTarget target = target_of("vertex_ai", "mistralai/mistral-large@2411");
  target.base_url = "https://v.example/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large@2411";
  const auto call = aimed_call(target, call_with(R"("max_completion_tokens":5,"seed":1)"));
  const Result<Encoded> encoded = call->encode();
  ASSERT_TRUE(encoded) << encoded.error().message;
  const std::string body = body_of(*encoded);
  EXPECT_NE(body.find(R"("model":"mistral-large")"), std::string::npos) << body;
  EXPECT_NE(body.find(R"("max_tokens":5)"), std::string::npos) << body;
  EXPECT_NE(body.find(R"("random_seed":1)"), std::string::npos) << body;
  EXPECT_EQ(field_of(encoded->fields, "authorization"), "Bearer sk-fixture");
}

// What a botched answer or a list cut short by an error used is booked all the same.
TEST(GeminiCodec, UsageOfAnswersThatAreErrors) {
  const auto call = aimed_call(target_of("gemini", "gemini-2.5-pro"), call_with(R"("n":1)"));
  const Codec& codec = codec_of(call->target);
  const auto prompt = [&codec](std::string_view body) {
    const std::optional<domain::Usage> usage = codec.usage_of_part(body);
    return usage ? usage->prompt_tokens() : 0;
  };
  EXPECT_EQ(
      prompt(R"({"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}],"usageMetadata":{"promptTokenCount":7}})"),
      7U);
  EXPECT_EQ(prompt(R"([{"usageMetadata":{"promptTokenCount":7}},{"usageMetadata":{"promptTokenCount":9}}])"), 9U);
  EXPECT_EQ(prompt(R"({"error":{"code":503}})"), 0U);
  EXPECT_EQ(prompt(R"({"cut o)"), 0U);
  EXPECT_EQ(codec.text_of_part(R"({"candidates":[{"content":{"parts":[{"text":"Hel)"), "Hel");
}

TEST(GeminiRequest, KeysAndTokensTravelApart) {
  const auto key = aimed_call(target_of("gemini", "gemini-2.5-pro"), call_with(R"("n":1)"));
  EXPECT_EQ(field_of(key->encode()->fields, "x-goog-api-key"), "sk-fixture");
  EXPECT_EQ(field_of(key->encode()->fields, "authorization"), "");
  const auto token = aimed_call(target_of("vertex_ai", "gemini-2.5-pro"), call_with(R"("n":1)"));
  EXPECT_EQ(field_of(token->encode()->fields, "authorization"), "Bearer sk-fixture");
  EXPECT_EQ(field_of(token->encode()->fields, "x-goog-api-key"), "");
  token->credential.kind = credential::Credential::Kind::Key;  // Express mode.
  EXPECT_EQ(field_of(token->encode()->fields, "x-goog-api-key"), "sk-fixture");
}

TEST(GeminiModel, ReadsGenerationAndLine) {
  using Line = GeminiModel::Line;
  struct Case {
    const char* name;
    unsigned generation;
    Line line;
    bool json_schema, fetches, signatures;
  };
  const Case cases[] = {
      {"gemini-1.5-pro", 15, Line::Pro, false, false, false},
      {"gemini-2.0-flash-001", 20, Line::Flash, true, false, false},
      {"gemini-2.5-flash-lite-preview-09-2025", 25, Line::FlashLite, true, true, false},
      {"publishers/google/models/gemini-2.5-pro", 25, Line::Pro, true, true, false},
      {"gemini-3-pro-preview", 30, Line::Pro, true, true, true},
      {"gemini-3.1-flash-lite", 31, Line::FlashLite, true, true, true},
      {"gemini-3-pro-image", 30, Line::Pro, true, true, false},
      {"gemini-flash-latest", 0, Line::Flash, true, true, true},
      {"gemini-omni-flash-preview", 0, Line::Flash, true, true, true},
      {"gemma-3-27b-it", 0, Line::Other, false, false, false},
      {"gemini-gemma-2-27b-it", 0, Line::Other, false, false, false},
      {"1234567890", 0, Line::Other, false, false, false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const GeminiModel model(c.name);
    EXPECT_EQ(model.generation, c.generation);
    EXPECT_EQ(model.line, c.line);
    EXPECT_EQ(model.takes_json_schema(), c.json_schema);
    EXPECT_EQ(model.fetches_urls(), c.fetches);
    EXPECT_EQ(model.wants_signatures(), c.signatures);
  }
}

TEST(GeminiModel, ThinksAsMuchAsAsked) {
  const char* const efforts[] = {"none", "minimal", "low", "medium", "high", "xhigh"};
  struct Case {
    const char* model;
    std::string_view said[6];
  };
  const Case cases[] = {
      {"gemini-2.5-pro", {"128", "128", "1024", "2048", "4096", "4096"}},
      {"gemini-2.5-flash", {"0", "1", "1024", "2048", "4096", "4096"}},
      {"gemini-2.5-flash-lite", {"0", "512", "1024", "2048", "4096", "4096"}},
      {"gemini-flash-latest", {"0", "1", "1024", "2048", "4096", "4096"}},
      {"gemini-3-pro-preview", {"LOW", "LOW", "LOW", "HIGH", "HIGH", "HIGH"}},
      {"gemini-3.1-pro-preview", {"LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH"}},
      {"gemini-3-flash-preview", {"MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH"}},
  };
  for (const Case& c : cases) {
    for (std::size_t i = 0; i < std::size(efforts); ++i) {
      SCOPED_TRACE(c.model + std::string(" ") + efforts[i]);
      const GeminiThinking thinking = gemini_thinking(GeminiModel(c.model), efforts[i]);
      EXPECT_EQ(thinking.level.empty() ? std::to_string(thinking.budget) : std::string(thinking.level), c.said[i]);
      EXPECT_EQ(thinking.shown, i > 0);
    }
  }
}

}  // namespace
}  // namespace turnpike::codec::gemini_request_test
