#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "config/keys.h"
#include "config/readers.h"

namespace turnpike::config {

namespace {

std::optional<std::string> variable(const Reading& reading, const char* name) {
  auto value = reading.document.environment(name);
  if (value && value->empty()) return std::nullopt;
  return value;
}

/// A tunable of the environment (config.md 10); text that does not fit is a warning and the default stays.
template <class T>
std::optional<T> take_variable(Reading& reading, const char* name, Read<T> (Node::*getter)() const) {
  const auto text = variable(reading, name);
  if (!text) return std::nullopt;
  auto value = (Node::text(*text).*getter)();
  if (value) return std::move(*value);
  reading.diagnostics.push_back(
      {Severity::Warning, {}, 0, name, "the environment variable does not hold what is expected and is passed over"});
  return std::nullopt;
}

/// How long something is kept, as LiteLLM writes durations ("7d", "2w", "1mo"), or a number of seconds.
std::optional<std::chrono::seconds> take_duration(Reading& reading, const Node& section, std::string_view key,
                                                  std::chrono::seconds least) {
  const Node* const node = section.find(key);
  if (node == nullptr) return std::nullopt;
  const std::string text = node->as_text().value_or("");
  std::optional<std::int64_t> seconds = base::parse_duration_seconds(text);
  if (!seconds) {
    if (const auto plain = base::parse_unsigned(text)) seconds = static_cast<std::int64_t>(*plain);
  }
  if (seconds && *seconds >= least.count()) return std::chrono::seconds(*seconds);
  reading.diagnostics.push_back(
      node->error(fmt::format("write a duration of {} seconds or more, such as 7d, 2w or 1mo", least.count())));
  return std::nullopt;
}

/// `name`, or `{model: name, temperature: 0}`: with parameters that replace the request's.
std::optional<FallbackTarget> read_target(Reading& reading, const Node& node) {
  constexpr std::array<std::string_view, 3> kOfDeployments = {"api_base", "base_url", "api_key"};
  if (!node.is_map()) {
    auto name = node.as_text();
    if (name) return FallbackTarget(std::move(*name));
    reading.diagnostics.push_back(name.error());
    return std::nullopt;
  }
  FallbackTarget target("");
  for (const Node::Item& item : node.items()) {
    if (item.key == "model") {
      target.model = item.value.as_text().value_or("");
      continue;
    }
    if (std::find(kOfDeployments.begin(), kOfDeployments.end(), item.key) != kOfDeployments.end()) {
      reading.diagnostics.push_back(
          item.value.error("belongs to a deployment; write a model_list entry and name its group here"));
      return std::nullopt;
    }
    target.overrides_json += target.overrides_json.empty() ? "{" : ",";
    append_json_string(target.overrides_json, item.key);
    target.overrides_json += ":" + item.value.to_json(false);
  }
  if (!target.overrides_json.empty()) target.overrides_json += "}";
  if (!target.model.empty()) return target;
  reading.diagnostics.push_back(node.error("names no model; write for example {model: gpt-4o, temperature: 0}"));
  return std::nullopt;
}

std::vector<Fallback> read_fallbacks(Reading& reading, const Node& map, std::string_view key) {
  std::vector<Fallback> fallbacks;
  const Node* list = map.find(key);
  if (list == nullptr) return fallbacks;
  for (const Node& element : list->elements()) {
    if (!element.is_map() || element.items().size() != 1) {
      reading.diagnostics.push_back(
          element.error("expected one group and its fallbacks; write for example - gpt-4o: [\"claude-sonnet\"]"));
      continue;
    }
    const Node::Item& item = element.items().front();
    Fallback& fallback = fallbacks.emplace_back(Fallback{item.key, {}});
    const auto add = [&](const Node& node) {
      if (auto target = read_target(reading, node)) fallback.targets.push_back(std::move(*target));
    };
    if (!item.value.is_list()) add(item.value);
    for (const Node& target : item.value.elements()) add(target);
  }
  return fallbacks;
}

/// router_settings wins over litellm_settings where both have a say.
std::vector<Fallback> fallbacks_of(Reading& reading, std::string_view key) {
  const Node& router = reading.section("router_settings");
  if (router.find(key) != nullptr) return read_fallbacks(reading, router, key);
  return read_fallbacks(reading, reading.section("litellm_settings"), key);
}

/// `{RateLimitErrorRetries: 3}`: a number for each class of error; `suffix` ends its keys.
ErrorCounts read_counts(Reading& reading, const Node* map, std::string_view suffix) {
  ErrorCounts counts;
  if (map == nullptr) return counts;
  std::vector<std::string> known;
  for (const base::ErrorClass& row : base::kErrorClasses) known.push_back(std::string(row.name) + std::string(suffix));
  for (const Node::Item& item : map->items()) {
    const auto at = static_cast<std::size_t>(std::find(known.begin(), known.end(), item.key) - known.begin());
    if (at < known.size()) {
      counts.*base::kErrorClasses[at].count = take_count(reading, *map, item.key);
      continue;
    }
    const auto near = base::nearest(item.key, known, 1);
    reading.diagnostics.push_back(item.value.error(
        fmt::format("no class of error is called so; {}", near.empty() ? fmt::format("use {}", fmt::join(known, ", "))
                                                                       : "did you mean " + near.front() + "?")));
  }
  return counts;
}

std::vector<GroupRetryPolicy> read_group_policies(Reading& reading) {
  std::vector<GroupRetryPolicy> policies;
  const Node* map = reading.section("router_settings").find("model_group_retry_policy");
  if (map == nullptr) return policies;
  for (const Node::Item& item : map->items()) {
    policies.push_back({item.key, read_counts(reading, &item.value, "Retries")});
  }
  return policies;
}

std::vector<GroupAlias> read_aliases(Reading& reading) {
  std::vector<GroupAlias> aliases;
  const Node* map = reading.section("router_settings").find("model_group_alias");
  if (map == nullptr) return aliases;
  for (const Node::Item& item : map->items()) {
    GroupAlias alias;
    alias.alias = item.key;
    if (item.value.is_map()) {
      alias.target = take(item.value, "model", &Node::as_text).value_or("");
      alias.hidden = take(item.value, "hidden", &Node::as_bool).value_or(false);
    } else {
      alias.target = item.value.as_text().value_or("");
    }
    if (alias.target.empty()) {
      reading.diagnostics.push_back(
          item.value.error("expected the name of a model group; write for example gpt-4: gpt-4o, or gpt-4: {model: "
                           "gpt-4o, hidden: true}"));
      continue;
    }
    aliases.push_back(std::move(alias));
  }
  return aliases;
}

std::string strategy_from(Reading& reading, const Node& node) {
  const std::string strategy = node.as_text().value_or("");
  if (std::find(kStrategies.begin(), kStrategies.end(), strategy) == kStrategies.end()) {
    const std::vector<std::string> known(kStrategies.begin(), kStrategies.end());
    const auto near = base::nearest(strategy, known, 1);
    reading.diagnostics.push_back(node.error(fmt::format("unknown routing strategy; {}use one of {}",
                                                         near.empty() ? "" : "did you mean " + near.front() + "? ",
                                                         fmt::join(kStrategies, ", "))));
  }
  return strategy;
}

void read_strategies(Reading& reading, RouterSettings& settings) {
  const Node& router = reading.section("router_settings");
  if (const Node* node = router.find("routing_strategy")) settings.routing_strategy = strategy_from(reading, *node);
  if (const Node* groups = router.find("model_group_routing_strategy")) {
    for (const Node::Item& item : groups->items()) {
      settings.model_group_routing_strategy.push_back({item.key, strategy_from(reading, item.value)});
    }
  }
  const Node* args = router.find("routing_strategy_args");
  if (args == nullptr) return;
  take_into(settings.latency_ttl, *args, "ttl", &Node::as_time);
  take_into(settings.lowest_latency_buffer, *args, "lowest_latency_buffer", &Node::as_double);
  if (settings.lowest_latency_buffer < 0) {
    reading.diagnostics.push_back(
        args->find("lowest_latency_buffer")->error("must not be below zero; 0.5 takes all within half above the best"));
  }
  if (const auto size = take_count(reading, *args, "max_latency_list_size")) {
    settings.max_latency_list_size = std::clamp<std::int64_t>(*size, 1, 32);
  }
}

/// What is looked at before a deployment is chosen.
void read_checks(Reading& reading, RouterSettings& settings) {
  const Node& router = reading.section("router_settings");
  take_into(settings.enable_pre_call_checks, router, "enable_pre_call_check", &Node::as_bool);
  take_into(settings.enable_pre_call_checks, router, "enable_pre_call_checks", &Node::as_bool);
  for (const std::string& name :
       take(router, "optional_pre_call_checks", &Node::as_text_list).value_or(std::vector<std::string>())) {
    if (name == "enforce_model_rate_limits") settings.enforce_model_rate_limits = true;
    if (bool Affinity::* const check = affinity_named(name)) settings.affinity.*check = true;
  }
  if (const Node* groups = router.find("model_group_affinity_config"))
    settings.model_group_affinity_config = read_group_affinities(reading, *groups, settings.affinity);
  settings.default_max_parallel_requests = take_count(reading, router, "default_max_parallel_requests");
  take_into(settings.enable_tag_filtering, router, "enable_tag_filtering", &Node::as_bool);
  take_into(settings.tag_filtering_match_any, router, "tag_filtering_match_any", &Node::as_bool);
}

}  // namespace

const Node& Reading::section(std::string_view name) const {
  static const Node kEmpty = Node::map();
  const Node* node = document.root.find(name);
  return node == nullptr ? kEmpty : *node;
}

std::optional<std::int64_t> take_count(Reading& reading, const Node& map, std::string_view key) {
  const auto value = take(map, key, &Node::as_integer);
  if (value && *value < 0) {
    reading.diagnostics.push_back(map.find(key)->error("must not be below zero; write 0 or more"));
    return std::nullopt;
  }
  return value;
}

RouterSettings read_router(Reading& reading) {
  const Node& router = reading.section("router_settings");
  const Node& litellm = reading.section("litellm_settings");
  RouterSettings settings;
  read_strategies(reading, settings);
  read_checks(reading, settings);

  const auto count = [&](std::int64_t& target, std::string_view key, const char* name) {
    if (auto value = take_variable(reading, name, &Node::as_integer); value && *value >= 0) target = *value;
    if (auto value = take_count(reading, litellm, key)) target = *value;
    if (auto value = take_count(reading, router, key)) target = *value;
  };
  count(settings.num_retries, "num_retries", "DEFAULT_MAX_RETRIES");
  count(settings.max_fallbacks, "max_fallbacks", "ROUTER_MAX_FALLBACKS");
  count(settings.allowed_fails, "allowed_fails", "DEFAULT_ALLOWED_FAILS");
  settings.allowed_fails_written = router.find("allowed_fails") != nullptr || litellm.find("allowed_fails") != nullptr;

  if (auto value = take_variable(reading, "REQUEST_TIMEOUT", &Node::as_time)) settings.timeout = *value;
  take_into(settings.timeout, litellm, "request_timeout", &Node::as_time);
  take_into(settings.timeout, router, "request_timeout", &Node::as_time);
  take_into(settings.timeout, router, "timeout", &Node::as_time);
  settings.stream_timeout = take(router, "stream_timeout", &Node::as_time);
  settings.retry_policy = read_counts(reading, router.find("retry_policy"), "Retries");
  settings.model_group_retry_policy = read_group_policies(reading);
  settings.allowed_fails_policy = read_counts(reading, router.find("allowed_fails_policy"), "AllowedFails");
  take_into(settings.retry_after, router, "retry_after", &Node::as_time);
  if (auto value = take_variable(reading, "DEFAULT_COOLDOWN_TIME_SECONDS", &Node::as_time)) {
    settings.cooldown_time = *value;
  }
  take_into(settings.cooldown_time, router, "cooldown_time", &Node::as_time);
  take_into(settings.disable_cooldowns, router, "disable_cooldowns", &Node::as_bool);

  settings.fallbacks = fallbacks_of(reading, "fallbacks");
  settings.context_window_fallbacks = fallbacks_of(reading, "context_window_fallbacks");
  settings.content_policy_fallbacks = fallbacks_of(reading, "content_policy_fallbacks");
  take_into(settings.default_fallbacks, litellm, "default_fallbacks", &Node::as_text_list);
  take_into(settings.default_fallbacks, router, "default_fallbacks", &Node::as_text_list);
  settings.model_group_alias = read_aliases(reading);
  read_health_check_routing(reading, settings);
  return settings;
}

LitellmSettings read_litellm(Reading& reading) {
  const Node& section = reading.section("litellm_settings");
  LitellmSettings settings;
  if (auto value = take_variable(reading, "LITELLM_DROP_PARAMS", &Node::as_bool)) settings.drop_params = *value;
  take_into(settings.drop_params, section, "drop_params", &Node::as_bool);
  take_into(settings.modify_params, section, "modify_params", &Node::as_bool);
  if (const Node* map = section.find("model_alias_map")) {
    for (const Node::Item& item : map->items()) {
      if (auto target = item.value.as_text()) {
        settings.model_alias_map.emplace_back(item.key, std::move(*target));
      } else {
        reading.diagnostics.push_back(target.error());
      }
    }
  }
  const auto verify = [&](const Node& node) {
    if (auto value = node.as_bool()) {
      settings.ssl_verify = *value;
    } else {
      settings.ssl_ca_file = node.scalar();
    }
  };
  if (auto value = variable(reading, "SSL_CERT_FILE")) settings.ssl_ca_file = *value;
  if (auto value = variable(reading, "SSL_VERIFY")) verify(Node::text(*value));
  if (const Node* node = section.find("ssl_verify")) verify(*node);
  if (!settings.ssl_verify) {
    reading.diagnostics.push_back({Severity::Warning, section.file(), section.line(), "litellm_settings.ssl_verify",
                                   "certificates of providers are not checked; name a CA file instead of false"});
  }
  take_into(settings.include_cost_in_streaming_usage, section, "include_cost_in_streaming_usage", &Node::as_bool);
  take_into(settings.forward_traceparent_to_llm_provider, section, "forward_traceparent_to_llm_provider",
            &Node::as_bool);
  take_into(settings.turn_off_message_logging, section, "turn_off_message_logging", &Node::as_bool);
  take_into(settings.redact_user_api_key_info, section, "redact_user_api_key_info", &Node::as_bool);
  take_into(settings.json_logs, section, "json_logs", &Node::as_bool);
  take_into(settings.require_auth_for_metrics_endpoint, section, "require_auth_for_metrics_endpoint", &Node::as_bool);
  take_into(settings.timezone, section, "timezone", &Node::as_text);
  settings.keys = read_key_settings(reading);
  settings.users = read_user_settings(reading);
  settings.budgets = read_budgets(reading);
  take_into(settings.store_audit_logs, section, "store_audit_logs", &Node::as_bool);
  if (const Node* users = section.find("default_internal_user_params")) {
    take_into(settings.available_teams, *users, "available_teams", &Node::as_text_list);
  }
  for (const char* key : {"callbacks", "success_callback", "failure_callback"}) {
    for (std::string& name : take(section, key, &Node::as_text_list).value_or(std::vector<std::string>())) {
      if (std::find(settings.callbacks.begin(), settings.callbacks.end(), name) == settings.callbacks.end()) {
        settings.callbacks.push_back(std::move(name));
      }
    }
  }
  settings.priorities = read_priorities(reading, settings.callbacks);
  return settings;
}

GeneralSettings read_general(Reading& reading) {
  const Node& section = reading.section("general_settings");
  GeneralSettings settings;
  // A key that was to come from an unset variable must not open the gateway to everybody.
  for (const Node::Item& item : section.items()) {
    if (item.key != "master_key") continue;
    if (item.value.is_null() && !item.value.variable().empty()) {
      reading.diagnostics.push_back(item.value.error(
          fmt::format("{} is not set, so the gateway would ask nobody for a key; set it, or remove the line to run "
                      "without authentication",
                      item.value.variable())));
    } else if (!item.value.is_null() && item.value.scalar().empty() && !item.value.is_map() && !item.value.is_list()) {
      reading.diagnostics.push_back(
          item.value.error("is empty, so the gateway would ask nobody for a key; write a key that starts with sk-"));
    }
  }
  settings.master_key = base::Secret(
      take(section, "master_key", &Node::as_text).value_or(variable(reading, "LITELLM_MASTER_KEY").value_or("")));
  if (!settings.master_key.empty() && !settings.master_key.reveal().starts_with("sk-")) {
    const Node* node = section.find("master_key");
    reading.diagnostics.push_back({Severity::Notice, node == nullptr ? "" : node->file(),
                                   node == nullptr ? 0 : node->line(), "general_settings.master_key",
                                   "does not start with sk-; some clients take only keys that do"});
  }
  read_database(reading, settings);
  take_into(settings.litellm_key_header_name, section, "litellm_key_header_name", &Node::as_text);
  take_into(settings.user_header_name, section, "user_header_name", &Node::as_text);
  if (const auto megabytes = take(section, "max_request_size_mb", &Node::as_double)) {
    constexpr double kMostMegabytes = 1 << 20;
    if (*megabytes <= 0 || *megabytes > kMostMegabytes) {
      reading.diagnostics.push_back(
          section.find("max_request_size_mb")->error("must lie above 0 and below 1048576; write for example 32"));
    } else {
      settings.request_bytes_max = static_cast<std::uint64_t>(*megabytes * 1024 * 1024);
    }
  }
  settings.max_parallel_requests = take_count(reading, section, "max_parallel_requests");
  settings.global_max_parallel_requests = take_count(reading, section, "global_max_parallel_requests");
  take_word(reading, section, "token_rate_limit_type", settings.token_rate_limit_type, {"total", "input", "output"});
  take_into(settings.forbid_master_key_inference, section, "forbid_master_key_inference", &Node::as_bool);
  take_into(settings.always_include_stream_usage, section, "always_include_stream_usage", &Node::as_bool);
  take_into(settings.completion_model, section, "completion_model", &Node::as_text);
  take_into(settings.embedding_model, section, "embedding_model", &Node::as_text);
  take_into(settings.image_generation_model, section, "image_generation_model", &Node::as_text);
  take_into(settings.moderation_model, section, "moderation_model", &Node::as_text);
  take_into(settings.disable_spend_logs, section, "disable_spend_logs", &Node::as_bool);
  take_into(settings.store_prompts_in_spend_logs, section, "store_prompts_in_spend_logs", &Node::as_bool);
  if (const auto most = variable(reading, "MAX_STRING_LENGTH_PROMPT_IN_DB")) {
    if (const auto bytes = base::parse_unsigned(*most); bytes && *bytes > 0 && *bytes <= 1'000'000) {
      settings.prompt_string_bytes_max = static_cast<std::int64_t>(*bytes);
    }
  }
  constexpr std::chrono::seconds kDay{86'400};
  if (const auto period = take_duration(reading, section, "maximum_spend_logs_retention_period", kDay)) {
    settings.spend_logs_retention = *period;
  }
  if (const auto interval =
          take_duration(reading, section, "maximum_spend_logs_retention_interval", std::chrono::seconds(1))) {
    settings.spend_logs_retention_interval = *interval;
  }
  take_into(settings.user_api_key_cache_ttl, section, "user_api_key_cache_ttl", &Node::as_time);
  if (const auto on = variable(reading, "STORE_MODEL_IN_DB"))
    settings.store_model_in_db = base::equals_ignoring_case(*on, "true") || *on == "1";
  take_into(settings.store_model_in_db, section, "store_model_in_db", &Node::as_bool);
  read_access(reading, section, settings);
  read_health_checks(reading, settings);
  settings.jwt = read_jwt(reading);
  return settings;
}

}  // namespace turnpike::config
