#include "config/effective.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/hash.h"
#include "config/node.h"

namespace turnpike::config {

namespace {

std::string json_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string json_list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + json_text(text);
  return out + "]";
}

std::string json_fallbacks(const std::vector<Fallback>& fallbacks) {
  std::string out = "[";
  for (const Fallback& fallback : fallbacks) {
    if (out.size() > 1) out += ", ";
    std::string targets = "[";
    for (const FallbackTarget& target : fallback.targets) {
      if (targets.size() > 1) targets += ", ";
      const std::string name = json_text(target.model);
      targets += target.overrides_json.empty() ? name : "{\"model\": " + name + ", " + target.overrides_json.substr(1);
    }
    out += fmt::format("{{{}: {}]}}", json_text(fallback.model_group), targets);
  }
  return out + "]";
}

std::string json_counts(const ErrorCounts& counts) {
  std::string out = "{";
  const auto add = [&out](const char* name, const std::optional<std::int64_t>& count) {
    if (count) out += fmt::format("{}\"{}\": {}", out.size() > 1 ? ", " : "", name, *count);
  };
  add("BadRequestError", counts.bad_request);
  add("AuthenticationError", counts.authentication);
  add("TimeoutError", counts.timeout);
  add("RateLimitError", counts.rate_limit);
  add("ContentPolicyViolationError", counts.content_policy);
  add("InternalServerError", counts.internal);
  return out + "}";
}

std::vector<std::string> names_of(const Affinity& affinity) {
  std::vector<std::string> names;
  if (affinity.prompt_caching) names.emplace_back("prompt_caching");
  if (affinity.deployment) names.emplace_back("deployment_affinity");
  if (affinity.session) names.emplace_back("session_affinity");
  return names;
}

class Writer {
 public:
  void text(const char* name, const std::string& value) { add(name, value.empty() ? "null" : json_text(value)); }
  void flag(const char* name, bool value) { add(name, value ? "true" : "false"); }
  template <class Number>
  void number(const char* name, Number value) {
    add(name, fmt::format("{}", value));
  }
  template <class Number>
  void number(const char* name, const std::optional<Number>& value) {
    add(name, value ? fmt::format("{}", *value) : "null");
  }
  void time(const char* name, Milliseconds value) {
    add(name, fmt::format("{}", static_cast<double>(value.count()) / 1000.0));
  }
  void time(const char* name, const std::optional<Milliseconds>& value) {
    if (value) return time(name, *value);
    add(name, "null");
  }
  void texts(const char* name, const std::vector<std::string>& values) { add(name, json_list(values)); }
  void json(const char* name, std::string value) { add(name, std::move(value)); }
  void secret(std::string name, const base::Secret& value) {
    values_.push_back(
        {std::move(name), value.empty() ? "null" : "\"***\"", value.empty() ? "" : base::sha256_hex(value.reveal())});
  }
  /// One of a few words, by the order of the enumerators.
  template <class Enum>
  void word(const char* name, Enum value, std::initializer_list<std::string_view> words) {
    add(name, json_text(*(words.begin() + static_cast<std::size_t>(value))));
  }

  EffectiveValues take() { return std::move(values_); }

 private:
  void add(std::string name, std::string json) { values_.push_back({std::move(name), std::move(json), {}}); }
  EffectiveValues values_;
};

std::string json_grants(const std::vector<TokenGrant>& grants, std::string_view name) {
  std::string out = "[";
  for (const TokenGrant& grant : grants) {
    out += fmt::format("{}{{\"{}\": {}", out.size() > 1 ? ", " : "", name, json_text(grant.name));
    if (grant.models) out += ", \"models\": " + json_list(*grant.models);
    if (grant.routes) out += ", \"routes\": " + json_list(*grant.routes);
    out += "}";
  }
  return out + "]";
}

std::string json_roles(const std::vector<std::pair<std::string, std::string>>& roles) {
  std::string out = "{";
  for (const auto& [theirs, ours] : roles)
    out += fmt::format("{}{}: {}", out.size() > 1 ? ", " : "", json_text(theirs), json_text(ours));
  return out + "}";
}

void append_rule(Writer& out, const char* name, std::string_view roles, const KeyRule& rule) {
  if (rule == KeyRule()) return;
  out.json(name, fmt::format("{{\"{}\": {}, \"required_params\": {}}}", roles,
                             rule.roles ? json_list(*rule.roles) : "null", json_list(rule.required_params)));
}

void append_budgets(Writer& out, const BudgetSettings& budgets) {
  if (budgets.proxy) out.json("max_budget", budget_json(*budgets.proxy));
  for (const auto& [name, map] :
       {std::pair("tag_budget_config", &budgets.tags), std::pair("provider_budget_config", &budgets.providers)}) {
    std::string text;
    for (const auto& [whose, budget] : *map)
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", json_text(whose), budget_json(budget));
    if (!text.empty()) out.json(name, "{" + text + "}");
  }
  if (!budgets.end_user_budget_id.empty()) out.text("max_end_user_budget_id", budgets.end_user_budget_id);
  if (budgets.end_user_budget) out.json("max_end_user_budget", budgets.end_user_budget->to_string());
}

void append_keys(Writer& out, const KeySettings& keys) {
  if (keys.defaults_json != "{}") out.json("default_key_generate_params", keys.defaults_json);
  const LimitCeilings& limits = keys.limit_ceilings;
  const bool has_ceiling = keys.max_budget_ceiling || !keys.duration_ceiling.empty() ||
                           !keys.budget_duration_ceiling.empty() || limits != LimitCeilings();
  if (has_ceiling) {
    const auto number = [](const std::optional<std::int64_t>& most) {
      return most ? std::to_string(*most) : std::string("null");
    };
    out.json(
        "upperbound_key_generate_params",
        fmt::format(
            "{{\"max_budget\": {}, \"duration\": {}, \"budget_duration\": {}, \"rpm_limit\": {}, \"tpm_limit\": {}, "
            "\"max_parallel_requests\": {}}}",
            keys.max_budget_ceiling ? keys.max_budget_ceiling->to_string() : "null",
            keys.duration_ceiling.empty() ? "null" : json_text(keys.duration_ceiling),
            keys.budget_duration_ceiling.empty() ? "null" : json_text(keys.budget_duration_ceiling),
            number(limits.rpm_limit), number(limits.tpm_limit), number(limits.max_parallel_requests)));
  }
  append_rule(out, "team_key_generation", "allowed_team_member_roles", keys.team);
  append_rule(out, "personal_key_generation", "allowed_user_roles", keys.personal);
}

void append_jwt(Writer& out, const JwtSettings& jwt) {
  out.flag("enable_jwt_auth", jwt.enabled);
  if (!jwt.enabled) return;
  out.texts("JWT_PUBLIC_KEY_URL", jwt.public_key_urls);
  out.texts("JWT_AUDIENCE", jwt.audiences);
  out.texts("JWT_ISSUER", jwt.issuers);
  out.time("public_key_ttl", jwt.public_key_ttl);
  out.text("admin_jwt_scope", jwt.admin_jwt_scope);
  out.texts("admin_allowed_routes", jwt.admin_allowed_routes);
  out.texts("team_allowed_routes", jwt.team_allowed_routes);
  out.text("team_id_jwt_field", jwt.team_id_jwt_field);
  out.text("team_ids_jwt_field", jwt.team_ids_jwt_field);
  out.text("team_alias_jwt_field", jwt.team_alias_jwt_field);
  out.text("team_id_default", jwt.team_id_default);
  out.text("org_id_jwt_field", jwt.org_id_jwt_field);
  out.text("org_alias_jwt_field", jwt.org_alias_jwt_field);
  out.text("user_id_jwt_field", jwt.user_id_jwt_field);
  out.text("user_email_jwt_field", jwt.user_email_jwt_field);
  out.text("user_allowed_email_domain", jwt.user_allowed_email_domain);
  out.text("user_roles_jwt_field", jwt.user_roles_jwt_field);
  out.text("roles_jwt_field", jwt.roles_jwt_field);
  out.text("object_id_jwt_field", jwt.object_id_jwt_field);
  out.text("end_user_id_jwt_field", jwt.end_user_id_jwt_field);
  out.texts("user_allowed_roles", jwt.user_allowed_roles);
  out.flag("team_id_upsert", jwt.team_id_upsert);
  out.flag("user_id_upsert", jwt.user_id_upsert);
  out.flag("upsert_sso_user_to_team", jwt.upsert_sso_user_to_team);
  out.flag("sync_user_role_and_teams", jwt.sync_user_role_and_teams);
  out.flag("enforce_rbac", jwt.enforce_rbac);
  out.flag("enforce_scope_based_access", jwt.enforce_scope_based_access);
  out.flag("enforce_team_based_model_access", jwt.enforce_team_based_model_access);
  out.json("role_mappings", json_roles(jwt.role_mappings));
  out.json("jwt_litellm_role_map", json_roles(jwt.jwt_litellm_role_map));
  out.json("scope_mappings", json_grants(jwt.scope_mappings, "scope"));
  out.json("role_permissions", json_grants(jwt.role_permissions, "role"));
}

void append_section(std::string& out, std::string_view name, const EffectiveValues& values) {
  out += fmt::format("{}:\n", name);
  for (const EffectiveValue& value : values) out += fmt::format("  {}: {}\n", value.name, value.json);
}

bool says_nothing(const EffectiveValue& value) {
  return value.json == "null" || value.json == "[]" || value.json == "{}" || value.json == "false";
}

bool in_model_info(std::string_view name) {
  return name == "id" || name == "base_model" || name == "mode" || name == "max_tokens" || name == "max_input_tokens" ||
         name == "max_output_tokens" || name == "access_groups" || name.starts_with("health_check_") ||
         name == "disable_background_health_check";
}

}  // namespace

bool is_secret_param(std::string_view name) {
  constexpr std::string_view kWords[] = {"key", "token", "secret", "password", "credentials", "external_id"};
  return std::any_of(std::begin(kWords), std::end(kWords),
                     [name](std::string_view word) { return name.find(word) != std::string_view::npos; });
}

EffectiveValues effective(const ModelEntry& entry) {
  Writer out;
  out.text("id", entry.id);
  out.text("model", entry.model);
  out.text("custom_llm_provider", entry.custom_llm_provider);
  out.secret("api_key", entry.api_key);
  out.text("api_base", base::without_credentials(entry.api_base));
  out.text("api_version", entry.api_version);
  out.text("organization", entry.organization);
  out.text("litellm_credential_name", entry.litellm_credential_name);
  for (const auto& [name, value] : entry.extra_headers) out.secret("extra_headers." + name, value);
  for (const auto& [name, value] : entry.provider_params) {
    if (is_secret_param(name)) {
      out.secret(name, value);
    } else {
      out.text(name.c_str(), value.reveal());
    }
  }
  out.number("rpm", entry.rpm);
  if (entry.budget) out.json("budget", budget_json(*entry.budget));
  out.number("tpm", entry.tpm);
  out.number("weight", entry.weight);
  out.number("order", entry.order);
  out.number("max_parallel_requests", entry.max_parallel_requests);
  if (entry.drain_on_disconnect) out.flag("drain_on_disconnect", *entry.drain_on_disconnect);
  out.texts("silent_model", entry.silent_models);
  out.texts("tags", entry.tags);
  out.texts("tag_regex", entry.tag_regex);
  out.text("region_name", entry.region_name);
  out.time("timeout", entry.timeout);
  out.time("stream_timeout", entry.stream_timeout);
  out.number("num_retries", entry.num_retries);
  out.time("cooldown_time", entry.cooldown_time);
  out.json("request_parameters", entry.default_params_shown.empty() ? "{}" : entry.default_params_shown);
  out.flag("drop_params", entry.drop_params.value_or(false));
  out.texts("additional_drop_params", entry.additional_drop_params);
  out.texts("allowed_openai_params", entry.allowed_openai_params);
  out.json("mock_response", entry.mock_response_json.value_or("null"));
  out.flag("mock_timeout", entry.mock_timeout);
  out.flag("use_litellm_proxy", entry.use_litellm_proxy);
  for (const PriceOverride& price : entry.prices) out.json(price.name.c_str(), price.decimal);
  out.text("base_model", entry.base_model);
  out.text("mode", entry.mode);
  out.number("max_tokens", entry.max_tokens);
  out.number("max_input_tokens", entry.max_input_tokens);
  out.number("max_output_tokens", entry.max_output_tokens);
  out.texts("access_groups", entry.access_groups);
  out.text("health_check_model", entry.health_check_model);
  out.time("health_check_timeout", entry.health_check_timeout);
  out.number("health_check_max_tokens", entry.health_check_max_tokens);
  out.number("health_check_max_tokens_reasoning", entry.health_check_max_tokens_reasoning);
  out.number("health_check_max_tokens_non_reasoning", entry.health_check_max_tokens_non_reasoning);
  out.flag("disable_background_health_check", entry.disable_background_health_check);
  return out.take();
}

EffectiveValues effective(const RouterSettings& settings) {
  Writer out;
  out.text("routing_strategy", settings.routing_strategy);
  std::string strategies = "{";
  for (const GroupStrategy& own : settings.model_group_routing_strategy) {
    strategies +=
        fmt::format("{}{}: {}", strategies.size() > 1 ? ", " : "", json_text(own.model_group), json_text(own.strategy));
  }
  out.json("model_group_routing_strategy", strategies + "}");
  out.json("routing_strategy_args",
           fmt::format("{{\"ttl\": {}, \"lowest_latency_buffer\": {}, \"max_latency_list_size\": {}}}",
                       static_cast<double>(settings.latency_ttl.count()) / 1000, settings.lowest_latency_buffer,
                       settings.max_latency_list_size));
  out.flag("enable_pre_call_checks", settings.enable_pre_call_checks);
  std::vector<std::string> checks = names_of(settings.affinity);
  if (settings.enforce_model_rate_limits) checks.insert(checks.begin(), "enforce_model_rate_limits");
  out.texts("optional_pre_call_checks", checks);
  std::string affinities = "{";
  for (const GroupAffinity& group : settings.model_group_affinity_config) {
    affinities += fmt::format("{}{}: {}", affinities.size() > 1 ? ", " : "", json_text(group.model_group),
                              json_list(names_of(group.affinity)));
  }
  out.json("model_group_affinity_config", affinities + "}");
  out.number("default_max_parallel_requests", settings.default_max_parallel_requests);
  out.flag("enable_tag_filtering", settings.enable_tag_filtering);
  out.flag("tag_filtering_match_any", settings.tag_filtering_match_any);
  out.number("num_retries", settings.num_retries);
  out.json("retry_policy", json_counts(settings.retry_policy));
  std::string groups = "{";
  for (const GroupRetryPolicy& group : settings.model_group_retry_policy) {
    if (groups.size() > 1) groups += ", ";
    groups += json_text(group.model_group) + ": " + json_counts(group.retries);
  }
  out.json("model_group_retry_policy", groups + "}");
  out.time("retry_after", settings.retry_after);
  out.time("timeout", settings.timeout);
  out.time("stream_timeout", settings.stream_timeout);
  out.number("allowed_fails", settings.allowed_fails);
  out.json("allowed_fails_policy", json_counts(settings.allowed_fails_policy));
  out.time("cooldown_time", settings.cooldown_time);
  out.flag("disable_cooldowns", settings.disable_cooldowns);
  out.json("fallbacks", json_fallbacks(settings.fallbacks));
  out.json("context_window_fallbacks", json_fallbacks(settings.context_window_fallbacks));
  out.json("content_policy_fallbacks", json_fallbacks(settings.content_policy_fallbacks));
  out.texts("default_fallbacks", settings.default_fallbacks);
  out.number("max_fallbacks", settings.max_fallbacks);
  std::string aliases = "{";
  for (const GroupAlias& alias : settings.model_group_alias) {
    if (aliases.size() > 1) aliases += ", ";
    aliases += fmt::format("{}: {{\"model\": {}, \"hidden\": {}}}", json_text(alias.alias), json_text(alias.target),
                           alias.hidden);
  }
  out.json("model_group_alias", aliases + "}");
  out.flag("enable_health_check_routing", settings.enable_health_check_routing);
  out.time("health_check_staleness_threshold", settings.health_check_staleness_threshold);
  out.flag("health_check_ignore_transient_errors", settings.health_check_ignore_transient_errors);
  return out.take();
}

EffectiveValues effective(const LitellmSettings& settings) {
  Writer out;
  out.flag("drop_params", settings.drop_params);
  std::string aliases = "{";
  for (const auto& [name, target] : settings.model_alias_map)
    aliases += fmt::format("{}{}: {}", aliases.size() > 1 ? ", " : "", json_text(name), json_text(target));
  out.json("model_alias_map", aliases + "}");
  out.json("ssl_verify", settings.ssl_ca_file.empty() || !settings.ssl_verify ? (settings.ssl_verify ? "true" : "false")
                                                                              : json_text(settings.ssl_ca_file));
  out.flag("include_cost_in_streaming_usage", settings.include_cost_in_streaming_usage);
  out.flag("forward_traceparent_to_llm_provider", settings.forward_traceparent_to_llm_provider);
  out.flag("redact_user_api_key_info", settings.redact_user_api_key_info);
  out.flag("turn_off_message_logging", settings.turn_off_message_logging);
  out.flag("json_logs", settings.json_logs);
  out.flag("require_auth_for_metrics_endpoint", settings.require_auth_for_metrics_endpoint);
  out.texts("callbacks", settings.callbacks);
  out.text("timezone", settings.timezone);
  out.flag("store_audit_logs", settings.store_audit_logs);
  out.texts("available_teams", settings.available_teams);
  append_keys(out, settings.keys);
  const UserSettings& users = settings.users;
  append_budgets(out, settings.budgets);
  if (settings.priorities != PrioritySettings()) {
    out.json("priority_reservation", shares_json(settings.priorities));
    out.json("priority_reservation_settings", share_rules_json(settings.priorities));
  }
  if (users.max_budget) out.json("max_internal_user_budget", users.max_budget->to_string());
  if (!users.budget_duration.empty()) out.text("internal_user_budget_duration", users.budget_duration);
  if (users.defaults_json != "{}") out.json("default_internal_user_params", users.defaults_json);
  return out.take();
}

EffectiveValues effective(const GeneralSettings& settings) {
  Writer out;
  out.secret("master_key", settings.master_key);
  out.secret("database_url", settings.database_url);
  out.number("database_connection_pool_limit", settings.database_connection_pool_limit);
  out.time("database_connection_timeout", settings.database_connection_timeout);
  out.flag("database_listen", settings.database_listen);
  out.flag("allow_requests_on_db_unavailable", settings.allow_requests_on_db_unavailable);
  out.text("litellm_key_header_name", settings.litellm_key_header_name);
  out.text("user_header_name", settings.user_header_name);
  out.json("max_request_size_mb",
           settings.request_bytes_max
               ? fmt::format("{}", static_cast<double>(*settings.request_bytes_max) / (1024.0 * 1024.0))
               : "null");
  out.flag("always_include_stream_usage", settings.always_include_stream_usage);
  out.number("max_parallel_requests", settings.max_parallel_requests);
  out.number("global_max_parallel_requests", settings.global_max_parallel_requests);
  out.word("token_rate_limit_type", settings.token_rate_limit_type, {"total", "input", "output"});
  out.flag("forbid_master_key_inference", settings.forbid_master_key_inference);
  out.text("completion_model", settings.completion_model);
  out.text("embedding_model", settings.embedding_model);
  out.text("image_generation_model", settings.image_generation_model);
  out.text("moderation_model", settings.moderation_model);
  out.texts("allowed_ips", settings.allowed_ips);
  out.texts("enforced_params", settings.enforced_params);
  if (!settings.service_account_params.empty())
    out.json("service_account_settings",
             fmt::format(R"({{"enforced_params":{}}})", json_list(settings.service_account_params)));
  out.flag("enforce_user_param", settings.enforce_user_param);
  out.flag("reject_clientside_metadata_tags", settings.reject_clientside_metadata_tags);
  out.flag("disable_spend_logs", settings.disable_spend_logs);
  out.flag("store_prompts_in_spend_logs", settings.store_prompts_in_spend_logs);
  if (settings.spend_logs_retention) {
    out.number("maximum_spend_logs_retention_period", settings.spend_logs_retention->count());
    out.number("maximum_spend_logs_retention_interval", settings.spend_logs_retention_interval.count());
  }
  out.time("user_api_key_cache_ttl", settings.user_api_key_cache_ttl);
  out.flag("background_health_checks", settings.background_health_checks);
  out.time("health_check_interval", settings.health_check_interval);
  out.flag("health_check_details", settings.health_check_details);
  out.number("health_check_concurrency", settings.health_check_concurrency);
  const AlertSettings& alerts = settings.alerts;
  const auto seconds = [](Milliseconds time) { return static_cast<double>(time.count()) / 1000; };
  out.time("alerting_threshold", alerts.threshold);
  out.json("alerting_args", fmt::format("{{\"outage_alert_ttl\": {}, \"region_outage_alert_ttl\": {}, "
                                        "\"minor_outage_alert_threshold\": {}, \"major_outage_alert_threshold\": {}}}",
                                        seconds(alerts.outage_ttl), seconds(alerts.region_outage_ttl),
                                        alerts.minor_outage_threshold, alerts.major_outage_threshold));
  if (settings.store_model_in_db) out.flag("store_model_in_db", true);
  append_jwt(out, settings.jwt);
  return out.take();
}

namespace {

std::string json_sticky(const std::vector<Sticky>& rules) {
  constexpr std::string_view kBy[] = {"key", "user", "header"};
  std::string out = "[";
  for (const Sticky& rule : rules) {
    out += fmt::format("{}{{\"model_group\": {}, \"by\": \"{}\"", out.size() > 1 ? ", " : "",
                       json_text(rule.model_group), kBy[static_cast<std::size_t>(rule.by)]);
    if (rule.by == StickyBy::Header) out += fmt::format(", \"header\": {}", json_text(rule.header));
    out += "}";
  }
  return out + "]";
}

std::string json_hedging(const std::vector<GroupHedging>& rules) {
  std::string out = "[";
  for (const GroupHedging& rule : rules) {
    out += fmt::format("{}{{\"model_group\": {}, \"extra_spend_percent\": {}}}", out.size() > 1 ? ", " : "",
                       json_text(rule.model_group), rule.extra_spend_percent);
  }
  return out + "]";
}

std::string json_mirroring(const std::vector<GroupMirroring>& rules) {
  std::string out = "[";
  for (const GroupMirroring& rule : rules) {
    out += fmt::format("{}{{\"model_group\": {}, \"to\": {}, \"percent\": {}}}", out.size() > 1 ? ", " : "",
                       json_text(rule.model_group), json_text(rule.to), rule.percent);
  }
  return out + "]";
}

std::string json_providers(const std::vector<ProviderRow>& rows) {
  constexpr std::string_view kShapes[] = {"openai", "anthropic", "gemini"};
  std::string out = "[";
  for (const ProviderRow& row : rows) {
    const std::string auth = row.auth == ProviderAuth::None     ? "none"
                             : row.auth == ProviderAuth::Header ? "header:" + row.auth_header
                                                                : "bearer";
    std::string renamed;
    for (const auto& [from, to] : row.rename) {
      renamed += fmt::format("{}{}: {}", renamed.empty() ? "" : ", ", json_text(from), json_text(to));
    }
    out += fmt::format(
        R"({}{{"name": {}, "base_url": {}, "shape": "{}", "auth": {}, "key_env": {}, "rename": {{{}}}, "drop": {}}})",
        out.size() > 1 ? ", " : "", json_text(row.name), json_text(row.base_url),
        kShapes[static_cast<std::size_t>(row.shape)], json_text(auth),
        row.key_env.empty() ? "null" : json_text(row.key_env), renamed, json_list(row.drop));
  }
  return out + "]";
}

}  // namespace

EffectiveValues effective(const TurnpikeSettings& settings) {
  Writer out;
  out.text("data_dir", settings.data_dir);
  out.text("journal_dir", settings.journal_dir);
  out.text("litellm_compat", settings.litellm_compat);
  if (settings.key_issuance != KeyIssuance::Federated) out.text("key_issuance", "central");
  if (!settings.rotated_keys_dir.empty()) out.text("rotated_keys_dir", settings.rotated_keys_dir);
  out.json("sticky", json_sticky(settings.sticky));
  out.json("hedging", json_hedging(settings.hedging));
  out.json("mirroring", json_mirroring(settings.mirroring));
  out.number("mirror_calls_max", settings.mirror_calls_max);
  out.json("providers", json_providers(settings.providers));
  out.word("ledger_durability", settings.ledger_durability, {"process", "disk"});
  out.number("journal_segment_bytes", settings.journal_segment_bytes);
  out.time("journal_sync_interval", settings.journal_sync_interval);
  out.number("journal_keep", settings.journal_keep.count());
  if (settings.ledger_retention_days > 0) out.number("ledger_retention_days", settings.ledger_retention_days);
  out.number("prompt_retention_days", settings.prompt_retention_days);
  out.word("journal_full_policy", settings.journal_full_policy, {"refuse", "serve"});
  out.time("ledger_ship_interval", settings.ledger_ship_interval);
  out.number("ship_batch_rows", settings.ship_batch_rows);
  out.word("budget_mode", settings.budget_mode, {"default", "strict"});
  out.word("budget_crossing", settings.budget_crossing, {"allow", "refuse"});
  out.number("hold_quantile", settings.hold_quantile);
  out.number("hold_output_tokens_max", settings.hold_output_tokens_max);
  out.number("hold_output_prior", settings.hold_output_prior);
  out.word("stream_over_budget", settings.stream_over_budget, {"finish", "cut"});
  out.flag("strict_insert_max_tokens", settings.strict_insert_max_tokens);
  out.time("lease_seconds", settings.lease_seconds);
  out.time("lease_idle", settings.lease_idle);
  out.time("lease_dead_after", settings.lease_dead_after);
  out.word("budget_database_down", settings.budget_database_down, {"lease", "allow", "refuse"});
  out.time("budget_wait", settings.budget_wait);
  out.time("budget_held_wait", settings.budget_held_wait);
  out.word("tpm_reserve", settings.tpm_reserve, {"prompt", "prompt_and_output"});
  out.flag("tpm_count_cached", settings.tpm_count_cached);
  out.word("rate_limit_on_store_failure", settings.rate_limit_on_store_failure, {"local", "open", "closed"});
  out.number("limit_wait_ms", settings.limit_wait.count());
  out.number("limiter_shards", settings.limiter_shards);
  // Unwritten it is neither: refused under a budget, but free where the deployment is self-hosted.
  if (settings.unknown_price_written) {
    out.word("unknown_price", settings.unknown_price, {"refuse", "allow"});
  } else {
    out.json("unknown_price", "null");
  }
  out.word("free_models_over_budget", settings.free_models_over_budget, {"allow", "refuse"});
  out.text("budget_week_start", settings.budget_week_start);
  out.time("idempotency_lifetime", settings.idempotency_lifetime);
  out.number("idempotency_entries_max", settings.idempotency_entries_max);
  out.number("idempotency_bytes_max", settings.idempotency_bytes_max);
  out.number("idempotency_answer_bytes_max", settings.idempotency_answer_bytes_max);
  out.flag("drain_on_disconnect", settings.drain_on_disconnect);
  out.time("drain_timeout", settings.drain_timeout);
  out.time("connect_timeout", settings.connect_timeout);
  out.time("stream_idle_timeout", settings.stream_idle_timeout);
  out.time("stream_keepalive", settings.stream_keepalive);
  out.time("key_cache_max_staleness", settings.key_cache_max_staleness);
  out.texts("trusted_proxies", settings.trusted_proxies);
  out.texts("media_fetch_allow", settings.media_fetch_allow);
  out.number("media_fetch_count_max", settings.media_fetch_count_max);
  out.number("media_fetch_bytes_max", settings.media_fetch_bytes_max);
  out.number("media_fetch_call_bytes_max", settings.media_fetch_call_bytes_max);
  out.time("media_fetch_timeout", settings.media_fetch_timeout);
  out.json("health_check_budget_per_day", settings.health_check_budget_per_day.to_string());
  out.time("shutdown_grace", settings.shutdown_grace);
  out.time("termination_grace", settings.termination_grace);
  return out.take();
}

std::string fingerprint_of(const Settings& settings) {
  std::string all;
  const auto add = [&all](const EffectiveValues& values) {
    for (const EffectiveValue& value : values)
      all.append(value.name).append("=").append(value.json).append(value.trace).append("\n");
  };
  for (const ModelEntry& entry : settings.models) {
    all += fmt::format("[{}] {}\n{}\n{}\n", entry.model_name, entry.api_base, entry.default_params_json,
                       entry.model_info_json);
    add(effective(entry));
  }
  add(effective(settings.router));
  add(effective(settings.litellm));
  add(effective(settings.general));
  add(effective(settings.turnpike));
  for (const auto& [name, value] : settings.environment_variables) {
    all += fmt::format("{}={}\n", name, base::sha256_hex(value.reveal()));
  }
  for (const std::string& line : settings.unenforced) all += line + "\n";
  return base::sha256_hex(all);
}

std::string to_yaml(const Settings& settings) {
  std::string out = settings.models.empty() ? "model_list: []\n" : "model_list:\n";
  for (const ModelEntry& entry : settings.models) {
    out += fmt::format("  - model_name: {}\n    litellm_params:\n", json_text(entry.model_name));
    std::string info;
    std::string headers;
    for (const EffectiveValue& value : effective(entry)) {
      if (says_nothing(value)) continue;
      constexpr std::string_view kHeaders = "extra_headers.";
      if (value.name.starts_with(kHeaders)) {
        headers += fmt::format("        {}: {}\n", json_text(value.name.substr(kHeaders.size())), value.json);
        continue;
      }
      (in_model_info(value.name) ? info : out) += fmt::format("      {}: {}\n", value.name, value.json);
    }
    if (!headers.empty()) out += "      extra_headers:\n" + headers;
    out += "    model_info:\n" + info;
  }
  append_section(out, "router_settings", effective(settings.router));
  append_section(out, "litellm_settings", effective(settings.litellm));
  append_section(out, "general_settings", effective(settings.general));
  append_section(out, "turnpike", effective(settings.turnpike));
  if (!settings.environment_variables.empty()) {
    out += "environment_variables:\n";
    for (const auto& [name, value] : settings.environment_variables) out += fmt::format("  {}: \"***\"\n", name);
  }
  return out;
}

}  // namespace turnpike::config
