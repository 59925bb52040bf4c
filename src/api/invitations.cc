#include "account/tables.h"
#include "api/handlers.h"
#include "api/record_route.h"
#include "base/hash.h"

// Invitations (spec management-api 4): rows that a link is made of. Nobody signs in with one yet.
namespace turnpike::api {
namespace {

using account::kInvitations;
using account::Record;
using account::Records;

constexpr std::int64_t kLifeUs = 7LL * 24 * 3600 * 1'000'000;

/// The id lets in whoever has it, so that its hash is kept, as of keys: neither the database nor the audit log tells
/// it.
std::string kept_id(const std::string& id) {
  return base::sha256_hex(id);
}

Reply row_reply(const std::string& id, const Record& row) {
  constexpr std::string_view kHidden[] = {"id"};
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("id").string(id);
  account::write_record(writer, row, kHidden);
  writer.end_object();
  return private_json_reply(std::move(text));
}

/// LiteLLM answers 400 where others answer 404.
Result<Record> get_invitation(Records& records, const std::string& id) {
  Result<std::optional<Record>> found = records.find(kInvitations, kept_id(id));
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) return refuse_field("invitation_id", "Invitation id does not exist in the database.");
  return std::move(**found);
}

Result<Reply> invite(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> user_id = needed_text(body, "user_id");
  if (!user_id) return base::fail(user_id.error());
  const Result<std::optional<Record>> user = records.find(account::kUsers, *user_id);
  if (!user) return base::fail(user.error());
  if (!*user) {
    return refuse_field("user_id",
                        "User id does not exist in 'LiteLLM_UserTable'. Make the user with /user/new first.");
  }
  const std::string id = new_id(records);
  Record row(kInvitations);
  row.set("id", db::Value(kept_id(id))).set("user_id", db::Value(*user_id));
  row.set("expires_at", db::Value(context.now_us + kLifeUs));
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return row_reply(id, *made);
}

Result<Reply> change_invitation(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> id = needed_text(body, "invitation_id");
  if (!id) return base::fail(id.error());
  const Result<std::optional<bool>> accepted = flag_member(body, "is_accepted");
  if (!accepted) return base::fail(accepted.error());
  if (!*accepted) return refuse_field("is_accepted", "is_accepted is missing: true or false.");
  const Result<Record> before = get_invitation(records, *id);
  if (!before) return base::fail(before.error());
  Record after = *before;
  after.set("is_accepted", db::Value(std::int64_t{**accepted}));
  after.set("accepted_at", **accepted ? db::Value(context.now_us) : db::Value());
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return row_reply(*id, *changed);
}

Result<Reply> remove_invitation(Records& records, const json::Value& body) {
  const Result<std::string> id = needed_text(body, "invitation_id");
  if (!id) return base::fail(id.error());
  const Result<Record> row = get_invitation(records, *id);
  if (!row) return base::fail(row.error());
  if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
  return row_reply(*id, *row);
}

}  // namespace

Task<Result<Reply>> new_invitation(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return invite(context, records, body); });
}

Task<Result<Reply>> update_invitation(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return change_invitation(context, records, body);
  });
}

Task<Result<Reply>> delete_invitation(const Context& context) {
  return answer_with_body(context, remove_invitation);
}

Task<Result<Reply>> invitation_info(const Context& context) {
  return answer_from_records(context, [&context](Records& records) -> Result<Reply> {
    const std::string id = context.request().query_value("invitation_id");
    if (id.empty()) return refuse_field("invitation_id", "Say which: /invitation/info?invitation_id=...");
    const Result<Record> row = get_invitation(records, id);
    if (!row) return base::fail(row.error());
    return row_reply(id, *row);
  });
}

}  // namespace turnpike::api
