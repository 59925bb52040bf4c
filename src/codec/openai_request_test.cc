#include <gtest/gtest.h>

#include "codec/test_call.h"

namespace turnpike::codec::openai_request_test {
namespace {

using domain::Operation;
using provider::Target;

Target target_of(const char* name) {
  Target target;
  target.provider = provider::find_provider(name);
  target.model = "wire-model";
  target.base.path = "/v1";
  return target;
}

struct Options {
  std::string overrides_json;
  bool ask_usage = true;
  std::string traceparent;
  std::string forward_fields;
};

struct Sent {
  std::string path;
  std::string fields;
  std::string body;
};

Sent send(std::string_view body, const Target& target, const Options& options = {},
          Operation operation = Operation::Chat, std::string_view path_model = {}) {
  TestCall call(target.provider->name, std::string(body), operation, path_model);
  call.target = target;
  call.input->overrides_json = options.overrides_json;
  call.input->ask_usage = options.ask_usage;
  call.input->traceparent = options.traceparent;
  call.input->forward_fields = options.forward_fields;
  auto encoded = call.encode();
  EXPECT_TRUE(encoded);
  if (!encoded) return {};
  // The result may move before it is sent.
  const Encoded moved = std::move(*encoded);
  return {moved.path, moved.fields, body_of(moved)};
}

struct Case {
  const char* name;
  const char* provider;
  const char* from_caller;
  const char* to_provider;
};

const Case kCases[] = {
    {"only the model changes", "openai",
     R"({ "model" : "group" , "messages":[{"role":"user","content":"a  b"}],"x_unknown":{"y":[1, 2]},"temperature":0.10})",
     R"({ "model" : "wire-model" , "messages":[{"role":"user","content":"a  b"}],"x_unknown":{"y":[1, 2]},"temperature":0.10})"},
    {"escaped model key", "openai", R"({"mod\u0065l":"g","messages":[]})",
     R"({"mod\u0065l":"wire-model","messages":[]})"},
    {"our own fields stay here", "openai",
     R"({"fallbacks":["x"],"model":"g","num_retries":1,"messages":[],"timeout":1,"tags":["t"],"cache":{"ttl":1},"mock_delay":0,"guardrails":["g"],"litellm_metadata":{},"drop_params":true,"no-log":true,"temperature":1,"ttl":5})",
     R"({"model":"wire-model","messages":[],"temperature":1})"},
    {"metadata that OpenAI takes", "openai", R"({"model":"g","messages":[],"metadata":{"a":"b"}})",
     R"({"model":"wire-model","messages":[],"metadata":{"a":"b"}})"},
    {"metadata that is ours", "openai", R"({"model":"g","messages":[],"metadata":{"tags":["t"]}})",
     R"({"model":"wire-model","messages":[]})"},
    {"metadata is for OpenAI only", "groq", R"({"model":"g","messages":[],"metadata":{"a":"b"}})",
     R"({"model":"wire-model","messages":[]})"},
    {"a gateway below gets what speaks to it", "litellm_proxy",
     R"({"model":"g","messages":[],"metadata":{"tags":["t"]},"tags":["u"],"num_retries":2})",
     R"({"model":"wire-model","messages":[],"metadata":{"tags":["t"]},"tags":["u"]})"},
    {"older token limit", "cerebras", R"({"model":"g","messages":[],"max_completion_tokens":5})",
     R"({"model":"wire-model","messages":[],"max_tokens":5})"},
    {"both token limits: the newer counts", "cerebras",
     R"({"model":"g","max_tokens":9,"messages":[],"max_completion_tokens":5})",
     R"({"model":"wire-model","messages":[],"max_tokens":5})"},
    {"OpenAI keeps the newer name", "openai", R"({"model":"g","messages":[],"max_completion_tokens":5})",
     R"({"model":"wire-model","messages":[],"max_completion_tokens":5})"},
    {"refused fields are dropped", "mistral", R"({"model":"g","messages":[],"seed":1,"user":"u","logit_bias":{}})",
     R"({"model":"wire-model","messages":[],"random_seed":1})"},
    {"usage is asked of streams", "openai", R"({"model":"g","messages":[],"stream":true})",
     R"({"model":"wire-model","messages":[],"stream":true,"stream_options":{"include_usage":true}})"},
    {"usage is asked beside other options", "openai",
     R"({"model":"g","messages":[],"stream":true,"stream_options":{"include_obfuscation":false}})",
     R"({"model":"wire-model","messages":[],"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}})"},
    {"usage is asked against the caller's no", "openai",
     R"({"model":"g","messages":[],"stream":true,"stream_options":{"include_usage":false}})",
     R"({"model":"wire-model","messages":[],"stream":true,"stream_options":{"include_usage":true}})"},
    {"usage asked already", "openai",
     R"({"model":"g","messages":[],"stream":true,"stream_options":{ "include_usage" : true }})",
     R"({"model":"wire-model","messages":[],"stream":true,"stream_options":{ "include_usage" : true }})"},
    {"stream_options null", "openai", R"({"model":"g","messages":[],"stream":true,"stream_options":null})",
     R"({"model":"wire-model","messages":[],"stream":true,"stream_options":{"include_usage":true}})"},
    {"a provider that refuses stream_options", "mistral",
     R"({"model":"g","messages":[],"stream":true,"stream_options":{"include_usage":true}})",
     R"({"model":"wire-model","messages":[],"stream":true})"},
    {"extra_body is poured out, the caller's own fields win", "openai",
     R"({"model":"g","messages":[],"top_k":1,"extra_body":{"top_k":2,"min_p":0.1,"num_retries":3}})",
     R"({"model":"wire-model","messages":[],"top_k":1,"min_p":0.1})"},
    {"a model name that needs escapes", "openai", R"({"model":"\u00e9","messages":[]})",
     R"({"model":"wire-model","messages":[]})"},
};

TEST(Encode, SplicesTheBody) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(send(c.from_caller, target_of(c.provider)).body, c.to_provider);
  }
}

TEST(Encode, AddsTheDeploymentsParametersWhereTheCallerGivesNone) {
  Target target = target_of("cerebras");
  target.default_params_json = R"({"temperature":0.5,"max_tokens":100,"top_p":1})";
  EXPECT_EQ(send(R"({"model":"g","messages":[],"temperature":1})", target).body,
            R"({"model":"wire-model","messages":[],"temperature":1,"max_tokens":100,"top_p":1})");
  EXPECT_EQ(send(R"({"model":"g","messages":[],"max_completion_tokens":7})", target).body,
            R"({"model":"wire-model","messages":[],"max_tokens":7,"temperature":0.5,"top_p":1})");
}

TEST(Encode, LetsAFallbacksParametersWin) {
  Target target = target_of("openai");
  target.default_params_json = R"({"temperature":0.5})";
  Options options;
  options.overrides_json = R"({"temperature":0,"messages":[1],"num_retries":9})";
  EXPECT_EQ(send(R"({"model":"g","messages":[],"temperature":1,"n":1})", target, options).body,
            R"({"model":"wire-model","n":1,"temperature":0,"messages":[1]})");
}

TEST(Encode, EditsTheMessagesOfAFallbackToo) {
  Options options;
  options.overrides_json = R"({"messages":[{"role":"user","content":"a","cache_control":{}}]})";
  EXPECT_EQ(send(R"({"model":"g","messages":[]})", target_of("openai"), options).body,
            R"({"model":"wire-model","messages":[{"role":"user","content":"a"}]})");
}

TEST(Encode, DropsWhatTheDeploymentDrops) {
  Target target = target_of("openai");
  target.drop_params = {"temperature", "stream_options"};
  EXPECT_EQ(send(R"({"model":"g","messages":[],"temperature":1,"stream":true})", target).body,
            R"({"model":"wire-model","messages":[],"stream":true})");
}

TEST(Encode, CanLeaveUsageUnasked) {
  Options options;
  options.ask_usage = false;
  EXPECT_EQ(send(R"({"model":"g","messages":[],"stream":true,"stream_options":{"include_usage":true}})",
                 target_of("openai"), options)
                .body,
            R"({"model":"wire-model","messages":[],"stream":true})");
}

TEST(Encode, NamesTheModelOfAPath) {
  EXPECT_EQ(send(R"({"messages":[]})", target_of("openai"), {}, Operation::Chat, "g").body,
            R"({"messages":[],"model":"wire-model"})");
}

TEST(Encode, ChoosesThePath) {
  Target target = target_of("openai");
  EXPECT_EQ(send(R"({"model":"g","messages":[]})", target).path, "/v1/chat/completions");
  EXPECT_EQ(send(R"({"model":"g","prompt":""})", target, {}, Operation::Completion).path, "/v1/completions");
  EXPECT_EQ(send(R"({"model":"g","input":""})", target, {}, Operation::Embedding).path, "/v1/embeddings");
  target.base.path = "/v1/chat/completions";
  EXPECT_EQ(send(R"({"model":"g","messages":[]})", target).path, "/v1/chat/completions");
  Target bare = target_of("mistral");
  bare.base.path = "";
  EXPECT_EQ(send(R"({"model":"g","messages":[]})", bare).path, "/v1/chat/completions");
}

TEST(Encode, WritesTheHead) {
  const Sent sent = send(R"({"model":"g","messages":[],"stream":true})", target_of("openai"));
  EXPECT_EQ(sent.fields,
            "Content-Type: application/json\r\nAccept: text/event-stream\r\nAccept-Encoding: identity\r\n"
            "User-Agent: turnpike/" TURNPIKE_VERSION "\r\nAuthorization: Bearer sk-secret\r\n");
  const auto holds = [](const Sent& s, std::string_view text) { return s.fields.find(text) != std::string::npos; };
  const Sent raw = send(R"({"model":"g","messages":[]})", target_of("assemblyai"));
  EXPECT_TRUE(holds(raw, "\r\nAuthorization: sk-secret\r\n"));
  const Sent header = send(R"({"model":"g","messages":[]})", target_of("sarvam"));
  EXPECT_TRUE(holds(header, "api-subscription-key: sk-secret\r\n"));
  EXPECT_FALSE(holds(header, "Bearer"));

  Target extra = target_of("openai");
  extra.extra_fields = "X-A: b\r\nauthorization: Basic z\r\nuser-agent: mine\r\n";
  Options options;
  options.traceparent = "00-1-2-01";
  options.forward_fields = "x-b: c\r\n";
  const Sent own = send(R"({"model":"g","messages":[]})", extra, options);
  EXPECT_FALSE(holds(own, "sk-secret")) << "the configured header replaces ours";
  EXPECT_FALSE(holds(own, "turnpike/"));
  EXPECT_TRUE(
      holds(own, "traceparent: 00-1-2-01\r\nX-A: b\r\nauthorization: Basic z\r\nuser-agent: mine\r\nx-b: c\r\n"));
}

TEST(Encode, SendsNoCredentialWhereThereIsNone) {
  TestCall call("hosted_vllm", R"({"model":"g","messages":[]})");
  call.credential = {};
  const auto encoded = call.encode();
  EXPECT_EQ(encoded->fields.find("Authorization"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::codec::openai_request_test
