#include "protocol/think_tags.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::think_tags_test {
namespace {

struct Case {
  const char* text;
  const char* thinking;
  const char* content;
};

TEST(ThinkTags, SplitsTheSameHoweverTheTextIsCut) {
  const Case cases[] = {
      {"", "", ""},
      {"plain", "", "plain"},
      {"<think>\nwhy\n</think>\n\nbecause <think>", "\nwhy\n", "because <think>"},
      {" \n<think>why</think>because", "why", "because"},
      {"<think></think>x", "", "x"},
      {"<thinking>x", "", "<thinking>x"},
      {"<thi", "", "<thi"},
      {"<think>a</thin", "a</thin", ""},
      {"<think>a < b </ think></think> c", "a < b </ think>", "c"},
      {"a <think>b</think>", "", "a <think>b</think>"},
      {"  ", "", "  "},
  };
  for (const Case& c : cases) {
    const std::string_view text = c.text;
    for (std::size_t first = 0; first <= text.size(); ++first) {
      for (std::size_t second = first; second <= text.size(); ++second) {
        SCOPED_TRACE(std::string(text) + ", cut at " + std::to_string(first) + " and " + std::to_string(second));
        ThinkTags tags;
        std::string thinking;
        std::string content;
        const auto add = [&](const ThinkTags::Pieces& pieces) {
          thinking += pieces.thinking;
          content += pieces.text;
        };
        add(tags.feed(text.substr(0, first)));
        add(tags.feed(text.substr(first, second - first)));
        add(tags.feed(text.substr(second)));
        add(tags.finish());
        EXPECT_EQ(thinking, c.thinking);
        EXPECT_EQ(content, c.content);
      }
    }
  }
}

}  // namespace
}  // namespace turnpike::protocol::think_tags_test
