#include "account/owned_keys.h"

#include "account/key_rows.h"
#include "base/text.h"
#include "db/account_rows.h"
#include "json/lists.h"
#include "json/write.h"

namespace turnpike::account {
namespace {

/// What the audit log keeps of a key that goes with its owner; the whole row is among the deleted keys.
std::string audit_json(const KeyRow& row) {
  std::string text;
  json::Writer writer(text);
  const auto member = [&writer](std::string_view name, const std::optional<std::string>& value) {
    writer.key(name);
    if (value) {
      writer.string(*value);
    } else {
      writer.null();
    }
  };
  writer.begin_object().key("token").string(row.hash).key("key_name").string(row.key_name);
  member("key_alias", row.key_alias);
  member("team_id", row.team_id);
  member("user_id", row.user_id);
  member("organization_id", row.organization_id);
  writer.key("models").raw(json::write_list(row.models));
  member("expires", row.expires_us ? std::optional(base::iso_time(*row.expires_us)) : std::nullopt);
  writer.key("max_budget");
  if (row.max_budget) {
    writer.raw(row.max_budget->to_string());
  } else {
    writer.null();
  }
  writer.key("spend").raw(row.spend.to_string()).key("blocked").boolean(row.blocked).end_object();
  return text;
}

Status remove_key(Records& records, const KeyRow& row) {
  db::Transaction& transaction = records.transaction();
  const Actor& actor = records.actor();
  const auto kept = transaction.run(kKeepDeletedKey, {row.hash, row.spend.nano(), actor.name, actor.now_us});
  if (!kept) return base::fail(kept.error());
  const auto gone = transaction.run("DELETE FROM verification_key WHERE hash = $1", {row.hash});
  if (!gone) return base::fail(gone.error());
  if (Status closed = db::close_account(transaction, row.account_id, actor.now_us); !closed) return closed;
  const Result<std::int64_t> version = db::account_version(transaction, row.account_id);
  if (!version) return base::fail(version.error());
  records.tell({AccountNews::What::Closed, row.account_id, *version, std::nullopt, {}, {}});
  if (Status noted =
          write_audit(transaction, actor, "deleted", "LiteLLM_VerificationToken", row.hash, audit_json(row), {});
      !noted) {
    return noted;
  }
  return records.note("key", row.hash);
}

}  // namespace

Result<std::vector<KeyRow>> keys_of(Records& records, std::initializer_list<KeyOwner> owners) {
  std::string sql(kSelectKey);
  std::vector<db::Value> values;
  for (const KeyOwner& owner : owners) {
    values.emplace_back(std::string(owner.value));
    sql += (values.size() == 1 ? " WHERE k." : " AND k.") + std::string(owner.column) + " = $" +
           std::to_string(values.size());
  }
  const auto rows = records.transaction().run(sql + " ORDER BY k.created_us, k.hash", values);
  if (!rows) return base::fail(rows.error());
  std::vector<KeyRow> keys;
  for (const db::Row& row : rows->rows) keys.push_back(read_key_row(row));
  return keys;
}

Status remove_keys(Records& records, const std::vector<KeyRow>& keys) {
  for (const KeyRow& row : keys) {
    if (Status removed = remove_key(records, row); !removed) return removed;
  }
  return {};
}

}  // namespace turnpike::account
