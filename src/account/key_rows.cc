#include "account/key_rows.h"

#include <iterator>

#include "account/key_store.h"
#include "json/lists.h"

namespace turnpike::account {
namespace {

// A column's value of a row and back, by the member's type.
db::Value to_value(const std::string& text) {
  return text;
}
db::Value to_value(const std::optional<std::string>& text) {
  return text ? db::Value(*text) : db::Value();
}
db::Value to_value(const std::vector<std::string>& texts) {
  return json::write_list(texts);
}
db::Value to_value(std::optional<Money> amount) {
  return amount ? db::Value(amount->nano()) : db::Value();
}
db::Value to_value(std::int64_t number) {
  return number;
}
db::Value to_value(std::optional<std::int64_t> number) {
  return number ? db::Value(*number) : db::Value();
}
db::Value to_value(bool flag) {
  return std::int64_t{flag};
}

void from_value(const db::Value& value, std::string& text) {
  text = db::as_text(value);
}
void from_value(const db::Value& value, std::optional<std::string>& text) {
  if (!db::is_null(value)) text = db::as_text(value);
}
void from_value(const db::Value& value, std::vector<std::string>& texts) {
  texts = json::read_list(db::as_text(value));
}
void from_value(const db::Value& value, std::optional<Money>& amount) {
  if (!db::is_null(value)) amount = Money::from_nano(db::as_int(value));
}
void from_value(const db::Value& value, std::int64_t& number) {
  number = db::as_int(value);
}
void from_value(const db::Value& value, std::optional<std::int64_t>& number) {
  if (!db::is_null(value)) number = db::as_int(value);
}
void from_value(const db::Value& value, bool& flag) {
  flag = db::as_int(value) != 0;
}

struct KeyColumn {
  std::string_view name;
  db::Value (*get)(const KeyRow& row);
  void (*set)(KeyRow& row, const db::Value& value);
};

template <auto Member>
constexpr KeyColumn column(std::string_view name) {
  return {name, [](const KeyRow& row) { return to_value(row.*Member); },
          [](KeyRow& row, const db::Value& value) { from_value(value, row.*Member); }};
}

constexpr KeyColumn kColumns[] = {
    column<&KeyRow::hash>("hash"),
    column<&KeyRow::key_name>("key_name"),
    column<&KeyRow::key_alias>("key_alias"),
    column<&KeyRow::models>("models"),
    column<&KeyRow::aliases_json>("aliases"),
    column<&KeyRow::config_json>("config"),
    column<&KeyRow::metadata_json>("metadata"),
    column<&KeyRow::permissions_json>("permissions"),
    column<&KeyRow::router_settings_json>("router_settings"),
    column<&KeyRow::object_permission_json>("object_permission"),
    column<&KeyRow::model_max_budget_json>("model_max_budget"),
    column<&KeyRow::user_id>("user_id"),
    column<&KeyRow::team_id>("team_id"),
    column<&KeyRow::organization_id>("organization_id"),
    column<&KeyRow::max_budget>("max_budget_nano"),
    column<&KeyRow::soft_budget>("soft_budget_nano"),
    column<&KeyRow::max_budget_tokens>("max_budget_tokens"),
    column<&KeyRow::soft_budget_tokens>("soft_budget_tokens"),
    column<&KeyRow::budget_id>("budget_id"),
    column<&KeyRow::budget_duration>("budget_duration"),
    column<&KeyRow::budget_reset_us>("budget_reset_at_us"),
    column<&KeyRow::tpm_limit>("tpm_limit"),
    column<&KeyRow::rpm_limit>("rpm_limit"),
    column<&KeyRow::max_parallel_requests>("max_parallel_requests"),
    column<&KeyRow::allowed_cache_controls>("allowed_cache_controls"),
    column<&KeyRow::allowed_routes>("allowed_routes"),
    column<&KeyRow::policies>("policies"),
    column<&KeyRow::access_group_ids>("access_group_ids"),
    column<&KeyRow::expires_us>("expires_us"),
    column<&KeyRow::blocked>("blocked"),
    column<&KeyRow::handed_over>("handed_over"),
    column<&KeyRow::rotation_count>("rotation_count"),
    column<&KeyRow::auto_rotate>("auto_rotate"),
    column<&KeyRow::rotation_interval>("rotation_interval"),
    column<&KeyRow::last_rotation_us>("last_rotation_us"),
    column<&KeyRow::key_rotation_us>("key_rotation_us"),
    column<&KeyRow::temp_budget_expiry_us>("temp_budget_expiry_us"),
    column<&KeyRow::created_by>("created_by"),
    column<&KeyRow::updated_by>("updated_by"),
    column<&KeyRow::created_us>("created_us"),
    column<&KeyRow::updated_us>("updated_us"),
    column<&KeyRow::account_id>("account_id"),
};

/// The columns' names one after the other, each as `write` makes it of name and number from 1.
template <class Write>
std::string joined(Write write) {
  std::string text;
  for (std::size_t i = 0; i < std::size(kColumns); ++i) {
    text += (i == 0 ? "" : ", ") + write(std::string(kColumns[i].name), std::to_string(i + 1));
  }
  return text;
}

}  // namespace

const std::string& select_key() {
  static const std::string sql =
      "SELECT " + joined([](const std::string& name, const std::string&) { return "k." + name; }) + ", " +
      std::string(db::kAccountColumns) + " FROM verification_key k JOIN account a ON a.account_id = k.account_id" +
      std::string(db::kJoinWindow);
  return sql;
}

const std::string& insert_key() {
  static const std::string sql =
      "INSERT INTO verification_key (" + joined([](const std::string& name, const std::string&) { return name; }) +
      ") VALUES (" + joined([](const std::string&, const std::string& number) { return "$" + number; }) + ")";
  return sql;
}

const std::string& update_key_sql() {
  static const std::string sql =
      "UPDATE verification_key SET " +
      joined([](const std::string& name, const std::string& number) { return name + " = $" + number; }) +
      " WHERE hash = $" + std::to_string(std::size(kColumns) + 1) + " AND updated_us = $" +
      std::to_string(std::size(kColumns) + 2);
  return sql;
}

Result<KeyRow> read_key_row(db::Transaction& transaction, const db::Row& row, std::int64_t now_us) {
  KeyRow key;
  std::size_t at = 0;
  for (const KeyColumn& column : kColumns) column.set(key, row.at(at++));
  Result<db::AccountRow> account = db::read_account(transaction, row, at, now_us);
  if (!account) return base::fail(std::move(account.error()));
  take_account(key, std::move(*account));
  return key;
}

Result<std::vector<KeyRow>> read_key_rows(db::Transaction& transaction, const db::Rows& rows, std::int64_t now_us) {
  std::vector<KeyRow> keys;
  for (const db::Row& row : rows.rows) {
    Result<KeyRow> key = read_key_row(transaction, row, now_us);
    if (!key) return base::fail(std::move(key.error()));
    keys.push_back(std::move(*key));
  }
  return keys;
}

std::vector<db::Value> key_values(const KeyRow& row) {
  std::vector<db::Value> values;
  for (const KeyColumn& column : kColumns) values.push_back(column.get(row));
  return values;
}

}  // namespace turnpike::account
