#include "account/key_row.h"

#include "base/text.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::account {
namespace {

class Members {
 public:
  explicit Members(json::Writer& writer) : writer_(writer) {}

  void text(std::string_view name, const std::optional<std::string>& value) {
    writer_.key(name);
    if (value) {
      writer_.string(*value);
    } else {
      writer_.null();
    }
  }
  void time(std::string_view name, std::optional<std::int64_t> unix_us) {
    text(name, unix_us ? std::optional(base::iso_time(*unix_us)) : std::nullopt);
  }
  void amount(std::string_view name, std::optional<Money> value) {
    writer_.key(name);
    if (value) {
      writer_.raw(value->to_string());
    } else {
      writer_.null();
    }
  }
  void whole(std::string_view name, std::optional<std::int64_t> value) {
    writer_.key(name);
    if (value) {
      writer_.number(*value);
    } else {
      writer_.null();
    }
  }
  void list(std::string_view name, const std::vector<std::string>& texts) {
    writer_.key(name).raw(json::write_list(texts));
  }
  void object(std::string_view name, const std::string& json_text) { writer_.key(name).raw(json_text); }
  void flag(std::string_view name, bool value) { writer_.key(name).boolean(value); }

 private:
  json::Writer& writer_;
};

}  // namespace

std::optional<TempBudget> temp_budget_of(const std::string& metadata_json) {
  if (metadata_json.find("temp_budget") == std::string::npos) return std::nullopt;
  json::Document metadata;
  if (!metadata.parse(metadata_json)) return std::nullopt;
  const json::Value increase = metadata.root().find("temp_budget_increase");
  const std::optional<std::string> until =
      metadata.root().find("temp_budget_expiry") && metadata.root().find("temp_budget_expiry").is(json::Kind::String)
          ? metadata.root().find("temp_budget_expiry").text()
          : std::nullopt;
  const std::optional<std::int64_t> expiry_us = until ? base::parse_iso_time(*until) : std::nullopt;
  if (!increase.is(json::Kind::Number) || !expiry_us) return std::nullopt;
  const Result<Money> amount = Money::parse(increase.raw());
  if (!amount || *amount < Money()) return std::nullopt;
  return TempBudget{*amount, *expiry_us};
}

void take_account(KeyRow& row, db::AccountRow account) {
  row.account_id = account.account_id;
  row.account_version = account.version;
  row.terms = std::move(account.terms);
  row.window = account.window;
  row.spend = account.spent;
  const db::AccountState* const counted = account.budget_in_tokens();
  row.tokens = counted != nullptr ? std::optional(*counted) : std::nullopt;
  row.budget_reset_us = row.window.ends_us == domain::kNeverUs ? std::nullopt : std::optional(row.window.ends_us);
}

KeySpend spend_of(const KeyRow& row) {
  return {row.spend, row.tokens ? std::optional(row.tokens->spent.nano()) : std::nullopt};
}

void write_key_row(json::Writer& writer, const KeyRow& row, KeySpend spend, bool with_token) {
  Members members(writer);
  if (with_token) writer.key("token").string(row.hash);
  writer.key("key_name").string(row.key_name);
  members.text("key_alias", row.key_alias);
  members.flag("soft_budget_cooldown", false);
  members.amount("spend", spend.money);
  members.whole("spend_tokens", spend.tokens);
  members.time("expires", row.expires_us);
  members.list("models", row.models);
  members.object("aliases", row.aliases_json);
  members.object("config", row.config_json);
  members.object("router_settings", row.router_settings_json);
  members.text("user_id", row.user_id);
  members.text("team_id", row.team_id);
  members.text("organization_id", row.organization_id);
  members.object("permissions", row.permissions_json);
  members.object("metadata", row.metadata_json);
  members.flag("blocked", row.blocked);
  members.amount("max_budget", row.max_budget);
  members.amount("soft_budget", row.soft_budget);
  members.whole("max_budget_tokens", row.max_budget_tokens);
  members.whole("soft_budget_tokens", row.soft_budget_tokens);
  members.text("budget_id", row.budget_id);
  members.text("budget_duration", row.budget_duration);
  members.time("budget_reset_at", row.budget_reset_us);
  members.whole("tpm_limit", row.tpm_limit);
  members.whole("rpm_limit", row.rpm_limit);
  members.whole("max_parallel_requests", row.max_parallel_requests);
  members.object("model_max_budget", row.model_max_budget_json);
  writer.key("model_spend").begin_object().end_object();
  members.list("allowed_cache_controls", row.allowed_cache_controls);
  members.list("allowed_routes", row.allowed_routes);
  if (row.handed_over) members.flag("handed_over", true);
  members.list("policies", row.policies);
  members.list("access_group_ids", row.access_group_ids);
  writer.key("object_permission_id").null();
  if (row.object_permission_json == "{}") {
    writer.key("object_permission").null();
  } else {
    members.object("object_permission", row.object_permission_json);
  }
  writer.key("rotation_count").number(row.rotation_count);
  members.flag("auto_rotate", row.auto_rotate);
  members.text("rotation_interval", row.rotation_interval);
  members.time("last_rotation_at", row.last_rotation_us);
  members.time("key_rotation_at", row.key_rotation_us);
  members.time("created_at", row.created_us);
  writer.key("created_by").string(row.created_by);
  members.time("updated_at", row.updated_us);
  writer.key("updated_by").string(row.updated_by);
}

std::string key_row_json(const KeyRow& row) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_key_row(writer, row, spend_of(row), true);
  writer.end_object();
  return text;
}

}  // namespace turnpike::account
