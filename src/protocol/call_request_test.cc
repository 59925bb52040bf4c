#include "protocol/call_request.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::call_request_test {
namespace {

using domain::Operation;

Result<CallRequest> parse_chat(std::string_view members, std::string_view path_model = {}) {
  static thread_local std::string body;
  body = R"({"model":"gpt","messages":[])" + std::string(members) + "}";
  return parse_call(Operation::Chat, body, path_model);
}

TEST(ParseCall, ReadsTheFieldsWeActOn) {
  const auto call = parse_chat(
      R"(,"stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"n":2,"user":"u","tags":["a","b"],)"
      R"("metadata":{"tags":["b","c"],"spend_logs_metadata":{"x":1},"user_id":"v"},"num_retries":3,"timeout":1.5,)"
      R"("stream_timeout":2,"fallbacks":["x",{"model":"y","temperature":0}],"max_fallbacks":4,)"
      R"("mock_response":"hi","mock_timeout":true,"mock_delay":0.5,"mock_testing_fallbacks":true,"disable_fallbacks":true)");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_EQ(call->model, "gpt");
  EXPECT_TRUE(call->stream);
  EXPECT_TRUE(call->include_usage);
  EXPECT_EQ(call->output_tokens_max, 5U);
  EXPECT_EQ(call->choices, 2U);
  EXPECT_EQ(call->user, "u");
  EXPECT_EQ(call->tags, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(call->spend_logs_metadata_json, R"({"x":1})");
  EXPECT_EQ(call->metadata_json, R"({"tags":["b","c"],"spend_logs_metadata":{"x":1},"user_id":"v"})");
  EXPECT_EQ(call->num_retries, 3U);
  EXPECT_EQ(call->timeout_seconds, 1.5);
  EXPECT_EQ(call->stream_timeout_seconds, 2.0);
  ASSERT_EQ(call->fallbacks->size(), 2U);
  EXPECT_EQ((*call->fallbacks)[0].model, "x");
  EXPECT_EQ((*call->fallbacks)[0].overrides_json, "");
  EXPECT_EQ((*call->fallbacks)[1].model, "y");
  EXPECT_EQ((*call->fallbacks)[1].overrides_json, R"({"temperature":0})");
  EXPECT_EQ(call->max_fallbacks, 4U);
  EXPECT_EQ(call->mock_response_json, "\"hi\"");
  EXPECT_TRUE(call->mock_timeout);
  EXPECT_EQ(call->mock_delay_seconds, 0.5);
  EXPECT_TRUE(call->mock_testing_fallbacks);
  EXPECT_TRUE(call->disable_fallbacks);
}

TEST(ParseCall, FollowsTheOrderOfPlaces) {
  EXPECT_EQ(parse_chat(R"(,"max_tokens":5,"max_completion_tokens":7)")->output_tokens_max, 7U);
  EXPECT_EQ(parse_chat(R"(,"max_retries":2)")->num_retries, 2U);
  EXPECT_EQ(parse_chat(R"(,"request_timeout":2)")->timeout_seconds, 2.0);
  EXPECT_EQ(parse_chat(R"(,"metadata":{"user_id":"v"},"litellm_metadata":{"user":"w"})")->user, "w");
  EXPECT_EQ(parse_chat(R"(,"metadata":{"user_id":"v"})")->user, "v");
  EXPECT_EQ(parse_chat("", "from-path")->model, "from-path");
  EXPECT_EQ(parse_chat(R"(,"metadata":"{\"tags\":[\"t\"]}")")->tags, (std::vector<std::string>{"t"}));
}

TEST(ParseCall, TakesNullForAbsent) {
  const auto call = parse_chat(
      R"(,"stream":null,"stream_options":null,"n":null,"max_tokens":null,"user":null,"metadata":null,"tags":null,)"
      R"("fallbacks":null,"timeout":null,"mock_response":null)");
  ASSERT_TRUE(call) << call.error().message;
  EXPECT_FALSE(call->stream);
  EXPECT_EQ(call->choices, 1U);
  EXPECT_FALSE(call->output_tokens_max);
  EXPECT_FALSE(call->fallbacks);
  EXPECT_EQ(call->mock_response_json, "");
}

struct Refused {
  const char* members;
  const char* param;
};

TEST(ParseCall, NamesTheFieldAtFault) {
  const Refused refused[] = {
      {R"(,"stream":"yes")", "stream"},
      {R"(,"stream":true,"stream":false)", "stream"},
      {R"(,"mod\u0065l":"other")", "model"},
      {R"(,"n":0)", "n"},
      {R"(,"n":-1)", "n"},
      {R"(,"n":1.5)", "n"},
      {R"(,"n":100000)", "n"},
      {R"(,"max_tokens":"5")", "max_tokens"},
      {R"(,"max_tokens":-5)", "max_tokens"},
      {R"(,"max_completion_tokens":1e30)", "max_completion_tokens"},
      {R"(,"user":5)", "user"},
      {R"(,"tags":"a")", "tags"},
      {R"(,"tags":[1])", "tags"},
      {R"(,"metadata":[])", "metadata"},
      {R"(,"metadata":{"tags":[1]})", "metadata.tags"},
      {R"(,"num_retries":-1)", "num_retries"},
      {R"(,"timeout":-1)", "timeout"},
      {R"(,"timeout":"5")", "timeout"},
      {R"(,"fallbacks":"x")", "fallbacks"},
      {R"(,"fallbacks":[{"temperature":1}])", "fallbacks"},
      {R"(,"stream_options":[])", "stream_options"},
      {R"(,"stream_options":{"include_usage":1})", "stream_options.include_usage"},
      // Fields that would redirect traffic, at every depth that we read.
      {R"(,"api_base":"http://evil")", "api_base"},
      {R"(,"api\u005fbase":"http://evil")", "api_base"},
      {R"(,"base_url":"http://evil")", "base_url"},
      {R"(,"api_key":"k")", "api_key"},
      {R"(,"aws_region_name":"x")", "aws_region_name"},
      {R"(,"vertex_project":"x")", "vertex_project"},
      {R"(,"watsonx_token":"x")", "watsonx_token"},
      {R"(,"zen_api_key":"x")", "zen_api_key"},
      {R"(,"user_config":{})", "user_config"},
      {R"(,"extra_headers":{"host":"evil"})", "extra_headers"},
      {R"(,"metadata":{"a":[{"api_base":"x"}]})", "api_base"},
      {R"(,"metadata":{"a":{"b":{"langfuse_host":"x"}}})", "langfuse_host"},
      {R"(,"metadata":"{\"api_key\":1}")", "api_key"},
      {R"(,"litellm_metadata":{"base_url":"x"})", "base_url"},
      {R"(,"extra_body":{"x":{"api_base":"x"}})", "api_base"},
      {R"(,"fallbacks":[{"model":"x","api_base":"x"}])", "api_base"},
      {R"(,"guardrails":[{"mask":{"extra_body":{"api_base":"x"}}}])", "api_base"},
      {R"(,"unknown":{"deep":[[{"base_url":"x"}]]})", "base_url"},
      {R"(,"litellm_params":{"api_key":"x"})", "api_key"},
  };
  for (const Refused& c : refused) {
    SCOPED_TRACE(c.members);
    const auto call = parse_chat(c.members);
    ASSERT_FALSE(call);
    EXPECT_EQ(call.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(call.error().param, c.param) << call.error().message;
  }
}

TEST(ParseCall, LetsToolSchemasSayApiKey) {
  EXPECT_TRUE(parse_chat(
      R"(,"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"api_key":{"type":"string"}}}}}])"));
  EXPECT_TRUE(parse_chat(
      R"(,"response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{"organization":{}}}}})"));
  EXPECT_TRUE(parse_chat(R"(,"guided_json":{"properties":{"headers":{}}})"));
}

TEST(ParseCall, NoBodyIsAnEmptyObject) {
  for (const char* body : {"", " \r\n"}) {
    const auto call = parse_call(Operation::Chat, body, {});
    ASSERT_FALSE(call);
    EXPECT_EQ(call.error().param, "model");
    EXPECT_EQ(parse_call(Operation::Chat, body, "from-path").error().param, "messages");
  }
}

TEST(ParseCall, RefusesWhatIsNoCall) {
  struct Case {
    Operation operation;
    const char* body;
    const char* param;
    const char* says;
  };
  const Case cases[] = {
      {Operation::Chat, "model", "", "not valid JSON"},
      {Operation::Chat, "[]", "", "not a JSON object"},
      {Operation::Chat, R"({"model":"m","messages":[]}{})", "", "text after the end"},
      {Operation::Chat, R"({"model":"m","messages":[1,}]})", "", "not valid JSON"},
      {Operation::Chat, R"({"messages":[]})", "model", "litellm.BadRequestError"},
      {Operation::Chat, R"({"model":"","messages":[]})", "model", "litellm.BadRequestError"},
      {Operation::Chat, R"({"model":7,"messages":[]})", "model", "string"},
      {Operation::Chat, R"({"model":"m"})", "messages", "required"},
      {Operation::Chat, R"({"model":"m","messages":"x"})", "messages", "list"},
      {Operation::Completion, R"({"model":"m"})", "prompt", "required"},
      {Operation::Embedding, R"({"model":"m"})", "input", "required"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    const auto call = parse_call(c.operation, c.body, "");
    ASSERT_FALSE(call);
    EXPECT_EQ(call.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(call.error().param, c.param);
    EXPECT_NE(call.error().message.find(c.says), std::string::npos) << call.error().message;
  }
  EXPECT_TRUE(parse_call(Operation::Embedding, R"({"model":"m","input":["a"]})", ""));
  EXPECT_TRUE(parse_call(Operation::Completion, R"({"model":"m","prompt":"a"})", ""));
}

}  // namespace
}  // namespace turnpike::protocol::call_request_test
