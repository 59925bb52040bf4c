#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/result.h"

namespace turnpike::api {

/// A column as an update sees it: not named, set to null, or given.
template <class T>
struct Patch {
  bool present = false;
  std::optional<T> value;
};

/// What a body of /key/generate or /key/update asks for, checked field by field.
struct KeyChange {
  /// Life from now on; `never` ends an expiry.
  struct Life {
    bool never = false;
    std::int64_t seconds = 0;
    std::string text;
  };
  std::string key;  // generate: the custom secret; else secret or hash. Empty: not given.
  Patch<std::string> key_alias, user_id, team_id, organization_id, budget_id, rotation_interval, budget_duration;
  std::optional<std::vector<std::string>> models, tags;
  std::optional<std::vector<std::string>> allowed_routes, allowed_ips, enforced_params, access_group_ids;
  std::optional<std::string> aliases_json, config_json, metadata_json, router_settings_json;
  std::optional<std::string> permissions_json, object_permission_json, model_max_budget_json;
  std::optional<std::string> key_type;
  Patch<Money> max_budget, soft_budget;
  Patch<std::int64_t> max_budget_tokens, soft_budget_tokens;
  Patch<std::int64_t> rpm_limit, tpm_limit, max_parallel_requests;
  std::optional<std::string> model_rpm_limit_json, model_tpm_limit_json, rpm_limit_type_json, tpm_limit_type_json;
  std::optional<Money> spend, temp_budget_increase;
  std::optional<std::string> temp_budget_expiry;  // ISO 8601.
  std::optional<bool> blocked, auto_rotate;
  std::optional<Life> life;
  // regenerate only.
  std::string new_key;
  std::optional<std::int64_t> grace_seconds;
  std::string new_master_key;

  std::vector<std::string> fields;      // Every member of the body that asks for something.
  std::vector<std::string> ignored;     // Fields without effect, in the body's order: told in a response header,
  std::vector<std::string> unenforced;  // and so are those that are stored and not in force yet.
};

enum class KeyRoute : std::uint8_t { Generate, Update, Regenerate };

/// Reads the body. Null stands for "not given", except on update for the nullable columns (alias, owners, max_budget),
/// which it clears. What stands in the metadata is written there by apply_key_change.
///
/// Errors: InvalidRequest with `param` = the field: wrong type, impossible value, a field that is there twice, and
///         every field that would protect somebody and is not enforced by this version (never stored and
///         forgotten).
Result<KeyChange> read_key_change(std::string_view body, KeyRoute route);

/// What becomes of a field.
enum class FieldRule : std::uint8_t {
  Stored,      // In force.
  Unenforced,  // Stored, harmless, not in force yet.
  Refused,     // Protects and is not enforced yet: 400 unless it asks for nothing.
  NoEffect,    // Known to LiteLLM, harmless, without effect here.
};
struct KeyField {
  std::string_view name;
  FieldRule rule;
  std::string_view note;  // For Refused: what to do instead.
};
/// Every field LiteLLM knows on these routes. THE table: what is not here has no effect either.
std::span<const KeyField> key_fields();
/// Members of `metadata` that LiteLLM reads as limits or policies: refused like the fields of the same name.
std::span<const KeyField> key_metadata_fields();

/// The names in the form of a header value, printable ASCII, bounded.
std::string ignored_fields_value(const std::vector<std::string>& names);

/// `object` with member `name` set to `raw`; every other byte stays. `object` must be a JSON object.
std::string set_member(std::string_view object, std::string_view name, std::string_view raw);

}  // namespace turnpike::api
