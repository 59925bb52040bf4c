#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/money.h"

namespace turnpike::config {

/// Who may make keys of one kind, and what their bodies have to say.
struct KeyRule {
  std::optional<std::vector<std::string>> roles;  // Absent: everybody.
  std::vector<std::string> required_params;
  bool operator==(const KeyRule&) const = default;
};

/// The highest limits a key may have; one that does not say has these.
struct LimitCeilings {
  std::optional<std::int64_t> rpm_limit, tpm_limit, max_parallel_requests;
  bool operator==(const LimitCeilings&) const = default;
};

/// What `litellm_settings` say about keys that are made: default_key_generate_params,
/// upperbound_key_generate_params, key_generation_settings.
struct KeySettings {
  std::string defaults_json = "{}";         // Fields for bodies that do not have them.
  std::optional<Money> max_budget_ceiling;  // No key has more; one that does not say has this.
  std::string duration_ceiling;             // Empty: none.
  std::string budget_duration_ceiling;      // Likewise.
  LimitCeilings limit_ceilings;
  KeyRule team, personal;  // By allowed_team_member_roles, allowed_user_roles.
  bool operator==(const KeySettings&) const = default;
};

/// Who makes keys: `turnpike.key_issuance`.
enum class KeyIssuance : unsigned char {
  Federated,  // Users for themselves, team admins (and members they permit) for their team.
  Central,    // Administrators only.
};

}  // namespace turnpike::config
