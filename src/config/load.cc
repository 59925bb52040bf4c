#include <fmt/format.h>

#include <cstdlib>

#include "base/hash.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

bool served(const Settings& settings, std::string_view name) {
  for (const ModelEntry& entry : settings.models) {
    if (entry.model_name == name || entry.id == name || matches_wildcard(entry.model_name, name)) return true;
  }
  for (const GroupAlias& alias : settings.router.model_group_alias) {
    if (alias.alias == name) return true;
  }
  return false;
}

std::vector<std::string> group_names(const Settings& settings) {
  std::vector<std::string> names;
  for (const ModelEntry& entry : settings.models) names.push_back(entry.model_name);
  return names;
}

Loaded failed(Diagnostic finding) {
  Loaded loaded;
  loaded.diagnostics.push_back(std::move(finding));
  return loaded;
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

bool matches_wildcard(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  for (std::size_t at = star; at <= name.size(); ++at) {
    if (matches_wildcard(pattern.substr(star + 1), name.substr(at))) return true;
  }
  return false;
}

void check_references(Reading& reading, const Settings& settings) {
  const std::vector<std::string> names = group_names(settings);
  const auto check = [&](const std::string& name, std::string_view where) {
    if (name == "*" || served(settings, name)) return;
    const std::vector<std::string> near = base::nearest(name, names, 1);
    Diagnostic finding;
    finding.severity = Severity::Warning;
    finding.file = settings.file;
    finding.path = where;
    if (const Node* node = reading.document.root.find_path(where)) {
      finding.file = node->file();
      finding.line = node->line();
    }
    finding.text = fmt::format("no deployment serves \"{}\"{}", name,
                               near.empty() ? std::string() : fmt::format("; did you mean \"{}\"?", near.front()));
    reading.diagnostics.push_back(std::move(finding));
  };
  const auto check_all = [&](const std::vector<Fallback>& fallbacks, std::string_view key) {
    const std::string path =
        (reading.section("router_settings").find(key) != nullptr ? "router_settings." : "litellm_settings.") +
        std::string(key);
    for (const Fallback& fallback : fallbacks) {
      check(fallback.model_group, path);
      for (const std::string& target : fallback.targets) check(target, path);
    }
  };
  check_all(settings.router.fallbacks, "fallbacks");
  check_all(settings.router.context_window_fallbacks, "context_window_fallbacks");
  check_all(settings.router.content_policy_fallbacks, "content_policy_fallbacks");
  for (const std::string& name : settings.router.default_fallbacks) check(name, "router_settings.default_fallbacks");
  for (const GroupAlias& alias : settings.router.model_group_alias)
    check(alias.target, "router_settings.model_group_alias");
}

void check_variables(Reading& reading) {
  const std::function<void(const Node&)> walk = [&](const Node& node) {
    for (const Node::Item& item : node.items()) walk(item.value);
    for (const Node& element : node.elements()) walk(element);
    if (!node.is_null() || node.variable().empty()) return;
    const Key* row = find_key(node.path());
    if (row == nullptr || row->standing != Standing::Honoured) return;
    reading.diagnostics.push_back(
        node.warning(fmt::format("{} is not set; set it or write the value here", node.variable())));
  };
  walk(reading.document.root);
}

Loaded load_text(std::string_view text, const LoadOptions& options) {
  Read<Document> document = read_document(text, options.path, options.environment);
  if (!document) return failed(std::move(document.error()));
  Loaded loaded;
  auto settings = std::make_shared<Settings>();
  KeyCheck checked = check_keys(document->root, options.allow_unenforced);
  loaded.diagnostics = std::move(checked.diagnostics);
  Reading reading{*document, options, loaded.diagnostics};
  settings->unenforced = std::move(checked.unenforced);
  settings->models = read_models(reading);
  settings->router = read_router(reading);
  settings->litellm = read_litellm(reading);
  settings->general = read_general(reading);
  settings->turnpike = read_turnpike(reading);
  settings->environment_variables = document->environment_variables;
  settings->file = options.path;
  settings->files = document->files;
  check_references(reading, *settings);
  check_variables(reading);
  settings->fingerprint = base::sha256_hex(document->root.to_json(false));
  if (worst(loaded.diagnostics) != Severity::Error) loaded.settings = std::move(settings);
  return loaded;
}

Loaded load(const LoadOptions& options) {
  Read<std::string> text = read_file(options.path);
  if (!text) return failed(std::move(text.error()));
  return load_text(*text, options);
}

Loaded settings_from_environment(const std::vector<ProviderKey>& providers, const Environment& environment) {
  std::string yaml = "model_list:\n";
  std::vector<Diagnostic> found;
  for (const ProviderKey& provider : providers) {
    for (const std::string& variable : provider.variables) {
      const std::optional<std::string> value = environment(variable);
      if (!value || value->empty()) continue;
      yaml += fmt::format("  - model_name: '{0}/*'\n    litellm_params: {{model: '{0}/*', api_key: os.environ/{1}}}\n",
                          provider.provider, variable);
      found.push_back({Severity::Notice, {}, 0, {}, fmt::format("{} serves {}/*", variable, provider.provider)});
      break;
    }
  }
  if (found.empty()) {
    yaml = "model_list: []\n";
    found.push_back({Severity::Warning,
                     {},
                     0,
                     {},
                     "no config file and no provider key in the environment: no model is served. Pass --config FILE, "
                     "set for example "
                     "OPENAI_API_KEY, or write a config with: turnpike init"});
  }
  LoadOptions options;
  options.environment = environment;
  Loaded loaded = load_text(yaml, options);
  loaded.diagnostics.insert(loaded.diagnostics.begin(), found.begin(), found.end());
  if (loaded.settings) {
    auto settings = std::make_shared<Settings>(*loaded.settings);
    settings->files.clear();
    loaded.settings = std::move(settings);
  }
  return loaded;
}

}  // namespace turnpike::config
