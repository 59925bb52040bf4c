#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "api/handlers.h"
#include "api/query.h"
#include "api/record_route.h"
#include "config/effective.h"
#include "config/keys.h"
#include "json/lists.h"

// The configuration as administrators read it (spec management-api 13). Secrets read "***"; nothing is written here:
// the file is the configuration, and what may stand in the database has routes of its own.
namespace turnpike::api {
namespace {

constexpr std::string_view kGeneral = "general_settings.";
constexpr std::string_view kRouter = "router_settings.";

std::string_view type_name(config::Type type) {
  using config::Type;
  switch (type) {
    case Type::Bool:
      return "Boolean";
    case Type::Integer:
    case Type::Bytes:
      return "Integer";
    case Type::Number:
    case Type::Price:
    case Type::Time:
      return "Float";
    case Type::Texts:
    case Type::List:
      return "List";
    case Type::Map:
      return "Dict";
    case Type::Any:
    case Type::Text:
      break;
  }
  return "String";
}

/// The keys of a section itself, without what stands below them, that are in force.
std::vector<const config::Key*> fields_of(std::string_view section) {
  std::vector<const config::Key*> fields;
  for (const config::Key& key : config::keys()) {
    if (!key.path.starts_with(section) || key.standing != config::Standing::Honoured) continue;
    const std::string_view name = key.path.substr(section.size());
    if (name.find_first_of(".[*") == std::string_view::npos) fields.push_back(&key);
  }
  return fields;
}

/// JSON of the value in force; "null" where none is kept under the name.
std::string value_of(const config::EffectiveValues& values, std::string_view name) {
  const auto found = std::ranges::find(values, name, &config::EffectiveValue::name);
  return found == values.end() ? "null" : found->json;
}

void write_field(json::Writer& writer, const config::Key& key, std::string_view section,
                 const config::EffectiveValues& values, const config::EffectiveValues& defaults) {
  const std::string_view name = key.path.substr(section.size());
  writer.begin_object().key("field_name").string(name).key("field_type").string(type_name(key.type));
  writer.key("field_description").string("docs/config.md: " + std::string(key.path));
  writer.key("field_value").raw(value_of(values, name));
  writer.key("stored_in_db").boolean(false);
  writer.key("field_default_value").raw(value_of(defaults, name));
  writer.key("premium_field").boolean(false);
  writer.key("nested_fields").null();
  writer.end_object();
}

void write_values(json::Writer& writer, const config::EffectiveValues& values) {
  writer.begin_object();
  for (const config::EffectiveValue& value : values) writer.key(value.name).raw(value.json);
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> list_config(const Context& context) {
  const Result<std::string> type = query_word(context, "config_type", {"general_settings"});
  if (!type) co_return base::fail(type.error());
  const config::EffectiveValues values = config::effective(context.settings().general);
  const config::EffectiveValues defaults = config::effective(config::GeneralSettings());
  std::string body;
  json::Writer writer(body);
  writer.begin_array();
  for (const config::Key* key : fields_of(kGeneral)) write_field(writer, *key, kGeneral, values, defaults);
  writer.end_array();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> config_field(const Context& context) {
  const std::string name = context.request().query_value("field_name");
  if (name.empty()) co_return refuse_field("field_name", "Name a field of general_settings: field_name=...");
  const config::EffectiveValues values = config::effective(context.settings().general);
  if (std::ranges::find(values, name, &config::EffectiveValue::name) == values.end())
    co_return refuse_field("field_name", "Field name=" + name.substr(0, 200) + " not in DB");
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("field_name").string(name).key("field_value").raw(value_of(values, name)).end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> config_callbacks(const Context& context) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("status").string("success").key("callbacks").begin_array();
  for (const std::string& name : context.settings().litellm.callbacks) {
    writer.begin_object().key("name").string(name).key("variables").begin_object().end_object();
    writer.key("type").string("success_and_failure").end_object();
  }
  writer.end_array().key("alerts").begin_array().end_array().key("router_settings");
  write_values(writer, config::effective(context.settings().router));
  writer.key("available_callbacks").begin_object().key("prometheus").begin_object();
  writer.key("litellm_callback_name").string("prometheus").key("litellm_callback_params").begin_array().end_array();
  writer.key("ui_callback_name").string("Prometheus").end_object().end_object().end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> list_callbacks(const Context& context) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("success").begin_array().end_array().key("failure").begin_array().end_array();
  writer.key("success_and_failure").begin_array();
  for (const std::string& name : context.settings().litellm.callbacks) writer.string(name);
  writer.end_array().end_object();
  co_return private_json_reply(std::move(body));
}

/// The callbacks in force under the names of LiteLLM's own lists. Here a callback is told of good and bad ends alike.
Task<Result<Reply>> active_callbacks(const Context& context) {
  const std::vector<std::string>& names = context.settings().litellm.callbacks;
  const std::string all = json::write_list(names);
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("alerting").begin_array().end_array();
  writer.key("litellm.callbacks").raw(all);
  for (const std::string_view list :
       {"litellm.input_callback", "litellm.failure_callback", "litellm.success_callback",
        "litellm._async_success_callback", "litellm._async_failure_callback", "litellm._async_input_callback"}) {
    writer.key(list).begin_array().end_array();
  }
  writer.key("all_litellm_callbacks").raw(all).key("num_callbacks").number(std::uint64_t{names.size()});
  writer.key("num_alerting").number(std::uint64_t{0});
  const double seconds = std::chrono::duration<double>(context.settings().router.timeout).count();
  writer.key("litellm.request_timeout").raw(fmt::format("{}", seconds)).end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> router_settings(const Context& context) {
  const config::EffectiveValues values = config::effective(context.settings().router);
  const config::EffectiveValues defaults = config::effective(config::RouterSettings());
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("fields").begin_array();
  for (const config::Key* key : fields_of(kRouter)) write_field(writer, *key, kRouter, values, defaults);
  writer.end_array().key("current_values");
  write_values(writer, values);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> router_fields(const Context&) {
  const config::EffectiveValues defaults = config::effective(config::RouterSettings());
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("fields").begin_array();
  for (const config::Key* key : fields_of(kRouter)) write_field(writer, *key, kRouter, {}, defaults);
  writer.end_array().key("routing_strategy_descriptions").begin_object();
  for (const std::string_view strategy : config::kStrategies)
    writer.key(strategy).string("docs/routing.md: " + std::string(strategy));
  writer.end_object().end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> allowed_ips(const Context& context) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  for (const std::string& ip : context.settings().general.allowed_ips) writer.string(ip);
  writer.end_array().end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
