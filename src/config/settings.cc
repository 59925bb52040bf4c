#include "config/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/hash.h"
#include "base/text.h"
#include "config/effective.h"
#include "config/keys.h"
#include "config/readers.h"

namespace turnpike::config {

namespace {

bool has_errors(const std::vector<Diagnostic>& diagnostics) {
  return worst(diagnostics) == Severity::Error;
}

bool serves(const Reading& reading, const Settings& settings, const std::string& name) {
  if (name == "*") return true;
  // It has been said why nobody serves it.
  for (const std::string& group : reading.left_out_groups) {
    if (group == name || matches_wildcard(group, name)) return true;
  }
  for (const ModelEntry& entry : settings.models) {
    if (entry.model_name == name || entry.id == name || matches_wildcard(entry.model_name, name)) return true;
  }
  return std::any_of(settings.router.model_group_alias.begin(), settings.router.model_group_alias.end(),
                     [&](const GroupAlias& alias) { return alias.alias == name; });
}

void missing_in(const Node& node, std::map<std::string, std::pair<Diagnostic, int>>& found) {
  if (node.is_null() && !node.variable().empty() && node.path() != "general_settings.master_key") {
    const Key* key = find_key(node.path());
    if (key != nullptr && key->standing == Standing::Honoured) {
      auto [at, fresh] = found.try_emplace(node.variable());
      if (fresh) {
        at->second.first = node.warning(fmt::format(
            "the environment variable {} is not set, so the key counts as absent; set it", node.variable()));
      }
      ++at->second.second;
    }
  }
  for (const Node::Item& item : node.items()) missing_in(item.value, found);
  for (const Node& element : node.elements()) missing_in(element, found);
}

void compare(std::vector<std::string>& lines, const std::string& where, const EffectiveValues& before,
             const EffectiveValues& after) {
  std::map<std::string, const EffectiveValue*> old;
  for (const EffectiveValue& value : before) old.emplace(value.name, &value);
  for (const EffectiveValue& value : after) {
    const auto known = old.find(value.name);
    if (known == old.end()) {
      lines.push_back(fmt::format("{}{} added", where, value.name));
      continue;
    }
    if (!(*known->second == value)) {
      const bool hidden = !value.trace.empty() || !known->second->trace.empty();
      lines.push_back(hidden ? fmt::format("{}{} changed", where, value.name)
                             : fmt::format("{}{}: {} -> {}", where, value.name, known->second->json, value.json));
    }
    old.erase(known);
  }
  for (const auto& [name, value] : old) lines.push_back(fmt::format("{}{} removed", where, name));
}

std::string short_id(const ModelEntry& entry) {
  constexpr std::size_t kShown = 12;
  return fmt::format("deployment {} (id {})", entry.model_name, entry.id.substr(0, kShown));
}

void compare_models(std::vector<std::string>& lines, const Settings& before, const Settings& after) {
  std::map<std::string, const ModelEntry*> old;
  for (const ModelEntry& entry : before.models) old.emplace(entry.identity, &entry);
  for (const ModelEntry& entry : after.models) {
    const auto known = old.find(entry.identity);
    if (known == old.end()) {
      lines.push_back(short_id(entry) + " added");
      continue;
    }
    const std::size_t count = lines.size();
    EffectiveValues was = effective(*known->second);
    EffectiveValues is = effective(entry);
    // A derived id follows from the parameters: the parameter that changed says more.
    const auto is_id = [](const EffectiveValue& value) { return value.name == "id"; };
    std::erase_if(was, is_id);
    std::erase_if(is, is_id);
    compare(lines, short_id(entry) + ": ", was, is);
    if (lines.size() == count && !(entry == *known->second)) lines.push_back(short_id(entry) + " changed");
    old.erase(known);
  }
  for (const auto& [identity, entry] : old) lines.push_back(short_id(*entry) + " removed");
}

void compare_variables(std::vector<std::string>& lines, const Settings& before, const Settings& after) {
  std::map<std::string, std::string> old;
  for (const auto& [name, value] : before.environment_variables) old[name] = value.reveal();
  for (const auto& [name, value] : after.environment_variables) {
    const auto known = old.find(name);
    if (known == old.end()) {
      lines.push_back(fmt::format("environment_variables.{} added", name));
    } else {
      if (known->second != value.reveal()) lines.push_back(fmt::format("environment_variables.{} changed", name));
      old.erase(known);
    }
  }
  for (const auto& [name, value] : old) lines.push_back(fmt::format("environment_variables.{} removed", name));
}

/// True for the difference of a setting that is read once, when the stores and the listener are opened.
bool waits_for_a_start(std::string_view line) {
  for (const std::string_view name :
       {"turnpike.data_dir", "turnpike.journal_dir", "turnpike.journal_segment_bytes", "turnpike.journal_sync_interval",
        "turnpike.journal_keep", "turnpike.ledger_durability", "turnpike.ledger_ship_interval",
        "turnpike.ship_batch_rows", "turnpike.journal_full_policy", "turnpike.ledger_retention_days",
        "turnpike.prompt_retention_days", "general_settings.maximum_spend_logs_retention_period",
        "general_settings.maximum_spend_logs_retention_interval"}) {
    if (line.starts_with(name) && line.size() > name.size() && (line[name.size()] == ':' || line[name.size()] == ' '))
      return true;
  }
  return false;
}

bool same(const std::vector<std::pair<std::string, base::Secret>>& a,
          const std::vector<std::pair<std::string, base::Secret>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& left, const auto& right) {
    return left.first == right.first && left.second.reveal() == right.second.reveal();
  });
}

}  // namespace

bool ModelEntry::operator==(const ModelEntry& other) const {
  // Where it stands in the file is no part of what it is.
  const auto plain = [](const ModelEntry& entry) {
    return std::tie(
        entry.id, entry.identity, entry.model_name, entry.model, entry.custom_llm_provider, entry.missing_variable,
        entry.api_base, entry.api_version, entry.organization, entry.litellm_credential_name, entry.rpm, entry.tpm,
        entry.weight, entry.order, entry.tags, entry.tag_regex, entry.region_name, entry.max_parallel_requests,
        entry.drain_on_disconnect, entry.silent_models, entry.timeout, entry.stream_timeout, entry.num_retries,
        entry.cooldown_time, entry.default_params_json, entry.drop_params, entry.additional_drop_params,
        entry.allowed_openai_params, entry.mock_response_json, entry.mock_timeout, entry.use_litellm_proxy,
        entry.prices, entry.free, entry.base_model, entry.mode, entry.max_tokens, entry.max_input_tokens,
        entry.max_output_tokens, entry.access_groups, entry.health_check_model, entry.health_check_timeout,
        entry.health_check_max_tokens, entry.health_check_max_tokens_reasoning,
        entry.health_check_max_tokens_non_reasoning, entry.disable_background_health_check, entry.model_info_json);
  };
  return plain(*this) == plain(other) && api_key.reveal() == other.api_key.reveal() &&
         same(extra_headers, other.extra_headers) && same(provider_params, other.provider_params);
}

bool ProviderRow::operator==(const ProviderRow& other) const {
  // Where it stands in the file is no part of what it is.
  const auto plain = [](const ProviderRow& row) {
    return std::tie(row.name, row.base_url, row.shape, row.auth, row.auth_header, row.key_env, row.rename, row.drop);
  };
  return plain(*this) == plain(other);
}

bool GeneralSettings::operator==(const GeneralSettings& other) const {
  return effective(*this) == effective(other);
}

bool matches_wildcard(std::string_view pattern, std::string_view name) {
  // Greedy with one step back per star, so that no pattern costs more than pattern times name.
  std::size_t at = 0;
  std::size_t in_pattern = 0;
  std::size_t star = std::string_view::npos;
  std::size_t after_star = 0;
  while (at < name.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      star = in_pattern++;
      after_star = at;
    } else if (in_pattern < pattern.size() && pattern[in_pattern] == name[at]) {
      ++in_pattern;
      ++at;
    } else if (star != std::string_view::npos) {
      in_pattern = star + 1;
      at = ++after_star;
    } else {
      return false;
    }
  }
  while (in_pattern < pattern.size() && pattern[in_pattern] == '*') ++in_pattern;
  return in_pattern == pattern.size();
}

void check_references(Reading& reading, const Settings& settings) {
  std::vector<std::string> groups;
  for (const ModelEntry& entry : settings.models) groups.push_back(entry.model_name);
  std::set<std::string> told;
  const auto check = [&](const std::string& name, std::string_view key) {
    if (serves(reading, settings, name) || !told.insert(name).second) return;
    const Node* place = reading.section("router_settings").find(key);
    if (place == nullptr) place = reading.section("litellm_settings").find(key);
    if (place == nullptr) place = reading.section("turnpike").find(key);
    if (place == nullptr) return;
    const auto near = base::nearest(name, groups, 1);
    reading.diagnostics.push_back(
        place->warning(fmt::format("no deployment serves \"{}\"; {}", name,
                                   near.empty() ? "add it to model_list" : fmt::format("did you mean {}?", near[0]))));
  };
  const auto check_all = [&](const std::vector<Fallback>& fallbacks, std::string_view key) {
    for (const Fallback& fallback : fallbacks) {
      check(fallback.model_group, key);
      for (const FallbackTarget& target : fallback.targets) check(target.model, key);
    }
  };
  check_all(settings.router.fallbacks, "fallbacks");
  check_all(settings.router.context_window_fallbacks, "context_window_fallbacks");
  check_all(settings.router.content_policy_fallbacks, "content_policy_fallbacks");
  for (const std::string& target : settings.router.default_fallbacks) check(target, "default_fallbacks");
  for (const GroupAlias& alias : settings.router.model_group_alias) check(alias.target, "model_group_alias");
  for (const GroupAffinity& group : settings.router.model_group_affinity_config)
    check(group.model_group, "model_group_affinity_config");
  for (const ModelEntry& entry : settings.models) {
    for (const std::string& target : entry.silent_models) {
      if (!serves(reading, settings, target) && told.insert(target).second) {
        reading.diagnostics.push_back({Severity::Warning, entry.file, entry.line,
                                       "model_list[].litellm_params.silent_model",
                                       fmt::format("no deployment serves \"{}\"; add it to model_list", target)});
      }
    }
  }
  for (const GroupMirroring& rule : settings.turnpike.mirroring) check(rule.to, "mirroring");
  check_rules(reading, settings.models);
  check_priorities(reading, settings.models, settings.litellm.priorities);
}

void check_variables(Reading& reading) {
  std::map<std::string, std::pair<Diagnostic, int>> found;
  missing_in(reading.document.root, found);
  for (auto& [name, finding] : found) {
    if (finding.second > 1) finding.first.text += fmt::format(" ({} places name it)", finding.second);
    reading.diagnostics.push_back(std::move(finding.first));
  }
}

namespace {

/// `stored`: null while the database has not been read.
Loaded load_tree(std::shared_ptr<const Document> document, const LoadOptions& options, const Stored* stored) {
  Loaded loaded;
  loaded.document = document;
  KeyCheck keys = check_keys(document->root, options.allow_unenforced, options.nobody_is_served);
  loaded.diagnostics = std::move(keys.diagnostics);

  // What reads credentials sees those of the database too.
  Document whole = *document;
  static const Stored kNothing;
  const std::size_t of_file = all_credentials(*document, kNothing).elements().size();
  if (stored != nullptr) {
    std::erase_if(whole.root.items_mutable(), [](const Node::Item& item) { return item.key == "credential_list"; });
    whole.root.items_mutable().push_back({"credential_list", 0, all_credentials(*document, *stored)});
  }
  Reading reading{whole, options, loaded.diagnostics};
  auto settings = std::make_shared<Settings>();
  settings->turnpike = read_turnpike(reading);
  settings->general = read_general(reading);
  reading.database = settings->general.store_model_in_db;
  settings->models = read_models(reading, settings->turnpike.providers);
  settings->credentials = read_credentials(all_credentials(*document, stored == nullptr ? kNothing : *stored), of_file);
  if (stored != nullptr) {
    for (ModelEntry& entry : read_stored_models(reading, *stored, *settings))
      settings->models.push_back(std::move(entry));
  }
  settings->router = read_router(reading);
  settings->redis = read_redis(reading);
  settings->litellm = read_litellm(reading);
  const bool all_known = stored != nullptr || !settings->general.store_model_in_db;
  if (all_known) check_references(reading, *settings);
  check_variables(reading);
  check_environment(reading);
  if (all_known && settings->models.empty()) {
    loaded.diagnostics.push_back({Severity::Warning, options.path, 0, "model_list",
                                  "no model is served; add a deployment with model_name and litellm_params.model"});
  }
  if (settings->turnpike.limiter_shards > 1 && !settings->redis.used()) {
    loaded.diagnostics.push_back({Severity::Warning, options.path, 0, "turnpike.limiter_shards",
                                  "has no effect without Redis, over whose slots it spreads limits; name one with "
                                  "REDIS_HOST or router_settings.redis_host, or leave it out"});
  }
  settings->environment_variables = document->environment_variables;
  settings->unenforced = std::move(keys.unenforced);
  settings->left_out = std::move(reading.left_out);
  settings->file = options.path;
  settings->files = document->files;
  settings->fingerprint = fingerprint_of(*settings);

  std::sort(loaded.diagnostics.begin(), loaded.diagnostics.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::tie(b.severity, a.file, a.line, a.path, a.text) < std::tie(a.severity, b.file, b.line, b.path, b.text);
  });
  // A value that two readers look at is told once.
  const auto same_finding = [](const Diagnostic& a, const Diagnostic& b) { return format(a) == format(b); };
  loaded.diagnostics.erase(std::unique(loaded.diagnostics.begin(), loaded.diagnostics.end(), same_finding),
                           loaded.diagnostics.end());
  if (!has_errors(loaded.diagnostics)) loaded.settings = std::move(settings);
  return loaded;
}

}  // namespace

Loaded load_document(std::shared_ptr<const Document> document, const LoadOptions& options, const Stored& stored) {
  return load_tree(std::move(document), options, &stored);
}

Loaded load_text(std::string_view text, const LoadOptions& options) {
  auto document = read_document(text, options.path, options.environment);
  if (document) return load_tree(std::make_shared<const Document>(std::move(*document)), options, nullptr);
  Loaded loaded;
  loaded.diagnostics.push_back(document.error());
  return loaded;
}

Loaded load(const LoadOptions& options) {
  auto text = read_file(options.path);
  if (!text) return {nullptr, {text.error()}, nullptr};
  return load_text(*text, options);
}

std::vector<FoundKey> found_keys(const std::vector<ProviderKey>& providers, const Environment& environment) {
  std::vector<FoundKey> found;
  std::set<std::string> used;
  for (const ProviderKey& provider : providers) {
    for (const std::string& variable : provider.variables) {
      if (environment(variable).value_or("").empty()) continue;
      const std::string api_key = provider.found_by_provider ? "" : "os.environ/" + variable;
      if (used.insert(variable).second) found.push_back({provider.provider, variable, api_key});
      break;
    }
  }
  return found;
}

Loaded settings_from_environment(const std::vector<ProviderKey>& providers, const Environment& environment) {
  LoadOptions options;
  options.environment = environment;
  std::string text = "model_list:\n";
  std::vector<Diagnostic> found;
  for (const FoundKey& key : found_keys(providers, environment)) {
    text += fmt::format("  - model_name: \"{0}/*\"\n    litellm_params: {{model: \"{0}/*\"{1}{2}}}\n", key.provider,
                        key.api_key.empty() ? "" : ", api_key: ", key.api_key);
    found.push_back({Severity::Notice, {}, 0, key.variable, fmt::format("is set: serving {}/*", key.provider)});
  }
  if (found.empty()) text += "  []\n";
  Loaded loaded = load_text(text, options);
  loaded.diagnostics.insert(loaded.diagnostics.begin(), found.begin(), found.end());
  if (loaded.settings != nullptr) {
    auto settings = std::make_shared<Settings>(*loaded.settings);
    settings->file.clear();
    settings->files.clear();
    loaded.settings = std::move(settings);
  }
  return loaded;
}

std::vector<std::string> diff(const Settings& before, const Settings& after) {
  std::vector<std::string> lines;
  compare_models(lines, before, after);
  compare(lines, "router_settings.", effective(before.router), effective(after.router));
  compare(lines, "litellm_settings.", effective(before.litellm), effective(after.litellm));
  compare(lines, "general_settings.", effective(before.general), effective(after.general));
  compare(lines, "turnpike.", effective(before.turnpike), effective(after.turnpike));
  compare_variables(lines, before, after);
  for (std::string& line : lines) {
    if (waits_for_a_start(line)) line += " (from the next start on)";
  }
  return lines;
}

}  // namespace turnpike::config
