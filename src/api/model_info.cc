#include <unordered_map>

#include "account/authenticator.h"
#include "api/handlers.h"
#include "json/document.h"
#include "ledger/prices.h"

namespace turnpike::api {
namespace {

struct PriceName {
  std::string_view name;
  ledger::PriceField field;
};
constexpr PriceName kPrices[] = {
    {"input_cost_per_token", ledger::PriceField::Input},
    {"output_cost_per_token", ledger::PriceField::Output},
    {"cache_read_input_token_cost", ledger::PriceField::CacheRead},
    {"cache_creation_input_token_cost", ledger::PriceField::CacheWrite},
};

/// Members of one object, each written once: what the configuration says comes first and wins.
class Once {
 public:
  explicit Once(json::Writer& writer) : writer_(writer) {}
  void raw(std::string_view name, std::string_view value) {
    for (const std::string& known : written_) {
      if (known == name) return;
    }
    written_.emplace_back(name);
    writer_.key(name).raw(value);
  }
  void text(std::string_view name, std::string_view value) { raw(name, value.empty() ? "null" : json::quoted(value)); }
  void count(std::string_view name, std::uint64_t value) { raw(name, value == 0 ? "null" : std::to_string(value)); }
  void object(std::string_view json) {
    json::Document document;
    if (!document.parse(json) || !document.root().is(json::Kind::Object)) return;
    for (const auto& [key, value] : document.root().members()) {
      if (const std::optional<std::string> name = key.text()) raw(*name, value.raw());
    }
  }

 private:
  json::Writer& writer_;
  std::vector<std::string> written_;
};

/// Credentials, header values and provider parameters never stand here; addresses and default parameters are for
/// administrators, who wrote them.
void write_params(json::Writer& writer, const config::ModelEntry& entry, const router::Deployment* deployment,
                  bool admin) {
  writer.begin_object();
  Once once(writer);
  once.text("model", entry.model);
  if (!entry.custom_llm_provider.empty()) once.text("custom_llm_provider", entry.custom_llm_provider);
  if (entry.rpm) once.raw("rpm", std::to_string(*entry.rpm));
  if (entry.tpm) once.raw("tpm", std::to_string(*entry.tpm));
  if (admin) {
    if (deployment != nullptr) once.text("api_base", deployment->target.shown_base);
    if (!entry.api_version.empty()) once.text("api_version", entry.api_version);
    if (!entry.litellm_credential_name.empty()) once.text("litellm_credential_name", entry.litellm_credential_name);
    once.object(entry.default_params_json);
  }
  writer.end_object();
}

void write_info(json::Writer& writer, const config::ModelEntry& entry, const router::Deployment* deployment) {
  writer.begin_object();
  Once once(writer);
  once.text("id", entry.id);
  once.raw("db_model", "false");
  once.object(entry.model_info_json);
  const auto* prices = deployment == nullptr ? nullptr : static_cast<const ledger::Prices*>(deployment->prices.get());
  if (deployment != nullptr && deployment->target.provider != nullptr) {
    once.text("litellm_provider", deployment->target.provider->name);
  }
  if (prices != nullptr) {
    once.text("key", prices->name);
    for (const PriceName& price : kPrices) {
      const ledger::Price found = prices->find(price.field);
      once.raw(price.name, found.known() ? found.to_string() : "null");
    }
    once.count("max_tokens", prices->max_output_tokens);
    once.count("max_input_tokens", prices->max_input_tokens);
    once.count("max_output_tokens", prices->max_output_tokens);
    once.text("mode", entry.mode.empty() ? prices->mode : entry.mode);
    for (std::size_t i = 0; i < domain::kTraitCount; ++i) {
      const auto trait = static_cast<domain::Trait>(i);
      if (const std::string_view field = domain::trait_field(trait); field.starts_with("supports_"))
        once.raw(field, prices->traits.has(trait) ? "true" : "false");
    }
  }
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> model_info(const Context& context) {
  const std::string wanted = context.request().query_value("litellm_model_id");
  std::unordered_map<std::string_view, const router::Deployment*> by_id;
  for (const router::ModelGroupRef& group : context.snapshot->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) by_id.emplace(deployment->id, deployment.get());
  }
  bool found = wanted.empty();
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  for (const config::ModelEntry& entry : context.settings().models) {
    if (!wanted.empty() && entry.id != wanted) continue;
    if (!account::model_allowed(*context.caller, entry.model_name, context.snapshot->access_groups)) continue;
    found = true;
    const auto known = by_id.find(entry.id);
    const router::Deployment* deployment = known == by_id.end() ? nullptr : known->second;
    writer.begin_object().key("model_name").string(entry.model_name);
    writer.key("litellm_params");
    write_params(writer, entry, deployment, administers(*context.caller));
    writer.key("model_info");
    write_info(writer, entry, deployment);
    writer.end_object();
  }
  writer.end_array().end_object();
  if (!found) {
    co_return refuse_field("litellm_model_id", "Model id = " + wanted.substr(0, 200) +
                                                   " is not a deployment of this gateway. GET /model/info lists them.");
  }
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
