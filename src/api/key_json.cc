#include "api/key_json.h"

#include "base/hash.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

void text_or_null(json::Writer& writer, std::string_view name, const std::optional<std::string>& text) {
  writer.key(name);
  if (text) {
    writer.string(*text);
  } else {
    writer.null();
  }
}

void time_or_null(json::Writer& writer, std::string_view name, std::optional<std::int64_t> unix_us) {
  text_or_null(writer, name, unix_us ? std::optional(base::iso_time(*unix_us)) : std::nullopt);
}

}  // namespace

std::string key_name_of(std::string_view secret) {
  return "sk-..." + std::string(secret.size() > 4 ? secret.substr(secret.size() - 4) : std::string_view());
}

std::string hash_of_reference(std::string_view reference) {
  if (reference.starts_with("sk-")) return base::sha256_hex(reference);
  if (reference.size() != 64) return {};
  for (const char c : reference) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return {};
  }
  return std::string(reference);
}

Money live_spend(const ledger::Ledger& ledger, const account::KeyRow& row) {
  if (const ledger::AccountRef account = ledger.find_account(row.account_id)) return account->spent();
  return row.spend;
}

void write_key_row(json::Writer& writer, const account::KeyRow& row, Money spend, bool with_token) {
  if (with_token) writer.key("token").string(row.hash);
  writer.key("key_name").string(row.key_name);
  text_or_null(writer, "key_alias", row.key_alias);
  writer.key("soft_budget_cooldown").boolean(false);
  writer.key("spend").raw(spend.to_string());
  time_or_null(writer, "expires", row.expires_us);
  writer.key("models").begin_array();
  for (const std::string& model : row.models) writer.string(model);
  writer.end_array();
  writer.key("aliases").raw(row.aliases_json);
  writer.key("config").raw(row.config_json);
  writer.key("router_settings").raw(row.router_settings_json);
  text_or_null(writer, "user_id", row.user_id);
  text_or_null(writer, "team_id", row.team_id);
  text_or_null(writer, "organization_id", row.organization_id);
  writer.key("permissions").raw(row.permissions_json);
  writer.key("metadata").raw(row.metadata_json);
  writer.key("blocked").boolean(row.blocked);
  writer.key("max_budget");
  if (row.max_budget) {
    writer.raw(row.max_budget->to_string());
  } else {
    writer.null();
  }
  for (const std::string_view unset :
       {"soft_budget", "budget_id", "budget_duration", "budget_reset_at", "tpm_limit", "rpm_limit",
        "max_parallel_requests", "object_permission_id", "object_permission", "rotation_interval", "last_rotation_at",
        "key_rotation_at", "litellm_budget_table"}) {
    writer.key(unset).null();
  }
  for (const std::string_view list : {"allowed_cache_controls", "allowed_routes", "policies", "access_group_ids"}) {
    writer.key(list).begin_array().end_array();
  }
  for (const std::string_view object : {"model_spend", "model_max_budget"})
    writer.key(object).begin_object().end_object();
  writer.key("rotation_count").number(std::int64_t{0});
  writer.key("auto_rotate").boolean(false);
  time_or_null(writer, "created_at", row.created_us);
  writer.key("created_by").string(row.created_by);
  time_or_null(writer, "updated_at", row.updated_us);
  writer.key("updated_by").string(row.updated_by);
}

}  // namespace turnpike::api
