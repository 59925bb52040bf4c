#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/record.h"
#include "api/context.h"
#include "api/route.h"
#include "domain/caller.h"

/// Who may do what. A route's `Who` says which roles may call it at all; whose object it may be and how much may be
/// given is asked here, inside the transaction that does it.
namespace turnpike::api {

/// The role column: whether `caller` may call `route` at all, and whether the routes that his key is limited to hold
/// it.
Status may_call(const Route& route, const domain::Caller& caller);

/// Administrator or his viewer: no object is foreign to him.
bool sees_everything(const domain::Caller& caller);

// Each is fine, or PermissionDenied with a text, or the database's error.
// `records` reads memberships; nothing is read for an administrator.

Status may_read_organization(account::Records& records, const domain::Caller& caller,
                             const std::string& organization_id);
Status may_manage_organization(account::Records& records, const domain::Caller& caller,
                               const std::string& organization_id);
/// Members read their team; its admins, and those of its organisation, manage it.
Status may_read_team(account::Records& records, const domain::Caller& caller, const account::Record& team);
Status may_manage_team(account::Records& records, const domain::Caller& caller, const account::Record& team);
/// Oneself; admins of an organisation read its members.
Status may_read_user(account::Records& records, const domain::Caller& caller, const std::string& user_id);
Status may_manage_user(account::Records& records, const domain::Caller& caller, const std::string& user_id);

/// Whose key it is. For a key that is yet to be made: whose it shall be.
struct KeyOwners {
  std::string hash;  // Empty for a new one.
  std::optional<std::string> user_id, team_id, organization_id;
};
Status may_read_key(account::Records& records, const domain::Caller& caller, const KeyOwners& key);
/// The owner of a key, admins of its team and of its organisation. `permission` ("/key/generate", "/key/update",
/// "/key/block", ...) is what opens it to plain members of the team, and what owners may do without: not block, unblock
/// or reset the spend of their own. Members delete and regenerate only their own.
Status may_manage_key(account::Records& records, const domain::Caller& caller, const KeyOwners& key,
                      std::string_view permission);

/// What a body gives to a key, team, user or organisation. Absent: the body says nothing about it.
struct Grant {
  enum class To : std::uint8_t { Key, Team, User, Organization } to = To::Key;
  bool is_new = true;  // False: an update, in which what is absent stays as it is.
  std::optional<std::string> user_id, team_id, organization_id;  // Whose it is, or shall be.
  std::optional<std::vector<std::string>> models;                // An empty list: all of the levels above.
  std::vector<std::string> alias_targets;                        // Of aliases that are new or lead elsewhere now.
  std::optional<std::optional<Money>> max_budget;                // An inner nothing: no limit.
  std::optional<std::optional<std::int64_t>> max_budget_tokens, tpm_limit, rpm_limit, max_parallel_requests;
  std::optional<std::string> user_role;
  std::optional<std::vector<std::string>> allowed_routes;  // Empty: every route.
  std::vector<std::string> fields;  // Names of all members of the body: some are for admins only.
};
/// AC-SEC-4: nobody gives more than he holds. A key stays within its team (administrators are held to its models too);
/// a team within its organisation, or within what it or its creator has; for other callers everything stays within what
/// the caller's own key and user may do. Errors: PermissionDenied, param: the field.
Status grant_within(account::Records& records, const domain::Caller& caller, const Grant& grant);

/// Gives to a new user what the organisation is limited to, wherever his row says nothing.
Status limit_to_organization(account::Records& records, const std::string& organization_id, account::Record& user);

/// Ids of users that stand for the gateway itself (whoever calls with the master key, the sum of all calls): no one but
/// a proxy admin makes a user of such a name. Errors: PermissionDenied, param "user_id".
Status name_of_nobody(const domain::Caller& caller, std::string_view user_id);

/// Whether a key that is stated whole by `grant` holds no more than the key that calls: for who gets its secret.
Status grant_within_own_key(const domain::Caller& caller, const Grant& grant);

}  // namespace turnpike::api
