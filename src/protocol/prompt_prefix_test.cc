#include "protocol/prompt_prefix.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace turnpike::protocol::prompt_prefix_test {
namespace {

struct Case {
  const char* name;
  std::string members;  // Of the body, behind the model.
  std::string tools;
  std::string messages;
};

const std::string kSystem = R"({"role":"system","content":"Be brief."})";
const std::string kUser = R"({"role":"user","content":"Hello"})";
const std::string kMore = R"({"role":"assistant","content":"Hi"},{"role":"user","content":"And now?"})";

const Case kCases[] = {
    {"the first turn", R"("messages":[)" + kUser + "]", "", "[" + kUser},
    {"a later turn begins alike", R"("messages":[)" + kSystem + "," + kUser + "," + kMore + "]", "",
     "[" + kSystem + "," + kUser},
    {"with tools", R"("tools":[{"type":"function"}],"messages":[)" + kUser + "]", R"([{"type":"function"}])",
     "[" + kUser},
    {"nobody has asked", R"("messages":[)" + kSystem + "]", "", ""},
    {"no messages", R"("prompt":"x")", "", ""},
    {"the role behind the content", R"("messages":[{"content":[{"type":"text","text":"]}\""}], "role" : "user"},{}])",
     "", R"([{"content":[{"type":"text","text":"]}\""}], "role" : "user"})"},
    {"a role deeper down is not the message's",
     R"("messages":[{"role":"system","x":{"role":"user"}},{"role":"user","content":"a"}])", "",
     R"([{"role":"system","x":{"role":"user"}},{"role":"user","content":"a"})"},
    {"a text that says role is no name", R"("messages":[{"role":"system","content":"role"},{"role":"user"}])", "",
     R"([{"role":"system","content":"role"},{"role":"user"})"},
    {"backslashes before a quote", R"("messages":[{"role":"user","content":"\\"},{"role":"user"}])", "",
     R"([{"role":"user","content":"\\"})"},
};

TEST(PromptPrefix, EndsWithTheFirstMessageOfTheUser) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    std::string body = R"({"model":"m",)" + row.members + "}";
    body.reserve(body.size() + json::kJsonPadding);
    const Result<CallRequest> call =
        parse_call(row.members.find("prompt") == 1 ? domain::Operation::Completion : domain::Operation::Chat, body, "");
    ASSERT_TRUE(call) << call.error().message;
    const PromptPrefix prefix = prompt_prefix(*call);
    EXPECT_EQ(prefix.tools, row.tools);
    EXPECT_EQ(prefix.messages, row.messages);
  }
}

TEST(Fingerprint, TellsBeginningsApart) {
  const std::string far(5'000, 'x');
  const std::vector<PromptPrefix> all = {{"", "[a"},    {"", "[b"}, {"[t]", "[a"},
                                         {"[", "t][a"}, {"", far},  {"", {far.data(), far.size() - 1}}};
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t k = 0; k < all.size(); ++k)
      EXPECT_EQ(fingerprint(all[i]) == fingerprint(all[k]), i == k) << i << " " << k;
  }
  std::string end = far;
  end.back() = 'y';
  EXPECT_NE(fingerprint({"", end}), fingerprint({"", far})) << "the question at the end of a long prompt";
}

}  // namespace
}  // namespace turnpike::protocol::prompt_prefix_test
