#include <gtest/gtest.h>

#include "protocol/openai_stream.h"

namespace turnpike::protocol::openai_stream_end_test {
namespace {

std::string choice_event(int index, std::string_view content, std::string_view finish) {
  return "data: {\"choices\":[{\"index\":" + std::to_string(index) + ",\"delta\":{\"content\":\"" +
         std::string(content) + "\"},\"finish_reason\":" + std::string(finish) + "}]}\n\n";
}

struct Ended {
  std::string out;
  std::optional<ErrorKind> error;
};

Ended run(std::string_view bytes, std::uint64_t choices = 1) {
  StreamOptions options;
  options.choices = choices;
  OpenAiStream stream(options);
  std::vector<std::string_view> pieces;
  Ended ended;
  const auto keep = [&] {
    for (const std::string_view piece : pieces) ended.out += piece;
    pieces.clear();
  };
  Status status = stream.feed(bytes, pieces);
  keep();
  if (status && !stream.done()) status = stream.finish(pieces);
  keep();
  if (!status) ended.error = status.error().kind;
  return ended;
}

// AC-ERR-1: finish_reason is a terminal marker as good as [DONE]; what is cut behind it was bookkeeping.
TEST(OpenAiStreamEnd, IsGoodWhereverAStreamIsCutBehindItsLastFinish) {
  const std::string answer = choice_event(0, "hi", "null") + choice_event(0, "", "\"stop\"");
  const std::string behind =
      "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
  for (std::size_t cut = 0; cut <= behind.size(); ++cut) {
    SCOPED_TRACE(cut);
    const Ended ended = run(answer + behind.substr(0, cut));
    EXPECT_FALSE(ended.error);
    EXPECT_TRUE(ended.out.ends_with("\n\ndata: [DONE]\n\n")) << ended.out;
  }
}

// As the SDKs read it: with one line end too few, what follows belongs to the same event.
TEST(OpenAiStreamEnd, KnowsDoneWithMoreLinesBehindIt) {
  const std::string answer = choice_event(0, "hi", "\"stop\"");
  for (const char* ending : {"data: [DONE]\ndata: [DONE]\n\n", "data: [DONE]\ndata: {\"choices\":[]}\n\n"}) {
    const Ended ended = run(answer + ending);
    EXPECT_FALSE(ended.error);
    EXPECT_TRUE(ended.out.ends_with("}\n\ndata: [DONE]\n\n")) << ended.out;
  }
}

TEST(OpenAiStreamEnd, IsTooEarlyBeforeTheSecondOfTwoChoicesBegan) {
  const std::string first = choice_event(0, "hi", "\"stop\"");
  EXPECT_EQ(run(first, 2).error, ErrorKind::UpstreamTruncated);
  EXPECT_FALSE(run(first + choice_event(1, "ho", "\"stop\""), 2).error);
  EXPECT_FALSE(run(first + "data: [DONE]\n\n", 2).error);  // The provider's word for having no more.
}

// The SDKs raise errors that are true in their language's eyes: an empty one is none.
TEST(OpenAiStreamEnd, IsNotBroughtByAnEmptyError) {
  std::string chunk = choice_event(0, "hi", "\"stop\"");
  chunk.insert(chunk.rfind('}'), ",\"error\":{}");
  EXPECT_FALSE(run(chunk).error);
}

TEST(OpenAiStreamEnd, CountsTextThatCameInParts) {
  OpenAiStream stream(StreamOptions{});
  std::vector<std::string_view> pieces;
  ASSERT_TRUE(
      stream.feed("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"one \"},"
                  "{\"type\":\"text\",\"text\":\"two\"}]},\"finish_reason\":null}]}\n\n",
                  pieces));
  EXPECT_EQ(stream.text_for_count(), "one two");
}

// A text completion of many prompts has one choice for each.
TEST(OpenAiStreamEnd, LosesNoneOfManyChoices) {
  constexpr int kChoices = 1000;
  std::string bytes;
  for (int i = 0; i < kChoices; ++i) bytes += choice_event(i, "a", "null");
  for (int i = 0; i < kChoices; ++i) bytes += choice_event(i, "b", "\"stop\"");
  const Ended ended = run(bytes);
  EXPECT_FALSE(ended.error);
  std::size_t events = 0;
  for (std::size_t at = 0; (at = ended.out.find("data: {", at)) != std::string::npos; ++at) ++events;
  EXPECT_EQ(events, 2U * kChoices);
}

}  // namespace
}  // namespace turnpike::protocol::openai_stream_end_test
