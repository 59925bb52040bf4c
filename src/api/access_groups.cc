#include <algorithm>
#include <map>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"

// Access groups (spec management-api 8): a name in a list of models that stands for several. Rows of the database, and
// those that deployments of the configuration name in model_info.access_groups.
namespace turnpike::api {
namespace {

using account::kAccessGroups;
using account::Record;
using account::Records;
using Rule = BodyField::Rule;

constexpr BodyField kOldFields[] = {{"access_group", Rule::Own}, {"model_names", Rule::Own}};
constexpr BodyField kGroupFields[] = {{"access_group_name", Rule::Own},
                                      {"description"},
                                      {"access_model_names"},
                                      {"access_mcp_server_ids", Rule::Unenforced},
                                      {"access_agent_ids", Rule::Unenforced},
                                      {"assigned_team_ids", Rule::Unenforced},
                                      {"assigned_key_ids", Rule::Unenforced}};

/// Nobody should believe that a model is open whose name is mistyped.
Status check_models(const Context& context, const std::vector<std::string>& models, std::string_view field) {
  router::GroupCache cache;
  for (const std::string& model : models) {
    const bool pattern = model.find('*') != std::string::npos;
    if (pattern || context.snapshot->routing->find_named(model, cache)) continue;
    return refuse_field(field, "Model '" + model + "' is not served. GET /v1/models lists what is.");
  }
  return {};
}

Result<Record> by_name(Records& records, const std::string& name) {
  Result<std::vector<Record>> found = records.all(kAccessGroups, "access_group_name", name);
  if (!found) return base::fail(std::move(found.error()));
  if (found->empty()) return no_such("access_group", "Access group '" + name.substr(0, 200) + "' not found");
  return std::move(found->front());
}

Status name_is_free(Records& records, const std::string& name, std::string_view field) {
  const Result<std::vector<Record>> found = records.all(kAccessGroups, "access_group_name", name);
  if (!found) return base::fail(found.error());
  if (found->empty()) return {};
  return exists_already(field, "Access group '" + name + "' already exists");
}

/// How many deployments carry one of the names, as LiteLLM counts what it has changed.
std::uint64_t deployments_of(const Context& context, const std::vector<std::string>& models) {
  return static_cast<std::uint64_t>(std::ranges::count_if(
      context.settings().models,
      [&](const config::ModelEntry& one) { return std::ranges::find(models, one.model_name) != models.end(); }));
}

void write_group(json::Writer& writer, const Context& context, const std::string& name,
                 const std::vector<std::string>& models) {
  writer.key("access_group").string(name).key("model_names").begin_array();
  for (const std::string& model : models) writer.string(model);
  writer.end_array();
  writer.key("deployment_count").number(deployments_of(context, models));
}

Reply group_reply(const Context& context, const std::string& name, const std::vector<std::string>& models,
                  const Applied& applied) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_group(writer, context, name, models);
  writer.key("models_updated").number(deployments_of(context, models)).end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

Reply group_reply(const Record& row, const Applied& applied = {}) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  account::write_record(writer, row);
  writer.end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

Result<std::vector<std::string>> sent_models(const Context& context, const json::Value& body) {
  Result<std::vector<std::string>> models = needed_list(body, "model_names");
  if (!models) return models;
  if (Status known = check_models(context, *models, "model_names"); !known) return base::fail(std::move(known.error()));
  return models;
}

Result<Reply> make_group(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> name = needed_text(body, "access_group");
  if (!name) return base::fail(name.error());
  const Result<std::vector<std::string>> models = sent_models(context, body);
  if (!models) return base::fail(models.error());
  if (Status is_free = name_is_free(records, *name, "access_group"); !is_free)
    return base::fail(std::move(is_free.error()));
  Record row(kAccessGroups);
  const Result<Applied> applied = apply_fields(body, kOldFields, row);
  if (!applied) return base::fail(applied.error());
  row.set("access_group_id", db::Value(new_id(records))).set("access_group_name", db::Value(*name));
  row.set_list("access_model_names", *models);
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return group_reply(context, *name, *models, *applied);
}

Result<Reply> change_group(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> before = by_name(records, context.captured);
  if (!before) return base::fail(before.error());
  const Result<std::vector<std::string>> models = sent_models(context, body);
  if (!models) return base::fail(models.error());
  Record after = *before;
  const Result<Applied> applied = apply_fields(body, kOldFields, after);
  if (!applied) return base::fail(applied.error());
  after.set_list("access_model_names", *models);
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return group_reply(context, context.captured, *models, *applied);
}

Result<Applied> apply_row(const Context& context, const json::Value& body, Record& row) {
  Result<Applied> applied = apply_fields(body, kGroupFields, row);
  if (!applied) return applied;
  if (Status known = check_models(context, row.list("access_model_names"), "access_model_names"); !known)
    return base::fail(std::move(known.error()));
  return applied;
}

Result<Reply> make_row(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> name = needed_text(body, "access_group_name");
  if (!name) return base::fail(name.error());
  if (Status is_free = name_is_free(records, *name, "access_group_name"); !is_free)
    return base::fail(std::move(is_free.error()));
  Record row(kAccessGroups);
  row.set("access_group_id", db::Value(new_id(records))).set("access_group_name", db::Value(*name));
  const Result<Applied> applied = apply_row(context, body, row);
  if (!applied) return base::fail(applied.error());
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return group_reply(*made, *applied);
}

Result<Record> get_row(const Context& context, Records& records) {
  Result<std::optional<Record>> found = records.find(kAccessGroups, context.captured);
  if (!found) return base::fail(std::move(found.error()));
  if (*found) return std::move(**found);
  return no_such("access_group_id", "Access group '" + context.captured.substr(0, 200) + "' not found");
}

Result<Reply> change_row(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> before = get_row(context, records);
  if (!before) return base::fail(before.error());
  Record after = *before;
  const Result<Applied> applied = apply_row(context, body, after);
  if (!applied) return base::fail(applied.error());
  const Result<std::optional<std::string>> name = text_member(body, "access_group_name");
  if (!name) return base::fail(name.error());
  if (*name && **name != before->text("access_group_name")) {
    if (Status is_free = name_is_free(records, **name, "access_group_name"); !is_free)
      return base::fail(std::move(is_free.error()));
    after.set("access_group_name", db::Value(**name));
  }
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return group_reply(*changed, *applied);
}

Result<std::vector<Record>> every_row(Records& records) {
  account::Query query;
  query.size = kListRowsMax;
  Result<account::RecordPage> page = records.list(kAccessGroups, query);
  if (!page) return base::fail(std::move(page.error()));
  return std::move(page->rows);
}

/// Of the database, then those of the configuration.
Result<std::map<std::string, std::vector<std::string>>> all_groups(const Context& context, Records& records) {
  const Result<std::vector<Record>> rows = every_row(records);
  if (!rows) return base::fail(rows.error());
  std::map<std::string, std::vector<std::string>> groups;
  for (const Record& row : *rows) groups[row.text("access_group_name")] = row.list("access_model_names");
  for (const auto& [name, models] : context.snapshot->access_groups) {
    std::vector<std::string>& known = groups[name];
    for (const std::string& model : models) {
      if (std::ranges::find(known, model) == known.end()) known.push_back(model);
    }
  }
  return groups;
}

}  // namespace

Task<Result<Reply>> new_access_group(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return make_group(context, records, body); });
}

Task<Result<Reply>> update_access_group(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return change_group(context, records, body); });
}

Task<Result<Reply>> delete_access_group(const Context& context) {
  return answer_in_records(context, [&context](Records& records) -> Result<Reply> {
    const Result<Record> row = by_name(records, context.captured);
    if (!row) return base::fail(row.error());
    if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
    std::string text;
    json::Writer writer(text);
    writer.begin_object().key("access_group").string(context.captured);
    writer.key("models_updated").number(deployments_of(context, row->list("access_model_names")));
    writer.key("message").string("Access group '" + context.captured + "' deleted successfully").end_object();
    return private_json_reply(std::move(text));
  });
}

Task<Result<Reply>> access_group_info(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    const auto groups = all_groups(context, records);
    if (!groups) return base::fail(groups.error());
    const auto found = groups->find(context.captured);
    if (found == groups->end())
      return no_such("access_group", "Access group '" + context.captured.substr(0, 200) + "' not found");
    std::string text;
    json::Writer writer(text);
    writer.begin_object();
    write_group(writer, context, found->first, found->second);
    writer.end_object();
    return private_json_reply(std::move(text));
  });
}

Task<Result<Reply>> list_access_groups(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    const auto groups = all_groups(context, records);
    if (!groups) return base::fail(groups.error());
    std::string text;
    json::Writer writer(text);
    writer.begin_object().key("access_groups").begin_array();
    for (const auto& [name, models] : *groups) {
      writer.begin_object();
      write_group(writer, context, name, models);
      writer.end_object();
    }
    writer.end_array().end_object();
    return private_json_reply(std::move(text));
  });
}

Task<Result<Reply>> new_access_group_row(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return make_row(context, records, body); });
}

Task<Result<Reply>> update_access_group_row(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return change_row(context, records, body); });
}

Task<Result<Reply>> delete_access_group_row(const Context& context) {
  return answer_in_records(context, [&context](Records& records) -> Result<Reply> {
    const Result<Record> row = get_row(context, records);
    if (!row) return base::fail(row.error());
    if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
    return group_reply(*row);
  });
}

Task<Result<Reply>> access_group_row(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    const Result<Record> row = get_row(context, records);
    if (!row) return base::fail(row.error());
    return group_reply(*row);
  });
}

Task<Result<Reply>> list_access_group_rows(const Context& context) {
  return answer_from_records(context, [](Records& records) -> Result<Reply> {
    const Result<std::vector<Record>> rows = every_row(records);
    if (!rows) return base::fail(rows.error());
    std::string text;
    json::Writer writer(text);
    writer.begin_array();
    for (const Record& row : *rows) {
      writer.begin_object();
      account::write_record(writer, row);
      writer.end_object();
    }
    writer.end_array();
    return private_json_reply(std::move(text));
  });
}

}  // namespace turnpike::api
