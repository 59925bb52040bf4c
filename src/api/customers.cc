#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"
#include "json/lists.h"

// End users, whom callers name in `user` (spec management-api 7). /customer/* and /end_user/* are the same.
namespace turnpike::api {
namespace {

using account::kEndUsers;
using account::Record;
using account::Records;
using Rule = BodyField::Rule;

constexpr BodyField kCustomerFields[] = {{"user_id", Rule::Own},
                                         {"alias"},
                                         {"blocked"},
                                         {"budget_id", Rule::Own},
                                         {"spend", Rule::Own},
                                         {"allowed_model_region", Rule::Unenforced},
                                         {"default_model", Rule::Unenforced},
                                         {"object_permission", Rule::Unenforced}};

tl::unexpected<Error> unknown_customer(std::string_view param, const std::string& user_id) {
  return no_such(param, "End User Id=" + user_id + " does not exist in db");
}

Result<Record> get_customer(Records& records, std::string_view param, const std::string& user_id) {
  Result<std::optional<Record>> found = records.find(kEndUsers, user_id);
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) return unknown_customer(param, user_id);
  return std::move(**found);
}

Status write_customer(json::Writer& writer, const Context& context, Records& records, const Record& row) {
  writer.begin_object();
  write_live(writer, context, row);
  if (Status written = write_budget_member(writer, records, row.maybe_text("budget_id")); !written) return written;
  writer.end_object();
  return {};
}

Result<Reply> customer_reply(const Context& context, Records& records, const Record& row, const Applied& applied) {
  std::string text;
  json::Writer writer(text);
  if (Status written = write_customer(writer, context, records, row); !written) return base::fail(written.error());
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

Result<Applied> apply_customer(const Context& context, Records& records, const json::Value& body, Record& row) {
  Result<Applied> applied = apply_fields(body, kCustomerFields, row);
  if (!applied) return applied;
  const std::optional<std::string> region = row.maybe_text("allowed_model_region");
  if (region && *region != "eu" && *region != "us") {
    return refuse_field("allowed_model_region", "allowed_model_region must be \"eu\" or \"us\".");
  }
  const Result<std::optional<Money>> spend = amount_member(body, "spend");
  if (!spend) return base::fail(spend.error());
  if (*spend) row.spend = **spend;
  if (Status linked = link_budget(context, records, body, false, row, *applied); !linked) {
    return base::fail(std::move(linked.error()));
  }
  return applied;
}

Result<Reply> make_customer(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> user_id = needed_text(body, "user_id");
  if (!user_id) return base::fail(user_id.error());
  const Result<std::optional<Record>> there = records.find(kEndUsers, *user_id);
  if (!there) return base::fail(there.error());
  if (*there) {
    return refuse_field("user_id",
                        "Customer already exists, passed user_id=" + *user_id + ". Please pass a new user_id.");
  }
  Record row(kEndUsers);
  row.set("user_id", db::Value(*user_id));
  const Result<Applied> applied = apply_customer(context, records, body, row);
  if (!applied) return base::fail(applied.error());
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return customer_reply(context, records, *made, *applied);
}

Result<Reply> change_customer(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> user_id = needed_text(body, "user_id");
  if (!user_id) return base::fail(user_id.error());
  Result<Record> before = get_customer(records, "user_id", *user_id);
  if (!before) return base::fail(std::move(before.error()));
  Record after = *before;
  const Result<Applied> applied = apply_customer(context, records, body, after);
  if (!applied) return base::fail(applied.error());
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return customer_reply(context, records, *changed, *applied);
}

Result<Reply> remove_customers(Records& records, const json::Value& body) {
  const Result<std::vector<std::string>> ids = needed_list(body, "user_ids");
  if (!ids) return base::fail(ids.error());
  for (const std::string& user_id : *ids) {
    const Result<Record> row = get_customer(records, "user_id", user_id);
    if (!row) return base::fail(row.error());
    if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
  }
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("deleted_customers").number(std::uint64_t{ids->size()});
  writer.key("message").string("Successfully deleted customers with ids: " + json::write_list(*ids)).end_object();
  return private_json_reply(std::move(text));
}

/// Blocking somebody who is not known yet makes him.
Result<Reply> set_blocked(const Context& context, Records& records, const json::Value& body, bool blocked) {
  const Result<std::vector<std::string>> ids = needed_list(body, "user_ids");
  if (!ids) return base::fail(ids.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("blocked_users").begin_array();
  for (const std::string& user_id : *ids) {
    Result<std::optional<Record>> before = records.find(kEndUsers, user_id);
    if (!before) return base::fail(std::move(before.error()));
    if (!*before && !blocked) return unknown_customer("user_ids", user_id);
    Record after = *before ? **before : Record(kEndUsers);
    after.set("user_id", db::Value(user_id)).set("blocked", db::Value(std::int64_t{blocked}));
    const Result<Record> changed = *before
                                       ? records.update(**before, std::move(after), blocked ? "blocked" : "unblocked")
                                       : records.create(std::move(after));
    if (!changed) return base::fail(changed.error());
    if (!blocked) continue;
    if (Status written = write_customer(writer, context, records, *changed); !written) {
      return base::fail(std::move(written.error()));
    }
  }
  writer.end_array().end_object();
  return private_json_reply(std::move(text));
}

}  // namespace

Task<Result<Reply>> new_customer(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return make_customer(context, records, body); });
}

Task<Result<Reply>> update_customer(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return change_customer(context, records, body);
  });
}

Task<Result<Reply>> delete_customers(const Context& context) {
  return answer_with_body(context, remove_customers);
}

Task<Result<Reply>> block_customers(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return set_blocked(context, records, body, true);
  });
}

Task<Result<Reply>> unblock_customers(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return set_blocked(context, records, body, false);
  });
}

Task<Result<Reply>> customer_info(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    const std::string user_id = context.request().query_value("end_user_id");
    if (user_id.empty()) return refuse_field("end_user_id", "Say whom: /customer/info?end_user_id=...");
    const Result<Record> row = get_customer(records, "end_user_id", user_id);
    if (!row) return base::fail(row.error());
    return customer_reply(context, records, *row, {});
  });
}

Task<Result<Reply>> list_customers(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    account::Query query;
    query.size = kListRowsMax;
    const Result<account::RecordPage> page = records.list(kEndUsers, query);
    if (!page) return base::fail(page.error());
    std::string text;
    json::Writer writer(text);
    writer.begin_array();
    for (const Record& row : page->rows) {
      if (Status written = write_customer(writer, context, records, row); !written) {
        return base::fail(std::move(written.error()));
      }
    }
    writer.end_array();
    return private_json_reply(std::move(text));
  });
}

}  // namespace turnpike::api
