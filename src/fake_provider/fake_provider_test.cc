#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "fake_provider/account.h"
#include "fake_provider/script.h"
#include "fake_provider/test_shape.h"

namespace turnpike::fake_provider::fake_provider_test {
namespace {

const Route kChat = route_to(openai_shape(), AskKind::Chat);
const Route kEmbedding = route_to(openai_shape(), AskKind::Embedding);
const Route kMessages = route_to(anthropic_shape(), AskKind::Chat);

std::string joined(const Ask& ask) {
  std::string out;
  const Tokens tokens = tokens_of(ask);
  for (const Event& event : scripted_events({ask, tokens, "id"})) out += event.bytes;
  return out;
}

std::string whole(const Ask& ask) {
  const Tokens tokens = tokens_of(ask);
  return scripted_whole({ask, tokens, "id"});
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST(Script, ReadsDirectivesOfAPathAndNamesUnknownOnes) {
  Script script;
  ASSERT_TRUE(apply_list(script, "status=429,retry_after=2,silent,odd=crlf+null_id"));
  EXPECT_EQ(script.status, 429);
  EXPECT_EQ(script.retry_after, 2);
  EXPECT_TRUE(script.silent);
  EXPECT_TRUE(script.is_odd("crlf") && script.is_odd("null_id") && !script.is_odd("comments"));
  EXPECT_FALSE(apply_list(script, "statos=429"));
  EXPECT_FALSE(apply_list(script, "status=abc"));
  EXPECT_FALSE(apply_list(script, "odd=nonsense"));
  EXPECT_FALSE(apply_list(script, "fault=nonsense"));
}

struct TokenCase {
  const char* name;
  const char* rest;
  std::int64_t prompt, cached, completion, reasoning;
  bool cut_by_limit;
};

TEST(Tokens, FollowTheScriptThenMaxTokensThenTheDefault) {
  const TokenCase cases[] = {
      {"nothing said", "", 8, 0, 16, 0, false},
      {"max_tokens below the default cuts", R"(,"max_tokens":5)", 8, 0, 5, 0, true},
      {"max_tokens above it does not", R"(,"max_completion_tokens":50)", 8, 0, 16, 0, false},
      {"the script decides",
       R"(,"max_tokens":5,"fake":{"tokens":7,"prompt_tokens":100,"cached_tokens":60,"reasoning_tokens":3})", 100, 60, 7,
       3, false},
      {"parts never exceed the whole",
       R"(,"fake":{"tokens":2,"prompt_tokens":4,"cached_tokens":9,"reasoning_tokens":9})", 4, 4, 2, 2, false},
  };
  for (const TokenCase& c : cases) {
    SCOPED_TRACE(c.name);
    const Tokens tokens = tokens_of(ask_for(kChat, chat(c.rest)));
    EXPECT_EQ(tokens.prompt, c.prompt);
    EXPECT_EQ(tokens.cached, c.cached);
    EXPECT_EQ(tokens.completion, c.completion);
    EXPECT_EQ(tokens.reasoning, c.reasoning);
    EXPECT_EQ(tokens.cut_by_limit, c.cut_by_limit);
  }
}

struct StreamCase {
  const char* name;
  const char* rest;
  std::size_t done, finishes, usages, contents;
};

TEST(Stream, EndsAsTheScriptSays) {
  const StreamCase cases[] = {
      {"as it should", "", 1, 1, 0, 5},
      {"usage when asked for", R"(,"stream_options":{"include_usage":true})", 1, 1, 1, 5},
      {"no usage though asked for", R"(,"stream_options":{"include_usage":true},"fake":{"no_usage":true})", 1, 1, 0, 5},
      {"usage beside the finish", R"(,"fake":{"odd":"usage_with_finish"})", 1, 1, 1, 5},
      {"ends early in good form", R"(,"fake":{"end_after":3})", 0, 0, 0, 3},
      {"finish without [DONE]", R"(,"fake":{"odd":["finish_without_done"]})", 0, 1, 0, 5},
      {"[DONE] without finish", R"(,"fake":{"odd":"done_without_finish"})", 1, 0, 0, 5},
      {"two choices", R"(,"n":2)", 1, 2, 0, 10},
      {"an error inside", R"(,"fake":{"error_after":2})", 0, 0, 0, 2},
  };
  for (const StreamCase& c : cases) {
    SCOPED_TRACE(c.name);
    const std::string text = joined(ask_for(kChat, chat(R"(,"stream":true,"max_tokens":4)" + std::string(c.rest))));
    EXPECT_EQ(count(text, "data: [DONE]\n\n"), c.done);
    EXPECT_EQ(count(text, R"("finish_reason":"length")"), c.finishes);
    EXPECT_EQ(count(text, R"("usage":{)"), c.usages);
    EXPECT_EQ(count(text, R"("content":")"), c.contents);
  }
}

TEST(Stream, SaysTheSameForTheSameBytes) {
  const std::string body = chat(R"(,"stream":true)");
  EXPECT_EQ(joined(ask_for(kChat, body)), joined(ask_for(kChat, body)));
  EXPECT_NE(joined(ask_for(kChat, body)), joined(ask_for(kChat, chat(R"(,"stream":true,"seed":1)"))));
}

TEST(Embeddings, AnswersEachInputInBothEncodings) {
  const struct {
    const char* body;
    std::size_t vectors;
  } cases[] = {
      {R"({"model":"e","input":"a"})", 1},
      {R"({"model":"e","input":["a,b","[c"]})", 2},
      {R"({"model":"e","input":[1,2,3]})", 1},
      {R"({"model":"e","input":[[1,2],[3]]})", 2},
      {R"({"model":"e","input":["a"],"encoding_format":"base64"})", 1},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.body);
    const Ask ask = ask_for(kEmbedding, c.body);
    EXPECT_EQ(count(whole(ask), R"("object":"embedding")"), c.vectors);
  }
  const Ask ask = ask_for(kEmbedding, R"({"model":"e","input":"a","encoding_format":"base64","dimensions":3})");
  const std::string body = whole(ask);
  const std::size_t at = body.find(R"("embedding":")") + 13;
  EXPECT_EQ(body.find('"', at) - at, 16U);  // 12 bytes of float32.
}

TEST(Account, SumsWholeAnswersOnly) {
  Account account(2, 10);
  const Tokens tokens{.prompt = 10, .cached = 4, .completion = 3, .reasoning = 1, .cut_by_limit = false};
  for (const std::size_t thread : {0U, 1U, 1U, 1U}) account.began(thread, thread == 1 ? "east" : "");
  account.ended(0, {Served::Whole, 200, "", "k1", "m", "a", tokens, true});
  account.ended(1, {Served::Aborted, 499, "east", "k1", "m", "b", tokens, true});
  account.ended(1, {Served::Broken, 200, "east", "k1", "m", "c", tokens, false});
  const FullStatement state = account.state();
  EXPECT_EQ(state.served.prompt, 10U);
  EXPECT_EQ(state.unfinished.calls, 1U) << "of c nothing had left";
  ASSERT_TRUE(state.by_label.contains("east"));
  EXPECT_EQ(state.by_label.size(), 1U);
  EXPECT_EQ(state.by_label.at("east").open(), 1U);
  EXPECT_EQ(state.by_label.at("east").served.calls, 0U);
  const std::string text = state.to_json();
  EXPECT_NE(text.find(R"("calls":4,"open":1,"whole":1,"errors":0,"broken":1,"aborted":1)"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("served":{"calls":1,"prompt_tokens":10,"cached_tokens":4,"completion_tokens":3)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find(R"("answers":[{"id":"a")"), std::string::npos) << text;
  account.reset();
  EXPECT_EQ(account.state().calls, 1U);
  EXPECT_EQ(account.state().open(), 1U);
  EXPECT_EQ(account.state().by_label.at("east").open(), 1U);
  EXPECT_EQ(account.state().whole, 0U);
}

TEST(Script, HealsFromEveryFaultOfTheCatalogue) {
  for (const NamedFault& fault : faults()) {
    SCOPED_TRACE(fault.name);
    Script script;
    ASSERT_TRUE(apply(script, "fault", fault.name));
    script.heal();
    Script well;
    EXPECT_EQ(script.fault, well.fault);
    EXPECT_EQ(script.slow_first_ms, well.slow_first_ms);
    EXPECT_EQ(script.cut_after + script.end_after + script.stall_after + script.error_after, -4);
    EXPECT_FALSE(script.no_usage || script.error_in_200 || script.malformed_sse || script.malformed_json ||
                 script.silent || script.reset);
  }
}

TEST(Messages, SayInAnthropicsDialectWhatTheScriptAsks) {
  const Ask ask = ask_for(kMessages, chat(R"(,"max_tokens":3,"fake":{"cached_tokens":2})"));
  const std::string body = whole(ask);
  EXPECT_NE(body.find(R"("stop_reason":"max_tokens")"), std::string::npos) << body;
  EXPECT_NE(
      body.find(R"("input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":3)"),
      std::string::npos)
      << body;
  const std::string events = joined(ask);
  EXPECT_EQ(count(events, "text_delta"), 3U);
  EXPECT_EQ(count(events, R"("output_tokens":1,)"), 1U) << "the start says a placeholder";
  EXPECT_EQ(count(events, R"("usage":{"output_tokens":3})"), 1U);
  EXPECT_TRUE(events.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
}

}  // namespace
}  // namespace turnpike::fake_provider::fake_provider_test
