#include <fmt/format.h>

#include <map>

#include "config/settings.h"

namespace turnpike::config {
namespace {

bool same(const std::vector<std::pair<std::string, base::Secret>>& a,
          const std::vector<std::pair<std::string, base::Secret>>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.equals(y.second.reveal());
  });
}

/// One line per field that differs; a secret is told as changed.
class Lines {
 public:
  explicit Lines(std::vector<std::string>& out) : out_(out) {}
  template <class T>
  void number(std::string_view name, const T& before, const T& after) {
    if (before != after) out_.push_back(fmt::format("{}: {} -> {}", name, before, after));
  }
  void text(std::string_view name, const std::string& before, const std::string& after) {
    if (before != after) out_.push_back(fmt::format("{}: \"{}\" -> \"{}\"", name, before, after));
  }
  void changed(std::string_view name, bool differs) {
    if (differs) out_.push_back(fmt::format("{}: changed", name));
  }

 private:
  std::vector<std::string>& out_;
};

std::string what_changed(const ModelEntry& a, const ModelEntry& b) {
  std::string fields;
  const auto add = [&](bool differs, std::string_view name) {
    if (differs) fields += (fields.empty() ? "" : ", ") + std::string(name);
  };
  add(!a.api_key.equals(b.api_key.reveal()), "api_key");
  add(a.api_base != b.api_base, "api_base");
  add(a.model != b.model, "model");
  add(a.weight != b.weight, "weight");
  add(a.rpm != b.rpm, "rpm");
  add(a.tpm != b.tpm, "tpm");
  add(a.timeout != b.timeout || a.stream_timeout != b.stream_timeout, "timeouts");
  add(a.prices != b.prices, "prices");
  add(a.default_params_json != b.default_params_json, "default parameters");
  return fields.empty() ? "other parameters" : fields;
}

}  // namespace

bool ModelEntry::operator==(const ModelEntry& other) const {
  return id == other.id && identity == other.identity && model_name == other.model_name && model == other.model &&
         custom_llm_provider == other.custom_llm_provider && api_key.equals(other.api_key.reveal()) &&
         missing_variable == other.missing_variable && api_base == other.api_base && api_version == other.api_version &&
         organization == other.organization && litellm_credential_name == other.litellm_credential_name &&
         same(extra_headers, other.extra_headers) && same(provider_params, other.provider_params) && rpm == other.rpm &&
         tpm == other.tpm && weight == other.weight && order == other.order && tags == other.tags &&
         region_name == other.region_name && timeout == other.timeout && stream_timeout == other.stream_timeout &&
         num_retries == other.num_retries && cooldown_time == other.cooldown_time &&
         default_params_json == other.default_params_json && drop_params == other.drop_params &&
         additional_drop_params == other.additional_drop_params &&
         allowed_openai_params == other.allowed_openai_params && mock_response_json == other.mock_response_json &&
         mock_timeout == other.mock_timeout && use_litellm_proxy == other.use_litellm_proxy && prices == other.prices &&
         free == other.free && base_model == other.base_model && mode == other.mode && max_tokens == other.max_tokens &&
         max_input_tokens == other.max_input_tokens && max_output_tokens == other.max_output_tokens &&
         access_groups == other.access_groups && health_check_model == other.health_check_model &&
         health_check_timeout == other.health_check_timeout && model_info_json == other.model_info_json;
}

bool GeneralSettings::operator==(const GeneralSettings& other) const {
  return master_key.equals(other.master_key.reveal()) && database_url.equals(other.database_url.reveal()) &&
         database_connection_pool_limit == other.database_connection_pool_limit &&
         litellm_key_header_name == other.litellm_key_header_name && user_header_name == other.user_header_name &&
         request_bytes_max == other.request_bytes_max &&
         always_include_stream_usage == other.always_include_stream_usage &&
         completion_model == other.completion_model && embedding_model == other.embedding_model &&
         disable_spend_logs == other.disable_spend_logs &&
         store_prompts_in_spend_logs == other.store_prompts_in_spend_logs &&
         user_api_key_cache_ttl == other.user_api_key_cache_ttl;
}

std::vector<std::string> diff(const Settings& before, const Settings& after) {
  std::vector<std::string> out;
  Lines lines(out);
  std::map<std::string, const ModelEntry*> old_entries;
  for (const ModelEntry& entry : before.models) old_entries[entry.identity] = &entry;
  for (const ModelEntry& entry : after.models) {
    const auto old = old_entries.find(entry.identity);
    if (old == old_entries.end()) {
      out.push_back(fmt::format("deployment {} ({}): added", entry.model_name, entry.model));
      continue;
    }
    if (!(*old->second == entry))
      out.push_back(fmt::format("deployment {} (id {}): {} changed", entry.model_name, entry.id.substr(0, 12),
                                what_changed(*old->second, entry)));
    old_entries.erase(old);
  }
  for (const auto& [identity, entry] : old_entries)
    out.push_back(fmt::format("deployment {} ({}): removed", entry->model_name, entry->model));

  const RouterSettings &a = before.router, &b = after.router;
  lines.text("router_settings.routing_strategy", a.routing_strategy, b.routing_strategy);
  lines.number("router_settings.num_retries", a.num_retries, b.num_retries);
  lines.number("router_settings.timeout (ms)", a.timeout.count(), b.timeout.count());
  lines.changed("router_settings.stream_timeout", a.stream_timeout != b.stream_timeout);
  lines.number("router_settings.allowed_fails", a.allowed_fails, b.allowed_fails);
  lines.number("router_settings.cooldown_time (ms)", a.cooldown_time.count(), b.cooldown_time.count());
  lines.changed("router_settings.fallbacks", a.fallbacks != b.fallbacks || a.default_fallbacks != b.default_fallbacks ||
                                                 a.context_window_fallbacks != b.context_window_fallbacks ||
                                                 a.content_policy_fallbacks != b.content_policy_fallbacks);
  lines.changed("router_settings.model_group_alias", a.model_group_alias != b.model_group_alias);
  RouterSettings rest = b;
  rest.routing_strategy = a.routing_strategy;
  rest.num_retries = a.num_retries;
  rest.timeout = a.timeout;
  rest.stream_timeout = a.stream_timeout;
  rest.allowed_fails = a.allowed_fails;
  rest.cooldown_time = a.cooldown_time;
  rest.fallbacks = a.fallbacks;
  rest.default_fallbacks = a.default_fallbacks;
  rest.context_window_fallbacks = a.context_window_fallbacks;
  rest.content_policy_fallbacks = a.content_policy_fallbacks;
  rest.model_group_alias = a.model_group_alias;
  lines.changed("router_settings", !(rest == a));
  lines.changed("litellm_settings", !(before.litellm == after.litellm));
  lines.changed("general_settings.master_key", !before.general.master_key.equals(after.general.master_key.reveal()));
  GeneralSettings general = after.general;
  general.master_key = before.general.master_key;
  lines.changed("general_settings", !(general == before.general));
  lines.changed("turnpike", !(before.turnpike == after.turnpike));
  return out;
}

}  // namespace turnpike::config
