#include "config/keys.h"

#include <fmt/format.h>

#include <set>
#include <unordered_map>
#include <unordered_set>

#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {

namespace {

using Index = std::unordered_map<std::string_view, const Key*>;

const Index& index() {
  static const Index kIndex = [] {
    Index rows;
    for (const Key& key : keys()) rows.emplace(key.path, &key);
    return rows;
  }();
  return kIndex;
}

const Key* row(const std::string& pattern) {
  const auto found = index().find(pattern);
  return found == index().end() ? nullptr : found->second;
}

/// Every path that has a longer one below it: each row's own parents.
const std::unordered_set<std::string_view>& parents() {
  static const std::unordered_set<std::string_view> kParents = [] {
    std::unordered_set<std::string_view> paths;
    for (const Key& key : keys()) {
      for (std::size_t i = 1; i < key.path.size(); ++i) {
        if (key.path[i] == '.' || key.path[i] == '[') paths.insert(key.path.substr(0, i));
      }
    }
    return paths;
  }();
  return kParents;
}

bool has_rows_below(const std::string& pattern) {
  return parents().contains(pattern);
}

std::string below(const std::string& pattern, std::string_view key) {
  return pattern.empty() ? std::string(key) : fmt::format("{}.{}", pattern, key);
}

/// The names that may stand directly under `pattern`.
std::vector<std::string> names_under(const std::string& pattern) {
  const std::string prefix = pattern.empty() ? "" : pattern + ".";
  std::vector<std::string> names;
  for (const Key& key : keys()) {
    if (!key.path.starts_with(prefix)) continue;
    const std::string_view name = key.path.substr(prefix.size());
    if (!name.empty() && name != "*" && name.find_first_of(".[") == std::string_view::npos) names.emplace_back(name);
  }
  return names;
}

/// Where a key of this name does belong, when it is one of the four sections.
std::string section_of(std::string_view name) {
  for (std::string_view section : {"router_settings", "litellm_settings", "general_settings", "turnpike"}) {
    if (row(fmt::format("{}.{}", section, name)) != nullptr) return std::string(section);
  }
  return {};
}

/// Off, for a key that asks for protection: nothing is to be enforced.
bool is_off(const Node& node, std::string_view pattern) {
  switch (node.kind()) {
    case Node::Kind::Null:
      return true;
    case Node::Kind::Bool:
      return !node.as_bool().value_or(true);
    case Node::Kind::List:
      return node.elements().empty();
    case Node::Kind::Map:
      return node.items().empty();
    case Node::Kind::Text:
      return node.scalar().empty() || base::equals_ignoring_case(node.scalar(), "false");
    case Node::Kind::Number:
      // config.md 4.2: a budget of 0 for the whole proxy is no budget.
      return pattern == "litellm_settings.max_budget" && node.as_double().value_or(1) == 0;
  }
  return false;
}

/// What people call one element of a list: its name, else its only key.
std::string entry_name(const Node& element) {
  if (element.secret()) return "(from the environment)";
  for (const char* key : {"guardrail_name", "policy", "name", "role"}) {
    if (const Node* name = element.find(key)) return name->scalar();
  }
  if (element.is_map()) return element.items().empty() ? "" : element.items().front().key;
  return element.scalar();
}

const std::set<std::string_view> kGuardCallbacks = {"presidio",
                                                    "hide_secrets",
                                                    "lakera_prompt_injection",
                                                    "detect_prompt_injection",
                                                    "banned_keywords",
                                                    "blocked_user_check",
                                                    "openai_moderations",
                                                    "llmguard_moderations",
                                                    "llamaguard_moderations",
                                                    "google_text_moderation",
                                                    "aporia_prompt_injection",
                                                    "azure_content_safety",
                                                    "max_budget_limiter",
                                                    "dynamic_rate_limiter",
                                                    "parallel_request_limiter",
                                                    "cache_control_check"};

const std::set<std::string_view> kSinkCallbacks = {"lago",
                                                   "openmeter",
                                                   "logfire",
                                                   "literalai",
                                                   "langsmith",
                                                   "otel",
                                                   "datadog",
                                                   "datadog_llm_observability",
                                                   "galileo",
                                                   "braintrust",
                                                   "arize",
                                                   "arize_phoenix",
                                                   "langtrace",
                                                   "gcs_bucket",
                                                   "azure_storage",
                                                   "opik",
                                                   "argilla",
                                                   "mlflow",
                                                   "langfuse",
                                                   "langfuse_otel",
                                                   "pagerduty",
                                                   "humanloop",
                                                   "gcs_pubsub",
                                                   "agentops",
                                                   "anthropic_cache_control_hook",
                                                   "generic_api",
                                                   "resend_email",
                                                   "smtp_email",
                                                   "deepeval",
                                                   "s3_v2",
                                                   "aws_sqs",
                                                   "vector_store_pre_call_hook",
                                                   "dotprompt",
                                                   "bitbucket",
                                                   "gitlab",
                                                   "cloudzero",
                                                   "posthog",
                                                   "s3",
                                                   "helicone",
                                                   "sentry",
                                                   "lunary",
                                                   "supabase",
                                                   "dynamodb",
                                                   "athina",
                                                   "greenscale",
                                                   "promptlayer",
                                                   "wandb",
                                                   "slack",
                                                   "traceloop",
                                                   "email",
                                                   "custom_callback_api"};

/// Request parameters people set as defaults of a deployment; they are never taken for a misspelt key of ours.
const std::set<std::string_view> kRequestParameters = {"temperature",
                                                       "top_p",
                                                       "top_k",
                                                       "min_p",
                                                       "n",
                                                       "stop",
                                                       "max_tokens",
                                                       "max_completion_tokens",
                                                       "seed",
                                                       "tools",
                                                       "tool_choice",
                                                       "functions",
                                                       "function_call",
                                                       "parallel_tool_calls",
                                                       "response_format",
                                                       "logit_bias",
                                                       "logprobs",
                                                       "top_logprobs",
                                                       "presence_penalty",
                                                       "frequency_penalty",
                                                       "repetition_penalty",
                                                       "modalities",
                                                       "audio",
                                                       "prediction",
                                                       "reasoning_effort",
                                                       "reasoning",
                                                       "verbosity",
                                                       "service_tier",
                                                       "store",
                                                       "stream",
                                                       "stream_options",
                                                       "user",
                                                       "metadata",
                                                       "web_search_options",
                                                       "encoding_format",
                                                       "dimensions",
                                                       "thinking",
                                                       "extra_body",
                                                       "input_type",
                                                       "safety_settings",
                                                       "safety_identifier",
                                                       "prompt_cache_key",
                                                       "prompt_cache_retention",
                                                       "suffix",
                                                       "echo",
                                                       "best_of",
                                                       "headers",
                                                       "timeout_ms",
                                                       "truncate",
                                                       "num_ctx",
                                                       "keep_alive",
                                                       "language",
                                                       "voice",
                                                       "size",
                                                       "quality",
                                                       "format",
                                                       "transforms",
                                                       "provider",
                                                       "route",
                                                       "models",
                                                       "chat_template_kwargs"};

bool names_a_price(std::string_view name) {
  return name.find("_cost_per_") != std::string_view::npos;
}

class Checker {
 public:
  Checker(std::span<const std::string> allowed, bool all) : allowed_(allowed), all_allowed_(all) {}

  void walk(const Node& node, const std::string& pattern) {
    for (const Node::Item& item : node.items()) {
      const std::string child = below(pattern, item.key);
      const Key* key = row(child);
      if (key == nullptr) key = row(below(pattern, "*"));
      if (key == nullptr) {
        unknown(item, pattern);
        continue;
      }
      if (key->path.ends_with(".*")) free_key(item, pattern);
      check(item.value, *key, child);
    }
  }

  KeyCheck take() {
    for (const auto& [pattern, seen] : repeated_) {
      if (seen.count > 1) out_.diagnostics[seen.index].text += fmt::format(" (and {} more)", seen.count - 1);
    }
    return std::move(out_);
  }

 private:
  struct Seen {
    std::size_t index = 0;
    int count = 0;
  };

  void check(const Node& value, const Key& key, const std::string& pattern) {
    if (value.is_null()) return;
    if (!type_fits(value, key.type)) return;
    const std::string_view path = key.path;
    if (path.ends_with("_callback") || path == "litellm_settings.callbacks") {
      callbacks(value, key);
      return;
    }
    if (path == "router_settings.optional_pre_call_checks") {
      pre_call_checks(value);
      return;
    }
    switch (key.standing) {
      case Standing::Honoured:
        break;
      case Standing::Harmless:
        once(pattern, value, Severity::Notice, fmt::format("has no effect here: {}", key.note));
        break;
      case Standing::NotYet:
        if (!is_off(value, path)) {
          once(pattern, value, Severity::Warning, fmt::format("is not honoured yet: {}", key.note));
        }
        break;
      case Standing::Refused:
        if (!is_off(value, path)) {
          add(value, Severity::Error, fmt::format("cannot be served: {}; remove it", key.note));
        }
        break;
      case Standing::Protects:
        protects(value, key);
        break;
    }
    if (!has_rows_below(pattern)) return;
    if (value.is_map()) walk(value, pattern);
    for (const Node& element : value.elements()) {
      if (element.is_map()) {
        walk(element, pattern + "[]");
      } else {
        add(element, Severity::Error, "expected a map of keys and values; indent the keys below the dash");
      }
    }
  }

  bool type_fits(const Node& value, Type type) {
    std::optional<Diagnostic> wrong;
    const auto take = [&](auto read) {
      if (!read) wrong = read.error();
    };
    switch (type) {
      case Type::Any:
        break;
      case Type::Bool:
        take(value.as_bool());
        break;
      case Type::Integer:
        take(value.as_integer());
        break;
      case Type::Number:
        take(value.as_double());
        break;
      case Type::Time:
        take(value.as_time());
        break;
      case Type::Bytes:
        take(value.as_bytes());
        break;
      case Type::Price:
        take(value.as_decimal());
        break;
      case Type::Text:
        take(value.as_text());
        break;
      case Type::Texts:
        take(value.as_text_list());
        break;
      case Type::List:
        if (!value.is_list()) wrong = value.error("expected a list; start each element with \"- \" on its own line");
        break;
      case Type::Map:
        if (!value.is_map()) wrong = value.error("expected a map; write \"key: value\" lines indented below it");
        break;
    }
    if (wrong) out_.diagnostics.push_back(std::move(*wrong));
    return !wrong;
  }

  void unknown(const Node::Item& item, const std::string& pattern) {
    const auto near = base::nearest(item.key, names_under(pattern), 1);
    std::string text = "unknown key, it has no effect";
    const std::string section = section_of(item.key);
    if (!section.empty() && !near.empty() && near.front() != item.key) {
      text += fmt::format("; {} belongs under {}", item.key, section);
    } else if (!near.empty()) {
      text += fmt::format("; did you mean {}?", near.front());
    } else if (!section.empty()) {
      text += fmt::format("; {} belongs under {}", item.key, section);
    } else {
      text += "; remove it";
    }
    out_.diagnostics.push_back(
        {Severity::Warning, item.value.file(), item.key_line, item.value.path(), std::move(text)});
  }

  /// A key under "*": free to choose, but a near miss of a known name is most likely that name misspelt.
  void free_key(const Node::Item& item, const std::string& pattern) {
    if (pattern != "model_list[].litellm_params" && pattern != "model_list[].model_info") return;
    if (names_a_price(item.key)) {
      const bool scalar = !item.value.is_map() && !item.value.is_list() && !item.value.is_null();
      if (scalar) type_fits(item.value, Type::Price);
      return;
    }
    if (kRequestParameters.contains(item.key)) return;
    const auto near = base::nearest(item.key, names_under(pattern), 1);
    if (near.empty() || !nearly_the_same(item.key, near.front())) return;
    out_.diagnostics.push_back({Severity::Warning, item.value.file(), item.key_line, item.value.path(),
                                fmt::format("unknown key, {}; did you mean {}?",
                                            pattern.ends_with("params") ? "it is sent as a request parameter"
                                                                        : "it is only shown by /model/info",
                                            near.front())});
  }

  /// One letter changed, added, lost or swapped with its neighbour.
  static bool nearly_the_same(std::string_view a, std::string_view b) {
    if (a.size() < 4) return false;
    if (a.size() > b.size()) std::swap(a, b);
    if (b.size() - a.size() > 1) return false;
    std::size_t same = 0;
    while (same < a.size() && a[same] == b[same]) ++same;
    if (a.size() + 1 == b.size()) return a.substr(same) == b.substr(same + 1);
    if (same == a.size()) return true;
    if (a.substr(same + 1) == b.substr(same + 1)) return true;
    return same + 1 < a.size() && a[same] == b[same + 1] && a[same + 1] == b[same] &&
           a.substr(same + 2) == b.substr(same + 2);
  }

  void protects(const Node& value, const Key& key) {
    if (is_off(value, key.path)) return;
    if (key.type == Type::List || key.type == Type::Texts) {
      const std::string name = plain(key.path);
      if (!value.is_list()) {
        protects_entry(value, name, entry_name(value), key.note);
        return;
      }
      for (const Node& element : value.elements()) {
        if (!element.is_null()) protects_entry(element, name, entry_name(element), key.note);
      }
      return;
    }
    protects_entry(value, plain(key.path), "", key.note);
  }

  /// The path as --allow_unenforced takes it: without the brackets that shells would expand.
  static std::string plain(std::string_view path) {
    std::string text(path);
    for (std::size_t at = text.find("[]"); at != std::string::npos; at = text.find("[]")) text.erase(at, 2);
    return text;
  }

  void protects_entry(const Node& value, const std::string& path, const std::string& entry, std::string_view note) {
    const std::string full = entry.empty() ? path : path + "/" + entry;
    // The section may be left out: "guardrails/pii-mask" for "litellm_settings.guardrails/pii-mask".
    const std::size_t dot = path.find('.');
    const std::string key = dot == std::string::npos ? path : path.substr(dot + 1);
    const bool allowed = all_allowed_ || std::any_of(allowed_.begin(), allowed_.end(), [&](const std::string& name) {
                           return name == full || name == path || name == value.path() ||
                                  (!entry.empty() && name == entry) || name == key ||
                                  (!entry.empty() && name == key + "/" + entry);
                         });
    if (!allowed) {
      once(full, value, Severity::Error,
           fmt::format("protects, and this version does not enforce it: {}; remove it, or accept that with "
                       "--allow_unenforced {}",
                       note, value.is_map() && !entry.empty() ? entry : path));
      return;
    }
    once(full, value, Severity::Warning,
         fmt::format("{}is not enforced (allowed by --allow_unenforced): {}", entry.empty() ? "" : entry + " ", note));
    std::string line = fmt::format("{} is not enforced: {}", full, note);
    if (std::find(out_.unenforced.begin(), out_.unenforced.end(), line) == out_.unenforced.end()) {
      out_.unenforced.push_back(std::move(line));
    }
  }

  void callbacks(const Node& value, const Key& key) {
    const auto one = [&](const Node& element) {
      const std::string name = entry_name(element);
      if (name.empty() || name == "prometheus" || name == "dynamic_rate_limiter_v3") return;
      if (name.find('.') != std::string::npos) {
        protects_entry(element, std::string(key.path), name,
                       "it names Python code, which is not run, and such code may guard calls");
      } else if (kGuardCallbacks.contains(name)) {
        protects_entry(element, std::string(key.path), name, "content is not inspected and rates are not limited");
      } else if (kSinkCallbacks.contains(name) || key.path == "litellm_settings.service_callback") {
        once("callback " + name, element, Severity::Warning,
             fmt::format("{} is not honoured yet: only prometheus and the JSON call log are written", name));
      } else {
        std::vector<std::string> known(kSinkCallbacks.begin(), kSinkCallbacks.end());
        known.insert(known.end(), kGuardCallbacks.begin(), kGuardCallbacks.end());
        known.insert(known.end(), {"prometheus", "dynamic_rate_limiter_v3"});
        const auto near = base::nearest(name, known, 1);
        add(element, Severity::Warning,
            fmt::format("unknown callback \"{}\", it has no effect; {}", name,
                        near.empty() ? "remove it" : fmt::format("did you mean {}?", near.front())));
      }
    };
    if (!value.is_list()) one(value);
    for (const Node& element : value.elements()) one(element);
  }

  void pre_call_checks(const Node& value) {
    const auto one = [&](const Node& element) {
      const std::string name = entry_name(element);
      if (name == "enforce_model_rate_limits" || affinity_named(name) != nullptr) return;
      if (name == "router_budget_limiting") {
        protects_entry(element, "router_settings.optional_pre_call_checks", name,
                       "the budget of a provider is not looked at when a deployment is chosen");
      } else {
        add(element, Severity::Warning, fmt::format("{} is not honoured yet", name));
      }
    };
    if (!value.is_list()) one(value);
    for (const Node& element : value.elements()) one(element);
  }

  void add(const Node& node, Severity severity, std::string text) {
    out_.diagnostics.push_back({severity, node.file(), node.line(), node.path(), std::move(text)});
  }

  void once(const std::string& what, const Node& node, Severity severity, std::string text) {
    Seen& seen = repeated_[what];
    if (++seen.count > 1) return;
    seen.index = out_.diagnostics.size();
    add(node, severity, std::move(text));
  }

  std::span<const std::string> allowed_;
  bool all_allowed_;
  std::map<std::string, Seen> repeated_;
  KeyCheck out_;
};

}  // namespace

const Key* find_key(std::string_view node_path) {
  std::string pattern;
  for (std::size_t at = 0; at < node_path.size(); ++at) {
    pattern += node_path[at];
    if (node_path[at] == '[') {
      while (at + 1 < node_path.size() && node_path[at + 1] != ']') ++at;
    }
  }
  if (const Key* key = row(pattern)) return key;
  const std::size_t dot = pattern.rfind('.');
  return row(dot == std::string::npos ? "*" : pattern.substr(0, dot) + ".*");
}

KeyCheck check_keys(const Node& root, std::span<const std::string> allow_unenforced, bool allow_all) {
  Checker checker(allow_unenforced, allow_all);
  checker.walk(root, "");
  return checker.take();
}

}  // namespace turnpike::config
