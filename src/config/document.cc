#include "config/document.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "config/yaml.h"

namespace turnpike::config {

namespace {

constexpr std::string_view kVariablePrefix = "os.environ/";

/// Maps under which every value is a secret: headers carry keys, and credentials are nothing else.
bool holds_secrets(std::string_view key) {
  return key == "credential_values" || key == "environment_variables" || key == "env" || key.ends_with("headers") ||
         key == "vertex_credentials";
}

void mark_secrets(Node& node, bool inside) {
  if (inside) node.set_secret();
  for (Node::Item& item : node.items_mutable()) {
    mark_secrets(item.value, inside || names_a_secret(item.key) || holds_secrets(item.key));
  }
  for (Node& element : node.elements_mutable()) mark_secrets(element, inside);
}

void resolve_variables(Node& node, const Environment& environment) {
  if (node.kind() == Node::Kind::Text && node.scalar().starts_with(kVariablePrefix)) {
    std::string name = node.scalar().substr(kVariablePrefix.size());
    const std::string path = node.path();
    const auto value = environment(name);
    Node resolved = value ? Node::text(*value) : Node();
    resolved.set_place(std::make_shared<const std::string>(node.file()), node.line());
    resolved.set_from_environment(std::move(name));
    node = std::move(resolved);
    return;
  }
  for (Node::Item& item : node.items_mutable()) resolve_variables(item.value, environment);
  for (Node& element : node.elements_mutable()) resolve_variables(element, environment);
}

Diagnostic top_level_error(const std::string& file, int line, std::string what) {
  return {Severity::Error, file, line, {}, std::move(what)};
}

Read<Node> read_top_level(std::string_view text, const std::string& file) {
  auto root = parse_yaml(text, file);
  if (!root) return root;
  if (root->is_null()) {
    return tl::unexpected(top_level_error(
        file, 0, "the file is empty; write at least a model_list, or run `turnpike init` for a commented start"));
  }
  if (!root->is_map()) {
    return tl::unexpected(top_level_error(
        file, root->line(), "the top level must be a map with keys like model_list and general_settings"));
  }
  return root;
}

/// Lists extend, everything else replaces.
void lay_over(Node& main, Node included) {
  for (Node::Item& item : included.items_mutable()) {
    if (item.key == "include") continue;
    Node* known = main.find_mutable(item.key);
    if (known == nullptr) {
      main.items_mutable().push_back(std::move(item));
    } else if (known->is_list() && item.value.is_list()) {
      for (Node& element : item.value.elements_mutable()) known->elements_mutable().push_back(std::move(element));
    } else {
      *known = std::move(item.value);
    }
  }
}

tl::expected<void, Diagnostic> include_files(Document& document, const std::string& file,
                                             const Environment& environment) {
  Node* include = document.root.find_mutable("include");
  if (include == nullptr) return {};
  include->set_paths("include");
  resolve_variables(*include, environment);
  const Node list = *include;
  std::erase_if(document.root.items_mutable(), [](const Node::Item& item) { return item.key == "include"; });
  if (list.is_null()) return {};
  auto names = list.as_text_list();
  if (!names) return tl::unexpected(names.error());
  for (std::size_t i = 0; i < names->size(); ++i) {
    const std::filesystem::path path = std::filesystem::path(file).parent_path() / (*names)[i];
    const Node& where = list.is_list() && i < list.elements().size() ? list.elements()[i] : list;
    auto text = read_file(path.string());
    if (!text) {
      return tl::unexpected(where.error(fmt::format("cannot include \"{}\": {}", (*names)[i], text.error().text)));
    }
    auto included = read_top_level(*text, path.string());
    if (!included) return tl::unexpected(included.error());
    lay_over(document.root, std::move(*included));
    document.files.push_back(path.string());
  }
  return {};
}

tl::expected<void, Diagnostic> read_environment_variables(Document& document, const Environment& environment) {
  Node* section = document.root.find_mutable("environment_variables");
  document.environment = environment;
  if (section == nullptr || section->is_null()) return {};
  section->set_paths("environment_variables");
  if (!section->is_map()) return tl::unexpected(section->error("expected a map of variable names and values"));
  resolve_variables(*section, environment);
  auto exported = std::make_shared<std::unordered_map<std::string, std::string>>();
  for (const Node::Item& item : section->items()) {
    if (item.value.is_null()) continue;
    auto value = item.value.as_text();
    if (!value) return tl::unexpected(value.error());
    document.environment_variables.emplace_back(item.key, base::Secret(*value));
    (*exported)[item.key] = std::move(*value);
  }
  document.environment = [exported, environment](const std::string& name) -> std::optional<std::string> {
    const auto known = exported->find(name);
    if (known != exported->end()) return known->second;
    return environment(name);
  };
  return {};
}

}  // namespace

void complete(Node& tree, const Environment& environment, const std::string& path) {
  tree.set_paths(path);
  resolve_variables(tree, environment);
  mark_secrets(tree, false);
  tree.set_paths(path);
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

Read<std::string> read_file(const std::string& path) {
  std::error_code failure;
  if (std::filesystem::is_directory(path, failure)) {
    return tl::unexpected(top_level_error(path, 0, "this is a directory; name a file"));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    const int reason = errno;
    return tl::unexpected(top_level_error(
        path, 0,
        reason == ENOENT ? "there is no such file; check the path"
                         : fmt::format("the file cannot be read ({}); check its permissions", std::strerror(reason))));
  }
  // One byte more than the limit, so that parse_yaml sees a file that is too large without holding all of it.
  std::string text(YamlLimits{}.document_bytes_max + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

Read<Document> read_document(std::string_view text, const std::string& file, const Environment& environment) {
  auto root = read_top_level(text, file);
  if (!root) return tl::unexpected(root.error());
  Document document;
  document.root = std::move(*root);
  document.files.push_back(file);
  if (auto included = include_files(document, file, environment); !included) return tl::unexpected(included.error());
  if (auto read = read_environment_variables(document, environment); !read) return tl::unexpected(read.error());
  resolve_variables(document.root, document.environment);
  mark_secrets(document.root, false);
  document.root.set_paths("");
  return document;
}

}  // namespace turnpike::config
