#include <algorithm>

#include "account/key_records.h"
#include "account/tables.h"
#include "app/importer.h"
#include "base/text.h"

namespace turnpike::app {
namespace {

using account::KeyRow;

constexpr std::size_t kKeysAtOnce = 200;
constexpr std::string_view kKeyTable = "LiteLLM_VerificationToken";

/// Columns that are read below, and those that mean nothing here.
constexpr std::string_view kKnown[] = {"token",
                                       "key_name",
                                       "key_alias",
                                       "spend",
                                       "expires",
                                       "models",
                                       "aliases",
                                       "config",
                                       "router_settings",
                                       "user_id",
                                       "team_id",
                                       "permissions",
                                       "max_parallel_requests",
                                       "metadata",
                                       "blocked",
                                       "tpm_limit",
                                       "rpm_limit",
                                       "max_budget",
                                       "budget_duration",
                                       "budget_reset_at",
                                       "allowed_cache_controls",
                                       "allowed_routes",
                                       "policies",
                                       "access_group_ids",
                                       "model_max_budget",
                                       "budget_id",
                                       "organization_id",
                                       "org_id",
                                       "object_permission_id",
                                       "created_at",
                                       "created_by",
                                       "updated_at",
                                       "updated_by",
                                       "rotation_count",
                                       "auto_rotate",
                                       "rotation_interval",
                                       "last_rotation_at",
                                       "key_rotation_at",
                                       "soft_budget",
                                       "soft_budget_cooldown",
                                       "model_spend",
                                       "last_active"};

bool is_hash(const std::string& token) {
  return token.size() == 64 && std::all_of(token.begin(), token.end(),
                                           [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::optional<std::string> maybe(const json::Value& value) {
  std::string text = text_of(value);
  return text.empty() ? std::nullopt : std::optional<std::string>(std::move(text));
}

std::optional<std::int64_t> whole(const json::Value& value) {
  const std::optional<double> number = value.number();
  return number ? std::optional(base::whole_of(*number)) : std::nullopt;
}

std::string object_of(const json::Value& value) {
  std::string text = nested_json(value);
  return text.starts_with('{') ? text : "{}";
}

/// Why a key is not wanted here; empty: it is.
std::string reason_against(const KeyRow& key, std::int64_t now_us) {
  if (key.team_id == "litellm-dashboard") return "a session of LiteLLM's dashboard";
  if (!is_hash(key.hash)) return "its token is no SHA-256 hash";
  if (key.expires_us && *key.expires_us <= now_us) return "expired";
  return {};
}

}  // namespace

Result<KeyRow> Importer::read_key(const json::Value& row) {
  KeyRow key;
  key.hash = text_of(row.find("token"));
  key.key_name = maybe(row.find("key_name")).value_or("sk-...");
  key.key_alias = maybe(row.find("key_alias"));
  key.models = texts_of(row.find("models"));
  key.aliases_json = object_of(row.find("aliases"));
  key.config_json = object_of(row.find("config"));
  key.metadata_json = object_of(row.find("metadata"));
  key.permissions_json = object_of(row.find("permissions"));
  key.router_settings_json = object_of(row.find("router_settings"));
  key.model_max_budget_json = object_of(row.find("model_max_budget"));
  key.user_id = maybe(row.find("user_id"));
  key.team_id = maybe(row.find("team_id"));
  key.organization_id = maybe(row.find("organization_id"));
  if (!key.organization_id) key.organization_id = maybe(row.find("org_id"));
  key.max_budget = money_of(row.find("max_budget"));
  key.soft_budget = money_of(row.find("soft_budget"));
  key.budget_id = maybe(row.find("budget_id"));
  key.budget_duration = maybe(row.find("budget_duration"));
  key.budget_reset_us = time_of(row.find("budget_reset_at"));
  key.tpm_limit = whole(row.find("tpm_limit"));
  key.rpm_limit = whole(row.find("rpm_limit"));
  key.max_parallel_requests = whole(row.find("max_parallel_requests"));
  key.allowed_cache_controls = texts_of(row.find("allowed_cache_controls"));
  key.allowed_routes = texts_of(row.find("allowed_routes"));
  key.policies = texts_of(row.find("policies"));
  key.access_group_ids = texts_of(row.find("access_group_ids"));
  key.expires_us = time_of(row.find("expires"));
  key.blocked = row.find("blocked").boolean().value_or(false);
  key.rotation_count = whole(row.find("rotation_count")).value_or(0);
  key.auto_rotate = row.find("auto_rotate").boolean().value_or(false);
  key.rotation_interval = maybe(row.find("rotation_interval"));
  key.last_rotation_us = time_of(row.find("last_rotation_at"));
  key.key_rotation_us = time_of(row.find("key_rotation_at"));
  key.spend = money_of(row.find("spend")).value_or(Money());
  key.created_us = time_of(row.find("created_at")).value_or(parts_.now_us);
  key.updated_us = time_of(row.find("updated_at")).value_or(key.created_us);
  key.created_by = text_of(row.find("created_by"));
  key.updated_by = text_of(row.find("updated_by"));
  Result<std::string> permission = object_permission(row);
  if (!permission) return base::fail(std::move(permission.error()));
  key.object_permission_json = std::move(*permission);
  return key;
}

Status Importer::copy_keys() {
  ImportCount& count = begin_count(std::string(kKeyTable));
  std::vector<KeyRow> batch;
  const auto take = [&](const json::Value& row) -> Status {
    Result<KeyRow> key = read_key(row);
    if (!key) return base::fail(std::move(key.error()));
    count.add_found(key->spend);
    if (const std::string reason = reason_against(*key, parts_.now_us); !reason.empty()) {
      count.leave_out(key->spend, reason);
      return {};
    }
    for (const json::Value::Pair member : row.members()) {
      const std::string name = member.key.text().value_or("");
      const std::string_view raw = member.value.raw();
      const bool nothing = raw == "null" || raw == "false" || raw == "0" || raw == "\"\"" || raw == "[]" || raw == "{}";
      if (!nothing && std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown))
        count.note("column " + name + " has no place here");
    }
    batch.push_back(std::move(*key));
    return batch.size() < kKeysAtOnce ? Status{} : write_keys(batch, count);
  };
  if (Status read = parts_.source->each(kKeyTable, {"token"}, take); !read) {
    read.error().message = std::string(kKeyTable) + ": " + read.error().message;
    return read;
  }
  return write_keys(batch, count);
}

Status Importer::write_keys(std::vector<KeyRow>& batch, ImportCount& count) {
  if (batch.empty()) return {};
  ImportCount after = count;
  Status written = in_target([&](account::Records& records) -> Status {
    after = count;
    for (const KeyRow& row : batch) {
      const Result<std::optional<KeyRow>> there = account::find_key(records.transaction(), row.hash);
      if (!there) return base::fail(there.error());
      if (*there) {
        after.add_there(row.spend);
        continue;
      }
      after.add_made(row.spend);
      KeyRow key = row;
      if (key.key_alias) {
        const Result<std::optional<KeyRow>> other = account::find_key_by_alias(records.transaction(), *key.key_alias);
        if (!other) return base::fail(other.error());
        if (*other) {
          after.note("key_alias is another key's already and was dropped: " + *key.key_alias);
          key.key_alias.reset();
        }
      }
      if (parts_.dry_run) continue;
      if (key.budget_id) {
        const Result<std::optional<account::Record>> budget = records.find(account::kBudgets, *key.budget_id);
        if (!budget) return base::fail(budget.error());
        if (!*budget) {
          after.note("budget_id names no budget and was dropped");
          key.budget_id.reset();
        }
      }
      if (const Result<KeyRow> made = account::create_key(records, std::move(key)); !made)
        return base::fail(made.error());
      const Result<db::Rows> dated = records.transaction().run(
          "UPDATE verification_key SET created_us = $1, updated_us = $2, created_by = $3, updated_by = $4 WHERE hash = "
          "$5",
          {row.created_us, row.updated_us, row.created_by, row.updated_by, row.hash});
      if (!dated) return base::fail(dated.error());
    }
    return {};
  });
  if (!written) return written;
  count = after;
  batch.clear();
  return {};
}

/// Secrets that were rotated away and are still let in.
Status Importer::copy_deprecated_keys() {
  constexpr std::string_view kDeprecated = "LiteLLM_DeprecatedVerificationToken";
  ImportCount& count = begin_count(std::string(kDeprecated));
  const auto take = [&](const json::Value& row) -> Status {
    const std::string token = text_of(row.find("token"));
    const std::int64_t until = time_of(row.find("revoke_at")).value_or(0);
    count.add_found(Money());
    if (until <= parts_.now_us) {
      count.leave_out(Money(), "its time is over");
      return {};
    }
    ImportCount after = count;
    Status written = in_target([&](account::Records& records) -> Status {
      after = count;
      const Result<db::Rows> there =
          records.transaction().run("SELECT hash FROM deprecated_key WHERE hash = $1", {token});
      if (!there) return base::fail(there.error());
      if (!there->rows.empty()) {
        after.add_there(Money());
        return {};
      }
      after.add_made(Money());
      if (parts_.dry_run) return {};
      const Result<db::Rows> made = records.transaction().run(
          "INSERT INTO deprecated_key (hash, active_hash, revoke_at_us, created_at_us) VALUES ($1, $2, $3, $4)",
          {token, text_of(row.find("active_token_id")), until,
           time_of(row.find("created_at")).value_or(parts_.now_us)});
      return made ? Status{} : base::fail(made.error());
    });
    if (written) count = after;
    return written;
  };
  return parts_.source->each(kDeprecated, {"token"}, take);
}

}  // namespace turnpike::app
