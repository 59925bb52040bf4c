#include <fmt/format.h>

#include <map>

#include "base/hash.h"
#include "base/regex.h"
#include "base/text.h"
#include "config/keys.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

constexpr std::string_view kParams = "litellm_params";
constexpr std::string_view kInfo = "model_info";

bool is_price(std::string_view key) {
  return key.find("cost_per_") != std::string_view::npos || key.find("_token_cost") != std::string_view::npos;
}

/// Provider parameters that a later codec reads; they are kept and never sent as request parameters.
bool is_provider_parameter(std::string_view key) {
  if (is_price(key)) return false;
  for (const std::string_view prefix :
       {"aws_", "vertex_", "azure_", "watsonx_", "databricks_", "cloudflare_", "snowflake_"}) {
    if (key.starts_with(prefix)) return true;
  }
  for (const std::string_view name :
       {"model_id", "tenant_id", "client_id", "client_secret", "zen_api_key", "s3_bucket_name", "gcs_bucket_name"}) {
    if (key == name) return true;
  }
  return false;
}

/// A key that the table does not list is sent with each request: a default request parameter.
bool is_default_parameter(const std::string& key) {
  const Key* row = find_key("model_list[0].litellm_params." + key);
  return row != nullptr && row->path.ends_with(".*") && row->path.find("extra_headers") == std::string_view::npos &&
         row->path.find("headers") == std::string_view::npos;
}

std::string json_object(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string text = "{";
  for (const auto& [key, value] : members) {
    if (text.size() > 1) text += ",";
    append_json_string(text, key);
    text += ":" + value;
  }
  return text + "}";
}

void lay_under(Node& params, const Node& defaults) {
  for (const Node::Item& item : defaults.items()) {
    if (item.key == "model") continue;
    Node* own = params.find_mutable(item.key);
    if (own == nullptr) {
      params.items_mutable().push_back(item);
    } else if (own->is_null()) {
      *own = item.value;
    }
  }
}

const Node* find_credential(const Reading& reading, std::string_view wanted) {
  const Node* list = reading.document.root.find("credential_list");
  if (list == nullptr) return nullptr;
  for (const Node& credential : list->elements()) {
    const Node* name = credential.find("credential_name");
    if (name != nullptr && name->as_text().value_or("") == wanted) return &credential;
  }
  return nullptr;
}

/// The credential that is named and is none; empty: there is nothing amiss.
std::string missing_credential(const Reading& reading, const Node& params) {
  const Node* name = params.find("litellm_credential_name");
  if (name == nullptr) return {};
  std::string wanted = name->as_text().value_or("");
  return find_credential(reading, wanted) == nullptr ? wanted : std::string();
}

/// litellm_params with the values of its credential, then the router's defaults, laid under them.
Node merged_params(Reading& reading, const Node& params) {
  Node merged = params;
  if (const Node* name = params.find("litellm_credential_name")) {
    const Node* credential = find_credential(reading, name->as_text().value_or(""));
    const Node* values = credential == nullptr ? nullptr : credential->find("credential_values");
    if (values != nullptr) lay_under(merged, *values);
  }
  if (const Node* defaults = reading.section("router_settings").find("default_litellm_params")) {
    lay_under(merged, *defaults);
  }
  return merged;
}

/// A number with a point is a float there, which is written back in its shortest form: 0.0000025 as 2.5e-06.
std::string python_number(const Node& node) {
  const std::string& written = node.scalar();
  if (written.find('.') == std::string::npos) return written;
  const auto value = node.as_double();
  if (!value) return written;
  const std::string text = fmt::format("{}", *value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

/// The text Python's str() and json.dumps() give, which LiteLLM hashes into the id of a deployment. A map directly
/// below litellm_params goes through json.dumps, everything else through str().
std::string python_text(const Node& node, bool json, bool inside) {
  switch (node.kind()) {
    case Node::Kind::Null:
      return json ? "null" : "None";
    case Node::Kind::Bool:
      if (json) return node.to_json(false);
      return node.as_bool().value_or(false) ? "True" : "False";
    case Node::Kind::Number:
      return python_number(node);
    case Node::Kind::Text:
      if (!inside) return node.scalar();
      return json ? node.to_json(false) : "'" + node.scalar() + "'";
    case Node::Kind::List: {
      std::string out = "[";
      for (const Node& element : node.elements()) {
        if (out.size() > 1) out += ", ";
        out += python_text(element, json, true);
      }
      return out + "]";
    }
    case Node::Kind::Map: {
      const bool as_json = json || !inside;
      const char quote = as_json ? '"' : '\'';
      std::string out = "{";
      for (const Node::Item& item : node.items()) {
        if (out.size() > 1) out += ", ";
        out += quote + item.key + quote + ": " + python_text(item.value, as_json, true);
      }
      return out + "}";
    }
  }
  return {};
}

/// Source: config.md 2.2. The same file gives the id LiteLLM gives, so that clients that pin one keep it.
std::string deterministic_id(const std::string& model_name, const Node& params) {
  std::string text = model_name;
  for (const Node::Item& item : params.items()) text += item.key + python_text(item.value, false, false);
  return base::sha256_hex(text);
}

std::vector<PriceOverride> prices_of(Reading& reading, const Node& params, const Node* info) {
  std::vector<PriceOverride> prices;
  const auto read = [&](const Node& map) {
    for (const Node::Item& item : map.items()) {
      // Some price keys hold tables (search_context_cost_per_query); those stay with the catalogue.
      if (!is_price(item.key) || item.value.is_null() || item.value.is_map() || item.value.is_list()) continue;
      const Read<std::string> decimal = item.value.as_decimal();
      if (!decimal) {
        reading.diagnostics.push_back(decimal.error());
        continue;
      }
      const bool known =
          std::any_of(prices.begin(), prices.end(), [&](const PriceOverride& price) { return price.name == item.key; });
      if (!known) prices.push_back({item.key, *decimal});
    }
  };
  read(params);
  if (info != nullptr) read(*info);
  return prices;
}

bool is_zero(const std::vector<PriceOverride>& prices, std::string_view name) {
  for (const PriceOverride& price : prices) {
    if (price.name == name) return Node::number(price.decimal).as_double().value_or(1) == 0;
  }
  return false;
}

/// Why the connection cannot be what the file means, or nothing.
std::optional<std::string> connection_refusal(const Node& params) {
  for (const Node::Item& item : params.items()) {
    // Without the address the prompts would go to the provider's own: somewhere the file does not name.
    if ((item.key == "api_base" || item.key == "base_url") && item.value.is_null() && !item.value.variable().empty()) {
      return fmt::format(
          "{} comes from {}, which is not set; set it, or remove the line to use the provider's own address", item.key,
          item.value.variable());
    }
    if (item.key == "api_key" && item.value.scalar().starts_with("oidc/")) {
      return "api_key asks for an oidc/ token, which is not fetched yet; write the key or os.environ/NAME";
    }
    if (item.key != "extra_headers" && item.key != "headers") continue;
    for (const Node::Item& header : item.value.items()) {
      const auto breaks = [](unsigned char character) { return character < 0x20 || character == 0x7f; };
      if (header.key.empty() || header.key.find_first_of(" :") != std::string::npos ||
          std::any_of(header.key.begin(), header.key.end(), breaks) ||
          std::any_of(header.value.scalar().begin(), header.value.scalar().end(), breaks)) {
        return fmt::format("the header \"{}\" holds a character that no header may hold", header.key);
      }
    }
  }
  return std::nullopt;
}

bool served_here(Reading& reading, const Node& info) {
  const auto wanted = take(info, "supported_environments", &Node::as_text_list);
  if (!wanted) return true;
  const auto environment = reading.document.environment("LITELLM_ENVIRONMENT");
  if (!environment || environment->empty()) {
    reading.diagnostics.push_back(
        info.find("supported_environments")->error("LITELLM_ENVIRONMENT is not set; set it to one of them"));
    return false;
  }
  return std::find(wanted->begin(), wanted->end(), *environment) != wanted->end();
}

void read_connection(const Node& params, ModelEntry& entry) {
  take_into(entry.custom_llm_provider, params, "custom_llm_provider", &Node::as_text);
  if (const auto key = take(params, "api_key", &Node::as_text)) entry.api_key = base::Secret(*key);
  for (const Node::Item& item : params.items()) {
    if (item.key == "api_key" && item.value.is_null()) entry.missing_variable = item.value.variable();
    if (is_provider_parameter(item.key)) {
      if (item.value.is_null()) continue;
      // A service account may stand as a map; its reader wants JSON.
      entry.provider_params.emplace_back(item.key,
                                         base::Secret(item.value.as_text().value_or(item.value.to_json(false))));
    }
  }
  take_into(entry.api_base, params, "base_url", &Node::as_text);
  take_into(entry.api_base, params, "api_base", &Node::as_text);
  while (entry.api_base.ends_with('/')) entry.api_base.pop_back();
  take_into(entry.api_version, params, "api_version", &Node::as_text);
  take_into(entry.litellm_credential_name, params, "litellm_credential_name", &Node::as_text);
  for (const char* name : {"extra_headers", "headers"}) {
    const Node* headers = params.find(name);
    if (headers == nullptr) continue;
    for (const Node::Item& item : headers->items()) {
      if (const auto text = item.value.as_text()) entry.extra_headers.emplace_back(item.key, base::Secret(*text));
    }
  }
}

void read_choosing(Reading& reading, const Node& element, const Node& params, const Node* info, ModelEntry& entry) {
  for (const Node* map : {info, &params, &element}) {  // The last one that says something wins.
    if (map == nullptr) continue;
    if (const auto rpm = take_count(reading, *map, "rpm")) entry.rpm = rpm;
    if (auto budget = read_budget(reading, *map)) entry.budget = std::move(budget);
    if (const auto tpm = take_count(reading, *map, "tpm")) entry.tpm = tpm;
  }
  entry.weight = take(params, "weight", &Node::as_double);
  if (entry.weight && *entry.weight < 0) {
    reading.diagnostics.push_back(params.find("weight")->error("must not be below zero; write 0 or more"));
  }
  entry.order = take_count(reading, params, "order");
  entry.max_parallel_requests = take_count(reading, params, "max_parallel_requests");
  entry.drain_on_disconnect = take(params, "drain_on_disconnect", &Node::as_bool);
  take_into(entry.silent_models, params, "silent_model", &Node::as_text_list);
  take_into(entry.tags, params, "tags", &Node::as_text_list);
  take_into(entry.tag_regex, params, "tag_regex", &Node::as_text_list);
  for (const std::string& written : entry.tag_regex) {
    if (const Result<base::Regex> regex = base::Regex::compile(written); !regex) {
      reading.diagnostics.push_back(
          params.find("tag_regex")->error(fmt::format("\"{}\" is broken: {}", written, regex.error().message)));
    }
  }
  take_into(entry.region_name, params, "region_name", &Node::as_text);
  entry.timeout = take(params, "request_timeout", &Node::as_time);
  if (const auto timeout = take(params, "timeout", &Node::as_time)) entry.timeout = timeout;
  entry.stream_timeout = take(params, "stream_timeout", &Node::as_time);
  entry.num_retries = take_count(reading, params, "num_retries");
  entry.cooldown_time = take(params, "cooldown_time", &Node::as_time);
}

void read_sending(const Node& params, ModelEntry& entry) {
  std::vector<std::pair<std::string, std::string>> exact;
  std::vector<std::pair<std::string, std::string>> shown;
  const auto add = [&](const Node::Item& item) {
    exact.emplace_back(item.key, item.value.to_json(false));
    shown.emplace_back(item.key, item.value.to_json(true));
  };
  for (const Node::Item& item : params.items()) {
    if (item.value.is_null() || is_price(item.key) || is_provider_parameter(item.key)) continue;
    if (!is_default_parameter(item.key)) continue;
    if (item.key == "extra_body" && item.value.is_map()) {
      // SDKs pour extra_body out beside the other fields.
      for (const Node::Item& member : item.value.items()) add(member);
    } else {
      add(item);
    }
  }
  entry.default_params_json = json_object(exact);
  entry.default_params_shown = json_object(shown);
  entry.drop_params = take(params, "drop_params", &Node::as_bool);
  take_into(entry.additional_drop_params, params, "additional_drop_params", &Node::as_text_list);
  take_into(entry.allowed_openai_params, params, "allowed_openai_params", &Node::as_text_list);
  if (const Node* mock = params.find("mock_response")) entry.mock_response_json = mock->to_json(false);
  take_into(entry.mock_timeout, params, "mock_timeout", &Node::as_bool);
  take_into(entry.use_litellm_proxy, params, "use_litellm_proxy", &Node::as_bool);
}

void read_info(Reading& reading, const Node* info, ModelEntry& entry) {
  std::vector<std::pair<std::string, std::string>> members;
  if (info != nullptr) {
    take_into(entry.id, *info, "id", &Node::as_text);
    take_into(entry.base_model, *info, "base_model", &Node::as_text);
    take_into(entry.mode, *info, "mode", &Node::as_text);
    entry.max_tokens = take_count(reading, *info, "max_tokens");
    entry.max_input_tokens = take_count(reading, *info, "max_input_tokens");
    entry.max_output_tokens = take_count(reading, *info, "max_output_tokens");
    take_into(entry.access_groups, *info, "access_groups", &Node::as_text_list);
    take_into(entry.health_check_model, *info, "health_check_model", &Node::as_text);
    entry.health_check_timeout = take(*info, "health_check_timeout", &Node::as_time);
    entry.health_check_max_tokens = take_count(reading, *info, "health_check_max_tokens");
    entry.health_check_max_tokens_reasoning = take_count(reading, *info, "health_check_max_tokens_reasoning");
    entry.health_check_max_tokens_non_reasoning = take_count(reading, *info, "health_check_max_tokens_non_reasoning");
    take_into(entry.disable_background_health_check, *info, "disable_background_health_check", &Node::as_bool);
    take_into(entry.team_id, *info, "team_id", &Node::as_text);
    take_into(entry.team_public_model_name, *info, "team_public_model_name", &Node::as_text);
    for (const Node::Item& item : info->items()) {
      if (item.key != "id") members.emplace_back(item.key, item.value.to_json(true));
    }
  }
  members.insert(members.begin(), {"id", Node::text(entry.id).to_json(false)});
  entry.model_info_json = json_object(members);
}

void set_id(ModelEntry& entry, std::string id) {
  std::string& info = entry.model_info_json;
  constexpr std::size_t kBefore = std::string_view("{\"id\":").size();
  info.replace(kBefore, Node::text(entry.id).to_json(false).size(), Node::text(id).to_json(false));
  entry.id = std::move(id);
}

}  // namespace

std::vector<ModelEntry> read_models(Reading& reading, const std::vector<ProviderRow>& providers) {
  std::vector<ModelEntry> models;
  const Node* list = reading.document.root.find("model_list");
  if (list == nullptr) return models;
  std::map<std::string, int> ordinals;
  std::map<std::string, int> copies;
  for (const Node& element : list->elements()) {
    const auto skip = [&](const Node& where, const std::string& what, bool later = false) {
      const bool refused = reading.options.reload && !later;
      reading.diagnostics.push_back(refused ? where.error(what)
                                            : where.warning(what + "; this deployment is left out"));
      const std::string group = element.is_map() ? take(element, "model_name", &Node::as_text).value_or("") : "";
      reading.left_out.push_back(fmt::format("{}: {}{}", where.place(), group.empty() ? "" : group + ": ", what));
      if (!group.empty()) reading.left_out_groups.push_back(group);
    };
    const auto model_name = element.is_map() ? take(element, "model_name", &Node::as_text) : std::nullopt;
    const Node* written = element.is_map() ? element.find(kParams) : nullptr;
    if (!model_name || written == nullptr || !written->is_map()) {
      skip(element, "a deployment needs model_name and litellm_params");
      continue;
    }
    if (const std::string wanted = missing_credential(reading, *written); !wanted.empty()) {
      const std::string why =
          fmt::format("no credential_list entry is named \"{}\"; add it or write api_key here", wanted);
      // Where credentials may stand in the database as well it may come yet.
      reading.database ? skip(*written, why, true)
                       : reading.diagnostics.push_back(written->find("litellm_credential_name")->error(why));
      continue;
    }
    const Node params = merged_params(reading, *written);
    const auto model = take(params, "model", &Node::as_text);
    if (!model || model->empty()) {
      skip(*written, "litellm_params needs model, for example model: openai/gpt-4o");
      continue;
    }
    if (const auto why = connection_refusal(params)) {
      skip(*written, *why);
      continue;
    }
    const Node* info = element.find(kInfo);
    if (info != nullptr && !served_here(reading, *info)) continue;

    ModelEntry entry;
    entry.model_name = *model_name;
    entry.model = *model;
    entry.file = element.file();
    entry.line = element.line();
    read_connection(params, entry);
    read_choosing(reading, element, params, info, entry);
    read_sending(params, entry);
    entry.prices = prices_of(reading, params, info);
    entry.free = is_zero(entry.prices, "input_cost_per_token") && is_zero(entry.prices, "output_cost_per_token");
    if (reading.options.refusal) {
      ModelEntry meant = entry;
      if (const Node* alias = reading.section("litellm_settings").find("model_alias_map")) {
        take_into(meant.model, *alias, entry.model, &Node::as_text);
      }
      const std::optional<Refusal> refusal = reading.options.refusal(meant, reading.document.environment, providers);
      if (refusal) {
        skip(*written, refusal->why, refusal->later);
        continue;
      }
    }
    const std::vector<std::string> organizations =
        take(params, "organization", &Node::as_text_list).value_or(std::vector<std::string>{""});
    for (const std::string& organization : organizations) {
      ModelEntry one = entry;
      one.organization = organization;
      one.id = deterministic_id(*model_name, *written);
      if (organizations.size() > 1) {
        Node expanded = *written;
        if (Node* own = expanded.find_mutable("organization")) *own = Node::text(organization);
        one.id = deterministic_id(*model_name, expanded);
      }
      read_info(reading, info, one);
      const std::string identity = fmt::format("{}|{}|{}|{}", one.model_name, one.model, one.api_base, organization);
      const int ordinal = ordinals[identity]++;
      one.identity = fmt::format("{}|{}", identity, ordinal);
      // Two entries that say the same are two deployments: the later ones get an id of their own.
      const int copy = ++copies[one.id];
      if (copy > 1) set_id(one, fmt::format("{}-{}", one.id, copy));
      models.push_back(std::move(one));
    }
  }
  return models;
}

}  // namespace turnpike::config
