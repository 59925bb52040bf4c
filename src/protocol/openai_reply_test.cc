#include "protocol/openai_reply.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::openai_reply_test {
namespace {

using domain::Operation;
using domain::Unit;

struct UsageCase {
  const char* name;
  const char* json;
  const char* counts;  // Empty: nothing that can be believed.
};

std::string show(const domain::Usage& usage) {
  std::string text;
  for (const domain::UnitCount& entry : usage.counts) {
    if (!text.empty()) text += ' ';
    text.append(domain::unit_name(entry.unit)).append("=").append(std::to_string(entry.count));
  }
  return text;
}

const UsageCase kUsages[] = {
    {"plain", R"({"prompt_tokens":3,"completion_tokens":2,"total_tokens":5})", "input_tokens=3 output_tokens=2"},
    {"cached and reasoning are parts",
     R"({"prompt_tokens":10,"completion_tokens":8,"total_tokens":18,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":5}})",
     "input_tokens=6 cached_input_tokens=4 output_tokens=3 reasoning_tokens=5"},
    {"audio",
     R"({"prompt_tokens":10,"completion_tokens":8,"prompt_tokens_details":{"audio_tokens":4},"completion_tokens_details":{"audio_tokens":7}})",
     "input_tokens=6 audio_input_tokens=4 output_tokens=1 audio_output_tokens=7"},
    {"cache writes (OpenAI)",
     R"({"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":3}})",
     "input_tokens=5 cached_input_tokens=2 cache_write_tokens=3 output_tokens=1"},
    {"cache writes of two ages (LiteLLM)",
     R"({"prompt_tokens":10,"completion_tokens":1,"cache_creation_input_tokens":5,"cache_read_input_tokens":2,"prompt_tokens_details":{"cache_creation_token_details":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":4}}})",
     "input_tokens=3 cached_input_tokens=2 cache_write_tokens=1 cache_write_1h_tokens=4 output_tokens=1"},
    {"DeepSeek",
     R"({"prompt_tokens":10,"completion_tokens":1,"total_tokens":11,"prompt_cache_hit_tokens":7,"prompt_cache_miss_tokens":3})",
     "input_tokens=3 cached_input_tokens=7 output_tokens=1"},
    {"Moonshot", R"({"prompt_tokens":10,"completion_tokens":1,"cached_tokens":7})",
     "input_tokens=3 cached_input_tokens=7 output_tokens=1"},
    {"xAI: reasoning outside completion, by the total",
     R"({"prompt_tokens":3,"completion_tokens":9,"total_tokens":16,"completion_tokens_details":{"reasoning_tokens":4}})",
     "input_tokens=3 output_tokens=9 reasoning_tokens=4"},
    {"xAI: reasoning greater than completion",
     R"({"prompt_tokens":3,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":4}})",
     "input_tokens=3 output_tokens=2 reasoning_tokens=4"},
    {"responses spelling",
     R"({"input_tokens":3,"output_tokens":2,"input_tokens_details":{"cached_tokens":1},"output_tokens_details":{"reasoning_tokens":1}})",
     "input_tokens=2 cached_input_tokens=1 output_tokens=1 reasoning_tokens=1"},
    {"embedding", R"({"prompt_tokens":8,"total_tokens":8})", "input_tokens=8"},
    {"embedding with the total only", R"({"total_tokens":8})", "input_tokens=8"},
    {"queries", R"({"prompt_tokens":3,"completion_tokens":2,"num_search_queries":2})",
     "input_tokens=3 output_tokens=2 queries=2"},
    {"cached greater than the prompt",
     R"({"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":9}})",
     "cached_input_tokens=3 output_tokens=2"},
    {"details null",
     R"({"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":null,"completion_tokens_details":null})",
     "input_tokens=3 output_tokens=2"},
    {"written as floats", R"({"prompt_tokens":3.0,"completion_tokens":2e0})", "input_tokens=3 output_tokens=2"},
    {"nobody believes this", R"({"prompt_tokens":1000000001,"completion_tokens":2})", ""},
    {"nor this", R"({"prompt_tokens":-1,"completion_tokens":2})", ""},
    {"nor this part",
     R"({"prompt_tokens":1,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":1e12}})", ""},
    {"words", R"({"prompt_tokens":"3"})", ""},
    {"all zero says nothing", R"({"prompt_tokens":0,"completion_tokens":0,"total_tokens":0})", ""},
    {"empty", "{}", ""},
    {"null", "null", ""},
};

TEST(ReadUsage, MapsEverySpellingToDisjointCounts) {
  for (const UsageCase& c : kUsages) {
    SCOPED_TRACE(c.name);
    const auto usage = read_usage(std::string_view(c.json));
    EXPECT_EQ(usage ? show(*usage) : "", c.counts);
  }
}

TEST(ReadUsage, KeepsTheProvidersOwnCost) {
  EXPECT_EQ(read_usage(R"({"prompt_tokens":1,"completion_tokens":1,"cost":0.00014})")->provider_cost_nano, 140000);
  EXPECT_EQ(read_usage(R"({"prompt_tokens":1,"completion_tokens":1,"cost":{"total_cost":1e-6}})")->provider_cost_nano,
            1000);
  EXPECT_EQ(read_usage(R"({"prompt_tokens":1,"completion_tokens":1,"estimated_cost":2})")->provider_cost_nano,
            2'000'000'000);
  EXPECT_FALSE(read_usage(R"({"prompt_tokens":1,"completion_tokens":1})")->provider_cost_nano);
}

struct Reply {
  std::string out;
  Result<ReplyFacts> facts = base::fail(ErrorKind::Internal, "");
};

Reply read(std::string_view body, Operation operation = Operation::Chat, std::string_view fallback_id = {}) {
  ReplyOptions options;
  options.operation = operation;
  options.shown_model = "m";
  options.provider_label = "Test";
  options.fallback_id = fallback_id;
  Reply reply;
  std::string scratch;
  std::vector<std::string_view> pieces;
  reply.facts = read_reply(options, body, scratch, pieces);
  // The owner may move: pieces must stay good.
  const std::string moved = std::move(scratch);
  for (const std::string_view piece : pieces) reply.out += piece;
  return reply;
}

struct ReplyCase {
  const char* name;
  const char* body;
  const char* expected;
};

const ReplyCase kReplies[] = {
    {"only the model changes",
     R"( {"id":"c1","x":[1, 2],"model" : "gpt-4o-2024","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}} )",
     R"( {"id":"c1","x":[1, 2],"model" : "m","choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}} )"},
    {"model missing", R"({"choices":[]})", R"({"model":"m","choices":[]})"},
    {"a provider's own finish word", R"({"model":"x","choices":[{"finish_reason":"eos"}]})",
     R"({"model":"m","choices":[{"finish_reason":"stop","provider_specific_fields":{"native_finish_reason":"eos"}}]})"},
    {"finish empty with tool calls", R"({"model":"x","choices":[{"message":{"tool_calls":[{}]},"finish_reason":""}]})",
     R"({"model":"m","choices":[{"message":{"tool_calls":[{}]},"finish_reason":"tool_calls"}]})"},
    {"reasoning", R"({"model":"x","choices":[{"message":{"reasoning":"hm"}}]})",
     R"({"model":"m","choices":[{"message":{"reasoning_content":"hm"}}]})"},
    {"usage that does not add up",
     R"({"model":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":4}}})",
     R"({"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":6,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":4}}})"},
    {"blank lines before (DeepSeek keep-alive)", "\n\n{\"model\":\"x\",\"choices\":[]}",
     "\n\n{\"model\":\"m\",\"choices\":[]}"},
};

TEST(ReadReply, ChangesOnlyWhatMustChange) {
  for (const ReplyCase& c : kReplies) {
    SCOPED_TRACE(c.name);
    const Reply reply = read(c.body);
    ASSERT_TRUE(reply.facts) << reply.facts.error().message;
    EXPECT_EQ(reply.out, c.expected);
  }
}

TEST(ReadReply, SniffsTheFacts) {
  const Reply reply = read(
      R"({"id":"c1","model":"gpt-4o-2024","service_tier":"flex","choices":[{"message":{"content":"Hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}})");
  ASSERT_TRUE(reply.facts);
  EXPECT_EQ(reply.facts->id, "c1");
  EXPECT_EQ(reply.facts->model, "gpt-4o-2024");
  EXPECT_EQ(reply.facts->service_tier, "flex");
  EXPECT_EQ(reply.facts->finish_reason, "length");
  EXPECT_EQ(reply.facts->usage->prompt_tokens(), 3U);
  EXPECT_EQ(reply.facts->text_for_count, "");
}

TEST(ReadReply, KeepsTheTextForCountingWhenUsageIsMissing) {
  const Reply reply = read(
      R"({"model":"x","choices":[{"message":{"content":"a\n","reasoning_content":"b","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}},{"message":{"content":"c"}}]})");
  ASSERT_TRUE(reply.facts);
  EXPECT_FALSE(reply.facts->usage);
  EXPECT_EQ(reply.facts->text_for_count, "a\nbf{}c");
}

TEST(ReadReply, GivesAnIdWhereThereIsNone) {
  EXPECT_EQ(read(R"({"model":"x","choices":[]})", Operation::Chat, "ours").out,
            R"({"id":"ours","model":"m","choices":[]})");
  EXPECT_EQ(read(R"({"id":null,"model":"x","choices":[]})", Operation::Chat, "ours").out,
            R"({"id":"ours","model":"m","choices":[]})");
}

TEST(ReadReply, ReadsEmbeddings) {
  const Reply reply =
      read(R"({"object":"list","data":[{"embedding":[0.1]}],"model":"x","usage":{"prompt_tokens":8,"total_tokens":8}})",
           Operation::Embedding);
  ASSERT_TRUE(reply.facts);
  EXPECT_EQ(
      reply.out,
      R"({"object":"list","data":[{"embedding":[0.1]}],"model":"m","usage":{"prompt_tokens":8,"total_tokens":8}})");
  EXPECT_EQ(reply.facts->usage->prompt_tokens(), 8U);
}

TEST(ReadReply, SeesErrorsInASuccess) {
  struct Case {
    const char* body;
    ErrorKind kind;
  };
  const Case cases[] = {
      {R"({"error":{"message":"overloaded","type":"server_error"}})", ErrorKind::UpstreamInternal},
      {R"({"error":{"message":"no","code":400}})", ErrorKind::UpstreamBadRequest},
      {R"({"error":"Rate limit reached"})", ErrorKind::UpstreamRateLimited},
      {R"({"object":"error","message":"too long: maximum context length is 5","code":400})",
       ErrorKind::UpstreamContextWindow},
      {R"({"detail":"nope"})", ErrorKind::UpstreamInternal},
      {R"({"base_resp":{"status_code":1004,"status_msg":"login fail"},"choices":null})",
       ErrorKind::UpstreamUnauthenticated},
      {R"({"choices":[{"finish_reason":"network_error"}]})", ErrorKind::UpstreamUnavailable},
      {R"({"id":"x"})", ErrorKind::UpstreamMalformed},
      {R"([])", ErrorKind::UpstreamMalformed},
      {"<html>", ErrorKind::UpstreamMalformed},
      {"", ErrorKind::UpstreamMalformed},
      {R"({"choices":[)", ErrorKind::UpstreamMalformed},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.body);
    const Reply reply = read(c.body);
    ASSERT_FALSE(reply.facts);
    EXPECT_EQ(reply.facts.error().kind, c.kind) << reply.facts.error().message;
    EXPECT_EQ(reply.out, "");
  }
  EXPECT_TRUE(read(R"({"base_resp":{"status_code":0},"choices":[],"error":null})").facts);
}

TEST(TextOfPart, FindsWhatTheModelWroteWhereverTheReplyBreaksOff) {
  const std::string body =
      R"({"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"He said \"hi\u00e9\"","reasoning_content" : "why",)"
      R"("tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1}})";
  const std::string whole = "He said \"hi\u00e9\"why{\"a\":1}";
  EXPECT_EQ(text_of_part(body), whole);
  std::size_t longest = 0;
  for (std::size_t cut = 0; cut <= body.size(); ++cut) {
    const std::string found = text_of_part(std::string_view(body).substr(0, cut));
    EXPECT_LE(found.size(), whole.size());
    EXPECT_GE(found.size() + 12, longest) << "at " << cut;
    longest = std::max(longest, found.size());
  }
  EXPECT_EQ(text_of_part("<html>content: \"x\"</html>"), "");
}

}  // namespace
}  // namespace turnpike::protocol::openai_reply_test
