#include "config/yaml.h"

#include <gtest/gtest.h>

#include "config/node.h"

namespace turnpike::config::yaml_test {
namespace {

TEST(Yaml, ReadsValuesAsPeopleMeanThem) {
  struct Case {
    const char* yaml;
    const char* json;
  };
  const Case cases[] = {
      {"a: 1", R"({"a":1})"},
      {"a: 1_000", R"({"a":1000})"},
      {"a: 0x1F", R"({"a":31})"},
      {"a: .5", R"({"a":0.5})"},
      {"a: 2.", R"({"a":2.0})"},
      {"a: 1e-7", R"({"a":1e-7})"},
      {"a: 2.50e-06", R"({"a":2.50e-06})"},
      {"a: '1'", R"({"a":"1"})"},
      {"a: 007", R"({"a":"007"})"},
      {"a: 2024-10-21", R"({"a":"2024-10-21"})"},
      {"a: yes", R"({"a":true})"},
      {"a: Off", R"({"a":false})"},
      {"a: \"yes\"", R"({"a":"yes"})"},
      {"a: ~", R"({"a":null})"},
      {"a:", R"({"a":null})"},
      {"a: !!str 5", R"({"a":"5"})"},
      {"a: |\n  x\n  y\n", R"({"a":"x\ny\n"})"},
      {"[a, [b, {c: d}]]", R"(["a",["b",{"c":"d"}]])"},
      {"a: &x {k: 1}\nb: *x", R"({"a":{"k":1},"b":{"k":1}})"},
      {"a: &x {k: 1, l: 1}\nb:\n  <<: *x\n  k: 2", R"({"a":{"k":1,"l":1},"b":{"k":2,"l":1}})"},
      {"", "null"},
      {"# nothing\n", "null"},
  };
  for (const Case& test : cases) {
    const auto tree = parse_yaml(test.yaml, "c.yaml");
    ASSERT_TRUE(tree.has_value()) << test.yaml << ": " << tree.error().text;
    EXPECT_EQ(tree->to_json(false), test.json) << test.yaml;
  }
}

TEST(Yaml, RefusesWithPlaceAndRemedy) {
  struct Case {
    const char* name;
    std::string yaml;
    int line;
    const char* says;
  };
  const std::string deep = "a: " + std::string(150, '[') + std::string(150, ']');
  const Case cases[] = {
      {"tab", "a:\n\tb: 1\n", 2, "tab"},
      {"repeated key", "a: 1\nb: 2\na: 3\n", 3, "first on line 1"},
      {"bad indentation", "a:\n  b: 1\n c: 2\n", 3, "indentation"},
      {"open list", "a: [1, 2\nb: 3\n", 2, "close the list"},
      {"open quote", "z: 1\na: \"x\nb: 1\n", 2, "quote"},
      {"UTF-16",
       std::string("\xff\xfe"
                   "a",
                   3),
       1, "UTF-8"},
      {"not UTF-8", "a: 1\nb: \"caf\xe9\"\n", 2, "UTF-8"},
      {"overlong UTF-8", "a: \xc0\xaf\n", 1, "UTF-8"},
      {"surrogate in UTF-8", "a: \xed\xa0\x80\n", 1, "UTF-8"},
      {"cut UTF-8", "a: \xe2\x82", 1, "UTF-8"},
      {"NUL", std::string("a: 1\nb: x\0y\n", 11), 2, "NUL"},
      {"alias of what is not complete", "a: &a [*a]\n", 1, "not complete"},
      {"second document", "a: 1\n---\nb: 2\n", 2, "second document"},
      {"unknown tag", "a: !ENV x\n", 1, "tag"},
      {"unknown alias", "a: *x\n", 1, "anchor"},
      {"map as key", "{a: 1}: 2\n", 1, "key"},
      {"too deep", deep, 1, "depth_max"},
  };
  for (const Case& test : cases) {
    const auto tree = parse_yaml(test.yaml, "c.yaml");
    ASSERT_FALSE(tree.has_value()) << test.name;
    EXPECT_EQ(tree.error().line, test.line) << test.name << ": " << tree.error().text;
    EXPECT_EQ(tree.error().file, "c.yaml") << test.name;
    EXPECT_NE(tree.error().text.find(test.says), std::string::npos) << test.name << ": " << tree.error().text;
  }
}

TEST(Yaml, AnAliasBombIsStoppedByItsLimit) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int n = 1; n < 10; ++n) yaml += ", " + below;
    yaml += "]\n";
  }
  YamlLimits limits;
  limits.nodes_max = 10'000;
  const auto tree = parse_yaml(yaml, "c.yaml", limits);
  ASSERT_FALSE(tree.has_value());
  EXPECT_NE(tree.error().text.find("nodes_max"), std::string::npos);
}

TEST(Yaml, AliasesCountTowardsTheDepth) {
  // Each line is within the limit; each holds the one above.
  std::string yaml = "a0: &a0 [x]\n";
  for (int i = 1; i < 400; ++i) {
    yaml += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  }
  const auto tree = parse_yaml(yaml, "c.yaml");
  ASSERT_FALSE(tree.has_value());
  EXPECT_NE(tree.error().text.find("depth_max"), std::string::npos) << tree.error().text;
  EXPECT_EQ(tree.error().line, YamlLimits{}.depth_max);  // The map of the file is the first level.
}

TEST(Yaml, AFileBeyondTheLimitIsNotRead) {
  YamlLimits limits;
  limits.document_bytes_max = 10;
  const auto tree = parse_yaml("abcdefghijk", "c.yaml", limits);
  ASSERT_FALSE(tree.has_value());
  EXPECT_NE(tree.error().text.find("document_bytes_max"), std::string::npos);
}

TEST(Node, CoercesAndSaysWhatItExpected) {
  using std::chrono::milliseconds;
  EXPECT_EQ(Node::text("3").as_integer(), 3);
  EXPECT_EQ(Node::number("3.0").as_integer(), 3);
  EXPECT_FALSE(Node::number("3.5").as_integer());
  EXPECT_EQ(Node::text("True").as_bool(), true);
  EXPECT_FALSE(Node::text("maybe").as_bool());
  EXPECT_EQ(Node::number("0.001").as_time(), milliseconds(1));
  EXPECT_EQ(Node::text("500ms").as_time(), milliseconds(500));
  EXPECT_EQ(Node::text("2h").as_time(), milliseconds(7'200'000));
  EXPECT_FALSE(Node::number("-1").as_time());
  EXPECT_EQ(Node::text("64MiB").as_bytes(), 64u << 20);
  EXPECT_EQ(Node::number("2.50e-06").as_decimal(), "2.50e-06");
  EXPECT_FALSE(Node::number("-2.50e-06").as_decimal());

  Node secret = Node::text("hunter2");
  secret.set_secret();
  EXPECT_EQ(secret.as_integer().error().text.find("hunter2"), std::string::npos);
  EXPECT_EQ(secret.to_json(true), "\"***\"");
}

TEST(Node, PathsStayShort) {
  auto tree =
      parse_yaml("? " + std::string(1000, 'k') + "\n: {inner: [1, {deep: 2}]}\nmodel_list: [{a: 1}]\n", "c.yaml");
  ASSERT_TRUE(tree.has_value()) << tree.error().text;
  tree->set_paths("");
  EXPECT_LE(tree->items()[0].value.path().size(), 250U);
  EXPECT_LE(tree->items()[0].value.find("inner")->elements()[1].find("deep")->path().size(), 250U);
  EXPECT_EQ(tree->find("model_list")->elements()[0].find("a")->path(), "model_list[0].a");
}

TEST(Node, KnowsWhatIsASecret) {
  for (const char* name :
       {"api_key", "aws_secret_access_key", "master_key", "password", "database_url", "auth_token"}) {
    EXPECT_TRUE(names_a_secret(name)) << name;
  }
  for (const char* name : {"input_cost_per_token", "max_tokens", "prompt_cache_key", "api_base", "key_alias"}) {
    EXPECT_FALSE(names_a_secret(name)) << name;
  }
}

}  // namespace
}  // namespace turnpike::config::yaml_test
