#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/money.h"
#include "domain/budget.h"
#include "domain/caller_account.h"
#include "domain/ip_range.h"
#include "domain/routing_wishes.h"

namespace turnpike::domain {

/// What somebody may do on the whole gateway. Being admin of a team or an organisation is a membership, not a role.
enum class Role : std::uint8_t {
  ProxyAdmin,
  ProxyAdminViewer,    // Reads everything, changes nothing, calls no model.
  InternalUser,        // Also a key behind which no user stands.
  InternalUserViewer,  // Reads what is his, changes nothing, calls no model.
  Team,                // A token that speaks for a team.
  Customer,            // A token of an end user: calls of models only.
  Anonymous,           // No master key is configured: everybody is administrator.
};
std::string_view role_name(Role role);  // LiteLLM's: "proxy_admin", "internal_user", ...
std::optional<Role> parse_role(std::string_view name);

/// How much somebody may ask for: in any 60 seconds, and at a time.
struct RateLimits {
  std::optional<std::int64_t> requests, tokens, calls;

  bool any() const { return requests || tokens || calls; }
  bool operator==(const RateLimits&) const = default;
};

/// The limits of somebody a call belongs to, or of his calls to one model.
struct CallerLimits {
  std::int16_t kind = 6;      // Spec money 4.
  std::string entity, label;  // Its id; what people call it.
  std::string model;          // Of the kinds per model.
  RateLimits most;
  /// "dynamic": not held to while the model that is called has no trouble and room (docs/limits.md).
  bool requests_give = false, tokens_give = false;
};

/// One level's list of models: of the key, the team, the user or the organisation.
struct ModelLevel {
  enum class Of : std::uint8_t { Key, Team, User, Organization } of = Of::Key;
  std::vector<std::string> models;  // Never empty: a level without a list allows every model and is left out.
};

/// Who is calling: the resolved identity of a call, an immutable snapshot. A change of the key or of whom it belongs to
/// makes a new one.
struct Caller {
  Role role = Role::InternalUser;
  bool is_user = false;      // The user is known: without one a key has no rights but on itself.
  bool handed_over = false;  // A key that somebody else has made for the user: it is billed to him, is_user is false.
  base::Sha256 key_hash{};
  std::string key_hash_hex;  // Empty for an anonymous caller, and for a token.
  std::string key_name;      // "sk-...abcd": what people may see of the secret.
  std::string key_alias;
  std::string user_id;
  std::string user_email;
  std::string team_id;
  std::string team_alias;
  std::string organization_id;
  std::string organization_alias;
  std::string end_user;                        // A token that names one; calls are his whatever they say.
  std::vector<std::string> models;             // The key's own allow-list; empty: every model of the levels above.
  std::vector<ModelLevel> model_levels;        // All lists that a model has to be in.
  std::map<std::string, std::string> aliases;  // Request model -> real model; the key's, then the team's.
  std::string priority;                        // metadata.priority of the team, else of the key; empty: none.
  std::vector<std::string> tags;               // metadata.tags of key and team: on every call.
  std::optional<Money> max_budget;             // The key's.
  std::optional<std::int64_t> max_budget_tokens;
  std::optional<std::int64_t> tpm_limit, rpm_limit, max_parallel_requests;  // The key's.
  std::optional<std::int64_t> expires_us;                                   // Unix microseconds.
  bool blocked = false;
  bool team_blocked = false;
  bool disable_fallbacks = false;
  bool is_service_account = false;            // metadata.service_account_id is there.
  bool reads_all_spend = false;               // permissions.get_spend_routes: also what others spend.
  std::vector<std::string> allowed_routes;    // Paths, patterns and names of groups; empty: every route.
  std::vector<IpRange> allowed_ips;           // Empty: from anywhere.
  std::vector<std::string> enforced_params;   // What the body of a call has to carry.
  KeyRoutingRef routing;                      // Null: neither key nor team say anything about it.
  std::vector<CallerAccount> accounts;        // In kind order.
  std::vector<CallerAccount> model_accounts;  // Of budgets per model: for calls to theirs.
  std::vector<CallerLimits> limits;           // In kind order; those per model last.

  bool is_admin() const { return role == Role::ProxyAdmin; }
};

using CallerRef = std::shared_ptr<const Caller>;

}  // namespace turnpike::domain
