#include <algorithm>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"

// Budget objects: limits that several entities share (spec management-api 6).
namespace turnpike::api {
namespace {

using account::kBudgets;
using account::Record;
using account::Records;

std::vector<BodyField> fields_with_id() {
  std::vector<BodyField> fields(budget_fields().begin(), budget_fields().end());
  fields.push_back({"budget_id", BodyField::Rule::Own});
  return fields;
}

Reply budget_reply(const Record& row) {
  return private_json_reply(account::record_json(row));
}

tl::unexpected<Error> unknown_budget(const std::string& budget_id) {
  return no_such("budget_id", "Budget not found, passed budget_id=" + budget_id);
}

Result<Record> get_budget(Records& records, const std::string& budget_id) {
  Result<std::optional<Record>> found = records.find(kBudgets, budget_id);
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) return unknown_budget(budget_id);
  return std::move(**found);
}

Result<Reply> make_budget(const Context& context, Records& records, const json::Value& body) {
  const Result<std::optional<std::string>> given = text_member(body, "budget_id");
  if (!given) return base::fail(given.error());
  const std::string budget_id = given->value_or("").empty() ? new_id(records) : **given;
  Record row(kBudgets);
  row.set("budget_id", db::Value(budget_id));
  Result<Applied> applied = apply_fields(body, fields_with_id(), row);
  if (!applied) return base::fail(std::move(applied.error()));
  if (Status good = check_budget(row); !good) return base::fail(std::move(good.error()));
  if (const std::optional<std::string> duration = row.maybe_text("budget_duration");
      duration && row.is_null("budget_reset_at")) {
    const Result<domain::BudgetDuration> length = domain::parse_budget_duration(*duration);
    if (!length) return base::fail(length.error());
    row.set("budget_reset_at", db::Value(domain::duration_later_us(*length, context.now_us)));
  }
  const Result<Record> made = records.create(std::move(row));
  if (!made && made.error().code == "unique") {
    return refuse_field("budget_id", "Budget with budget_id=" + budget_id + " already exists.");
  }
  if (!made) return base::fail(made.error());
  Reply reply = budget_reply(*made);
  tell_applied(*applied, reply.fields);
  return reply;
}

Result<Reply> change_budget(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> budget_id = needed_text(body, "budget_id");
  if (!budget_id) return base::fail(budget_id.error());
  const Result<Record> before = get_budget(records, *budget_id);
  if (!before) return base::fail(before.error());
  Record after = *before;
  Result<Applied> applied = apply_fields(body, fields_with_id(), after);
  if (!applied) return base::fail(std::move(applied.error()));
  if (Status good = check_budget(after); !good) return base::fail(std::move(good.error()));
  if (Status followed = follow_duration(context, body, after); !followed)
    return base::fail(std::move(followed.error()));
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  Reply reply = budget_reply(*changed);
  tell_applied(*applied, reply.fields);
  return reply;
}

/// How many rows of anybody refer to the budget.
Result<std::int64_t> links_of(Records& records, const std::string& budget_id) {
  const auto counted = records.transaction().run(
      "SELECT (SELECT count(*) FROM organization WHERE budget_id = $1) + (SELECT count(*) FROM organization_member "
      "WHERE budget_id = $1) + (SELECT count(*) FROM team_member WHERE budget_id = $1) + (SELECT count(*) FROM "
      "end_user WHERE budget_id = $1) + (SELECT count(*) FROM tag WHERE budget_id = $1) + (SELECT count(*) FROM "
      "verification_key WHERE budget_id = $1)",
      {budget_id});
  if (!counted) return base::fail(counted.error());
  return db::as_int(counted->rows.at(0).at(0));
}

Result<Reply> remove_budget(Records& records, const json::Value& body) {
  const Result<std::string> budget_id = needed_text(body, "id");
  if (!budget_id) return base::fail(budget_id.error());
  const Result<Record> row = get_budget(records, *budget_id);
  if (!row) return base::fail(row.error());
  const Result<std::int64_t> links = links_of(records, *budget_id);
  if (!links) return base::fail(links.error());
  if (*links > 0) {
    return refuse_field("id", "Budget " + *budget_id + " is in use by " + std::to_string(*links) +
                                  " keys, members, organisations, customers or tags, which would be without a limit: "
                                  "give them another budget first.");
  }
  if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
  return budget_reply(*row);
}

Reply list_reply(const std::vector<Record>& rows) {
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Record& row : rows) writer.raw(account::record_json(row));
  writer.end_array();
  return private_json_reply(std::move(text));
}

struct Setting {
  std::string_view name, type, description;
};
constexpr Setting kSettings[] = {
    {"max_budget", "Float", "US dollars that may be spent in one window; calls that do not fit are refused"},
    {"soft_budget", "Float", "US dollars from which on an alert is due; refuses nothing"},
    {"max_budget_tokens", "Integer", "tokens that may be used in one window; calls that do not fit are refused"},
    {"soft_budget_tokens", "Integer", "tokens from which on an alert is due; refuses nothing"},
    {"budget_duration", "String", "how long a window lasts: 30s, 15m, 2h, 30d, 2w, 1mo"},
    {"max_parallel_requests", "Integer", "calls at the same time"},
    {"tpm_limit", "Integer", "tokens per minute"},
    {"rpm_limit", "Integer", "calls per minute"},
    {"model_max_budget", "Object", "a budget for each model"},
    {"budget_mode", "String", "strict: no call may take more than is left, whatever it costs"},
};

}  // namespace

Task<Result<Reply>> new_budget(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return make_budget(context, records, body); });
}

Task<Result<Reply>> update_budget(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return change_budget(context, records, body); });
}

Task<Result<Reply>> delete_budget(const Context& context) {
  return answer_with_body(context, remove_budget);
}

Task<Result<Reply>> budget_info(const Context& context) {
  return answer_with_body(context, [](Records& records, const json::Value& body) -> Result<Reply> {
    const Result<std::vector<std::string>> ids = needed_list(body, "budgets");
    if (!ids) return base::fail(ids.error());
    std::vector<Record> rows;
    for (const std::string& budget_id : *ids) {
      Result<std::optional<Record>> row = records.find(kBudgets, budget_id);
      if (!row) return base::fail(std::move(row.error()));
      if (*row) rows.push_back(std::move(**row));
    }
    return list_reply(rows);
  });
}

Task<Result<Reply>> list_budgets(const Context& context) {
  return answer_from_records(context, [](Records& records) -> Result<Reply> {
    account::Query query;
    query.size = kListRowsMax;
    const Result<account::RecordPage> page = records.list(kBudgets, query);
    if (!page) return base::fail(page.error());
    return list_reply(page->rows);
  });
}

Task<Result<Reply>> budget_settings(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    const std::string budget_id = context.request().query_value("budget_id");
    if (budget_id.empty()) return refuse_field("budget_id", "Say which budget: /budget/settings?budget_id=...");
    const Result<Record> row = get_budget(records, budget_id);
    if (!row) return base::fail(row.error());
    const std::string whole = account::record_json(*row);
    json::Document values;
    if (Status parsed = values.parse(whole); !parsed) return base::fail(std::move(parsed.error()));
    std::string text;
    json::Writer writer(text);
    writer.begin_array();
    for (const Setting& setting : kSettings) {
      const std::string_view value = values.root().find(setting.name).raw();
      writer.begin_object().key("field_name").string(setting.name).key("field_type").string(setting.type);
      writer.key("field_description").string(setting.description).key("field_value").raw(value);
      writer.key("stored_in_db").boolean(value != "null" && value != "{}").key("field_default_value").null();
      writer.end_object();
    }
    writer.end_array();
    return private_json_reply(std::move(text));
  });
}

}  // namespace turnpike::api
