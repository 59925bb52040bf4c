#include <algorithm>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"
#include "api/stored_rows.h"

// Named credentials that models share (spec management-api 8): those of the file and of the database.
namespace turnpike::api {
namespace {

using account::kCredentials;
using account::Record;
using account::Records;

constexpr BodyField kCredentialFields[] = {{"credential_name", BodyField::Rule::Own},
                                           {"credential_values", BodyField::Rule::Own},
                                           {"credential_info"},
                                           {"model_id", BodyField::Rule::Own}};

void write_credential(json::Writer& writer, const config::Credential& credential) {
  writer.begin_object().key("credential_name").string(credential.name);
  writer.key("credential_values").begin_object();
  for (const auto& [name, value] : credential.values) writer.key(name).string(value.masked());
  writer.end_object();
  writer.key("credential_info").raw(credential.info_json);
  writer.end_object();
}

Reply done_reply(std::string_view what, const Applied& applied = {}) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("success").boolean(true);
  writer.key("message").string("Credential " + std::string(what) + " successfully").end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

const config::ModelEntry* find_model(const Context& context, const std::string& id) {
  const auto& models = context.settings().models;
  const auto found = std::ranges::find(models, id, &config::ModelEntry::id);
  return found == models.end() ? nullptr : &*found;
}

/// What a deployment is reached with, as values of a credential.
std::vector<std::pair<std::string, base::Secret>> values_of(const config::ModelEntry& entry) {
  std::vector<std::pair<std::string, base::Secret>> values;
  if (!entry.api_key.empty()) values.emplace_back("api_key", entry.api_key);
  if (!entry.api_base.empty()) values.emplace_back("api_base", base::Secret(entry.api_base));
  if (!entry.api_version.empty()) values.emplace_back("api_version", base::Secret(entry.api_version));
  values.insert(values.end(), entry.provider_params.begin(), entry.provider_params.end());
  return values;
}

Result<std::string> sent_values(const Context& context, const json::Value& body) {
  const json::Value values = body.find("credential_values");
  const Result<std::optional<std::string>> model_id = text_member(body, "model_id");
  if (!model_id) return base::fail(model_id.error());
  if (values.is(json::Kind::Object)) return json::compact(values.raw());
  if (values && !values.is(json::Kind::Null))
    return refuse_field("credential_values", "credential_values must be an object.");
  if (!*model_id) return refuse_field("credential_values", "Send credential_values, or model_id to take them over.");
  const config::ModelEntry* entry = find_model(context, **model_id);
  if (entry == nullptr)
    return refuse_field("model_id", "Model with id=" + model_id->value().substr(0, 200) + " not found");
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  for (const auto& [name, value] : values_of(*entry)) writer.key(name).string(value.reveal());
  writer.end_object();
  return text;
}

Status seal_into(const Context& context, const std::string& values, Record& row) {
  const Result<std::string> sealed = account::seal_strings(sealer_of(context), values);
  if (!sealed) return base::fail(sealed.error());
  row.set("credential_values", db::Value(*sealed));
  return {};
}

bool in_file(const Context& context, const std::string& name) {
  return std::ranges::any_of(context.settings().credentials,
                             [&](const config::Credential& one) { return one.name == name && !one.stored; });
}

Result<Record> get_credential(const Context& context, Records& records, const std::string& name) {
  Result<std::optional<Record>> found = records.find(kCredentials, name);
  if (!found) return base::fail(std::move(found.error()));
  if (*found) return std::move(**found);
  if (in_file(context, name))
    return refuse_field("credential_name",
                        "Credential " + name + " stands in the configuration file; change it there.");
  return no_such("credential_name", "Credential not found in DB. Got credential name: " + name.substr(0, 200));
}

Result<Reply> make_credential(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> name = needed_text(body, "credential_name");
  if (!name) return base::fail(name.error());
  if (in_file(context, *name))
    return exists_already("credential_name", "Credential " + *name + " stands in the configuration file.");
  const Result<std::string> values = sent_values(context, body);
  if (!values) return base::fail(values.error());
  Record row(kCredentials);
  row.set("credential_name", db::Value(*name));
  const Result<Applied> applied = apply_fields(body, kCredentialFields, row);
  if (!applied) return base::fail(applied.error());
  const Result<std::optional<Record>> there = records.find(kCredentials, *name);
  if (!there) return base::fail(there.error());
  if (*there) return exists_already("credential_name", "Credential " + *name + " exists already.");
  if (Status sealed = seal_into(context, *values, row); !sealed) return base::fail(std::move(sealed.error()));
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return done_reply("created", *applied);
}

Result<Reply> change_credential(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> before = get_credential(context, records, context.captured);
  if (!before) return base::fail(before.error());
  const Result<std::optional<std::string>> name = text_member(body, "credential_name");
  if (!name) return base::fail(name.error());
  if (name->value_or(context.captured) != context.captured)
    return refuse_field("credential_name", "A credential keeps its name: make another one.");
  Record after = *before;
  const Result<Applied> applied = apply_fields(body, kCredentialFields, after);
  if (!applied) return base::fail(applied.error());
  const json::Value sent = body.find("credential_values");
  if (sent && !sent.is(json::Kind::Null)) {
    if (!sent.is(json::Kind::Object)) return refuse_field("credential_values", "credential_values must be an object.");
    const Result<std::string> opened = account::open_strings(sealer_of(context), before->text("credential_values"));
    if (!opened) return base::fail(opened.error());
    if (Status sealed = seal_into(context, merged_object(*opened, sent), after); !sealed)
      return base::fail(std::move(sealed.error()));
  }
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return done_reply("updated", *applied);
}

}  // namespace

Task<Result<Reply>> new_credential(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(context, answer_with_body(context, [&context](Records& records, const json::Value& body) {
                                return make_credential(context, records, body);
                              }));
}

Task<Result<Reply>> update_credential(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(context, answer_with_body(context, [&context](Records& records, const json::Value& body) {
                                return change_credential(context, records, body);
                              }));
}

Task<Result<Reply>> delete_credential(const Context& context) {
  if (Status may = may_store(context); !may) co_return base::fail(std::move(may.error()));
  co_return co_await in_force(
      context, answer_with_body(context, [&context](Records& records, const json::Value&) -> Result<Reply> {
        const Result<Record> row = get_credential(context, records, context.captured);
        if (!row) return base::fail(row.error());
        if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
        return done_reply("deleted");
      }));
}

Task<Result<Reply>> list_credentials(const Context& context) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("success").boolean(true).key("credentials").begin_array();
  for (const config::Credential& credential : context.settings().credentials) write_credential(writer, credential);
  writer.end_array().end_object();
  co_return private_json_reply(std::move(text));
}

Task<Result<Reply>> credential_by_name(const Context& context) {
  const auto& all = context.settings().credentials;
  const auto found = std::ranges::find(all, context.captured, &config::Credential::name);
  if (found == all.end())
    co_return no_such("credential_name",
                      "Credential not found. Got credential name: " + context.captured.substr(0, 200));
  std::string text;
  json::Writer writer(text);
  write_credential(writer, *found);
  co_return private_json_reply(std::move(text));
}

Task<Result<Reply>> credential_by_model(const Context& context) {
  const config::ModelEntry* entry = find_model(context, context.captured);
  if (entry == nullptr)
    co_return no_such("model_id", "Model with id=" + context.captured.substr(0, 200) + " not found");
  config::Credential credential;
  credential.name =
      entry->litellm_credential_name.empty() ? entry->model_name + "-credential" : entry->litellm_credential_name;
  credential.values = values_of(*entry);
  std::string text;
  json::Writer writer(text);
  write_credential(writer, credential);
  co_return private_json_reply(std::move(text));
}

}  // namespace turnpike::api
