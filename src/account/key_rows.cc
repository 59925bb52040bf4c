#include "account/key_rows.h"

#include "account/key_routing.h"
#include "base/log.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::account {

constexpr std::string_view kSelectKey =
    "SELECT k.hash, k.key_name, k.key_alias, k.models, k.aliases, k.config, k.metadata, k.permissions, k.user_id, "
    "k.team_id, "
    "k.organization_id, k.max_budget_nano, k.expires_us, k.blocked, k.account_id, k.created_by, k.updated_by, "
    "k.created_us, "
    "k.updated_us, (SELECT coalesce(sum(w.spent_nano), 0) FROM account_window w JOIN account a ON a.account_id = "
    "w.account_id "
    "AND a.window_id = w.window_id WHERE w.account_id = k.account_id) AS spend, (SELECT a.version FROM account a WHERE "
    "a.account_id = k.account_id), k.router_settings FROM verification_key k";

constexpr std::string_view kInsertKey =
    "INSERT INTO verification_key (hash, key_name, key_alias, models, aliases, config, metadata, permissions, user_id, "
    "team_id, "
    "organization_id, max_budget_nano, expires_us, blocked, account_id, created_by, updated_by, created_us, "
    "updated_us, router_settings) VALUES "
    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";

// The last condition only uses the parameters an update leaves alone, so that both statements take the same values.
constexpr std::string_view kUpdateKey =
    "UPDATE verification_key SET key_name = $2, key_alias = $3, models = $4, aliases = $5, config = $6, metadata = $7, "
    "permissions = $8, user_id = $9, team_id = $10, organization_id = $11, max_budget_nano = $12, expires_us = $13, "
    "blocked = $14, "
    "updated_by = $17, updated_us = $19, router_settings = $20 WHERE hash = $1 AND account_id = $15 AND created_by = "
    "$16 AND created_us = $18";

constexpr std::string_view kKeepDeletedKey =
    "INSERT INTO deleted_verification_key (deletion_no, hash, key_name, key_alias, models, aliases, config, metadata, "
    "permissions, "
    "user_id, team_id, organization_id, max_budget_nano, expires_us, blocked, account_id, spend_nano, created_by, "
    "updated_by, "
    "created_us, updated_us, router_settings, deleted_by, deleted_us) SELECT (SELECT coalesce(max(deletion_no), 0) + 1 "
    "FROM "
    "deleted_verification_key), "
    "hash, key_name, key_alias, models, aliases, config, metadata, permissions, user_id, team_id, organization_id, "
    "max_budget_nano, "
    "expires_us, blocked, account_id, $2, created_by, updated_by, created_us, updated_us, router_settings, $3, $4 FROM "
    "verification_key WHERE hash = $1";

namespace {

constexpr std::int16_t kKeyAccountKind = 6;

std::optional<std::string> optional_text(const db::Value& value) {
  if (db::is_null(value)) return std::nullopt;
  return db::as_text(value);
}

db::Value value_of(const std::optional<std::string>& text) {
  return text ? db::Value(*text) : db::Value();
}

}  // namespace

KeyRow read_key_row(const db::Row& row) {
  KeyRow key;
  key.hash = db::as_text(row.at(0));
  key.key_name = db::as_text(row.at(1));
  key.key_alias = optional_text(row.at(2));
  key.models = json::read_list(db::as_text(row.at(3)));
  key.aliases_json = db::as_text(row.at(4));
  key.config_json = db::as_text(row.at(5));
  key.metadata_json = db::as_text(row.at(6));
  key.permissions_json = db::as_text(row.at(7));
  key.user_id = optional_text(row.at(8));
  key.team_id = optional_text(row.at(9));
  key.organization_id = optional_text(row.at(10));
  if (!db::is_null(row.at(11))) key.max_budget = Money::from_nano(db::as_int(row.at(11)));
  if (!db::is_null(row.at(12))) key.expires_us = db::as_int(row.at(12));
  key.blocked = db::as_int(row.at(13)) != 0;
  key.account_id = db::as_int(row.at(14));
  key.created_by = db::as_text(row.at(15));
  key.updated_by = db::as_text(row.at(16));
  key.created_us = db::as_int(row.at(17));
  key.updated_us = db::as_int(row.at(18));
  key.spend = Money::from_nano(db::as_int(row.at(19)));
  key.account_version = db::as_int(row.at(20));
  key.router_settings_json = db::as_text(row.at(21));
  return key;
}

std::vector<db::Value> key_values(const KeyRow& row) {
  return {row.hash,
          row.key_name,
          value_of(row.key_alias),
          json::write_list(row.models),
          row.aliases_json,
          row.config_json,
          row.metadata_json,
          row.permissions_json,
          value_of(row.user_id),
          value_of(row.team_id),
          value_of(row.organization_id),
          row.max_budget ? db::Value(row.max_budget->nano()) : db::Value(),
          row.expires_us ? db::Value(*row.expires_us) : db::Value(),
          std::int64_t{row.blocked ? 1 : 0},
          row.account_id,
          row.created_by,
          row.updated_by,
          row.created_us,
          row.updated_us,
          row.router_settings_json};
}

domain::CallerRef to_caller(const KeyRow& row) {
  auto caller = std::make_shared<domain::Caller>();
  caller->key_hash_hex = row.hash;
  caller->key_name = row.key_name;
  caller->key_alias = row.key_alias.value_or("");
  caller->user_id = row.user_id.value_or("");
  caller->team_id = row.team_id.value_or("");
  caller->organization_id = row.organization_id.value_or("");
  caller->models = row.models;
  caller->max_budget = row.max_budget;
  caller->expires_us = row.expires_us;
  caller->blocked = row.blocked;
  caller->accounts = {
      {row.account_id, kKeyAccountKind, row.hash, caller->key_alias, row.max_budget, row.spend, row.account_version}};
  if (!row.models.empty()) caller->model_levels = {{domain::ModelLevel::Of::Key, row.models}};
  json::Document document;
  if (document.parse(row.aliases_json)) {
    for (const json::Value::Pair member : document.root().members()) {
      const std::optional<std::string> from = member.key.text();
      const std::optional<std::string> to = member.value.text();
      if (from && to) caller->aliases[*from] = *to;
    }
  }
  json::Document metadata;
  if (metadata.parse(row.metadata_json)) {
    for (const json::Value tag : metadata.root().find("tags").elements()) {
      if (std::optional<std::string> text = tag.text()) caller->tags.push_back(std::move(*text));
    }
    caller->disable_fallbacks = metadata.root().find("disable_fallbacks").boolean().value_or(false);
  }
  if (row.router_settings_json != "{}") {
    if (Result<domain::KeyRouting> routing = parse_key_routing(row.router_settings_json))
      caller->routing = std::make_shared<const domain::KeyRouting>(std::move(*routing));
    else
      base::log(base::LogLevel::Warning, "router_settings of key {} have no effect: {}", row.hash,
                routing.error().message);
  }
  return caller;
}

}  // namespace turnpike::account
