#include <gtest/gtest.h>

#include "json/document.h"
#include "protocol/openai_stream.h"

namespace turnpike::protocol::openai_mock_test {
namespace {

using domain::Operation;

std::string wire(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text.append("data: ").append(line).append("\n\n");
  return text;
}

std::string shown(std::string_view choices, std::string_view after = "") {
  return R"({"id":"c1","object":"chat.completion.chunk","created":5,"model":"m","choices":[)" + std::string(choices) +
         "]" + std::string(after) + "}";
}

const char kStop[] = R"({"index":0,"delta":{},"finish_reason":"stop"})";

TEST(Mock, StreamsWordByWord) {
  domain::Usage usage;
  const std::string text = mock_stream(R"("one two\n")", "m", "c1", 5, true, usage);
  EXPECT_EQ(
      text,
      wire({R"({"usage":null,)" +
                shown(R"({"index":0,"delta":{"role":"assistant","content":"one "},"finish_reason":null})").substr(1),
            R"({"usage":null,)" + shown(R"({"index":0,"delta":{"content":"two\n"},"finish_reason":null})").substr(1),
            R"({"usage":null,)" + shown(kStop).substr(1),
            shown("", R"(,"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30})"), "[DONE]"}));
  EXPECT_EQ(usage.prompt_tokens(), 10U);
  EXPECT_EQ(usage.completion_tokens(), 20U);
}

TEST(Mock, AnswersWhole) {
  domain::Usage usage;
  EXPECT_EQ(
      mock_reply(Operation::Chat, R"("hi \"you\"")", "m", "c1", 5, usage),
      R"({"id":"c1","object":"chat.completion","created":5,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi \"you\""},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}})");
  EXPECT_EQ(
      mock_reply(Operation::Embedding, "[0.5,1]", "m", "c1", 5, usage),
      R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,1]}],"model":"m","usage":{"prompt_tokens":10,"total_tokens":10}})");
  const std::string object = mock_reply(
      Operation::Chat,
      R"({"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}})",
      "m", "c1", 5, usage);
  EXPECT_EQ(usage.prompt_tokens(), 1U);
  json::Document document;
  ASSERT_TRUE(document.parse(object));
  EXPECT_EQ(document.root().find("model").text(), "m");
}

TEST(Mock, KnowsTheSpecialStrings) {
  EXPECT_EQ(mock_error(R"("litellm.RateLimitError")")->kind, ErrorKind::UpstreamRateLimited);
  EXPECT_EQ(mock_error(R"("litellm.ContextWindowExceededError")")->kind, ErrorKind::UpstreamContextWindow);
  EXPECT_EQ(mock_error(R"("litellm.InternalServerError")")->kind, ErrorKind::UpstreamInternal);
  EXPECT_EQ(mock_error(R"("Exception: content_filter_policy")")->kind, ErrorKind::UpstreamContentPolicy);
  EXPECT_FALSE(mock_error(R"("hello")"));
}

}  // namespace
}  // namespace turnpike::protocol::openai_mock_test
