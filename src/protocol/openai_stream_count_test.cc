#include <gtest/gtest.h>

#include "protocol/openai_stream.h"

namespace turnpike::protocol::openai_stream_count_test {
namespace {

std::string content_event(std::string_view escaped) {
  return R"(data: {"choices":[{"index":0,"delta":{"content":")" + std::string(escaped) +
         R"("},"finish_reason":null}]})" + "\n\n";
}

// What is kept for counting is bounded; the length is that of the text without its escapes, kept or not.
TEST(OpenAiStreamText, IsMeasuredBeyondWhatIsKept) {
  const std::string word = R"(caf\u00e9 \n)";
  const std::string_view plain_word = "caf\u00e9 \n";
  std::string content;
  std::size_t words = 0;
  for (; content.size() < 300'000; ++words) content += word;
  for (const bool at_once : {true, false}) {
    OpenAiStream stream(StreamOptions{});
    std::vector<std::string_view> pieces;
    const std::size_t step = at_once ? content.size() : word.size() * 64;
    for (std::size_t at = 0; at < content.size(); at += step) {
      ASSERT_TRUE(stream.feed(content_event(std::string_view(content).substr(at, step)), pieces));
    }
    const std::string& kept = stream.text_for_count();
    EXPECT_GT(kept.size(), 30'000U);
    EXPECT_LT(kept.size(), 64'000U);
    EXPECT_TRUE(kept.starts_with(std::string(plain_word) + std::string(plain_word)));
    EXPECT_NEAR(static_cast<double>(stream.text_bytes()), static_cast<double>(words * plain_word.size()), 300.0);
    EXPECT_EQ(&stream.text_for_count(), &kept) << "asking for the length leaves the text where it is";
    EXPECT_EQ(stream.raw_text_bytes(), content.size());
  }
}

TEST(OpenAiStreamText, ToolArgumentsThatAreNoStringCountToo) {
  OpenAiStream stream(StreamOptions{});
  std::vector<std::string_view> pieces;
  ASSERT_TRUE(stream.feed(
      R"(data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":{"a":1}}}]},"finish_reason":null}]})"
      "\n\n",
      pieces));
  EXPECT_EQ(stream.text_for_count(), R"({"a":1}f)");
  EXPECT_EQ(stream.text_bytes(), 8U);
}

}  // namespace
}  // namespace turnpike::protocol::openai_stream_count_test
