#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <tuple>
#include <unordered_map>

#include "account/authenticator.h"
#include "api/handlers.h"
#include "api/permission.h"
#include "api/query.h"
#include "base/text.h"
#include "config/node.h"
#include "json/document.h"
#include "json/lists.h"
#include "price/prices.h"

namespace turnpike::api {
namespace {

struct PriceName {
  std::string_view name;
  price::PriceField field;
};
constexpr PriceName kPrices[] = {
    {"input_cost_per_token", price::PriceField::Input},
    {"output_cost_per_token", price::PriceField::Output},
    {"cache_read_input_token_cost", price::PriceField::CacheRead},
    {"cache_creation_input_token_cost", price::PriceField::CacheWrite},
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
  void whole(std::string_view name, const std::optional<std::int64_t>& value) {
    if (value) raw(name, std::to_string(*value));
  }
  void seconds(std::string_view name, const std::optional<config::Milliseconds>& value) {
    if (value) raw(name, fmt::format("{}", std::chrono::duration<double>(*value).count()));
  }
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

/// How the deployment is chosen and tried, as far as its entry says.
void write_choice(Once& once, const config::ModelEntry& entry) {
  once.seconds("timeout", entry.timeout);
  once.seconds("stream_timeout", entry.stream_timeout);
  once.whole("num_retries", entry.num_retries);
  once.seconds("cooldown_time", entry.cooldown_time);
  once.whole("max_parallel_requests", entry.max_parallel_requests);
  once.whole("order", entry.order);
  if (entry.weight) once.raw("weight", fmt::format("{}", *entry.weight));
  if (entry.drop_params) once.raw("drop_params", *entry.drop_params ? "true" : "false");
  if (!entry.region_name.empty()) once.text("region_name", entry.region_name);
  if (!entry.organization.empty()) once.text("organization", entry.organization);
  if (!entry.tags.empty()) once.raw("tags", json::write_list(entry.tags));
}

/// Credentials, header values and provider parameters never stand here; addresses and default parameters are for
/// administrators, who wrote them.
void write_params(json::Writer& writer, const config::ModelEntry& entry, const router::Deployment* deployment,
                  bool admin) {
  writer.begin_object();
  Once once(writer);
  once.text("model", entry.model);
  if (!entry.custom_llm_provider.empty()) once.text("custom_llm_provider", entry.custom_llm_provider);
  once.whole("rpm", entry.rpm);
  once.whole("tpm", entry.tpm);
  for (const config::PriceOverride& price : entry.prices) {
    // Not the text of the file, which need not be a number of JSON (".5").
    once.raw(price.name, fmt::format("{}", config::Node::number(price.decimal).as_double().value_or(0)));
  }
  if (admin) {
    write_choice(once, entry);
    if (deployment != nullptr) once.text("api_base", deployment->target.shown_base);
    if (!entry.api_version.empty()) once.text("api_version", entry.api_version);
    if (!entry.litellm_credential_name.empty()) once.text("litellm_credential_name", entry.litellm_credential_name);
    once.object(entry.default_params_shown);
  }
  writer.end_object();
}

void write_info(json::Writer& writer, const config::ModelEntry& entry, const router::Deployment* deployment) {
  writer.begin_object();
  Once once(writer);
  once.text("id", entry.id);
  once.raw("db_model", entry.stored ? "true" : "false");
  once.object(entry.model_info_json);
  const auto* prices = deployment == nullptr ? nullptr : static_cast<const price::Prices*>(deployment->prices.get());
  if (deployment != nullptr && deployment->target.provider != nullptr) {
    once.text("litellm_provider", deployment->target.provider->name);
  }
  if (prices != nullptr) {
    once.text("key", prices->name);
    for (const PriceName& price : kPrices) {
      const price::Price found = prices->find(price.field);
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
using ById = std::unordered_map<std::string_view, const router::Deployment*>;

ById deployments_by_id(const Context& context) {
  ById by_id;
  for (const router::ModelGroupRef& group : context.snapshot->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) by_id.emplace(deployment->id, deployment.get());
  }
  return by_id;
}

/// What the caller knows the entry by: a team its model under the team's name for it.
const std::string& shown_name(const config::ModelEntry& entry) {
  return entry.team_public_model_name.empty() ? entry.model_name : entry.team_public_model_name;
}

bool visible(const Context& context, const config::ModelEntry& entry) {
  const domain::Caller& caller = *context.caller;
  if (sees_everything(caller)) return true;
  if (!entry.team_id.empty() && entry.team_id != caller.team_id) return false;
  return account::model_allowed(caller, shown_name(entry), context.snapshot->access_groups);
}

void write_entry(json::Writer& writer, const Context& context, const config::ModelEntry& entry, const ById& by_id) {
  const auto known = by_id.find(entry.id);
  const router::Deployment* deployment = known == by_id.end() ? nullptr : known->second;
  writer.begin_object().key("model_name").string(entry.model_name);
  writer.key("litellm_params");
  write_params(writer, entry, deployment, sees_everything(*context.caller));
  writer.key("model_info");
  write_info(writer, entry, deployment);
  writer.end_object();
}

/// What GET /v2/model/info is asked for.
struct Listing {
  std::string model, search, id, team, sort_by;
  bool descending = false;
  bool own = false;  // user_models_only: what the caller has stored himself is not known; his team's is.
};

Result<Listing> read_listing(const Context& context) {
  const http::Request& request = context.request();
  Listing listing;
  listing.model = request.query_value("model");
  listing.search = base::to_lower(request.query_value("search"));
  listing.id = request.query_value("modelId");
  listing.team = request.query_value("teamId");
  const Result<std::string> sort_by = query_word(context, "sortBy", {"model_name"});
  if (!sort_by) return base::fail(sort_by.error());
  listing.sort_by = *sort_by;
  const Result<std::string> order = query_word(context, "sortOrder", {"asc", "desc"});
  if (!order) return base::fail(order.error());
  listing.descending = *order == "desc";
  const Result<bool> own = query_flag(context, "user_models_only");
  if (!own) return base::fail(own.error());
  listing.own = *own;
  return listing;
}

bool is_asked_for(const Listing& listing, const Context& context, const config::ModelEntry& entry) {
  if (!listing.model.empty() && entry.model_name != listing.model && shown_name(entry) != listing.model) return false;
  if (!listing.id.empty() && entry.id != listing.id) return false;
  if (!listing.team.empty() && entry.team_id != listing.team) return false;
  if (listing.own && (entry.team_id.empty() || entry.team_id != context.caller->team_id)) return false;
  if (listing.search.empty()) return true;
  for (const std::string& text : {entry.model_name, shown_name(entry), entry.model}) {
    if (base::to_lower(text).find(listing.search) != std::string::npos) return true;
  }
  return false;
}

/// A group as its callers see it: the widest limits and the prices of the dearest deployment.
struct GroupFacts {
  std::vector<std::string> providers;
  std::string mode;
  std::uint64_t input_tokens = 0, output_tokens = 0;
  price::Price input, output;
  std::int64_t rpm = 0, tpm = 0;

  void add(const config::ModelEntry& entry, const router::Deployment& deployment) {
    const std::string provider(deployment.target.provider == nullptr ? "" : deployment.target.provider->name);
    if (!provider.empty() && std::ranges::find(providers, provider) == providers.end()) providers.push_back(provider);
    rpm += entry.rpm.value_or(0), tpm += entry.tpm.value_or(0);
    if (mode.empty()) mode = entry.mode;
    const auto* prices = static_cast<const price::Prices*>(deployment.prices.get());
    if (prices == nullptr) return;
    if (mode.empty()) mode = prices->mode;
    input_tokens = std::max(input_tokens, prices->max_input_tokens);
    output_tokens = std::max(output_tokens, prices->max_output_tokens);
    dearer(input, prices->find(price::PriceField::Input));
    dearer(output, prices->find(price::PriceField::Output));
    for (std::size_t i = 0; i < domain::kTraitCount; ++i) {
      if (prices->traits.has(static_cast<domain::Trait>(i))) has_[i] = true;
    }
  }
  bool has(std::size_t trait) const { return has_[trait]; }

 private:
  static void dearer(price::Price& most, const price::Price& other) {
    if (other.known() && (!most.known() || other.grains() > most.grains())) most = other;
  }
  std::array<bool, domain::kTraitCount> has_{};
};

void write_facts(json::Writer& writer, const std::string& name, const GroupFacts& facts) {
  writer.begin_object();
  Once once(writer);
  once.text("model_group", name);
  std::string providers;
  json::Writer list(providers);
  list.begin_array();
  for (const std::string& provider : facts.providers) list.string(provider);
  list.end_array();
  once.raw("providers", providers);
  once.count("max_input_tokens", facts.input_tokens);
  once.count("max_output_tokens", facts.output_tokens);
  once.raw("input_cost_per_token", facts.input.known() ? facts.input.to_string() : "null");
  once.raw("output_cost_per_token", facts.output.known() ? facts.output.to_string() : "null");
  once.raw("input_cost_per_pixel", "null");
  once.text("mode", facts.mode.empty() ? "chat" : facts.mode);
  once.count("tpm", static_cast<std::uint64_t>(facts.tpm));
  once.count("rpm", static_cast<std::uint64_t>(facts.rpm));
  for (std::size_t i = 0; i < domain::kTraitCount; ++i) {
    if (const std::string_view field = domain::trait_field(static_cast<domain::Trait>(i));
        field.starts_with("supports_"))
      once.raw(field, facts.has(i) ? "true" : "false");
  }
  once.raw("configurable_clientside_auth_params", "null");
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> model_info(const Context& context) {
  const std::string wanted = context.request().query_value("litellm_model_id");
  const ById by_id = deployments_by_id(context);
  bool found = wanted.empty();
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  for (const config::ModelEntry& entry : context.settings().models) {
    if (!wanted.empty() && entry.id != wanted) continue;
    if (!visible(context, entry)) continue;
    found = true;
    write_entry(writer, context, entry, by_id);
  }
  writer.end_array().end_object();
  if (!found) {
    co_return refuse_field("litellm_model_id", "Model id = " + wanted.substr(0, 200) +
                                                   " not found on this gateway. GET /model/info lists them.");
  }
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> model_info_pages(const Context& context) {
  constexpr std::uint64_t kSizeMax = 1000;
  const Result<Listing> listing = read_listing(context);
  if (!listing) co_return base::fail(listing.error());
  const Result<std::uint64_t> page = query_count(context, "page", 1, 1, 1'000'000);
  if (!page) co_return base::fail(page.error());
  const Result<std::uint64_t> size = query_count(context, "size", 50, 1, kSizeMax);
  if (!size) co_return base::fail(size.error());
  std::vector<const config::ModelEntry*> found;
  for (const config::ModelEntry& entry : context.settings().models) {
    if (visible(context, entry) && is_asked_for(*listing, context, entry)) found.push_back(&entry);
  }
  if (listing->sort_by == "model_name") {
    std::sort(found.begin(), found.end(), [](const config::ModelEntry* a, const config::ModelEntry* b) {
      return std::tie(shown_name(*a), a) < std::tie(shown_name(*b), b);  // Equal names in the order of the list.
    });
  }
  if (listing->descending) std::ranges::reverse(found);
  const ById by_id = deployments_by_id(context);
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  const std::uint64_t begin = (*page - 1) * *size;
  for (std::uint64_t at = begin; at < std::min<std::uint64_t>(begin + *size, found.size()); ++at)
    write_entry(writer, context, *found[at], by_id);
  writer.end_array();
  writer.key("total_count").number(std::uint64_t{found.size()}).key("current_page").number(*page);
  writer.key("total_pages").number((std::uint64_t{found.size()} + *size - 1) / *size).key("size").number(*size);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> model_group_info(const Context& context) {
  const std::string wanted = context.request().query_value("model_group");
  const ById by_id = deployments_by_id(context);
  std::vector<std::string> order;
  std::unordered_map<std::string, GroupFacts> groups;
  for (const config::ModelEntry& entry : context.settings().models) {
    const std::string& name = shown_name(entry);
    if ((!wanted.empty() && name != wanted) || !visible(context, entry)) continue;
    const auto known = by_id.find(entry.id);
    if (known == by_id.end()) continue;
    const auto [at, is_new] = groups.try_emplace(name);
    if (is_new) order.push_back(name);
    at->second.add(entry, *known->second);
  }
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  for (const std::string& name : order) write_facts(writer, name, groups.at(name));
  writer.end_array().end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
