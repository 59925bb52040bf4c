#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/money.h"
#include "db/account_rows.h"
#include "json/write.h"

namespace turnpike::account {

/// A row of the key table, whole: what /key/info shows. The secret is never in it.
struct KeyRow {
  std::string hash;      // Lower-case hex SHA-256 of the secret: LiteLLM's own form.
  std::string key_name;  // "sk-...abcd"
  std::optional<std::string> key_alias;
  std::vector<std::string> models;
  std::string aliases_json = "{}";
  std::string config_json = "{}";
  std::string metadata_json = "{}";
  std::string permissions_json = "{}";
  std::string router_settings_json = "{}";
  std::string object_permission_json = "{}";
  std::string model_max_budget_json = "{}";
  std::optional<std::string> user_id, team_id, organization_id;
  std::optional<Money> max_budget, soft_budget;
  std::optional<std::int64_t> max_budget_tokens, soft_budget_tokens;
  std::optional<std::string> budget_id, budget_duration;
  std::optional<std::int64_t> budget_reset_us;
  std::optional<std::int64_t> tpm_limit, rpm_limit, max_parallel_requests;
  std::vector<std::string> allowed_cache_controls, allowed_routes, policies, access_group_ids;
  std::optional<std::int64_t> expires_us;
  bool blocked = false;
  bool handed_over = false;  // Somebody else than its user knows the secret: it does not speak for him.

  std::int64_t rotation_count = 0;
  bool auto_rotate = false;
  std::optional<std::string> rotation_interval;
  std::optional<std::int64_t> last_rotation_us;
  std::optional<std::int64_t> key_rotation_us;        // When it is rotated next; made of the three above.
  std::optional<std::int64_t> temp_budget_expiry_us;  // Until when the budget is raised; made of the metadata.

  std::string created_by, updated_by;
  std::int64_t created_us = 0, updated_us = 0;

  std::int64_t account_id = 0;             // Its ledger account,
  std::int64_t account_version = 0;        // how often that has been edited,
  domain::BudgetTerms terms;               // its terms: the key's own, else those of the linked budget;
  domain::BudgetWindow window;             // which window runs there,
  Money spend;                             // what is booked in it,
  Money spend_edit;                        // and by how much the change that returned this row changed that.
  std::optional<db::AccountState> tokens;  // The account of its budget in tokens, while it has one.
};

/// What the metadata says of a budget that is raised for a time: `temp_budget_increase`, `temp_budget_expiry`.
struct TempBudget {
  Money increase;
  std::int64_t expiry_us = 0;
};
std::optional<TempBudget> temp_budget_of(const std::string& metadata_json);

/// What a key has spent in the running window.
struct KeySpend {
  Money money;
  std::optional<std::int64_t> tokens;  // Nothing: it has no budget in tokens, and none are counted.
};
/// As the row has it.
KeySpend spend_of(const KeyRow& row);

/// Everything of the account's into the row; `budget_reset_us` is when its window ends.
void take_account(KeyRow& row, db::AccountRow account);

/// Writes the members of LiteLLM's key row into an open object (spec management-api 20). `with_token`: the hash too.
void write_key_row(json::Writer& writer, const KeyRow& row, KeySpend spend, bool with_token);
/// The same as a whole object with the hash: what the audit log and deleted keys keep.
std::string key_row_json(const KeyRow& row);

}  // namespace turnpike::account
