#include "drill/caller.h"

#include <gtest/gtest.h>

namespace turnpike::drill::caller_test {
namespace {

constexpr std::string_view kAnswer =
    R"({"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"road"},"finish_reason":"stop"}]})";
constexpr std::string_view kError = R"({"error":{"message":"no","type":"server_error","param":null,"code":"500"}})";

struct Whole {
  const char* name;
  int status;
  std::string_view body;
  bool ended;
  End end;
};

TEST(ReadAnswer, TellsHowAWholeAnswerEnded) {
  const Whole cases[] = {
      {"an answer", 200, kAnswer, true, End::Answer},
      {"an answer that was cut", 200, kAnswer.substr(0, 40), false, End::Cut},
      {"half an answer that passes for whole", 200, kAnswer.substr(0, 40), true, End::Foreign},
      {"an answer without a word in it", 200, R"({"choices":[{"message":{"content":""},"finish_reason":"stop"}]})",
       true, End::Foreign},
      {"filtered", 200, R"({"choices":[{"message":{"content":null},"finish_reason":"content_filter"}]})", true,
       End::Answer},
      {"an error", 500, kError, true, End::Error},
      {"an error with a good status", 200, kError, true, End::Foreign},
      {"an error in another vendor's words", 500, R"({"type":"error","error":{"type":"api_error","message":"no"}})",
       true, End::Foreign},
      {"an error without a message", 500, R"({"error":{"message":"","type":null,"code":"500"}})", true, End::Foreign},
      {"a page", 502, "<html>bad gateway</html>", true, End::Foreign},
  };
  for (const Whole& c : cases) {
    EXPECT_EQ(read_answer(Order(), c.status, c.body, c.ended).end, c.end) << c.name;
  }
  Order embedding;
  embedding.operation = domain::Operation::Embedding;
  EXPECT_EQ(read_answer(embedding, 200, R"({"data":[{"embedding":[0.5]}]})", true).end, End::Answer);
  EXPECT_EQ(read_answer(embedding, 200, kAnswer, true).end, End::Foreign);
  Order completion;
  completion.operation = domain::Operation::Completion;
  EXPECT_EQ(read_answer(completion, 200, R"({"choices":[{"text":"road"}]})", true).end, End::Answer);
}

std::string stream(std::initializer_list<std::string_view> events) {
  std::string text;
  for (const std::string_view event : events) text.append("data: ").append(event).append("\n\n");
  return text;
}

TEST(ReadAnswer, TellsHowAStreamEnded) {
  constexpr std::string_view kWord = R"({"choices":[{"index":0,"delta":{"content":"road"},"finish_reason":null}]})";
  constexpr std::string_view kStop = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
  struct {
    const char* name;
    std::string body;
    bool ended;
    End end;
    bool content;
  } const cases[] = {
      {"an answer", stream({kWord, kStop, "[DONE]"}), true, End::Answer, true},
      {"no [DONE]", stream({kWord, kStop}), true, End::Cut, true},
      {"no finish_reason", stream({kWord, "[DONE]"}), true, End::Cut, true},
      {"broken off", stream({kWord, kStop, "[DONE]"}), false, End::Cut, true},
      {"an error event", stream({kWord, kError, "[DONE]"}), true, End::ErrorEvent, true},
      {"an error event before the first word", stream({kError, "[DONE]"}), true, End::ErrorEvent, false},
      {"an error event, then nothing", stream({kWord, kError}), true, End::Foreign, true},
      {"an error that is no object", stream({kWord, R"({"error":"no"})", "[DONE]"}), true, End::Foreign, true},
      {"an event that is no JSON", stream({kWord, "{road", "[DONE]"}), true, End::Foreign, true},
      {"nothing", "", true, End::Cut, false},
  };
  Order order;
  order.stream = true;
  for (const auto& c : cases) {
    const Seen seen = read_answer(order, 200, c.body, c.ended);
    EXPECT_EQ(seen.end, c.end) << c.name;
    EXPECT_EQ(seen.content, c.content) << c.name;
  }
  EXPECT_EQ(read_answer(order, 500, kError, true).end, End::Error) << "before the stream began";
}

}  // namespace
}  // namespace turnpike::drill::caller_test
