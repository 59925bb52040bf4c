#include "router/deployments.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "base/text.h"
#include "config/effective.h"
#include "provider/aim.h"
#include "router/router.h"

namespace turnpike::router {
namespace {

std::string first_set(const config::Environment& environment, std::span<const std::string_view> variables) {
  if (!environment) return {};
  for (const std::string_view variable : variables) {
    if (std::optional<std::string> value = environment(std::string(variable)); value && !value->empty()) return *value;
  }
  return {};
}

/// environment_variables of the file, as they are after the latest reload, over what the process was started with.
config::Environment environment_of(const config::Settings& settings) {
  return [own = settings.environment_variables](const std::string& name) -> std::optional<std::string> {
    for (const auto& [variable, value] : own) {
      if (variable == name) return value.reveal();
    }
    return config::process_environment()(name);
  };
}

/// "https://host:port/v1": what people may see; the query and any user:password@ of the written address are gone.
std::string shown(const http::BaseUrl& base) {
  const http::Origin& origin = base.origin;
  std::string text = (origin.tls ? "https://" : "http://") + origin.host;
  if (origin.port != (origin.tls ? 443 : 80)) text += ":" + std::to_string(origin.port);
  return text + base.path;
}

void append_line(std::string& lines, std::string_view name, std::string_view value) {
  if (name.find_first_of("\r\n:") != std::string_view::npos || value.find_first_of("\r\n") != std::string_view::npos)
    return;
  lines.append(name).append(": ").append(value).append("\r\n");
}

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : " or ") + std::string(name);
  return text;
}

/// A template such as "https://{account}.example.com" that nobody filled in.
bool has_placeholder(std::string_view url) {
  return url.find('{') != std::string_view::npos;
}

Result<http::BaseUrl> base_of(const provider::AimInput& aim, const config::ModelEntry& entry,
                              const config::Environment& environment) {
  const provider::Provider& provider = *aim.provider;
  std::string url = entry.api_base;
  if (url.empty()) url = first_set(environment, provider.base_url_variables);
  if (url.empty()) {
    // Every provider has this one, whatever else it has (spec config 10).
    std::string variable;
    for (const char c : provider.name)
      variable += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    variable += "_API_BASE";
    const std::string_view only = variable;
    url = first_set(environment, std::span(&only, 1));
  }
  if (url.empty()) url = provider::base_url_of_model(provider, aim.model);
  if (url.empty()) url = provider.base_url;
  if (url.empty() || has_placeholder(url)) {
    Result<std::string> own = provider::own_base_url(aim);
    if (!own) return base::fail(std::move(own.error()));
    url = std::move(*own);
  }
  if (url.empty() || has_placeholder(url)) {
    const std::string variables = joined(provider.base_url_variables);
    return base::fail(ErrorKind::InvalidRequest, std::string(provider.label) + " has no fixed address: set api_base" +
                                                     (variables.empty() ? "" : " or the variable " + variables));
  }
  // Azure's portal shows addresses with their api-version, which `complete_target` reads.
  if (provider.shape == provider::Shape::AzureOpenAi) url.resize(std::min(url.size(), url.find('?')));
  return http::parse_base_url(url);
}

int parallel(std::int64_t calls) {
  return static_cast<int>(std::min<std::int64_t>(calls, std::numeric_limits<int>::max()));
}

Deployment deployment_of(const config::ModelEntry& entry) {
  Deployment deployment;
  deployment.id = entry.id;
  deployment.identity = entry.identity;
  deployment.model_group = entry.model_name;
  deployment.wildcard = entry.model_name.find('*') != std::string::npos;
  deployment.config_model = entry.model;
  deployment.weight = entry.weight;
  if (entry.rpm) deployment.rpm = static_cast<double>(*entry.rpm);
  if (entry.tpm) deployment.tpm = static_cast<double>(*entry.tpm);
  if (entry.order) deployment.order = static_cast<int>(*entry.order);
  deployment.region = entry.region_name;
  if (entry.max_parallel_requests) deployment.parallel_max = parallel(*entry.max_parallel_requests);
  deployment.timeout = entry.timeout;
  deployment.stream_timeout = entry.stream_timeout;
  if (entry.num_retries) deployment.num_retries = static_cast<int>(*entry.num_retries);
  deployment.cooldown_time = entry.cooldown_time;
  deployment.tags = entry.tags;
  for (const std::string& written : entry.tag_regex) {
    // The configuration has been refused if one is broken.
    if (Result<base::Regex> regex = base::Regex::compile(written)) deployment.tag_regex.push_back(std::move(*regex));
  }
  deployment.access_groups = entry.access_groups;
  deployment.team_id = entry.team_id;
  deployment.mock_response_json = entry.mock_response_json.value_or("");
  deployment.mode = entry.mode;
  deployment.config_position = entry.file + (entry.line > 0 ? ":" + std::to_string(entry.line) : "");
  deployment.base_model = entry.base_model;
  for (const config::PriceOverride& price : entry.prices)
    deployment.price_overrides.emplace_back(price.name, price.decimal);
  deployment.entry = std::make_shared<const config::ModelEntry>(entry);
  deployment.target.drop_params = entry.additional_drop_params;
  deployment.target.allowed_params = entry.allowed_openai_params;
  deployment.target.api_version = entry.api_version;
  deployment.target.params = entry.provider_params;
  for (const auto& [name, value] : entry.provider_params) {
    if (config::is_secret_param(name)) deployment.target.hidden.push_back(value);
  }
  if (entry.default_params_json != "{}") deployment.target.default_params_json = entry.default_params_json;
  for (const auto& [name, value] : entry.extra_headers)
    append_line(deployment.target.extra_fields, name, value.reveal());
  for (const auto& [name, value] : entry.extra_headers) deployment.target.hidden.push_back(value);
  if (!entry.organization.empty())
    append_line(deployment.target.extra_fields, "OpenAI-Organization", entry.organization);
  return deployment;
}

}  // namespace

CommonParts common_parts(const config::Settings& settings, provider::FindListing listing) {
  return {.ssl_verify = settings.litellm.ssl_verify,
          .ssl_ca_file = settings.litellm.ssl_ca_file,
          .drop_params = settings.litellm.drop_params,
          .modify_params = settings.litellm.modify_params,
          .model_alias_map = settings.litellm.model_alias_map,
          .listing = listing,
          .own = std::make_shared<const provider::OwnProviders>(settings.turnpike.providers),
          .environment = environment_of(settings)};
}

Status aim(Deployment& deployment, std::string_view model, const config::ModelEntry& entry, const CommonParts& common,
           std::string* missing_key) {
  for (const auto& [alias, real] : common.model_alias_map) {
    if (alias == model) {
      model = real;
      break;
    }
  }
  const provider::Resolved resolved =
      provider::resolve_model(model, entry.custom_llm_provider, entry.api_base, common.listing, common.own.get());
  if (resolved.provider == nullptr) {
    return base::fail(ErrorKind::InvalidRequest, "no provider is named by model \"" + std::string(model) +
                                                     "\": write it as provider/model, such as openai/" +
                                                     std::string(model));
  }
  const provider::Provider& provider = *resolved.provider;
  const provider::Shape shape = provider::shape_of(provider, resolved.model);
  if (shape == provider::Shape::Other) {
    return base::fail(ErrorKind::InvalidRequest,
                      std::string(provider.label) + " speaks a dialect that this version does not serve yet");
  }
  provider::AimInput input{&provider,          resolved.model,    shape,
                           entry.api_key,      entry.api_version, &entry.provider_params,
                           common.environment, common.ssl_verify, common.ssl_ca_file,
                           entry.api_base};
  // Vertex AI's models are listed under the name of the row, whatever dialect they are spoken to in.
  if (common.listing != nullptr && provider.shape == provider::Shape::VertexGemini) {
    input.global_only = common.listing("vertex_ai/" + resolved.model).global_only;
  }
  Result<http::BaseUrl> base = base_of(input, entry, common.environment);
  if (!base) return base::fail(std::move(base.error()));
  base->origin.verify = common.ssl_verify;
  base->origin.ca_file = common.ssl_ca_file;

  Result<std::shared_ptr<credential::CredentialSource>> own_source = provider::own_credential(input);
  if (!own_source) return base::fail(std::move(own_source.error()));
  const bool own_credential = *own_source != nullptr;
  base::Secret key = entry.api_key;
  if (key.empty()) key = base::Secret(first_set(common.environment, provider.key_variables));
  // A server of one's own (api_base) may do without a key, unless the file names a variable for it. Azure's customers
  // have addresses of their own, which are no such servers.
  const bool needed =
      !own_credential && provider.auth != provider::AuthScheme::None && !provider.self_hosted &&
      (entry.api_base.empty() || !entry.missing_variable.empty() || provider.shape == provider::Shape::AzureOpenAi);
  std::string variable;
  if (key.empty() && needed) {
    variable = entry.missing_variable.empty() ? joined(provider.key_variables) : entry.missing_variable;
    if (variable.empty()) variable = "litellm_params.api_key";
    if (missing_key != nullptr) *missing_key = variable;
  }
  provider::Target& target = deployment.target;
  if (!key.empty()) target.hidden.push_back(key);
  target.provider = &provider;
  target.own_rows = common.own;
  for (const provider::HeaderRule& rule : provider.headers) {
    std::string value = first_set(common.environment, {&rule.variable, 1});
    if (value.empty()) value = rule.fallback;
    if (!value.empty()) append_line(target.extra_fields, rule.name, value);
  }
  if (shape != provider::Shape::OpenAi && shape != provider::Shape::AzureOpenAi) {
    // The other dialects know no rules of a row, but what a deployment drops.
    for (const provider::FieldRule& rule : provider.rules) {
      if (rule.to.empty()) target.drop_params.emplace_back(rule.from);
    }
  }
  target.drop_unsupported = entry.drop_params.value_or(common.drop_params);
  target.modify_params = common.modify_params;
  target.shape = shape;
  target.model = resolved.model;
  target.base = std::move(*base);
  provider::complete_target(input, target);
  target.shown_base = shown(target.base);
  target.self_hosted = provider::is_self_hosted(provider, target.base.origin.host);
  if (own_credential) {
    target.credential = std::move(*own_source);
  } else if (variable.empty()) {
    target.credential = credential::static_credential(std::move(key));
  } else {
    target.credential = credential::missing_credential(provider.label, variable);
  }
  deployment.config_model = model;
  deployment.price_name =
      deployment.base_model.empty() ? std::string(provider.name) + "/" + target.model : deployment.base_model;
  return {};
}

std::optional<config::Refusal> refusal_of(const config::ModelEntry& entry, const config::Environment& environment,
                                          const std::vector<config::ProviderRow>& rows, provider::FindListing listing) {
  if (entry.model == "*" && entry.custom_llm_provider.empty()) return std::nullopt;  // The requested name decides.
  CommonParts common;
  common.listing = listing;
  common.own = std::make_shared<const provider::OwnProviders>(rows);
  common.environment = environment;
  Deployment deployment;
  const Status aimed = aim(deployment, entry.model, entry, common, nullptr);
  if (aimed) return std::nullopt;
  const provider::Resolved resolved =
      provider::resolve_model(entry.model, entry.custom_llm_provider, entry.api_base, listing, common.own.get());
  if (resolved.provider != nullptr) {
    return config::Refusal{aimed.error().message, resolved.provider->shape == provider::Shape::Other};
  }
  std::vector<std::string> names;
  for (const provider::Provider& row : provider::catalogue()) names.emplace_back(row.name);
  for (const provider::Provider& row : common.own->rows()) names.emplace_back(row.name);
  const bool custom = !entry.custom_llm_provider.empty();
  const std::size_t slash = entry.model.find('/');
  const std::string meant = custom                       ? entry.custom_llm_provider
                            : slash == std::string::npos ? ""
                                                         : entry.model.substr(0, slash);
  const std::vector<std::string> near = meant.empty() ? std::vector<std::string>() : base::nearest(meant, names, 1);
  const std::string hint = near.empty() ? "" : "did you mean " + near.front() + "? ";
  const std::string example = near.empty() ? "openai" : near.front();
  if (custom) {
    return config::Refusal{"no provider is called \"" + meant + "\" (custom_llm_provider); " + hint +
                           "`turnpike providers` lists them"};
  }
  return config::Refusal{"no provider is known for model \"" + entry.model + "\"; " + hint +
                         "write provider/model, for example " + example + "/" + entry.model.substr(slash + 1)};
}

std::vector<Deployment> deployments_of(const config::Settings& settings, std::vector<Problem>& problems,
                                       provider::FindListing listing) {
  const CommonParts common = common_parts(settings, listing);
  std::vector<Deployment> deployments;
  deployments.reserve(settings.models.size());
  for (const config::ModelEntry& entry : settings.models) {
    Deployment deployment = deployment_of(entry);
    if (const auto calls = settings.router.default_max_parallel_requests; calls && !deployment.parallel_max)
      deployment.parallel_max = parallel(*calls);
    // "*" served by "*": the requested name says which provider is meant, when it comes.
    const bool decided_later = deployment.wildcard && entry.model == "*" && entry.custom_llm_provider.empty();
    std::string missing_key;
    if (const Status aimed = aim(deployment, entry.model, entry, common, &missing_key); !aimed && !decided_later) {
      problems.push_back({deployment.config_position, entry.model_name + ": " + aimed.error().message});
      continue;
    }
    if (!missing_key.empty()) {
      problems.push_back({deployment.config_position,
                          entry.model_name + ": no API key: set " + missing_key + "; until then its calls end with 401",
                          false});
    }
    deployments.push_back(std::move(deployment));
  }
  return deployments;
}

}  // namespace turnpike::router
