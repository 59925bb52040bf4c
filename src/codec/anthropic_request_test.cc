#include "codec/anthropic_request.h"

#include <gtest/gtest.h>

#include <vector>

#include "codec/test_call.h"

namespace turnpike::codec::anthropic_request_test {
namespace {

using domain::Trait;

struct Model {
  std::vector<Trait> has = {};
  std::vector<Trait> lacks = {};
  bool listed = false;
  std::uint64_t output_max = 0;
  bool modify = false;
  bool drop = false;
  const char* provider = "anthropic";
  provider::Shape shape = provider::Shape::Anthropic;
};

Result<Encoded> encoded(const std::string& body, const Model& setup) {
  TestCall call(setup.provider, body);
  call.target.shape = setup.shape;
  call.target.model = "claude";
  call.target.modify_params = setup.modify;
  call.target.drop_unsupported = setup.drop;
  for (const Trait trait : setup.has) call.input->traits.set(trait, true);
  for (const Trait trait : setup.lacks) call.input->traits.set(trait, false);
  call.input->traits.listed = setup.listed;
  call.input->traits.max_output_tokens = setup.output_max;
  return call.encode();
}

/// What is sent for `members` of a call (its `model` is added), without the members that every row has.
std::string sent(const std::string& members, const Model& setup) {
  const Result<Encoded> request = encoded("{\"model\":\"m\"," + members + "}", setup);
  if (!request) return "400 " + request.error().param + ": " + request.error().message;
  std::string body = body_of(*request);
  for (const std::string_view common : {R"("model":"claude",)", R"("max_tokens":4096,)"}) {
    if (const std::size_t at = body.find(common); at != std::string::npos) body.erase(at, common.size());
  }
  return body;
}

struct Case {
  const char* name;
  const char* members;
  const char* body;
  Model setup = {};
};

constexpr const char* kHi = R"("messages":[{"role":"user","content":"hi"}])";
constexpr const char* kSentHi = R"("messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}])";

std::string filled(std::string text) {
  for (const auto& [mark, value] : {std::pair{"$HI", kHi}, {"$SENT", kSentHi}}) {
    for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
      text.replace(at, std::string_view(mark).size(), value);
    }
  }
  return text;
}

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(sent(filled(c.members), c.setup), filled(c.body));
  }
}

TEST(AnthropicRequest, LaysMessagesOutAsTurns) {
  check({
      {"a string is one block", "$HI", "{$SENT}"},
      {"system messages wherever they stand are moved apart, empty ones are dropped",
       R"("messages":[{"role":"system","content":"a"},{"role":"user","content":"hi"},{"role":"system","content":" "},
          {"role":"developer","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}])",
       R"({"system":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}],$SENT})"},
      {"the mark of a message stands on its last block",
       R"("messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],
          "cache_control":{"type":"ephemeral","ttl":"1h"}}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},)"
       R"({"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]}]})"},
      {"the same speaker twice is one turn, in order",
       R"("messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c"},
          {"role":"assistant","content":"d"},{"role":"user","content":"e"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},)"
       R"({"role":"user","content":[{"type":"text","text":"e"}]}]})"},
      {"a turn that says nothing is none, and its neighbours meet",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":" \n"},{"role":"user","content":"b"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})"},
      {"what the model goes on from does not end in white space",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"So: \n"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"So:"}]}]})"},
      {"a refusal of earlier is text",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"refusal":"No."},
          {"role":"user","content":"b"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"No."}]},)"
       R"({"role":"user","content":[{"type":"text","text":"b"}]}]})"},
      {"a refusal that the model goes on from does not end in white space",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"refusal":"No. \n"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"No."}]}]})"},
      {"nobody but the system speaks", R"("messages":[{"role":"system","content":"a"}])",
       "400 messages: 'messages' must hold a message that is no system message and not empty"},
      {"unless that is to be repaired",
       R"("messages":[{"role":"system","content":"a"}])",
       R"({"system":[{"type":"text","text":"a"}],)"
       R"("messages":[{"role":"user","content":[{"type":"text","text":"Please continue."}]}]})",
       {.modify = true}},
      {"the assistant does not speak first where that is to be repaired",
       R"("messages":[{"role":"assistant","content":"a"},{"role":"user","content":"b"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"."}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"user","content":[{"type":"text","text":"b"}]}]})",
       {.modify = true}},
  });
}

TEST(AnthropicRequest, SystemMessagesStayInPlaceWhereTheModelTakesThem) {
  const Model mid = {.has = {Trait::MidConversationSystem}};
  check({
      {"behind the turn of the user they follow or precede",
       R"("messages":[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"system","content":"b"},
          {"role":"assistant","content":"c"},{"role":"system","content":"d"},{"role":"system","content":"e"},
          {"role":"user","content":"f"}])",
       R"({"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"system","content":[{"type":"text","text":"b"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"c"}]},)"
       R"({"role":"user","content":[{"type":"text","text":"f"}]},)"
       R"({"role":"system","content":[{"type":"text","text":"d"},{"type":"text","text":"e"}]}]})",
       mid},
      {"with no turn of the user left they go to the top",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"c"},{"role":"system","content":"d"}])",
       R"({"system":[{"type":"text","text":"d"}],"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"c"}]}]})",
       mid},
  });
}

TEST(AnthropicRequest, ToolCallsAndTheirResults) {
  check({
      {"results come first in one turn, whoever spoke between; ids get good letters",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","tool_calls":[
          {"id":"call:1","type":"function","function":{"name":"f","arguments":"{\"x\": 1}"}},
          {"id":"call 2","type":"function","function":{"name":"g","arguments":""}}]},
          {"role":"tool","tool_call_id":"call:1","content":"one"},{"role":"user","content":"and?"},
          {"role":"tool","tool_call_id":"call 2","content":[{"type":"text","text":"two"},{"type":"image_url",
          "image_url":{"url":"https://x.example/a.png"}}],"cache_control":{"type":"ephemeral"},"is_error":true}],
          "tools":[{"type":"function","function":{"name":"f"}}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[)"
       R"({"type":"text","text":"b"},{"type":"tool_use","id":"call_1","name":"f","input":{"x": 1}},)"
       R"({"type":"tool_use","id":"call_2","name":"g","input":{}}]},{"role":"user","content":[)"
       R"({"type":"tool_result","tool_use_id":"call_1","content":"one"},)"
       R"({"type":"tool_result","tool_use_id":"call_2","content":[{"type":"text","text":"two"},)"
       R"({"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}],"is_error":true,)"
       R"("cache_control":{"type":"ephemeral"}},{"type":"text","text":"and?"}]}],)"
       R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]})"},
      {"an id used again in a later turn is another id",
       R"("messages":[{"role":"user","content":"a"},
          {"role":"assistant","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"c0","content":"1"},
          {"role":"assistant","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"c0","content":""}],"tools":[{"type":"function","function":{"name":"f"}}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"tool_use","id":"c0","name":"f","input":{}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c0","content":"1"}]},)"
       R"({"role":"assistant","content":[{"type":"tool_use","id":"c0_2","name":"f","input":{}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c0_2"}]}],)"
       R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]})"},
      {"the same call twice in one turn is one",
       R"("messages":[{"role":"user","content":"a"},
          {"role":"assistant","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"assistant","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"c0","content":"1"}],"tools":[{"type":"function","function":{"name":"f"}}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"tool_use","id":"c0","name":"f","input":{}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c0","content":"1"}]}],)"
       R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]})"},
      {"functions of the older form",
       R"("messages":[{"role":"user","content":"a"},
          {"role":"assistant","function_call":{"name":"f","arguments":"{\"x\":1}"}},
          {"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":"auto")",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"tool_use","id":"call_function_0","name":"f","input":{"x":1}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"call_function_0","content":"1"}]}],)"
       R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"auto"}})"},
      {"calls in the history and no tools: a stand-in where that is to be repaired",
       R"("messages":[{"role":"user","content":"a"},
          {"role":"assistant","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"c0","content":"1"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"tool_use","id":"c0","name":"f","input":{}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c0","content":"1"}]}],)"
       R"("tools":[{"name":"dummy_tool","description":"Stands in for tools of earlier turns; not to be called.",)"
       R"("input_schema":{"type":"object","properties":{}}}]})",
       {.modify = true}},
  });
}

TEST(AnthropicRequest, ThinkingOfEarlierTurnsGoesBackAsItCame) {
  check({
      {"sealed thinking first and byte for byte, redacted too; another provider's is left out",
       R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","thinking_blocks":[
          {"type":"thinking","thinking":"caf\u00e9 \"x\"\n","signature":"s+/=="},
          {"type":"redacted_thinking","data":"d=="},{"type":"thinking","thinking":"","signature":"t"},
          {"type":"thinking","thinking":"unsealed"}]},{"role":"user","content":"c"},
          {"role":"assistant","content":"d","reasoning_content":"of DeepSeek"},{"role":"user","content":"e"}])",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[)"
       R"({"type":"thinking","thinking":"café \"x\"\n","signature":"s+/=="},{"type":"redacted_thinking","data":"d=="},)"
       R"({"type":"thinking","thinking":"","signature":"t"},{"type":"text","text":"b"}]},)"
       R"({"role":"user","content":[{"type":"text","text":"c"}]},)"
       R"({"role":"assistant","content":[{"type":"text","text":"d"}]},)"
       R"({"role":"user","content":[{"type":"text","text":"e"}]}]})"},
  });
}

TEST(AnthropicRequest, ImagesAndDocuments) {
  const auto part = [](const char* json) {
    return std::string(R"("messages":[{"role":"user","content":[)") + json + "]}]";
  };
  struct Row {
    const char* name;
    const char* part;
    const char* block;
  };
  const Row rows[] = {
      {"https is fetched there", R"({"type":"image_url","image_url":"https://x.example/a"})",
       R"({"type":"image","source":{"type":"url","url":"https://x.example/a"}})"},
      {"bytes say what they are", R"({"type":"image_url","image_url":{"url":"data:image/png;base64,/9j/4AAQ"}})",
       R"({"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/4AAQ"}})"},
      {"image/jpg is no type", R"({"type":"image_url","image_url":{"url":"data:image/jpg;base64,QUJD"}})",
       R"({"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"QUJD"}})"},
      {"a PDF among the images", R"({"type":"image_url","image_url":{"url":"data:application/pdf;base64,JVBERi0="}})",
       R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}})"},
      {"a PDF with its name",
       R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="},
           "cache_control":{"type":"ephemeral"}})",
       R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},)"
       R"("title":"a.pdf","cache_control":{"type":"ephemeral"}})"},
      {"text is read",
       R"({"type":"file","file":{"filename":"a.md","file_data":"data:text/markdown;base64,IyBjYWbDqQ=="}})",
       R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"# café"},"title":"a.md"})"},
      {"a PDF by address", R"({"type":"file","file":{"file_id":"https://x.example/a.pdf"}})",
       R"({"type":"document","source":{"type":"url","url":"https://x.example/a.pdf"}})"},
      {"a file of the provider's store", R"({"type":"file","file":{"file_id":"file_1"}})",
       R"({"type":"document","source":{"type":"file","file_id":"file_1"}})"},
      {"an image of it", R"({"type":"file","file":{"file_id":"file_1","format":"image/png"}})",
       R"({"type":"image","source":{"type":"file","file_id":"file_1"}})"},
      {"a table is for code to read",
       R"({"type":"file","file":{"file_id":"file_1","format":"application/vnd.ms-excel"}})",
       R"({"type":"container_upload","file_id":"file_1"})"},
      {"the API's own blocks", R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"},
          "citations":{"enabled":true}})",
       R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"x"},
          "citations":{"enabled":true}})"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(sent(part(row.part), {}), std::string(R"({"messages":[{"role":"user","content":[)") + row.block + "]}]}");
  }
  check({
      {"audio",
       R"("messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"QQ==","format":"wav"}}]}])",
       "400 messages[0].content: 'messages[0].content': audio is not taken"},
      {"a zip file",
       R"("messages":[{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/zip;base64,QQ=="}}]}])",
       "400 messages[0].content: 'messages[0].content': files of type 'application/zip' are not taken: PDF and text "
       "are"},
      {"Google's store", R"("messages":[{"role":"user","content":[{"type":"image_url","image_url":"gs://b/a.png"}]}])",
       "400 messages[0].content: 'messages[0].content': the provider cannot fetch gs://b/a.png"},
  });
}

TEST(AnthropicRequest, Tools) {
  check({
      {"schema, description, mark; strict where the model has it",
       R"($HI,"tools":[{"type":"function","function":{"name":"f","description":"d","strict":true,"parameters":
          {"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":9}},"required":["n"]}},
          "cache_control":{"type":"ephemeral"}}])",
       R"({$SENT,"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"n":)"
       R"({"type":"integer","description":"{minimum: 1, maximum: 9}"}},"required":["n"],"additionalProperties":false},)"
       R"("strict":true,"cache_control":{"type":"ephemeral"}}]})",
       {.has = {Trait::NativeStructuredOutput}}},
      {"not strict where it has not",
       R"($HI,"tools":[{"type":"function","function":{"name":"f","strict":true,
          "parameters":{"properties":{"n":{"type":"integer","minimum":1}}}}}])",
       R"({$SENT,"tools":[{"name":"f","input_schema":{"type":"object","properties":{"n":{"type":"integer","minimum":1}}}}]})",
       {.listed = true}},
      {"no alternatives at the top",
       R"($HI,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{}},
          "anyOf":[{"required":["a"]}]}}}])",
       R"({$SENT,"tools":[{"name":"f","input_schema":{"type":"object","properties":{"a":{}}}}]})"},
      {"the API's own go as they are",
       R"($HI,"tools":[{"type":"bash_20250124","name":"bash"},{"name":"g","input_schema":{"type":"object"}}])",
       R"({$SENT,"tools":[{"type":"bash_20250124","name":"bash"},{"name":"g","input_schema":{"type":"object"}}]})"},
      {"choices: required", R"($HI,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required",
          "parallel_tool_calls":false)",
       R"({$SENT,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],)"
       R"("tool_choice":{"type":"any","disable_parallel_tool_use":true}})"},
      {"choices: none knows nothing of parallel",
       R"($HI,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"none","parallel_tool_calls":false)",
       R"({$SENT,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"none"}})"},
      {"choices: one by one without a choice",
       R"($HI,"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false)",
       R"({$SENT,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],)"
       R"("tool_choice":{"type":"auto","disable_parallel_tool_use":true}})"},
      {"choices: some of them",
       R"($HI,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
          "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function",
          "function":{"name":"g"}}]}})",
       R"({$SENT,"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"any"}})"},
      {"names in letters the API does not take",
       R"($HI,"tools":[{"type":"function","function":{"name":"a.b"}},{"type":"function","function":{"name":"a_b"}}],
          "tool_choice":{"type":"function","function":{"name":"a.b"}})",
       R"({$SENT,"tools":[{"name":"a_b_2","input_schema":{"type":"object","properties":{}}},)"
       R"({"name":"a_b","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"a_b_2"}})"},
      {"free text is no input", R"($HI,"tools":[{"type":"custom","custom":{"name":"f"}}])",
       "400 tools[0].type: 'tools[0].type': tools of type custom are not taken by this provider"},
      {"a choice without tools says nothing", R"($HI,"tool_choice":"auto")", "{$SENT}"},
      {"searching the web",
       R"($HI,"web_search_options":{"search_context_size":"medium","user_location":{"type":"approximate",
          "approximate":{"city":"Paris","country":"FR"}}})",
       R"({$SENT,"tools":[{"type":"web_search_20250305","name":"web_search","user_location":{"type":"approximate",)"
       R"("city":"Paris","country":"FR"},"max_uses":5}]})"},
  });
}

TEST(AnthropicRequest, StructuredOutput) {
  const Model native = {.has = {Trait::NativeStructuredOutput}};
  check({
      {"by grammar: objects are closed, what it cannot hold stands in words",
       R"($HI,"response_format":{"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object","properties":{
          "a":{"type":"array","items":{"$ref":"#/$defs/d"},"minItems":2,"description":"A."},
          "b":{"oneOf":[{"type":"string","format":"date"},{"type":"string","format":"color"}]}},
          "$defs":{"d":{"type":"object","properties":{"minimum":{"type":"number"}}}}}}})",
       R"({$SENT,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{)"
       R"("a":{"type":"array","items":{"$ref":"#/$defs/d"},"description":"A.\n\n{minItems: 2}"},)"
       R"("b":{"anyOf":[{"type":"string","format":"date"},{"type":"string","description":"{format: \"color\"}"}]}},)"
       R"("$defs":{"d":{"type":"object","properties":{"minimum":{"type":"number"}},"additionalProperties":false}},)"
       R"("additionalProperties":false}}}})",
       native},
      {"effort and format share a member, and the caller's word stands",
       R"($HI,"reasoning_effort":"high","output_config":{"effort":"max","task_budget":{"type":"tokens","total":9}},
          "response_format":{"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object"}}})",
       R"({$SENT,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"max",)"
       R"("task_budget":{"type":"tokens","total":9},)"
       R"("format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}})",
       {.has = {Trait::NativeStructuredOutput, Trait::AdaptiveThinking}}},
  });
}

TEST(AnthropicRequest, JsonByToolWhereNoGrammarHolds) {
  struct {
    const char* name;
    const char* format;
    Model setup;
  } const rows[] = {
      {"no structured output", R"({"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object"}}})", {}},
      {"any object", R"({"type":"json_object"})", {.has = {Trait::NativeStructuredOutput}}},
      {"a map",
       R"({"type":"json_schema","json_schema":{"name":"p","schema":{"type":"object",
          "additionalProperties":{"type":"string"}}}})",
       {.has = {Trait::NativeStructuredOutput}}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const Result<Encoded> request =
        encoded(filled(R"({"model":"m",$HI,"response_format":)") + row.format + "}", row.setup);
    ASSERT_TRUE(request);
    EXPECT_TRUE(request->terms.json_tool);
    const std::string body = body_of(*request);
    EXPECT_NE(body.find(R"("tools":[{"name":"json_tool_call")"), std::string::npos) << body;
    EXPECT_NE(body.find(R"("tool_choice":{"type":"tool","name":"json_tool_call"})"), std::string::npos) << body;
    EXPECT_EQ(body.find("output_config"), std::string::npos) << body;
  }
}

TEST(AnthropicRequest, Thinking) {
  const Model budget = {.has = {Trait::Reasoning}, .listed = true, .output_max = 64000};
  const Model adaptive = {.has = {Trait::Reasoning, Trait::AdaptiveThinking}, .listed = true, .output_max = 64000};
  check({
      {"minimal is the least the API takes", R"($HI,"reasoning_effort":"minimal")",
       R"({"max_tokens":64000,$SENT,"thinking":{"type":"enabled","budget_tokens":1024}})", budget},
      {"medium", R"($HI,"reasoning_effort":"medium")",
       R"({"max_tokens":64000,$SENT,"thinking":{"type":"enabled","budget_tokens":2048}})", budget},
      {"high stays below the limit", R"($HI,"reasoning_effort":"high","max_tokens":3000)",
       R"({"max_tokens":3000,$SENT,"thinking":{"type":"enabled","budget_tokens":2999}})", budget},
      {"no room to think", R"($HI,"reasoning_effort":"high","max_tokens":1024)", R"({"max_tokens":1024,$SENT})",
       budget},
      {"no limit known: room for both", R"($HI,"reasoning_effort":"high")",
       R"({"max_tokens":8192,$SENT,"thinking":{"type":"enabled","budget_tokens":4096}})"},
      {"an effort where the model has it", R"($HI,"reasoning_effort":"minimal")",
       R"({"max_tokens":64000,$SENT,"thinking":{"type":"adaptive","display":"summarized"},)"
       R"("output_config":{"effort":"low"}})",
       adaptive},
      {"the strongest it knows", R"($HI,"reasoning_effort":"max")",
       R"({"max_tokens":64000,$SENT,"thinking":{"type":"adaptive","display":"summarized"},)"
       R"("output_config":{"effort":"high"}})",
       adaptive},
      {"xhigh where it is known",
       R"($HI,"reasoning_effort":"xhigh")",
       R"({$SENT,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"xhigh"}})",
       {.has = {Trait::AdaptiveThinking, Trait::XhighReasoningEffort}, .listed = true}},
      {"none is silence", R"($HI,"reasoning_effort":"none")", R"({"max_tokens":64000,$SENT})", adaptive},
      {"or said, where the model takes that",
       R"($HI,"reasoning_effort":"none")",
       R"({$SENT,"thinking":{"type":"disabled"}})",
       {.has = {Trait::NoneReasoningEffort}}},
      {"as the caller writes it", R"($HI,"thinking":{"type":"enabled","budget_tokens":2000})",
       R"({"max_tokens":6096,$SENT,"thinking":{"type":"enabled","budget_tokens":2000}})", budget},
      {"adaptive too, with an effort",
       R"($HI,"thinking":{"type":"adaptive","display":"omitted"},"reasoning_effort":"low")",
       R"({"max_tokens":64000,$SENT,"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"low"}})",
       adaptive},
      {"a budget where the model refuses budgets",
       R"($HI,"thinking":{"type":"enabled","budget_tokens":2000})",
       R"({"max_tokens":64000,$SENT,"thinking":{"type":"adaptive","display":"summarized"},)"
       R"("output_config":{"effort":"low"}})",
       {.has = {Trait::Reasoning, Trait::AdaptiveThinking},
        .lacks = {Trait::SamplingParams},
        .listed = true,
        .output_max = 64000,
        .modify = true}},
      {"a call without thinking stands before: the API refuses, a repair thinks no more",
       R"("messages":[{"role":"user","content":"a"},
          {"role":"assistant","tool_calls":[{"id":"c0","type":"function","function":{"name":"f","arguments":"{}"}}]},
          {"role":"tool","tool_call_id":"c0","content":"1"}],"tools":[{"type":"function","function":{"name":"f"}}],
          "reasoning_effort":"low")",
       R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
       R"({"role":"assistant","content":[{"type":"tool_use","id":"c0","name":"f","input":{}}]},)"
       R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c0","content":"1"}]}],)"
       R"("tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]})",
       {.has = {Trait::Reasoning}, .listed = true, .output_max = 4096, .modify = true}},
      {"nor does who is made to call a tool",
       R"($HI,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","reasoning_effort":"low")",
       R"({$SENT,"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"any"}})",
       {.has = {Trait::Reasoning}, .listed = true, .output_max = 4096, .modify = true}},
      {"a model that cannot", R"($HI,"reasoning_effort":"low")", "{$SENT}", {.listed = true, .drop = true}},
  });
  EXPECT_TRUE(sent(filled(R"($HI,"reasoning_effort":"low")"), {.listed = true}).starts_with("400 reasoning_effort: "));
}

TEST(AnthropicRequest, Parameters) {
  const Model no_sampling = {.lacks = {Trait::SamplingParams}};
  check({
      {"sampling as written", R"($HI,"temperature":0.50,"top_p":1e-1,"top_k":5,"max_completion_tokens":7)",
       R"({"max_tokens":7,$SENT,"temperature":0.50,"top_p":1e-1,"top_k":5})"},
      {"defaults say nothing", R"($HI,"temperature":1,"top_p":1.0)", "{$SENT}", no_sampling},
      {"dropped where that is asked",
       R"($HI,"temperature":0.2,"top_k":5)",
       "{$SENT}",
       {.lacks = {Trait::SamplingParams}, .drop = true}},
      {"stops; white space alone is none", R"($HI,"stop":["END","\n"," x"])",
       R"({$SENT,"stop_sequences":["END"," x"]})"},
      {"one stop", R"($HI,"stop":"END")", R"({$SENT,"stop_sequences":["END"]})"},
      {"who asks", R"($HI,"user":"u-17")", R"({$SENT,"metadata":{"user_id":"u-17"}})"},
      {"who asks, in metadata", R"($HI,"metadata":{"user_id":"u-17","x":"y"})",
       R"({$SENT,"metadata":{"user_id":"u-17"}})"},
      {"no e-mail address", R"($HI,"user":"ada@example.com")", "{$SENT}"},
      {"no telephone number", R"($HI,"user":"+44 (20) 7946-0958")", "{$SENT}"},
      {"tier auto", R"($HI,"service_tier":"auto")", R"({$SENT,"service_tier":"auto"})"},
      {"tier default", R"($HI,"service_tier":"default")", R"({$SENT,"service_tier":"standard_only"})"},
      {"another tier is OpenAI's own", R"($HI,"service_tier":"flex")", "{$SENT}"},
      {"streamed", R"($HI,"stream":true,"stream_options":{"include_usage":true})", R"({$SENT,"stream":true})"},
      {"what nobody here knows goes on top", R"($HI,"inference_geo":"us","container":{"id":"c"})",
       R"({$SENT,"inference_geo":"us","container":{"id":"c"}})"},
      {"n is 1", R"($HI,"n":1,"seed":7,"presence_penalty":0)", "{$SENT}", {.drop = true}},
  });
  EXPECT_TRUE(sent(filled(R"($HI,"temperature":0.2)"), no_sampling).starts_with("400 temperature: "));
  for (const char* param : {R"("n":2)", R"("seed":7)", R"("logprobs":true)", R"("logit_bias":{"1":1})"}) {
    EXPECT_TRUE(sent(filled("$HI,") + param, {}).starts_with("400 ")) << param;
  }
}

TEST(AnthropicRequest, WhoThinksSamplesAsTheApiLikes) {
  const Model thinker = {.has = {Trait::Reasoning}};
  EXPECT_TRUE(
      sent(filled(R"($HI,"reasoning_effort":"low","temperature":0.2)"), thinker).starts_with("400 temperature: "));
  EXPECT_TRUE(sent(filled(R"($HI,"reasoning_effort":"low","top_k":5)"), thinker).starts_with("400 top_k: "));
  EXPECT_TRUE(sent(filled(R"($HI,"reasoning_effort":"low","top_p":0.9)"), thinker).starts_with("400 top_p: "));
  check({
      {"dropped where the call asks for that", R"($HI,"reasoning_effort":"low","temperature":0.2,"drop_params":true)",
       R"({"max_tokens":5120,$SENT,"thinking":{"type":"enabled","budget_tokens":1024}})", thinker},
      {"a little of top_p is taken", R"($HI,"reasoning_effort":"low","top_p":0.95)",
       R"({"max_tokens":5120,$SENT,"thinking":{"type":"enabled","budget_tokens":1024},"top_p":0.95})", thinker},
      {"the default says nothing", R"($HI,"reasoning_effort":"low","temperature":1)",
       R"({"max_tokens":5120,$SENT,"thinking":{"type":"enabled","budget_tokens":1024}})", thinker},
      {"OpenAI's scale ends at 2", R"($HI,"temperature":1.5)", R"({$SENT,"temperature":1})", {.modify = true}},
  });
}

TEST(AnthropicRequest, FramesOfOtherClouds) {
  const std::string body = filled(R"({"model":"m",$HI,"stream":true,"anthropic_beta":["context-1m-2025-08-07"]})");
  const auto vertex = encoded(body, {.provider = "vertex_ai", .shape = provider::Shape::AnthropicVertex});
  ASSERT_TRUE(vertex);
  EXPECT_EQ(body_of(*vertex),
            filled(R"({"anthropic_version":"vertex-2023-10-16","max_tokens":4096,$SENT,"stream":true})"));
  EXPECT_NE(vertex->fields.find("anthropic-beta: context-1m-2025-08-07\r\n"), std::string::npos);
  EXPECT_EQ(vertex->fields.find("anthropic-version"), std::string::npos);
  EXPECT_EQ(vertex->path, "/v1/publishers/anthropic/models/claude:streamRawPredict");

  const auto bedrock = encoded(body, {.provider = "bedrock", .shape = provider::Shape::AnthropicBedrock});
  ASSERT_TRUE(bedrock);
  EXPECT_EQ(body_of(*bedrock), filled(R"({"anthropic_version":"bedrock-2023-05-31","max_tokens":4096,$SENT,)"
                                      R"("anthropic_beta":["context-1m-2025-08-07"]})"));
  EXPECT_EQ(bedrock->path, "/v1/model/claude/invoke-with-response-stream");
  EXPECT_NE(bedrock->fields.find("Accept: application/vnd.amazon.eventstream\r\n"), std::string::npos);
  EXPECT_EQ(bedrock->fields.find("anthropic-"), std::string::npos);
}

TEST(AnthropicRequest, BlocksOfTheApiGoBackWhereItsToolsAreNamed) {
  const std::string history = R"("messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b",
      "provider_specific_fields":{"server_tool_use":[
      {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},
      {"type":"server_tool_use","id":"srvtoolu_2","name":"web_search","input":{}}],
      "web_search_results":[{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}]}}])";
  EXPECT_EQ(sent(history + R"(,"tools":[{"type":"web_search_20250305","name":"web_search"}])", {}),
            R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[)"
            R"({"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},)"
            R"({"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]},{"type":"text","text":"b"},)"
            R"({"type":"server_tool_use","id":"srvtoolu_2","name":"web_search","input":{}}]}],)"
            R"("tools":[{"type":"web_search_20250305","name":"web_search"}]})");
  EXPECT_EQ(sent(history, {}), R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"}]},)"
                               R"({"role":"assistant","content":[{"type":"text","text":"b"}]}]})");
}

}  // namespace
}  // namespace turnpike::codec::anthropic_request_test
