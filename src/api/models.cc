#include <algorithm>
#include <unordered_set>

#include "account/authenticator.h"
#include "api/handlers.h"
#include "api/model_list.h"
#include "base/text.h"
#include "router/stored_fallbacks.h"
#include "router/wildcard.h"

namespace turnpike::api {
namespace {

// LiteLLM's constant: callers sort by it, nobody reads it.
constexpr std::int64_t kCreated = 1'677'610'602;
constexpr std::size_t kModelsMax = 10'000;

/// Collects names, each once and only those the caller may use.
class Names {
 public:
  Names(const domain::Caller* caller, const account::AccessGroups& groups) : caller_(caller), groups_(groups) {}
  void add(std::string name) {
    if (names_.size() == kModelsMax) return;
    if (caller_ != nullptr && !account::model_allowed(*caller_, name, groups_)) return;
    if (seen_.insert(name).second) names_.push_back(std::move(name));
  }
  std::vector<std::string> take() { return std::move(names_); }

 private:
  const domain::Caller* caller_;
  const account::AccessGroups& groups_;
  std::unordered_set<std::string> seen_;
  std::vector<std::string> names_;
};

/// The names under which the models of one wildcard deployment can be called.
void expand(const router::Deployment& deployment, const price::Catalogue& prices, Names& names) {
  if (deployment.target.provider == nullptr || deployment.config_model.find('*') == std::string::npos) return;
  const std::string provider(deployment.target.provider->name);
  const router::Wildcard pattern(deployment.config_model);
  for (const std::string& model : prices.names_of(provider)) {
    const std::string full = provider + "/" + model;
    if (const auto captures = pattern.match(full))
      names.add(router::fill_stars(deployment.model_group, *captures, full));
  }
}

void add_access_groups(const config::Settings& settings, Names& names) {
  for (const config::ModelEntry& entry : settings.models) {
    for (const std::string& group : entry.access_groups) names.add(group);
  }
}

/// What `caller` may call a group by; nothing where all of its deployments are other teams'.
std::optional<std::string> name_for(const config::Settings& settings, const domain::Caller* caller,
                                    const std::string& group) {
  const bool sees_all = caller == nullptr || administers(*caller);
  std::optional<std::string> name = group;
  for (const config::ModelEntry& entry : settings.models) {
    if (entry.model_name != group) continue;
    if (entry.team_id.empty() || sees_all) return group;
    name.reset();
    if (entry.team_id != caller->team_id) continue;
    return entry.team_public_model_name.empty() ? group : entry.team_public_model_name;
  }
  return name;
}

bool asked(const Context& context, std::string_view name) {
  const std::string value = base::to_lower(context.request().query_value(name));
  return value == "true" || value == "1";
}

/// The fallbacks `include_metadata` shows; the type was checked before.
std::vector<std::string> fallbacks_shown(const Context& context, std::string_view type, const std::string& model) {
  const router::FallbackList list = router::fallback_list_named(type).value_or(router::FallbackList::General);
  std::vector<std::string> names;
  if (const auto* targets = context.snapshot->routing->fallbacks_of(model, list)) {
    for (const config::FallbackTarget& target : *targets) names.push_back(target.model);
  }
  return names;
}

void write_model(json::Writer& writer, const std::string& id) {
  writer.key("id").string(id);
  writer.key("object").string("model");
  writer.key("created").number(kCreated);
  writer.key("owned_by").string("openai");
}

}  // namespace

std::vector<std::string> callable_models(const pipeline::Snapshot& snapshot, const domain::Caller* caller,
                                         const ListOptions& options) {
  Names names(caller, snapshot.access_groups);
  if (options.access_groups || options.only_access_groups) add_access_groups(*snapshot.settings, names);
  if (options.only_access_groups) return names.take();
  const bool has_owners = std::ranges::any_of(snapshot.settings->models,
                                              [](const config::ModelEntry& one) { return !one.team_id.empty(); });
  for (const std::string& name : snapshot.routing->public_names()) {
    if (name.find('*') == std::string::npos) {
      if (std::optional<std::string> shown = has_owners ? name_for(*snapshot.settings, caller, name) : name)
        names.add(std::move(*shown));
      continue;
    }
    if (options.wildcards) names.add(name);
    for (const router::ModelGroupRef& group : snapshot.routing->groups()) {
      if (group->name != name) continue;
      for (const router::DeploymentRef& deployment : group->deployments) expand(*deployment, *snapshot.prices, names);
    }
  }
  return names.take();
}

Task<Result<Reply>> list_models(const Context& context) {
  const std::string fallback_type = context.request().query_value("fallback_type");
  if (!fallback_type.empty() && !router::fallback_list_named(fallback_type)) {
    co_return refuse_field("fallback_type", "fallback_type must be general, context_window or content_policy.");
  }
  ListOptions options;
  options.wildcards = asked(context, "return_wildcard_routes");
  options.access_groups = asked(context, "include_model_access_groups");
  options.only_access_groups = asked(context, "only_model_access_groups");
  const bool metadata = asked(context, "include_metadata");

  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("data").begin_array();
  for (const std::string& id : callable_models(*context.snapshot, context.caller.get(), options)) {
    writer.begin_object();
    write_model(writer, id);
    if (metadata) {
      writer.key("metadata").begin_object().key("fallbacks").begin_array();
      for (const std::string& target : fallbacks_shown(context, fallback_type, id)) writer.string(target);
      writer.end_array().end_object();
    }
    writer.end_object();
  }
  writer.end_array().key("object").string("list").end_object();
  co_return json_reply(std::move(body));
}

Task<Result<Reply>> show_model(const Context& context) {
  const std::vector<std::string> models = callable_models(*context.snapshot, context.caller.get(), {});
  const std::string& id = context.captured;
  std::string body;
  json::Writer writer(body);
  if (std::ranges::find(models, id) != models.end()) {
    writer.begin_object();
    write_model(writer, id);
    writer.end_object();
    co_return json_reply(std::move(body));
  }
  // Both shapes: the SDKs read `error`, LiteLLM's own clients `detail`.
  std::string message = "The model '" + id.substr(0, 200) + "' does not exist, or your key may not call it.";
  const std::vector<std::string> near = base::nearest(id, models, 3);
  for (const std::string& name : near) message += (&name == &near.front() ? " Nearest: " : ", ") + name;
  message += near.empty() ? " GET /v1/models lists yours." : ". GET /v1/models lists yours.";
  writer.begin_object().key("error").begin_object();
  writer.key("message").string(message).key("type").string("not_found_error").key("param").string("model");
  writer.key("code").string("404").end_object().key("detail").string(message).end_object();
  Reply reply = json_reply(std::move(body));
  reply.status = 404;
  co_return reply;
}

}  // namespace turnpike::api
