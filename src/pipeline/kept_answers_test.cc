#include "pipeline/kept_answers.h"

#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace turnpike::pipeline::kept_answers_test {
namespace {

using std::chrono::milliseconds;
using Turn = KeptAnswers::Turn;

base::Sha256 digest(std::string_view text) {
  return base::sha256(text);
}

class KeptAnswersTest : public ::testing::Test {
 protected:
  struct Told {
    Turn turn;
    KeptAnswerRef answer;
  };
  /// Asks; what was told so far, by the order of asking, is in `told`.
  std::size_t ask(std::string_view key, std::string_view body = "body") {
    const std::size_t at = told.size();
    told.emplace_back();
    answers.ask(digest(key), digest(body), limits, now,
                [this, at](Turn turn, KeptAnswerRef answer) { told[at] = Told{turn, std::move(answer)}; });
    return at;
  }
  KeptAnswerRef finish(std::string_view key, std::string body) {
    auto answer = std::make_shared<KeptAnswer>();
    answer->body = std::move(body);
    answers.finish(digest(key), answer, limits, now);
    return answer;
  }
  bool kept(std::string_view key) {
    const std::size_t at = ask(key);
    const bool is_kept = told[at]->turn == Turn::Kept;
    if (!is_kept) answers.finish(digest(key), nullptr, limits, now);
    return is_kept;
  }

  KeptAnswers answers;
  KeptAnswersLimits limits;
  base::Monotonic now{};
  std::vector<std::optional<Told>> told;
};

TEST_F(KeptAnswersTest, TheFirstMakesTheCallAndLaterOnesGetItsAnswer) {
  EXPECT_EQ(told[ask("a")]->turn, Turn::Yours);
  const KeptAnswerRef answer = finish("a", "hello");
  const std::size_t again = ask("a");
  EXPECT_EQ(told[again]->turn, Turn::Kept);
  EXPECT_EQ(told[again]->answer, answer);
  EXPECT_EQ(told[ask("a", "another body")]->turn, Turn::Other);
  EXPECT_EQ(told[ask("b")]->turn, Turn::Yours);
}

TEST_F(KeptAnswersTest, WhoComesMeanwhileWaitsAndAnotherBodyIsRefusedAtOnce) {
  ask("a");
  const std::size_t second = ask("a"), third = ask("a");
  EXPECT_FALSE(told[second].has_value());
  EXPECT_EQ(told[ask("a", "another body")]->turn, Turn::Other);
  finish("a", "hello");
  EXPECT_EQ(told[second]->turn, Turn::Kept);
  EXPECT_EQ(told[third]->answer->body, "hello");
}

TEST_F(KeptAnswersTest, WithoutAnAnswerTheOneWhoHasWaitedLongestMakesTheCall) {
  ask("a");
  const std::size_t second = ask("a"), third = ask("a");
  answers.finish(digest("a"), nullptr, limits, now);
  EXPECT_EQ(told[second]->turn, Turn::Yours);
  EXPECT_FALSE(told[third].has_value());
  finish("a", "hello");
  EXPECT_EQ(told[third]->turn, Turn::Kept);
  ask("b");
  answers.finish(digest("b"), nullptr, limits, now);
  EXPECT_EQ(told[ask("b", "another body")]->turn, Turn::Yours) << "nothing is known of it";
}

TEST_F(KeptAnswersTest, AnAnswerLivesForItsTimeFromItsEnd) {
  ask("a");
  now += milliseconds(5'000'000);  // A call may take longer than an answer lives.
  finish("a", "hello");
  now += limits.lifetime - milliseconds(1);
  EXPECT_TRUE(kept("a"));
  now += milliseconds(1);
  EXPECT_FALSE(kept("a"));
  EXPECT_EQ(answers.entries(), 0U);
  EXPECT_EQ(answers.bytes(), 0U);
  EXPECT_EQ(answers.evicted(), 0U);
}

TEST_F(KeptAnswersTest, TheOneAskedForLeastLatelyGoesFirst) {
  limits.entries_max = 2;
  for (const char* key : {"a", "b"}) {
    ask(key);
    finish(key, "hello");
  }
  EXPECT_TRUE(kept("a"));
  ask("c");
  finish("c", "hello");
  EXPECT_TRUE(kept("a"));
  EXPECT_FALSE(kept("b"));
  EXPECT_TRUE(kept("c"));
  EXPECT_EQ(answers.evicted(), 1U);
}

TEST_F(KeptAnswersTest, BytesAreBoundedAndCounted) {
  limits.bytes_max = 10'000;
  for (int i = 0; i < 100; ++i) {
    const std::string key = std::to_string(i);
    ask(key);
    finish(key, std::string(3'000, 'x'));
    EXPECT_LE(answers.bytes(), limits.bytes_max);
  }
  EXPECT_EQ(answers.entries(), 3U);
  limits.bytes_max = 0;  // A reload.
  ask("one more");
  EXPECT_EQ(answers.entries(), 0U);
  EXPECT_EQ(answers.bytes(), 0U);
}

}  // namespace
}  // namespace turnpike::pipeline::kept_answers_test
