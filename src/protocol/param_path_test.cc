#include "protocol/param_path.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::param_path_test {
namespace {

TEST(WithoutPath, TakesOutWhatThePathNames) {
  const std::string json =
      R"({"tools":[{"strict":true,"p":{"a":1,"b":2}},{"strict":false},3],"a\u0062c":{"x":1},"s":"t"})";
  const struct {
    const char* path;
    const char* left;
  } kCases[] = {
      {"tools[*].strict", R"({"tools":[{"p":{"a":1,"b":2}},{},3],"a\u0062c":{"x":1},"s":"t"})"},
      {"tools[1].strict", R"({"tools":[{"strict":true,"p":{"a":1,"b":2}},{},3],"a\u0062c":{"x":1},"s":"t"})"},
      {"tools[0]", R"({"tools":[{"strict":false},3],"a\u0062c":{"x":1},"s":"t"})"},
      {"tools[*].p.a", R"({"tools":[{"strict":true,"p":{"b":2}},{"strict":false},3],"a\u0062c":{"x":1},"s":"t"})"},
      {"tools[*]", R"({"tools":[],"a\u0062c":{"x":1},"s":"t"})"},
      {"abc.x", R"({"tools":[{"strict":true,"p":{"a":1,"b":2}},{"strict":false},3],"a\u0062c":{},"s":"t"})"},
      {"s.t", json.c_str()},
      {"none[0].such", json.c_str()},
      {"tools[x].strict", json.c_str()},
      {"", json.c_str()},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.path);
    json::Document document;
    ASSERT_TRUE(document.parse(json));
    EXPECT_EQ(without_path(document.root(), c.path), c.left);
  }
  EXPECT_TRUE(is_param_path("tools[*].strict"));
  EXPECT_FALSE(is_param_path("temperature"));
  EXPECT_EQ(root_of_path("tools[*].strict"), "tools");
}

}  // namespace
}  // namespace turnpike::protocol::param_path_test
