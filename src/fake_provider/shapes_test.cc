// Every shape is asked by the gateway's own codec and its answers are read by it: both sides must mean the same.
#include <gtest/gtest.h>

#include <map>

#include "fake_provider/account.h"
#include "fake_provider/test_shape.h"
#include "fake_provider/words.h"
#include "json/document.h"

namespace turnpike::fake_provider::shapes_test {
namespace {

/// What a caller of the gateway is told.
struct Heard {
  std::string text;
  std::map<std::uint64_t, std::pair<std::string, std::string>> calls;  // Name and arguments.
  std::string finish;
  std::optional<domain::Usage> usage;
};

void hear(const json::Value& root, Heard& heard) {
  for (const json::Value choice : root.find("choices").elements()) {
    json::Value message = choice.find("message");
    if (!message) message = choice.find("delta");
    heard.text += message.find("content").text().value_or("");
    std::uint64_t position = 0;
    for (const json::Value call : message.find("tool_calls").elements()) {
      auto& entry = heard.calls[call.find("index").whole().value_or(position++)];
      entry.first += call.find("function").find("name").text().value_or("");
      entry.second += call.find("function").find("arguments").text().value_or("");
    }
    heard.finish += choice.find("finish_reason").text().value_or("");
  }
}

Heard hear_whole(const VendorCall& call, const Answer& answer) {
  const std::string body = scripted_whole(answer);
  protocol::ReplyOptions options;
  options.provider_label = call.label();
  std::string scratch, said;
  std::vector<std::string_view> pieces;
  const auto facts = call.codec().read_reply(options, call.encoded(), body, scratch, pieces);
  EXPECT_TRUE(facts) << facts.error().message << "\n" << body;
  for (const std::string_view piece : pieces) said += piece;
  Heard heard;
  if (!facts) return heard;
  if (facts->owes_usage) said += "}";  // Left open for it.
  json::Document document;
  EXPECT_TRUE(document.parse(said)) << said;
  hear(document.root(), heard);
  heard.usage = facts->usage;
  return heard;
}

Heard hear_stream(const VendorCall& call, const Answer& answer) {
  protocol::StreamOptions options;
  options.provider_label = call.label();
  options.include_usage = true;
  const auto stream = call.codec().follow(std::move(options), call.encoded());
  std::string said;
  std::vector<std::string_view> pieces;
  const auto take = [&] {
    for (const std::string_view piece : pieces) said += piece;
    pieces.clear();
  };
  for (const Event& event : scripted_events(answer)) {
    const Status fed = stream->feed(event.bytes, pieces);
    EXPECT_TRUE(fed) << fed.error().message << "\n" << event.bytes;
    take();
  }
  if (!stream->done()) {
    const Status finished = stream->finish(pieces);
    EXPECT_TRUE(finished) << finished.error().message;
    take();
  }
  Heard heard;
  for (std::string_view line : base::split(said, '\n')) {
    json::Document document;
    if (line.starts_with("data: {") && document.parse(line.substr(6))) hear(document.root(), heard);
  }
  heard.usage = stream->usage();
  return heard;
}

std::string written_by(const Ask& ask, const Tokens& tokens) {
  return text_of_tokens(ask, tokens.completion, 0);
}

void expect_usage(const Heard& heard, const Tokens& tokens) {
  ASSERT_TRUE(heard.usage);
  EXPECT_EQ(heard.usage->prompt_tokens(), static_cast<std::uint64_t>(tokens.prompt));
  EXPECT_EQ(heard.usage->completion_tokens(), static_cast<std::uint64_t>(tokens.completion));
  EXPECT_EQ(heard.usage->of(domain::Unit::CachedInputTokens), static_cast<std::uint64_t>(tokens.cached));
  EXPECT_EQ(heard.usage->of(domain::Unit::ReasoningTokens), static_cast<std::uint64_t>(tokens.reasoning));
}

Script script_of(std::string_view directives) {
  Script script;
  EXPECT_TRUE(apply_list(script, directives));
  return script;
}

constexpr std::string_view kCounts = "tokens=5,prompt_tokens=40,cached_tokens=8,reasoning_tokens=2";

struct Said {
  const char* name;
  std::string directives;
  std::string_view finish;
  std::size_t calls;
};

TEST(Shapes, SayToOurCodecWhatTheScriptMeansWholeAndStreamed) {
  const Said cases[] = {
      {"text", std::string(kCounts), "stop", 0},
      {"tool calls", std::string(kCounts) + ",tool_calls=2", "tool_calls", 2},
  };
  for (const Vendor& vendor : kVendors) {
    for (const Said& said : cases) {
      for (const bool streams : {false, true}) {
        SCOPED_TRACE(std::string(vendor.name) + (streams ? " streams " : " answers with ") + said.name);
        const VendorCall call(vendor, chat(streams ? R"(,"stream":true,"stream_options":{"include_usage":true})" : ""));
        const Ask ask = call.ask(script_of(said.directives));
        ASSERT_NE(ask.shape, nullptr);
        EXPECT_EQ(ask.stream, streams);
        EXPECT_EQ(ask.model, std::string_view(vendor.model));
        const Tokens tokens = tokens_of(ask);
        const Answer answer{ask, tokens, "answer-1"};
        const Heard heard = streams ? hear_stream(call, answer) : hear_whole(call, answer);
        EXPECT_EQ(heard.text, said.calls > 0 ? "" : written_by(ask, tokens));
        EXPECT_EQ(heard.finish, said.finish);
        ASSERT_EQ(heard.calls.size(), said.calls);
        for (std::size_t i = 0; i < said.calls; ++i) {
          EXPECT_EQ(heard.calls.at(i).first, "get_weather");
          EXPECT_EQ(heard.calls.at(i).second, tool_arguments(static_cast<std::int64_t>(i)));
        }
        expect_usage(heard, tokens);
      }
    }
  }
}

TEST(Shapes, ObeyTheLimitThatTheirOwnDialectNames) {
  for (const Vendor& vendor : kVendors) {
    SCOPED_TRACE(vendor.name);
    const VendorCall call(vendor, chat(R"(,"max_tokens":3)"));
    const Ask ask = call.ask({});
    const Tokens tokens = tokens_of(ask);
    EXPECT_EQ(tokens.completion, 3);
    EXPECT_EQ(hear_whole(call, {ask, tokens, "id"}).finish, "length");
  }
}

TEST(Shapes, LeaveUsageOutWhereTheScriptSaysSo) {
  for (const Vendor& vendor : kVendors) {
    for (const bool streams : {false, true}) {
      SCOPED_TRACE(std::string(vendor.name) + (streams ? " stream" : ""));
      const VendorCall call(vendor, chat(streams ? R"(,"stream":true)" : ""));
      const Ask ask = call.ask(script_of("fault=no_usage,tokens=5"));
      const Tokens tokens = tokens_of(ask);
      const Heard heard = streams ? hear_stream(call, {ask, tokens, "id"}) : hear_whole(call, {ask, tokens, "id"});
      EXPECT_EQ(heard.text, written_by(ask, tokens));
      EXPECT_FALSE(heard.usage) << heard.usage->prompt_tokens();
    }
  }
}

struct Embedder {
  const char* vendor;
  const char* model;
  bool counts;  // The answer says tokens.
};

TEST(Shapes, EmbedEachTextInTheirOwnForm) {
  const Embedder cases[] = {
      {"openai", "text-embedding-x", true},
      {"azure", "my-embedding", true},
      {"gemini", "gemini-embedding-001", true},
      {"vertex", "text-embedding-005", true},
      {"bedrock", "amazon.titan-embed-text-v2:0", true},
      {"bedrock", "cohere.embed-english-v3", false},
      {"bedrock", "amazon.nova-2-multimodal-embeddings-v1:0", false},
      {"cohere", "embed-v4.0", true},
      {"ollama", "nomic-embed-text", true},
  };
  for (const Embedder& c : cases) {
    SCOPED_TRACE(std::string(c.vendor) + " " + c.model);
    for (const Vendor& vendor : kVendors) {
      if (std::string_view(vendor.name) != c.vendor) continue;
      const VendorCall call(vendor, R"({"model":"m","input":["first","second"]})", domain::Operation::Embedding,
                            c.model);
      std::vector<std::string> bodies;
      std::uint64_t tokens_served = 0;
      const auto serve = [&](const codec::Encoded& request) {
        const Ask ask = call.ask(request, script_of("prompt_tokens=7"));
        ASSERT_NE(ask.shape, nullptr);
        EXPECT_EQ(ask.kind, AskKind::Embedding);
        const Tokens tokens = tokens_of(ask);
        tokens_served += static_cast<std::uint64_t>(tokens.prompt);
        bodies.push_back(scripted_whole({ask, tokens, "id"}));
      };
      serve(call.encoded());
      for (const codec::Encoded& more : call.encoded().more) serve(more);
      protocol::ReplyOptions options;
      options.operation = domain::Operation::Embedding;
      options.provider_label = call.label();
      std::string scratch, said;
      std::vector<std::string_view> pieces;
      const std::vector<std::string_view> views(bodies.begin(), bodies.end());
      const auto facts = call.codec().read_replies(options, call.encoded(), views, scratch, pieces);
      ASSERT_TRUE(facts) << facts.error().message << bodies.front();
      for (const std::string_view piece : pieces) said += piece;
      if (facts->owes_usage) said += "}";
      json::Document document;
      ASSERT_TRUE(document.parse(said)) << said;
      std::size_t vectors = 0;
      for (const json::Value one : document.root().find("data").elements()) {
        EXPECT_EQ(one.find("embedding").elements().empty(), false);
        ++vectors;
      }
      EXPECT_EQ(vectors, 2U) << said;
      EXPECT_EQ(facts->usage.has_value() && facts->usage->prompt_tokens() > 0, c.counts);
      if (c.counts && facts->usage) EXPECT_EQ(facts->usage->prompt_tokens(), tokens_served);
    }
  }
}

struct OtherOperation {
  const char* name;
  const char* vendor;
  domain::Operation operation;
  const char* body;
  const char* holds;  // Of what the caller gets.
};

TEST(Shapes, DoWhatElseIsAskedInItsPlainestForm) {
  using domain::Operation;
  const OtherOperation cases[] = {
      {"a ranking", "cohere", Operation::Rerank, R"({"model":"m","query":"q","documents":["a","b"]})",
       R"("relevance_score":0.5)"},
      {"a picture", "openai", Operation::ImageGeneration, R"({"model":"m","prompt":"p"})", R"("b64_json":"iVBOR)"},
      {"a ranking of the plain kind", "openai", Operation::Rerank, R"({"model":"m","query":"q","documents":["a","b"]})",
       R"("relevance_score":0.5)"},
  };
  for (const OtherOperation& c : cases) {
    SCOPED_TRACE(c.name);
    for (const Vendor& vendor : kVendors) {
      if (std::string_view(vendor.name) != c.vendor) continue;
      const VendorCall call(vendor, c.body, c.operation);
      const Ask ask = call.ask({});
      ASSERT_NE(ask.shape, nullptr);
      const Tokens tokens = tokens_of(ask);
      const std::string body = scripted_whole({ask, tokens, "id"});
      protocol::ReplyOptions options;
      options.operation = c.operation;
      options.content_type = ask.shape->whole_type(ask.kind);
      options.provider_label = call.label();
      std::string scratch, said;
      std::vector<std::string_view> pieces;
      const auto facts = call.codec().read_reply(options, call.encoded(), body, scratch, pieces);
      ASSERT_TRUE(facts) << facts.error().message << body;
      for (const std::string_view piece : pieces) said += piece;
      EXPECT_NE(said.find(c.holds), std::string::npos) << said;
    }
  }
}

TEST(Shapes, SpeakInWaves) {
  const Ask ask = ask_for(route_to(openai_shape(), AskKind::Speech), R"({"model":"m","input":"i","voice":"v"})");
  const Tokens tokens = tokens_of(ask);
  EXPECT_EQ(ask.shape->whole_type(ask.kind), "audio/wav");
  const std::string sound = scripted_whole({ask, tokens, "id"});
  EXPECT_EQ(sound.substr(0, 4) + sound.substr(8, 8), "RIFFWAVEfmt ");
  EXPECT_EQ(sound.size(), 44U + 1600U);
}

TEST(Shapes, ReadTheModelOfAForm) {
  const std::string_view type = "multipart/form-data; boundary=b";
  const std::string body =
      "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-x\r\n"
      "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n";
  const auto ask = parse_ask(route_to(openai_shape(), AskKind::Transcription), type, body, {});
  ASSERT_TRUE(ask) << ask.error().message;
  EXPECT_EQ(ask->model, "whisper-x");
  const Tokens tokens = tokens_of(*ask);
  EXPECT_TRUE(scripted_whole({*ask, tokens, "id"}).starts_with(R"({"text":")"));
}

TEST(Shapes, ListTheirModelsWhereTheirVendorsDo) {
  const struct {
    const char* path;
    const char* field;  // A header that tells.
    const char* holds;
  } cases[] = {
      {"/v1/models", "", R"("object":"list")"},
      {"/v1/models", "anthropic-version", R"("has_more":false)"},
      {"/v1beta/models", "", R"("name":"models/fake-model")"},
      {"/api/tags", "", R"({"models":[{"name":"fake-model")"},
      {"/openai/models", "", R"("object":"list")"},
      {"/foundation-models", "", R"("modelSummaries")"},
      {"/ml/v1/foundation_model_specs", "", R"("resources")"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.path) + " " + c.field);
    http::Request request;
    request.method = http::Method::Get;
    if (*c.field != '\0') request.fields.push_back({c.field, "2023-06-01"});
    const auto route = route_of(request, c.path);
    ASSERT_TRUE(route);
    const Ask ask = ask_for(*route, "");
    const Tokens tokens = tokens_of(ask);
    const std::string body = scripted_whole({ask, tokens, "id"});
    EXPECT_NE(body.find(c.holds), std::string::npos) << body;
    json::Document document;
    EXPECT_TRUE(document.parse(body)) << body;
  }
}

TEST(Shapes, AreToldApartHoweverTheirAddressBegins) {
  const struct {
    const char* path;
    const Shape* shape;  // Null: nobody's.
  } cases[] = {
      {"/v1/chat/completions", &openai_shape()},
      {"/chat/completions", &openai_shape()},
      {"/proxy/openai/deployments/d/chat/completions", &azure_shape()},
      {"/v1/messages", &anthropic_shape()},
      {"/models/m:generateContent", &gemini_shape()},
      {"/publishers/google/models/m:generateContent", &vertex_shape()},
      {"/publishers/anthropic/models/m@1:streamRawPredict", &vertex_claude_shape()},
      {"/model/a%3A0/converse-stream", &bedrock_shape()},
      {"/model/anthropic.claude-x/invoke", &bedrock_claude_shape()},
      {"/v2/chat", &cohere_shape()},
      {"/api/chat", &ollama_shape()},
      {"/ml/v1/deployments/d/text/chat_stream", &watsonx_shape()},
      {"/v1/responses", nullptr},
      {"/models/m:countTokens", nullptr},
      {"/model/m/count-tokens", nullptr},
      {"/", nullptr},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.path);
    http::Request request;
    request.method = http::Method::Post;
    const auto route = route_of(request, c.path);
    EXPECT_EQ(route ? route->shape : nullptr, c.shape);
  }
}

}  // namespace
}  // namespace turnpike::fake_provider::shapes_test
