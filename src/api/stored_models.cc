#include <algorithm>

#include "account/stored.h"
#include "account/tables.h"
#include "api/handlers.h"
#include "api/key_fields.h"
#include "api/record_route.h"
#include "api/reply.h"
#include "api/stored_rows.h"
#include "api/team_fields.h"
#include "config/document.h"
#include "json/lists.h"
#include "provider/aim.h"
#include "provider/provider.h"

// Models of the database (spec management-api 8): made, changed and deleted while the gateway runs.
namespace turnpike::api {
namespace {

using account::kModels;
using account::kTeams;
using account::Record;
using account::Records;

constexpr BodyField kModelFields[] = {{"model_name", BodyField::Rule::Own},
                                      {"litellm_params", BodyField::Rule::Own},
                                      {"model_info", BodyField::Rule::Own},
                                      {"blocked"}};

/// A row with its secrets in the open.
struct Model {
  std::string id, name, params_json = "{}", info_json = "{}";

  std::string info_text(std::string_view member) const {
    json::Document document;
    if (!document.parse(info_json)) return {};
    return document.root().find(member).text().value_or(std::string());
  }
  std::string team_id() const { return info_text("team_id"); }
  std::string public_name() const { return info_text("team_public_model_name"); }
};

Result<json::Value> needed_object(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  if (value.is(json::Kind::Object)) return value;
  return refuse_field(name, std::string(name) + " must be an object.");
}

/// What an admin of a team may say of its model. Where the call goes, whose key and prices it has stay with the
/// administrators of the gateway: a key of theirs is never sent for a model that somebody else has described.
Status within_a_team(const json::Value& params) {
  constexpr std::string_view kMay[] = {
      "model",         "api_key",    "custom_llm_provider",   "organization", "rpm",
      "tpm",           "timeout",    "stream_timeout",        "max_retries",  "num_retries",
      "weight",        "order",      "max_parallel_requests", "drop_params",  "additional_drop_params",
      "cooldown_time", "max_tokens", "temperature",           "region_name",  "allowed_openai_params"};
  for (const json::Value::Pair member : params.members()) {
    const std::string name = member.key.text().value_or(std::string());
    if (std::ranges::find(kMay, name) == std::end(kMay)) {
      return refuse_field("litellm_params." + name, "Only proxy admins may store " + name + " with a model.");
    }
  }
  const std::string key = params.find("api_key").text().value_or(std::string());
  if (key.empty() || key.starts_with("os.environ/") || key.starts_with("oidc/")) {
    return refuse_field("litellm_params.api_key", "A model of a team brings its own api_key: the key itself.");
  }
  const std::string model = params.find("model").text().value_or(std::string());
  const std::string provider = params.find("custom_llm_provider").text().value_or(std::string());
  const provider::Resolved resolved = provider::resolve_model(model, provider, "", nullptr, nullptr);
  if (resolved.provider != nullptr && provider::takes_plain_key(*resolved.provider)) return {};
  return refuse_field("litellm_params.model",
                      "Only proxy admins may store a model of a provider that is not asked with a plain api_key.");
}

/// What calls of the model cost, and who else gets to it by a group, is not the team's to say: a price of nothing would
/// lift its budget. `before`: "{}" for a new model.
Status info_within_a_team(const std::string& before, const std::string& after) {
  json::Document old_info, new_info;
  if (Status parsed = old_info.parse(before); !parsed) return parsed;
  if (Status parsed = new_info.parse(after); !parsed) return parsed;
  const auto text_of = [](const json::Document& info, const std::string& name) {
    const json::Value value = info.root().find(name);
    return value ? json::compact(value.raw()) : std::string();
  };
  for (const json::Document* info : {&old_info, &new_info}) {
    for (const json::Value::Pair member : info->root().members()) {
      const std::string name = member.key.text().value_or(std::string());
      if (name != "base_model" && name != "access_groups" && name.find("cost") == std::string::npos) continue;
      if (text_of(old_info, name) == text_of(new_info, name)) continue;
      return refuse_field("model_info." + name, "Only proxy admins may store " + name + " with a model.");
    }
  }
  return {};
}

/// The key that stands in a row may be an administrator's: who lets it ask for something else brings his own.
Status brings_key_along(const json::Value& sent, const json::Value& before, const json::Value& after) {
  if (sent.find("api_key")) return {};
  for (const std::string_view name : {"model", "custom_llm_provider", "organization"}) {
    if (before.find(name).text() == after.find(name).text()) continue;
    return refuse_field("litellm_params.api_key", "Send the api_key again with another " + std::string(name) +
                                                      ": the one that is stored stays with "
                                                      "what it was stored for.");
  }
  return {};
}

/// Whose model it is to be, and whether the caller may say so.
Status check_owner(const Context& context, Records& records, const Model& model) {
  const std::string team_id = model.team_id();
  if (team_id.empty()) {
    if (administers(*context.caller)) return {};
    return forbid_field("model_info.team_id",
                        "Only proxy admins store models for everybody. Admins of a team send its model_info.team_id.");
  }
  const Result<std::optional<Record>> team = records.find(kTeams, team_id);
  if (!team) return base::fail(team.error());
  if (!*team) return refuse_field("model_info.team_id", "Team doesn't exist in db. Team=" + team_id + ".");
  return may_manage_team(records, *context.caller, **team);
}

/// A name that the team's list of models is to hold from now on has to be one that means nothing else: no pattern, no
/// group of models, no model of everybody's.
Status check_public_name(const Context& context, Records& records, const Record& team, const std::string& name) {
  const std::vector<std::string> models = team.list("models");
  if (administers(*context.caller) || models.empty() || std::ranges::find(models, name) != models.end()) return {};
  const Result<std::vector<Record>> groups = records.all(account::kAccessGroups, "access_group_name", name);
  if (!groups) return base::fail(groups.error());
  constexpr std::string_view kSpecial[] = {"all-proxy-models", "all-team-models", "no-default-models"};
  router::GroupCache cache;
  const bool means_more = name.find('*') != std::string::npos || !groups->empty() ||
                          std::ranges::find(kSpecial, name) != std::end(kSpecial) ||
                          context.snapshot->access_groups.contains(name) ||
                          context.snapshot->routing->find_named(name, cache) != nullptr;
  if (!means_more) return {};
  return forbid_field("model_name", "model_name=" + name + " stands for models that team=" + team.key() +
                                        " may not call: choose another name for the team's own model.");
}

/// Calls the row what the team calls it, under a name of our own: several of one public name are one group.
Status name_for_team(const Context& context, Records& records, Model& model) {
  const std::string team_id = model.team_id();
  if (team_id.empty()) return {};
  const std::string public_name = model.public_name().empty() ? model.name : model.public_name();
  model.info_json = set_member(model.info_json, "team_public_model_name", json::quoted(public_name));
  const Result<Record> team = records.get(kTeams, team_id);
  if (!team) return base::fail(team.error());
  if (Status free = check_public_name(context, records, *team, public_name); !free) return free;
  const std::string text = team->text("model_aliases");
  json::Document aliases;
  if (Status parsed = aliases.parse(text); !parsed) return parsed;
  const std::string own = own_model_prefix(*team);
  const std::string known = aliases.root().find(public_name).text().value_or(std::string());
  model.name = known.starts_with(own) ? known : own + model.id;
  if (known == model.name) return {};
  Record after = *team;
  after.set("model_aliases", db::Value(set_member(team->text("model_aliases"), public_name, json::quoted(model.name))));
  // An empty list holds every model already.
  std::vector<std::string> models = team->list("models");
  if (!models.empty() && std::ranges::find(models, public_name) == models.end()) {
    models.push_back(public_name);
    after.set_list("models", models);
  }
  const Result<Record> changed = records.update(*team, std::move(after));
  return changed ? Status() : base::fail(changed.error());
}

/// The last model of its public name takes the name with it.
Status forget_for_team(Records& records, const Model& model) {
  const std::string team_id = model.team_id();
  if (team_id.empty()) return {};
  const Result<std::vector<Record>> left = records.all(kModels, "model_name", model.name);
  if (!left) return base::fail(left.error());
  const Result<std::optional<Record>> team = records.find(kTeams, team_id);
  if (!team) return base::fail(team.error());
  if (!left->empty() || !*team) return {};
  Record after = **team;
  const std::string text = (*team)->text("model_aliases");
  json::Document aliases;
  if (Status parsed = aliases.parse(text); !parsed) return parsed;
  std::string kept;
  json::Writer writer(kept);
  writer.begin_object();
  for (const json::Value::Pair alias : aliases.root().members()) {
    if (alias.value.text() != model.name) writer.key(alias.key.text().value_or(std::string())).raw(alias.value.raw());
  }
  writer.end_object();
  after.set("model_aliases", db::Value(std::move(kept)));
  // The name would open what is called so next; a list without any name would open everything.
  std::vector<std::string> models = (*team)->list("models");
  if (std::erase(models, model.public_name()) > 0) {
    if (models.empty()) models.emplace_back("no-default-models");
    after.set_list("models", models);
  }
  const Result<Record> changed = records.update(**team, std::move(after));
  return changed ? Status() : base::fail(changed.error());
}

Status check_servable(const Context& context, const Model& model) {
  Result<config::Node> node = account::model_node(model.id, model.name, model.params_json, model.info_json);
  if (!node) return base::fail(std::move(node.error()));
  config::Stored stored;
  stored.models.push_back(std::move(*node));
  return context.hooks.check_stored(std::move(stored));
}

Status into_row(const Context& context, const Model& model, Record& row) {
  const Result<std::string> sealed = account::seal_strings(sealer_of(context), model.params_json);
  if (!sealed) return base::fail(sealed.error());
  row.set("model_id", db::Value(model.id)).set("model_name", db::Value(model.name));
  row.set("litellm_params", db::Value(*sealed)).set("model_info", db::Value(model.info_json));
  return {};
}

Result<Model> from_row(const Context& context, const Record& row) {
  Result<std::string> params = account::open_strings(sealer_of(context), row.text("litellm_params"));
  if (!params) return base::fail(std::move(params.error()));
  return Model{row.key(), row.text("model_name"), std::move(*params), row.text("model_info")};
}

/// The row as its administrator may see it: every secret reads "***".
Result<Reply> model_reply(const Model& model, const Record& row, const Applied& applied) {
  Result<config::Node> node = account::model_node(model.id, model.name, model.params_json, model.info_json);
  if (!node) return base::fail(std::move(node.error()));
  config::complete(*node, [](const std::string&) { return std::optional<std::string>(); }, "");
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  constexpr std::string_view kHidden[] = {"litellm_params", "model_info"};
  account::write_record(writer, row, kHidden);
  writer.key("litellm_params").raw(node->find("litellm_params")->to_json(true));
  writer.key("model_info").raw(node->find("model_info")->to_json(true));
  writer.end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

Result<Reply> make_model(const Context& context, Records& records, const json::Value& body) {
  Model model;
  Result<std::string> name = needed_text(body, "model_name");
  if (!name) return base::fail(std::move(name.error()));
  model.name = std::move(*name);
  const Result<json::Value> params = needed_object(body, "litellm_params");
  if (!params) return base::fail(params.error());
  model.params_json = json::compact(params->raw());
  if (const json::Value info = body.find("model_info"); info && !info.is(json::Kind::Null)) {
    if (!info.is(json::Kind::Object)) return refuse_field("model_info", "model_info must be an object.");
    model.info_json = json::compact(info.raw());
  }
  model.id = model.info_text("id").empty() ? new_id(records) : model.info_text("id");
  if (Status allowed = check_owner(context, records, model); !allowed) return base::fail(std::move(allowed.error()));
  if (!administers(*context.caller)) {
    if (Status within = within_a_team(*params); !within) return base::fail(std::move(within.error()));
    if (Status within = info_within_a_team("{}", model.info_json); !within)
      return base::fail(std::move(within.error()));
  }
  Record row(kModels);
  const Result<Applied> applied = apply_fields(body, kModelFields, row);
  if (!applied) return base::fail(applied.error());
  if (Status named = name_for_team(context, records, model); !named) return base::fail(std::move(named.error()));
  if (Status servable = check_servable(context, model); !servable) return base::fail(std::move(servable.error()));
  if (Status set = into_row(context, model, row); !set) return base::fail(std::move(set.error()));
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return model_reply(model, *made, *applied);
}

Result<Record> get_model(const Context& context, Records& records, std::string_view field, const std::string& id) {
  Result<std::optional<Record>> found = records.find(kModels, id);
  if (!found) return base::fail(std::move(found.error()));
  if (*found) return std::move(**found);
  const auto& models = context.settings().models;
  if (std::ranges::find(models, id, &config::ModelEntry::id) != models.end()) {
    return refuse_field(field, "Model with id=" + id + " stands in the configuration file; change it there.");
  }
  return refuse_field(field, "Model with id=" + id.substr(0, 200) + " not found in db");
}

Result<Reply> change_model(const Context& context, Records& records, const json::Value& body, std::string_view field,
                           const std::string& id) {
  const Result<Record> before = get_model(context, records, field, id);
  if (!before) return base::fail(before.error());
  const Result<Model> opened = from_row(context, *before);
  if (!opened) return base::fail(opened.error());
  if (Status allowed = check_owner(context, records, *opened); !allowed) return base::fail(std::move(allowed.error()));
  Model model = *opened;
  Record row = *before;
  const Result<Applied> applied = apply_fields(body, kModelFields, row);
  if (!applied) return base::fail(applied.error());
  const Result<std::optional<std::string>> name = text_member(body, "model_name");
  if (!name) return base::fail(name.error());
  for (const std::string_view part : {"litellm_params", "model_info"}) {
    const json::Value sent = body.find(part);
    if (!sent || sent.is(json::Kind::Null)) continue;
    if (!sent.is(json::Kind::Object)) return refuse_field(part, std::string(part) + " must be an object.");
    std::string& json_text = part == "model_info" ? model.info_json : model.params_json;
    json_text = merged_object(json_text, sent);
  }
  if (model.team_id() != opened->team_id() || model.public_name() != opened->public_name()) {
    return refuse_field("model_info.team_id",
                        "Whose model it is, and what the team calls it, stays: make another one.");
  }
  if (*name && model.team_id().empty()) model.name = **name;
  json::Document params;
  if (Status parsed = params.parse(model.params_json); !parsed) return base::fail(std::move(parsed.error()));
  if (!administers(*context.caller)) {
    json::Document known;
    if (Status parsed = known.parse(opened->params_json); !parsed) return base::fail(std::move(parsed.error()));
    Status within = within_a_team(params.root());
    if (within) within = brings_key_along(body.find("litellm_params"), known.root(), params.root());
    if (within) within = info_within_a_team(opened->info_json, model.info_json);
    if (!within) return base::fail(std::move(within.error()));
  }
  if (Status servable = check_servable(context, model); !servable) return base::fail(std::move(servable.error()));
  if (Status set = into_row(context, model, row); !set) return base::fail(std::move(set.error()));
  const Result<Record> changed = records.update(*before, std::move(row));
  if (!changed) return base::fail(changed.error());
  return model_reply(model, *changed, *applied);
}

Result<Reply> drop_model(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> id = needed_text(body, "id");
  if (!id) return base::fail(id.error());
  const Result<Record> row = get_model(context, records, "id", *id);
  if (!row) return base::fail(row.error());
  // Its secrets may be sealed with a key that is gone; it can be deleted all the same.
  const Model model{row->key(), row->text("model_name"), "{}", row->text("model_info")};
  Status done = check_owner(context, records, model);
  if (done) done = records.remove(*row);
  if (done) done = forget_for_team(records, model);
  if (!done) return base::fail(std::move(done.error()));
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("message").string("Model: " + *id + " deleted successfully").end_object();
  return private_json_reply(std::move(text));
}

}  // namespace

Task<Result<Reply>> new_model(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(context, answer_with_body(context, [&context](Records& records, const json::Value& body) {
                                return make_model(context, records, body);
                              }));
}

Task<Result<Reply>> update_model(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(
      context, answer_with_body(context, [&context](Records& records, const json::Value& body) -> Result<Reply> {
        const std::string id = body.find("model_info").find("id").text().value_or(std::string());
        if (id.empty()) return refuse_field("model_info.id", "model_info.id names the model to update.");
        return change_model(context, records, body, "model_info.id", id);
      }));
}

Task<Result<Reply>> patch_model(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(context, answer_with_body(context, [&context](Records& records, const json::Value& body) {
                                return change_model(context, records, body, "model_id", context.captured);
                              }));
}

Task<Result<Reply>> delete_model(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(context, answer_with_body(context, [&context](Records& records, const json::Value& body) {
                                return drop_model(context, records, body);
                              }));
}

}  // namespace turnpike::api
