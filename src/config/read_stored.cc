#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "config/keys.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

/// Variables that are nobody's but this process's: no row may carry them to a provider.
bool is_our_own(std::string_view variable) {
  return variable.starts_with("LITELLM_") || variable.starts_with("DATABASE_") || variable.starts_with("TURNPIKE_") ||
         variable.starts_with("UI_") || variable.starts_with("REDIS_");
}

/// Whether JSON text says `word` somewhere, however its letters are escaped.
bool says(std::string_view json, std::string_view word) {
  std::string plain;
  for (std::size_t at = 0; at < json.size(); ++at) {
    unsigned code = 0;
    const bool escape =
        json.substr(at).starts_with("\\u00") && at + 6 <= json.size() &&
        std::from_chars(json.data() + at + 4, json.data() + at + 6, code, 16).ptr == json.data() + at + 6;
    plain += escape ? static_cast<char>(code) : json[at];
    if (escape) at += 5;
  }
  return plain.find(word) != std::string::npos;
}

/// Credentials of Google that name a file, a program or an address to read a token from.
bool reads_elsewhere(const Node& node) {
  if (node.kind() == Node::Kind::Map) return says(node.to_json(false), "external_account");
  return !node.scalar().starts_with('{') || says(node.scalar(), "external_account");
}

/// A row is written over the network, so it may name no file of this machine (AC-SEC-3) and none of our own secrets.
std::optional<Diagnostic> forbidden(const Node& node, std::string_view name) {
  const std::string& text = node.scalar();
  if (text.starts_with("oidc/") ||
      (name == "aws_web_identity_token" && node.variable().empty() && text.starts_with('/'))) {
    return node.error("names a file or a variable of the machine: that may stand in the file only");
  }
  if (name == "vertex_credentials" && node.variable().empty() && node.kind() != Node::Kind::Null &&
      reads_elsewhere(node)) {
    return node.error(
        "must be the JSON of a service account; a path or an external account may stand in the file only");
  }
  if (is_our_own(node.variable()))
    return node.error(fmt::format("the variable {} is the gateway's own", node.variable()));
  for (const Node::Item& item : node.items()) {
    if (auto found = forbidden(item.value, item.key)) return found;
  }
  for (const Node& element : node.elements()) {
    if (auto found = forbidden(element, name)) return found;
  }
  return std::nullopt;
}

/// The first error of the key table, which sees the row alone: what repeats in others would be told once.
std::optional<Diagnostic> wrong_key(const Node& row, std::vector<Diagnostic>& warnings) {
  Node list = Node::list();
  list.elements_mutable().push_back(row);
  Node root = Node::map();
  root.items_mutable().push_back({"model_list", 0, std::move(list)});
  for (Diagnostic& found : check_keys(root, {}).diagnostics) {
    if (found.severity == Severity::Error) return std::move(found);
    warnings.push_back(std::move(found));
  }
  return std::nullopt;
}

class StoredReader {
 public:
  StoredReader(Reading& reading, const Settings& settings) : reading_(reading), settings_(settings) {
    for (const ModelEntry& entry : settings.models) ids_.insert(entry.id);
    tree_.environment = reading.document.environment;
    tree_.root = Node::map();
    for (const std::string_view name : {"router_settings", "litellm_settings", "credential_list"}) {
      if (const Node* node = reading.document.root.find(name))
        tree_.root.items_mutable().push_back({std::string(name), 0, *node});
    }
    tree_.root.items_mutable().push_back({"model_list", 0, Node::list()});
  }

  std::vector<ModelEntry> read(Node row) {
    complete(row, reading_.document.environment, "model_list[0]");
    std::vector<Diagnostic> found;
    std::optional<Diagnostic> wrong = forbidden(row, "");
    if (!wrong) wrong = wrong_key(row, found);
    std::vector<ModelEntry> entries;
    if (!wrong) entries = read_row(row, found);
    for (Diagnostic& one : found) {
      if (one.severity == Severity::Error && !wrong) wrong = one;
      if (one.severity != Severity::Error) reading_.diagnostics.push_back(std::move(one));
    }
    if (!wrong) wrong = taken(row, entries);
    if (!wrong) return entries;
    leave_out(row, *wrong);
    return {};
  }

 private:
  std::vector<ModelEntry> read_row(const Node& row, std::vector<Diagnostic>& found) {
    tree_.root.find_mutable("model_list")->elements_mutable().assign(1, row);
    LoadOptions options = reading_.options;
    options.reload = false;
    Reading own{tree_, options, found};
    own.database = true;
    std::vector<ModelEntry> entries = read_models(own, settings_.turnpike.providers);
    for (ModelEntry& entry : entries) {
      entry.stored = true;
      entry.identity = "stored|" + entry.id;
    }
    reading_.left_out.insert(reading_.left_out.end(), own.left_out.begin(), own.left_out.end());
    reading_.left_out_groups.insert(reading_.left_out_groups.end(), own.left_out_groups.begin(),
                                    own.left_out_groups.end());
    return entries;
  }

  std::optional<Diagnostic> taken(const Node& row, const std::vector<ModelEntry>& entries) {
    for (const ModelEntry& entry : entries) {
      if (ids_.insert(entry.id).second) continue;
      const Node* info = row.find("model_info");
      const Node* id = info == nullptr ? nullptr : info->find("id");
      return (id == nullptr ? row : *id).error(fmt::format("another deployment has the id {}", entry.id));
    }
    return std::nullopt;
  }

  void leave_out(const Node& row, Diagnostic wrong) {
    reading_.left_out.push_back(fmt::format("{}: {}", row.file(), wrong.text));
    reading_.left_out_groups.push_back(take(row, "model_name", &Node::as_text).value_or(""));
    wrong.severity = Severity::Warning;
    wrong.text += "; this deployment is left out";
    reading_.diagnostics.push_back(std::move(wrong));
  }

  Reading& reading_;
  const Settings& settings_;
  Document tree_;  // What the reader of model_list sees: one row at a time.
  std::set<std::string> ids_;
};

}  // namespace

std::vector<ModelEntry> read_stored_models(Reading& reading, const Stored& stored, const Settings& settings) {
  StoredReader reader(reading, settings);
  std::vector<ModelEntry> models;
  for (const Node& row : stored.models) {
    for (ModelEntry& entry : reader.read(row)) models.push_back(std::move(entry));
  }
  return models;
}

Node all_credentials(const Document& document, const Stored& stored) {
  Node list = Node::list();
  if (const Node* of_file = document.root.find("credential_list")) list = *of_file;
  for (const Node& row : stored.credentials) {
    Node credential = row;
    complete(credential, document.environment, fmt::format("credential_list[{}]", list.elements().size()));
    if (!forbidden(credential, "")) list.elements_mutable().push_back(std::move(credential));
  }
  return list;
}

std::vector<Credential> read_credentials(const Node& list, std::size_t of_file) {
  std::vector<Credential> credentials;
  for (const Node& element : list.elements()) {
    Credential credential;
    credential.stored = &element - list.elements().data() >= static_cast<std::ptrdiff_t>(of_file);
    credential.name = take(element, "credential_name", &Node::as_text).value_or("");
    if (const Node* values = element.find("credential_values")) {
      for (const Node::Item& item : values->items())
        credential.values.emplace_back(item.key, base::Secret(item.value.as_text().value_or(std::string())));
    }
    if (const Node* info = element.find("credential_info")) credential.info_json = info->to_json(true);
    credentials.push_back(std::move(credential));
  }
  return credentials;
}

}  // namespace turnpike::config
