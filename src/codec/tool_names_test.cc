#include "codec/tool_names.h"

#include <gtest/gtest.h>

namespace turnpike::codec::tool_names_test {
namespace {

std::string show(const std::vector<std::string_view>& tools, const std::vector<std::string_view>& asked,
                 std::size_t length_max = 64) {
  protocol::ChatRequest request;
  for (const std::string_view name : tools) request.tools.emplace_back().name = name;
  protocol::AnswerTerms terms;
  ToolNames names(request, length_max, terms);
  std::string shown;
  for (const std::string_view name : asked) shown += std::string(names.sent(name)) + " ";
  for (const auto& [sent, own] : terms.tool_names) shown += "[" + sent + "=" + own + "]";
  return shown;
}

TEST(ToolNames, ChangeOnlyWhatMustAndSayWhatChanged) {
  struct {
    const char* name;
    std::vector<std::string_view> tools;
    std::vector<std::string_view> asked;
    const char* shown;
  } const rows[] = {
      {"good ones stay", {"get_weather", "a-1"}, {"get_weather", "a-1"}, "get_weather a-1 "},
      {"other letters",
       {"mcp.server/tool é"},
       {"mcp.server/tool é"},
       "mcp_server_tool___ [mcp_server_tool___=mcp.server/tool é]"},
      {"a name that is taken", {"a.b", "a_b", "a/b"}, {"a.b", "a_b", "a/b"}, "a_b_2 a_b a_b_3 [a_b_2=a.b][a_b_3=a/b]"},
      {"of earlier messages only", {"f"}, {"x.y", "x.y", "f"}, "x_y x_y f [x_y=x.y]"},
  };
  for (const auto& row : rows) EXPECT_EQ(show(row.tools, row.asked), row.shown) << row.name;
  EXPECT_EQ(show({"abcdef", "abcdeg"}, {"abcdef", "abcdeg"}, 5), "abcde abc_2 [abcde=abcdef][abc_2=abcdeg]");
}

}  // namespace
}  // namespace turnpike::codec::tool_names_test
