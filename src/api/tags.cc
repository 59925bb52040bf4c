#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"

// Tags with models and budgets of their own (spec management-api 9).
namespace turnpike::api {
namespace {

using account::kTags;
using account::Record;
using account::Records;
using Rule = BodyField::Rule;

constexpr BodyField kTagFields[] = {{"name", Rule::Own}, {"description"},          {"models", Rule::Unenforced},
                                    {"model_info"},      {"budget_id", Rule::Own}, {"spend", Rule::Own}};

/// LiteLLM calls the key `name` here.
Status write_tag(json::Writer& writer, const Context& context, Records& records, const Record& row) {
  writer.begin_object().key("name").string(row.key());
  constexpr std::string_view kHidden[] = {"tag_name"};
  write_live(writer, context, row, kHidden);
  if (Status written = write_budget_member(writer, records, row.maybe_text("budget_id")); !written) return written;
  writer.end_object();
  return {};
}

Result<Record> get_tag(Records& records, const std::string& name) {
  Result<std::optional<Record>> found = records.find(kTags, name);
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) return no_such("name", "Tag " + name + " not found");
  return std::move(**found);
}

Result<Applied> apply_tag(const Context& context, Records& records, const json::Value& body, Record& row) {
  Result<Applied> applied = apply_fields(body, kTagFields, row);
  if (!applied) return applied;
  const Result<std::optional<Money>> spend = amount_member(body, "spend");
  if (!spend) return base::fail(spend.error());
  if (*spend) row.spend = **spend;
  if (Status linked = link_budget(context, records, body, false, row, *applied); !linked) {
    return base::fail(std::move(linked.error()));
  }
  return applied;
}

Result<Reply> tag_reply(const Context& context, Records& records, const Record& row, const Applied& applied,
                        std::string_view done) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("message").string("Tag " + row.key() + " " + std::string(done) + " successfully");
  writer.key("tag");
  if (Status written = write_tag(writer, context, records, row); !written) return base::fail(written.error());
  writer.end_object();
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

Result<Reply> make_tag(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> name = needed_text(body, "name");
  if (!name) return base::fail(name.error());
  const Result<std::optional<Record>> there = records.find(kTags, *name);
  if (!there) return base::fail(there.error());
  if (*there) return refuse_field("name", "Tag " + *name + " already exists");
  Record row(kTags);
  row.set("tag_name", db::Value(*name));
  const Result<Applied> applied = apply_tag(context, records, body, row);
  if (!applied) return base::fail(applied.error());
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return tag_reply(context, records, *made, *applied, "created");
}

Result<Reply> change_tag(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> name = needed_text(body, "name");
  if (!name) return base::fail(name.error());
  const Result<Record> before = get_tag(records, *name);
  if (!before) return base::fail(before.error());
  Record after = *before;
  const Result<Applied> applied = apply_tag(context, records, body, after);
  if (!applied) return base::fail(applied.error());
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return tag_reply(context, records, *changed, *applied, "updated");
}

}  // namespace

Task<Result<Reply>> new_tag(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return make_tag(context, records, body); });
}

Task<Result<Reply>> update_tag(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return change_tag(context, records, body); });
}

Task<Result<Reply>> delete_tag(const Context& context) {
  return answer_with_body(context, [](Records& records, const json::Value& body) -> Result<Reply> {
    const Result<std::string> name = needed_text(body, "name");
    if (!name) return base::fail(name.error());
    const Result<Record> row = get_tag(records, *name);
    if (!row) return base::fail(row.error());
    if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
    std::string text;
    json::Writer writer(text);
    writer.begin_object().key("message").string("Tag " + *name + " deleted successfully").end_object();
    return private_json_reply(std::move(text));
  });
}

Task<Result<Reply>> tag_info(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) -> Result<Reply> {
    const Result<std::vector<std::string>> names = needed_list(body, "names");
    if (!names) return base::fail(names.error());
    std::string text;
    json::Writer writer(text);
    writer.begin_object();
    for (const std::string& name : *names) {
      const Result<Record> row = get_tag(records, name);
      if (!row) return base::fail(row.error());
      writer.key(name);
      if (Status written = write_tag(writer, context, records, *row); !written) return base::fail(written.error());
    }
    writer.end_object();
    return private_json_reply(std::move(text));
  });
}

Task<Result<Reply>> list_tags(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    account::Query query;
    query.size = kListRowsMax;
    const Result<account::RecordPage> page = records.list(kTags, query);
    if (!page) return base::fail(page.error());
    std::string text;
    json::Writer writer(text);
    writer.begin_array();
    for (const Record& row : page->rows) {
      if (Status written = write_tag(writer, context, records, row); !written) return base::fail(written.error());
    }
    writer.end_array();
    return private_json_reply(std::move(text));
  });
}

}  // namespace turnpike::api
