#include "config/keys.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "config/yaml.h"

namespace turnpike::config::keys_test {
namespace {

constexpr std::string_view kBegin = "<!-- keys: written by keys_test with UPDATE_FIXTURES=1 -->\n";
constexpr std::string_view kEnd = "<!-- end of keys -->\n";

std::string_view standing_name(Standing standing) {
  switch (standing) {
    case Standing::Honoured:
      return "honoured";
    case Standing::Harmless:
      return "no effect here";
    case Standing::NotYet:
      return "not yet";
    case Standing::Protects:
      return "protects, not enforced";
    case Standing::Refused:
      return "refused";
  }
  return "";
}

std::string_view type_name(Type type) {
  switch (type) {
    case Type::Any:
      return "any";
    case Type::Bool:
      return "bool";
    case Type::Integer:
      return "integer";
    case Type::Number:
      return "number";
    case Type::Time:
      return "time";
    case Type::Bytes:
      return "bytes";
    case Type::Price:
      return "price";
    case Type::Text:
      return "text";
    case Type::Texts:
      return "texts";
    case Type::List:
      return "list";
    case Type::Map:
      return "map";
  }
  return "";
}

std::string table() {
  std::string text = "| Key | Type | Standing | |\n|---|---|---|---|\n";
  for (const Key& key : keys()) {
    text.append("| `").append(key.path).append("` | ").append(type_name(key.type)).append(" | ");
    text.append(standing_name(key.standing)).append(" | ").append(key.note).append(" |\n");
  }
  return text;
}

TEST(Keys, StandOnceEach) {
  std::set<std::string_view> seen;
  for (const Key& key : keys()) {
    EXPECT_TRUE(seen.insert(key.path).second) << key.path;
    EXPECT_EQ(key.standing == Standing::Honoured, key.note.empty()) << key.path << ": only the rest needs a reason";
  }
}

TEST(Keys, TheManualListsEachWithItsStanding) {
  const std::string path = std::string(TURNPIKE_SOURCE_DIR) + "/docs/config.md";
  std::stringstream stream;
  stream << std::ifstream(path).rdbuf();
  std::string manual = stream.str();
  const std::size_t begin = manual.find(kBegin);
  const std::size_t end = manual.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const std::size_t first = begin + kBegin.size();
  if (std::getenv("UPDATE_FIXTURES") != nullptr) {
    manual.replace(first, end - first, table());
    std::ofstream(path) << manual;
    return;
  }
  EXPECT_EQ(manual.substr(first, end - first), table()) << "run config_test with UPDATE_FIXTURES=1";
}

TEST(Keys, AreFoundWhereANodeStands) {
  struct Case {
    const char* node;
    const char* key;
  };
  const Case cases[] = {
      {"model_list[3].litellm_params.rpm", "model_list[].litellm_params.rpm"},
      {"model_list[12].litellm_params.temperature", "model_list[].litellm_params.*"},
      {"router_settings.num_retries", "router_settings.num_retries"},
      {"environment_variables.HOME", "environment_variables.*"},
      {"router_settings.num_retrys", nullptr},
      {"nothing", nullptr},
  };
  for (const Case& test : cases) {
    const Key* key = find_key(test.node);
    ASSERT_EQ(key == nullptr, test.key == nullptr) << test.node;
    if (key != nullptr) EXPECT_EQ(key->path, test.key) << test.node;
  }
}

/// Sets a key of the table to something that asks for protection, as YAML.
std::string yaml_that_sets(const Key& key) {
  std::string yaml;
  std::string indent;
  std::string_view rest = key.path;
  while (!rest.empty()) {
    const std::size_t dot = rest.find('.');
    std::string name(rest.substr(0, dot));
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
    const bool list = name.ends_with("[]");
    if (list) name.resize(name.size() - 2);
    yaml += indent + name + ":";
    if (rest.empty()) break;
    yaml += "\n";
    if (list) {
      yaml += indent + "  -\n";
      indent += "  ";
    }
    indent += "  ";
  }
  switch (key.type) {
    case Type::Bool:
      return yaml + " true\n";
    case Type::Integer:
    case Type::Number:
    case Type::Price:
      return yaml + " 5\n";
    case Type::Time:
      return yaml + " 5s\n";
    case Type::Bytes:
      return yaml + " 5MiB\n";
    case Type::List:
    case Type::Texts:
      return yaml + " [something]\n";
    case Type::Map:
      return yaml + " {something: 5}\n";
    case Type::Any:
    case Type::Text:
      return yaml + " something\n";
  }
  return yaml;
}

TEST(Keys, EveryProtectingKeyStopsTheStartUntilItIsNamed) {
  int protecting = 0;
  for (const Key& key : keys()) {
    if (key.standing != Standing::Protects) continue;
    ++protecting;
    SCOPED_TRACE(std::string(key.path));
    const auto tree = parse_yaml(yaml_that_sets(key), "config.yaml");
    ASSERT_TRUE(tree.has_value()) << tree.error().text;
    Node root = *tree;
    root.set_paths("");

    const KeyCheck stopped = check_keys(root, {});
    EXPECT_EQ(worst(stopped.diagnostics), Severity::Error);
    EXPECT_TRUE(stopped.unenforced.empty());

    std::string named(key.path);
    for (std::size_t at = named.find("[]"); at != std::string::npos; at = named.find("[]")) named.erase(at, 2);
    const std::vector<std::string> allowed = {named};
    const KeyCheck let_through = check_keys(root, allowed);
    EXPECT_NE(worst(let_through.diagnostics), Severity::Error) << format(let_through.diagnostics.front());
    EXPECT_EQ(let_through.unenforced.size(), 1u);
  }
  EXPECT_GT(protecting, 30);
}

TEST(Keys, AnOffValueAsksForNothing) {
  for (const char* yaml : {"litellm_settings: {max_budget: 0}", "litellm_settings: {guardrails: []}",
                           "litellm_settings: {redact_messages_in_exceptions: false}",
                           "general_settings: {allowed_routes: null}", "guardrails: []"}) {
    auto tree = parse_yaml(yaml, "config.yaml");
    ASSERT_TRUE(tree.has_value());
    tree->set_paths("");
    EXPECT_TRUE(check_keys(*tree, {}).diagnostics.empty()) << yaml;
  }
}

}  // namespace
}  // namespace turnpike::config::keys_test
