#include "codec/openai_edit.h"

#include <gtest/gtest.h>

#include "codec/test_call.h"
#include "domain/model_traits.h"

namespace turnpike::codec::openai_edit_test {
namespace {

using domain::Trait;

struct Facts {
  std::vector<Trait> has = {};
  std::vector<Trait> lacks = {};
  bool drop = false;
  bool modify = false;
  std::vector<std::string> allowed = {};
  std::vector<std::string> additional_drop = {};
};

/// What goes out, or "<status> <param>" of the refusal.
std::string sent(std::string_view provider, std::string_view body, const Facts& facts = {}) {
  TestCall call(provider, std::string(body));
  for (const Trait trait : facts.has) call.input->traits.set(trait, true);
  for (const Trait trait : facts.lacks) call.input->traits.set(trait, false);
  call.input->traits.listed = !facts.has.empty() || !facts.lacks.empty();
  call.target.drop_unsupported = facts.drop;
  call.target.modify_params = facts.modify;
  call.target.allowed_params = facts.allowed;
  call.target.drop_params = facts.additional_drop;
  const auto encoded = call.encode();
  if (encoded) return body_of(*encoded);
  EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
  return "refused " + encoded.error().param + " " + encoded.error().code;
}

/// The same of a member, with everything else of the body left out of sight.
std::string member(std::string_view provider, std::string_view name, std::string_view value, const Facts& facts = {}) {
  const bool messages = name == "messages";
  std::string body = R"({"model":"g",)";
  if (!messages) body += R"("messages":[],)";
  const std::string head = R"({"model":"wire-model",)" + std::string(messages ? "" : R"("messages":[],)");
  body.append("\"").append(name).append("\":").append(value).append("}");
  std::string out = sent(provider, body, facts);
  const std::string key = "\"" + std::string(name) + "\":";
  if (out.starts_with(head + key))
    return out.substr(head.size() + key.size(), out.size() - head.size() - key.size() - 1);
  return out.starts_with("refused") ? out : out.find(key) == std::string::npos ? "left out" : out;
}

struct MemberCase {
  const char* name;
  const char* provider;
  const char* member;
  const char* value;
  const char* sent;
  Facts facts = {};
};

TEST(EditedParams, AreTakenRefusedOrLeftOutByRowAndValue) {
  const MemberCase cases[] = {
      {"taken", "groq", "temperature", "0.5", "0.5"},
      {"refused by name", "groq", "logprobs", "true", "refused logprobs unsupported_parameter"},
      {"a default asks for nothing", "groq", "logprobs", "false", "left out"},
      {"dropped where that was asked for", "groq", "logprobs", "true", "left out", {.drop = true}},
      {"allowed by name", "groq", "logprobs", "true", "true", {.allowed = {"logprobs"}}},
      {"dropped by name", "openai", "temperature", "1", "left out", {.additional_drop = {"temperature"}}},
      {"dropped by path",
       "openai",
       "tools",
       R"([{"type":"function","function":{"name":"f","strict":true}}])",
       R"([{"type":"function","function":{"name":"f"}}])",
       {.additional_drop = {"tools[*].function.strict"}}},
      {"hints go in silence", "groq", "store", "true", "left out"},
      {"hints go in silence: user", "nscale", "user", "\"u\"", "left out"},
      {"a hint that is taken", "groq", "service_tier", "\"flex\"", "\"flex\""},
      {"one answer", "groq", "n", "1", "left out"},
      {"several answers", "groq", "n", "2", "refused n unsupported_parameter"},
      {"several answers elsewhere", "cerebras", "n", "2", "2"},
      {"only what is listed", "morph", "temperature", "0.5", "refused temperature unsupported_parameter"},
      {"a name of the provider's own passes", "morph", "top_k", "4", "4"},
      {"a name nobody knows passes", "perplexity", "search_domain_filter", "[\"a\"]", "[\"a\"]"},
      {"no tools", "perplexity", "tools", "[{}]", "refused tools unsupported_parameter"},
      {"web search", "perplexity", "web_search_options", "{}", "{}"},
      {"web search elsewhere", "groq", "web_search_options", "{}", "refused web_search_options unsupported_parameter"},
      {"thinking is no word of OpenAI's", "openai", "thinking", R"({"type":"enabled"})",
       "refused thinking unsupported_parameter"},
      {"thinking", "deepseek", "thinking", R"({"type":"enabled"})", R"({"type":"enabled"})"},
      {"thinking that is off", "openai", "thinking", R"({"type":"disabled"})", "left out"},
      {"an empty list of tools", "mistral", "tools", "[]", "left out"},
      {"choice auto only", "zai", "tool_choice", "\"required\"", "refused tool_choice unsupported_parameter"},
      {"choice none", "zai", "tool_choice", "\"none\"", "\"none\""},
      {"choice any", "fireworks_ai", "tool_choice", "\"required\"", "\"any\""},
      {"choice any leaves the others", "fireworks_ai", "tool_choice", "\"none\"", "\"none\""},
      {"tools of a model that has none",
       "together_ai",
       "tools",
       "[{}]",
       "refused tools unsupported_parameter",
       {.lacks = {Trait::FunctionCalling}}},
      {"tools of a model nobody listed", "together_ai", "tools", "[{}]", "[{}]"},
      {"a format that says nothing", "groq", "response_format", R"({"type":"text"})", "left out"},
      {"it is OpenAI's own", "openai", "response_format", R"({"type":"text"})", R"({"type":"text"})"},
      {"schema in the object", "fireworks_ai", "response_format",
       R"({"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}})",
       R"({"type":"json_object","schema":{"type":"object"}})"},
      {"schema for the object", "lm_studio", "response_format", R"({"type":"json_object"})",
       R"({"type":"json_schema","json_schema":{"name":"object","schema":{"type":"object"}}})"},
      {"a schema beside json_object", "openai", "response_format",
       R"({"type":"json_object","response_schema":{"type":"object"}})",
       R"({"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object"}}})"},
      {"a schema beside json_object, in its object", "fireworks_ai", "response_format",
       R"({"type":"json_object","response_schema":{"type":"object"}})",
       R"({"type":"json_object","schema":{"type":"object"}})"},
      {"schemas only", "meta_llama", "response_format", R"({"type":"json_object"})",
       "refused response_format unsupported_parameter"},
      {"too hot", "moonshot", "temperature", "1.7", "1"},
      {"as it is", "moonshot", "temperature", "0.1", "0.1"},
      {"xAI's reasoning models",
       "xai",
       "stop",
       "\"x\"",
       "refused stop unsupported_parameter",
       {.has = {Trait::Reasoning}}},
      {"xAI's others", "xai", "stop", "\"x\"", "\"x\"", {.has = {Trait::FunctionCalling}}},
      {"effort where nobody thinks",
       "xai",
       "reasoning_effort",
       "\"low\"",
       "refused reasoning_effort unsupported_parameter",
       {.has = {Trait::FunctionCalling}}},
  };
  for (const MemberCase& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(member(c.provider, c.member, c.value, c.facts), c.sent);
  }
}

TEST(EditedParams, FollowWhatTheCallItselfSays) {
  EXPECT_EQ(sent("groq", R"({"model":"g","messages":[],"logprobs":true,"drop_params":true})"),
            R"({"model":"wire-model","messages":[]})");
  EXPECT_EQ(sent("groq", R"({"model":"g","messages":[],"logprobs":true,"drop_params":false})", {.drop = true}),
            "refused logprobs unsupported_parameter");
  EXPECT_EQ(sent("groq", R"({"model":"g","messages":[],"logprobs":true,"allowed_openai_params":["logprobs"]})"),
            R"({"model":"wire-model","messages":[],"logprobs":true})");
  EXPECT_EQ(
      sent(
          "openai",
          R"({"model":"g","messages":[],"seed":1,"metadata":{"a":"b","c":"d"},"additional_drop_params":["seed","metadata.a"]})"),
      R"({"model":"wire-model","messages":[],"metadata":{"a":"b","c":"d"}})");
}

TEST(EditedParams, OfOpenAisReasoningModels) {
  const Facts thinks{.has = {Trait::Reasoning, Trait::FunctionCalling}};
  const Facts may_think{.has = {Trait::Reasoning, Trait::FunctionCalling, Trait::NoneReasoningEffort}};
  const Facts chats{.has = {Trait::Reasoning}, .lacks = {Trait::FunctionCalling}};
  EXPECT_EQ(sent("openai", R"({"model":"g","messages":[],"max_tokens":5})", thinks),
            R"({"model":"wire-model","messages":[],"max_completion_tokens":5})");
  EXPECT_EQ(sent("openai", R"({"model":"g","messages":[],"max_tokens":5,"max_completion_tokens":7})", thinks),
            R"({"model":"wire-model","messages":[],"max_completion_tokens":7})");
  EXPECT_EQ(sent("openai", R"({"model":"g","messages":[],"max_tokens":5})"),
            R"({"model":"wire-model","messages":[],"max_tokens":5})");
  EXPECT_EQ(member("openai", "temperature", "0.5", thinks), "refused temperature unsupported_parameter");
  EXPECT_EQ(member("openai", "temperature", "1", thinks), "left out");
  EXPECT_EQ(member("openai", "temperature", "1.0", thinks), "left out");
  EXPECT_EQ(member("openai", "temperature", "0.5", {.has = thinks.has, .drop = true}), "left out");
  EXPECT_EQ(member("openai", "temperature", "0.5", may_think), "0.5");
  EXPECT_EQ(member("openai", "temperature", "0.5", chats), "0.5");
  EXPECT_EQ(sent("openai", R"({"model":"g","messages":[],"temperature":0.5,"reasoning_effort":"high"})", may_think),
            "refused temperature unsupported_parameter");
  EXPECT_EQ(sent("openai", R"({"model":"g","messages":[],"temperature":0.5,"reasoning_effort":"none"})", may_think),
            R"({"model":"wire-model","messages":[],"temperature":0.5,"reasoning_effort":"none"})");
}

TEST(EditedParams, AServerOfOnesOwnMayKnowThinking) {
  TestCall call("openai", R"({"model":"g","messages":[],"thinking":{"type":"enabled"}})");
  call.target.self_hosted = true;
  const auto encoded = call.encode();
  ASSERT_TRUE(encoded);
  EXPECT_EQ(body_of(*encoded), R"({"model":"wire-model","messages":[],"thinking":{"type":"enabled"}})");
}

TEST(EditedParams, AModelThatAnswersElsewhereSaysSo) {
  TestCall call("openai", R"({"model":"g","messages":[]})");
  call.input->traits.responses_only = true;
  const auto encoded = call.encode();
  ASSERT_FALSE(encoded);
  EXPECT_EQ(encoded.error().kind, ErrorKind::InvalidRequest);
  EXPECT_NE(encoded.error().message.find("/responses"), std::string::npos) << encoded.error().message;
}

TEST(EditedParams, AnEffortBecomesThinkingForModelsThatReason) {
  const Facts reasons{.has = {Trait::Reasoning}, .lacks = {}, .allowed = {}, .additional_drop = {}};
  const Facts silent{.has = {Trait::ToolChoice}, .lacks = {}, .allowed = {}, .additional_drop = {}};
  const auto body = [](std::string_view members) {
    return R"({"model":"wire-model","messages":[],)" + std::string(members) + "}";
  };
  const auto effort = [](std::string_view word) {
    return R"({"model":"g","messages":[],"reasoning_effort":")" + std::string(word) + "\"}";
  };
  EXPECT_EQ(sent("databricks", effort("none"), reasons), body(R"("thinking":{"type":"disabled"})"));
  EXPECT_EQ(sent("databricks", effort("low"), reasons), body(R"("thinking":{"type":"enabled","budget_tokens":1024})"));
  EXPECT_EQ(sent("databricks", effort("medium"), reasons),
            body(R"("thinking":{"type":"enabled","budget_tokens":2048})"));
  EXPECT_EQ(sent("databricks", effort("high"), reasons), body(R"("thinking":{"type":"enabled","budget_tokens":4096})"));
  EXPECT_EQ(sent("databricks", effort("high"), silent), body(R"("reasoning_effort":"high")"));
  EXPECT_EQ(sent("databricks", R"({"model":"g","messages":[],"reasoning_effort":"low","thinking":{"type":"disabled"}})",
                 reasons),
            body(R"("thinking":{"type":"disabled"})"));
}

TEST(EditedParams, AThinkingBudgetBecomesEffort) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"type":"enabled","budget_tokens":20000})", "high"},
      {R"({"type":"enabled","budget_tokens":10000})", "high"},
      {R"({"type":"enabled","budget_tokens":5000})", "medium"},
      {R"({"type":"enabled","budget_tokens":2000})", "low"},
      {R"({"type":"enabled","budget_tokens":1024})", "minimal"},
      {R"({"type":"adaptive"})", "medium"},
      {R"({"type":"disabled"})", ""},
  };
  for (const auto& [thinking, effort] : cases) EXPECT_EQ(effort_for_thinking(thinking), effort) << thinking;
  EXPECT_EQ(sent("hosted_vllm", R"({"model":"g","messages":[],"thinking":{"type":"enabled","budget_tokens":9000}})"),
            R"({"model":"wire-model","messages":[],"reasoning_effort":"medium"})");
  EXPECT_EQ(
      sent("hosted_vllm", R"({"model":"g","messages":[],"reasoning_effort":"low","thinking":{"type":"enabled"}})"),
      R"({"model":"wire-model","messages":[],"reasoning_effort":"low"})");
  EXPECT_EQ(member("hosted_vllm", "guided_json", R"({"type":"object"})"), R"({"type":"object"})");
}

TEST(EditedParams, ASchemaMayBeAskedForByATool) {
  const Facts without{.has = {Trait::FunctionCalling}, .lacks = {Trait::ResponseSchema}};
  constexpr const char* kAsked =
      R"({"model":"g","messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{}}}}})";
  EXPECT_EQ(
      sent("groq", kAsked, without),
      R"({"model":"wire-model","messages":[],"tools":[{"type":"function","function":{"name":"json_tool_call","parameters":{"type":"object","properties":{}}}}],"tool_choice":{"type":"function","function":{"name":"json_tool_call"}}})");
  EXPECT_EQ(
      sent("groq", kAsked, {.has = {Trait::ResponseSchema}}),
      R"({"model":"wire-model","messages":[],"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{}}}}})");
  EXPECT_EQ(
      sent(
          "groq",
          R"({"model":"g","messages":[],"tools":[{"type":"function"}],"response_format":{"type":"json_schema","json_schema":{}}})",
          without),
      "refused response_format unsupported_parameter");
  EXPECT_EQ(member("groq", "response_format", R"({"type":"json_object"})", without), R"({"type":"json_object"})");
}

TEST(EditedMessages, ByTheRowsQuirks) {
  const MemberCase cases[] = {
      {"nothing to do", "openai", "", R"([ {"role":"developer", "content":"snake_case _c _b" } ])",
       R"([ {"role":"developer", "content":"snake_case _c _b" } ])"},
      {"developer", "groq", "", R"([{"role":"developer","content":"a"}])", R"([{"role":"system","content":"a"}])"},
      {"marks", "openai", "",
       R"([{"role":"system","cache_control":{"type":"ephemeral"},"content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}])",
       R"([{"role":"system","content":[{"type":"text","text":"a"}]}])"},
      {"marks that are known", "openrouter", "",
       R"([{"role":"system","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}])",
       R"([{"role":"system","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}])"},
      {"what other dialects left", "openai", "",
       R"([{"role":"assistant","content":"a","reasoning_content":"r","thinking_blocks":[],"provider_specific_fields":{}}])",
       R"([{"role":"assistant","content":"a"}])"},
      {"annotations", "groq", "", R"([{"role":"assistant","content":"a","annotations":[],"refusal":null}])",
       R"([{"role":"assistant","content":"a"}])"},
      {"OpenAI takes its own answers back", "openai", "",
       R"([{"role":"assistant","content":"a","annotations":[],"refusal":null}])",
       R"([{"role":"assistant","content":"a","annotations":[],"refusal":null}])"},
      {"reasoning goes back where it is wanted", "deepseek", "",
       R"([{"role":"assistant","content":null,"reasoning_content":"r","thinking_blocks":[],"tool_calls":[{"id":"1"}]}])",
       R"([{"role":"assistant","content":null,"reasoning_content":"r","tool_calls":[{"id":"1"}]}])"},
      {"reasoning that the caller has not kept",
       "deepseek",
       "",
       R"([{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}])",
       R"([{"role":"assistant","content":null,"tool_calls":[{"id":"1"}],"reasoning_content":" "}])",
       {.modify = true}},
      {"a gateway below gets all", "litellm_proxy", "",
       R"([{"role":"developer","content":"a","cache_control":{},"thinking_blocks":[]}])",
       R"([{"role":"developer","content":"a","cache_control":{},"thinking_blocks":[]}])"},
      {"texts become one", "sambanova", "",
       R"([{"role":"user","content":[{"type":"text","text":"a\n"},{"type":"text","text":"\u00e9"}]}])",
       R"([{"role":"user","content":"a\n\u00e9"}])"},
      {"an image stays a part", "moonshot", "",
       R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}])",
       R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]}])"},
      {"no names", "xai", "",
       R"([{"role":"user","name":"Ada","content":"a"},{"role":"tool","name":"f","content":"b"}])",
       R"([{"role":"user","content":"a"},{"role":"tool","name":"f","content":"b"}])"},
      {"no nulls", "groq", "", R"([{"role":"assistant","content":null,"function_call":null,"x":null}])",
       R"([{"role":"assistant","content":null}])"},
      {"index of a call", "together_ai", "",
       R"([{"role":"assistant","annotations":[],"tool_calls":[{"index":0,"id":"c","type":"function","provider_specific_fields":{}}]}])",
       R"([{"role":"assistant","tool_calls":[{"id":"c","type":"function"}]}])"},
      {"a signature behind an id", "openai", "",
       R"([{"role":"assistant","tool_calls":[{"id":"call_1__thought__c2ln","type":"function"}]},{"role":"tool","tool_call_id":"call_1__thought__c2ln","content":"b"}])",
       R"([{"role":"assistant","tool_calls":[{"id":"call_1","type":"function"}]},{"role":"tool","tool_call_id":"call_1","content":"b"}])"},
      {"a tool's answer in parts", "deepinfra", "",
       R"([{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"a"}]},{"role":"tool","tool_call_id":"2","content":[{"type":"image_url"}]}])",
       R"([{"role":"tool","tool_call_id":"1","content":"a"},{"role":"tool","tool_call_id":"2","content":"[{\"type\":\"image_url\"}]"}])"},
      {"required in words", "moonshot", "", R"([{"role":"user","content":"a"}])", R"([{"role":"user","content":"a"}])"},
      {"a video", "hosted_vllm", "",
       R"([{"role":"user","content":[{"type":"file","file":{"file_data":"data:video/mp4;base64,AA"}}]}])",
       R"([{"role":"user","content":[{"type":"video_url","video_url":{"url":"data:video/mp4;base64,AA"}}]}])"},
      {"an image is an object", "openai", "",
       R"([{"role":"user","content":[{"type":"image_url","image_url":"https://a/b.png"},{"type":"image_url","image_url":{"url":"u"}}]}])",
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}},{"type":"image_url","image_url":{"url":"u"}}]}])"},
      {"an image for a model without eyes",
       "fireworks_ai",
       "",
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}])",
       R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png#transform=inline"}}]}])",
       {.has = {Trait::FunctionCalling}}},
      {"an image for a model with eyes",
       "fireworks_ai",
       "",
       R"([{"role":"user","content":[{"type":"image_url","image_url":"https://a/b.png"}]}])",
       R"([{"role":"user","content":[{"type":"image_url","image_url":"https://a/b.png"}]}])",
       {.has = {Trait::Vision}}},
  };
  for (const MemberCase& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(member(c.provider, "messages", c.value, c.facts), c.sent);
  }
  EXPECT_EQ(
      sent("moonshot", R"({"model":"g","messages":[{"role":"user","content":"a"}],"tool_choice":"required"})"),
      R"({"model":"wire-model","messages":[{"role":"user","content":"a"},{"role":"user","content":"Please select a tool to handle the current issue."}]})");
}

TEST(EditedMessages, OfMistral) {
  const MemberCase cases[] = {
      {"only what it knows", "mistral", "",
       R"([{"role":"user","name":"Ada","content":"a","x":1},{"role":"assistant","content":"b","tool_calls":null,"refusal":null},{"role":"user","content":"c"}])",
       R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}])"},
      {"ids of nine", "mistral", "",
       R"([{"role":"assistant","content":"","tool_calls":[{"index":0,"id":"call_0123456789","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"abcDEF789","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_0123456789","content":"1"},{"role":"tool","tool_call_id":"abcDEF789","content":"2"}])",
       R"([{"role":"assistant","content":"","tool_calls":[{"id":"ID","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"abcDEF789","type":"function","function":{"name":"g","arguments":"{}"}}]},{"role":"tool","tool_call_id":"ID","content":"1"},{"role":"tool","tool_call_id":"abcDEF789","content":"2"}])"},
      {"an answer that says nothing", "mistral", "",
       R"([{"role":"assistant","content":""},{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[]}])",
       R"([{"role":"user","content":"a"}])"},
      {"an answer to go on with", "mistral", "",
       R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])",
       R"([{"role":"user","content":"a"},{"role":"assistant","content":"b","prefix":true}])"},
      {"a question behind a tool",
       "mistral",
       "",
       R"([{"role":"tool","tool_call_id":"abcDEF789","content":"a"},{"role":"user","content":"b"}])",
       R"([{"role":"tool","tool_call_id":"abcDEF789","content":"a"},{"role":"assistant","content":"OK."},{"role":"user","content":"b"}])",
       {.modify = true}},
      {"the same as it is", "mistral", "",
       R"([{"role":"tool","tool_call_id":"abcDEF789","content":"a"},{"role":"user","content":"b"}])",
       R"([{"role":"tool","tool_call_id":"abcDEF789","content":"a"},{"role":"user","content":"b"}])"},
      {"parts", "mistral", "",
       R"([{"role":"user","content":[{"type":"file","file":{"file_id":"f1"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AA"}},{"type":"input_audio","input_audio":{"data":"BB","format":"wav"}},{"type":"image_url","image_url":"https://a/b.png"}]}])",
       R"([{"role":"user","content":[{"type":"file","file_id":"f1"},{"type":"document_url","document_url":"data:application/pdf;base64,AA"},{"type":"input_audio","input_audio":"BB"},{"type":"image_url","image_url":"https://a/b.png"}]}])"},
      {"thoughts go back", "mistral", "",
       R"([{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]},{"role":"user","content":"b"}])",
       R"([{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]},{"role":"user","content":"b"}])"},
  };
  const std::string id = tool_id_for("call_0123456789", true);
  for (const MemberCase& c : cases) {
    SCOPED_TRACE(c.name);
    std::string wanted = c.sent;
    for (std::size_t at = wanted.find("\"ID\""); at != std::string::npos; at = wanted.find("\"ID\"")) {
      wanted.replace(at + 1, 2, id);
    }
    EXPECT_EQ(member(c.provider, "messages", c.value, c.facts), wanted);
  }
}

TEST(EditedTools, ByTheRowsQuirks) {
  const MemberCase cases[] = {
      {"nothing to do", "openai", "",
       R"([ {"type":"function","function":{"name":"f","strict":true,"parameters":{"additionalProperties":false}}}])",
       R"([ {"type":"function","function":{"name":"f","strict":true,"parameters":{"additionalProperties":false}}}])"},
      {"marks", "openai", "",
       R"([{"type":"function","cache_control":{},"function":{"name":"f","cache_control":{},"parameters":{"properties":{"cache_control":{}}}}}])",
       R"([{"type":"function","function":{"name":"f","parameters":{"properties":{"cache_control":{}}}}}])"},
      {"not strict", "xai", "", R"([{"type":"function","function":{"strict":true,"name":"f","parameters":{}}}])",
       R"([{"type":"function","function":{"name":"f","parameters":{}}}])"},
      {"no additional properties at any depth", "hosted_vllm", "",
       R"([{"function":{"parameters":{"properties":{"a":{"additionalProperties":false,"type":"object"}},"anyOf":[{"additionalProperties":true}],"additionalProperties":false}}}])",
       R"([{"function":{"parameters":{"properties":{"a":{"type":"object"}},"anyOf":[{}]}}}])"},
      {"references", "mistral", "",
       R"([{"function":{"name":"f","parameters":{"$defs":{"City":{"type":"string"},"Trip":{"items":{"$ref":"#/$defs/City"}}},"properties":{"t":{"$ref":"#/$defs/Trip"},"u":{"$ref":"#/$defs/None"}}}}}])",
       R"([{"function":{"name":"f","parameters":{"properties":{"t":{"items":{"type":"string"}},"u":{}}}}}])"},
      {"a reference inside itself ends", "mistral", "",
       R"([{"function":{"parameters":{"$defs":{"N":{"$ref":"#/$defs/N"}},"properties":{"n":{"$ref":"#/$defs/N"}}}}}])",
       R"([{"function":{"parameters":{"properties":{"n":{}}}}}])"},
  };
  for (const MemberCase& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(member(c.provider, "tools", c.value, c.facts), c.sent);
  }
}

TEST(EditedTools, ReferencesThatMultiplyStayBounded) {
  // Each definition names the next one eight times: 8^14 copies.
  std::string defs;
  for (int i = 0; i < 14; ++i) {
    defs += (i > 0 ? ",\"d" : "\"d") + std::to_string(i) + "\":{\"anyOf\":[";
    for (int k = 0; k < 8; ++k)
      defs += (k > 0 ? ",{\"$ref\":\"#/$defs/d" : "{\"$ref\":\"#/$defs/d") + std::to_string(i + 1) + "\"}";
    defs += "]}";
  }
  const std::string tools = R"([{"function":{"parameters":{"$defs":{)" + defs + R"(},"$ref":"#/$defs/d0"}}}])";
  EXPECT_LT(member("mistral", "tools", tools).size(), std::size_t{2} << 20);
}

TEST(ToolIds, FitAndStayTheSame) {
  EXPECT_EQ(tool_id_for("call_1", false), "call_1");
  EXPECT_EQ(tool_id_for("call_1__thought__c2lnbmF0dXJl", false), "call_1");
  const std::string longer = "call_" + std::string(60, 'x');
  EXPECT_EQ(tool_id_for(longer, false).size(), 29U);
  EXPECT_EQ(tool_id_for(longer, false), tool_id_for(longer, false));
  EXPECT_NE(tool_id_for(longer, false), tool_id_for(longer + "y", false));
  EXPECT_EQ(tool_id_for("abcDEF123", true), "abcDEF123");
  EXPECT_EQ(tool_id_for("call_1", true).size(), 9U);
  EXPECT_EQ(tool_id_for("call_1", true), tool_id_for("call_1__thought__c2ln", true));
  EXPECT_NE(tool_id_for("call_1", true), tool_id_for("call_2", true));
}

TEST(SuspectsIn, FindsNamesAndNothingElse) {
  EXPECT_FALSE(suspects_in(R"({"a_b":"cache_control _thought thinking_blocks","tool_call_id":"call_1"})").any());
  EXPECT_TRUE(suspects_in(R"({"cache_control":1})").cache_marks);
  EXPECT_TRUE(suspects_in(R"({"thinking_blocks":1})").thinking);
  EXPECT_TRUE(suspects_in(R"({"reasoning_content":1})").thinking);
  EXPECT_TRUE(suspects_in(R"({"reasoning_details":1})").thinking);
  EXPECT_TRUE(suspects_in(R"({"provider_specific_fields":1})").own_fields);
  EXPECT_TRUE(suspects_in(R"({"tool_call_id":"a__thought__b"})").tool_id);
  EXPECT_TRUE(suspects_in(R"({"tool_call_id" : "0123456789012345678901234567890123456789x"})").tool_id);
  EXPECT_FALSE(suspects_in(R"({"tool_call_id" : "0123456789012345678901234567890123456789"})").tool_id);
  EXPECT_TRUE(suspects_in(R"({"tool_call_id":"a\"0123456789012345678901234567890123456789"})").tool_id);
  EXPECT_FALSE(suspects_in(R"({"type":"image_url","image_url":{"url":"u"}})").bare_images);
  EXPECT_TRUE(suspects_in(R"({"type":"image_url","image_url" : "u"})").bare_images);
  EXPECT_TRUE(suspects_in(R"({"role":"developer"})").developer);
  EXPECT_TRUE(suspects_in(R"({"annotations":[]})").annotations);
  EXPECT_TRUE(suspects_in(R"({"a" : null})").nulls);
  EXPECT_TRUE(suspects_in("{\"a\":\n\tnull}").nulls);
  EXPECT_FALSE(suspects_in(R"({"a":"null"})").nulls);
  EXPECT_TRUE(suspects_in(R"({"file_data":"data:video/mp4;base64,"})").videos);
  EXPECT_FALSE(suspects_in("\"").any());
  EXPECT_FALSE(suspects_in("\"tool_call_id\"").any());
}

}  // namespace
}  // namespace turnpike::codec::openai_edit_test
