#include "api/permission.h"
#include "api/reply.h"

#include <algorithm>

#include "account/route_access.h"
#include "account/tables.h"

namespace turnpike::api {
namespace {

using account::Record;
using account::Records;
using domain::Caller;
using domain::Role;

constexpr std::string_view kDefaultMemberPermissions[] = {"/key/info", "/key/health"};

/// LiteLLM's text for a key that calls a management route (spec http-api 5.2).
tl::unexpected<Error> admins_only(std::string_view path, const Caller& caller) {
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "auth_error";
  error.message =
      "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. "
      "Route=" +
      std::string(path) + ". Your role=" + std::string(domain::role_name(caller.role)) +
      ". Your user_id=" + (caller.user_id.empty() ? "None" : caller.user_id);
  return base::fail(std::move(error));
}

tl::unexpected<Error> viewers_read(std::string_view path, const Caller& caller) {
  return base::fail(ErrorKind::PermissionDenied,
                    "user not allowed to access this route, role=" + std::string(domain::role_name(caller.role)) +
                        ". Viewers read; they change nothing. Route=" + std::string(path));
}

bool is_viewer(const Caller& caller) {
  return caller.role == Role::ProxyAdminViewer || caller.role == Role::InternalUserViewer;
}

/// `permissions.get_spend_routes` of a key: it reads what everybody spends.
bool opens_spend(const Route& route, const Caller& caller) {
  static const std::vector<std::string> kSpend = {"spend_tracking_routes", "global_spend_tracking_routes"};
  return caller.reads_all_spend && account::route_in(kSpend, {route.path, false});
}

/// An end user calls models and asks which there are.
Status check_customer(const Route& route, const Caller& caller) {
  static const std::vector<std::string> kCalls = {"llm_api_routes"};
  if (account::route_in(kCalls, {route.path, route.who == Who::Pipeline})) return {};
  return admins_only(route.path, caller);
}

/// Whether the role column lets this caller in.
Status check_role(const Route& route, const Caller& caller) {
  if (administers(caller) || route.who == Who::Public || opens_spend(route, caller)) return {};
  if (caller.role == Role::Customer && route.who != Who::PublicUnlessSet) return check_customer(route, caller);
  switch (route.who) {
    case Who::Public:
    case Who::PublicUnlessSet:
    case Who::AnyKey:
    case Who::ManagementRead:
      return {};
    case Who::Management:
      if (is_viewer(caller)) return viewers_read(route.path, caller);
      if (caller.role == Role::InternalUser && (caller.is_user || caller.handed_over)) return {};
      return admins_only(route.path, caller);
    case Who::AdminOrViewer:
      if (caller.role == Role::ProxyAdminViewer) return {};
      return admins_only(route.path, caller);
    case Who::Admin:
      if (is_viewer(caller)) return viewers_read(route.path, caller);
      return admins_only(route.path, caller);
    case Who::Pipeline:
      return account::check_calls_models(caller, route.path);
  }
  return admins_only(route.path, caller);
}

tl::unexpected<Error> not_yours(std::string message) {
  return base::fail(ErrorKind::PermissionDenied, std::move(message));
}

std::string user_shown(const Caller& caller) {
  return caller.user_id.empty() ? "None" : caller.user_id;
}

Result<bool> has_organization_role(Records& records, const Caller& caller, const std::string& organization_id,
                                   bool admin) {
  if (!caller.is_user || organization_id.empty()) return false;
  const Result<std::optional<Record>> member =
      records.find(account::kOrganizationMembers, organization_id, caller.user_id);
  if (!member) return base::fail(member.error());
  return *member && (!admin || (*member)->text("user_role") == "org_admin");
}

/// What somebody is to a team.
enum class Standing : std::uint8_t { None, Member, Admin };

Result<Standing> standing_in(Records& records, const Caller& caller, const Record& team) {
  if (administers(caller)) return Standing::Admin;
  if (!caller.is_user) return Standing::None;
  const Result<std::optional<Record>> member = records.find(account::kTeamMembers, team.key(), caller.user_id);
  if (!member) return base::fail(member.error());
  if (*member && (*member)->text("role") == "admin") return Standing::Admin;
  const Result<bool> org_admin =
      has_organization_role(records, caller, team.maybe_text("organization_id").value_or(""), true);
  if (!org_admin) return base::fail(org_admin.error());
  if (*org_admin) return Standing::Admin;
  return *member ? Standing::Member : Standing::None;
}

bool team_permits(const Record& team, std::string_view permission) {
  const std::vector<std::string> granted = team.list("team_member_permissions");
  if (granted.empty())
    return std::ranges::find(kDefaultMemberPermissions, permission) != std::end(kDefaultMemberPermissions);
  return std::ranges::find(granted, permission) != granted.end();
}

bool owns(const Caller& caller, const KeyOwners& key) {
  return caller.is_user && key.user_id && *key.user_id == caller.user_id;
}

tl::unexpected<Error> no_member_permission(const Caller& caller, const Record& team, std::string_view permission) {
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "team_member_permission_error";
  error.param = permission;
  error.message = "Team member does not have permissions for endpoint: " + std::string(permission) +
                  ". User=" + user_shown(caller) + ", team=" + team.key() +
                  ". A team admin grants it with POST /team/permissions_update.";
  return base::fail(std::move(error));
}

/// A team that a key names but that is not there belongs to nobody but administrators.
Result<std::optional<Record>> team_of(Records& records, const KeyOwners& key) {
  if (!key.team_id) return std::optional<Record>();
  return records.find(account::kTeams, *key.team_id);
}

/// What an owner may do with his key without anybody's leave.
bool owner_may(std::string_view permission) {
  constexpr std::string_view kOwn[] = {"/key/update",           "/key/delete", "/key/regenerate",
                                       "/key/{key}/regenerate", "/key/info",   "/key/health"};
  return std::ranges::find(kOwn, permission) != std::end(kOwn);
}

/// A key of a team is its organisation's: under another one it would leave that one's budget and models behind.
Status check_organization_of_team(const KeyOwners& key, const Record& team) {
  const std::optional<std::string> organization = team.maybe_text("organization_id");
  if (!key.organization_id || key.organization_id == organization) return {};
  return forbid_field("organization_id", "team=" + team.key() +
                                             " belongs to organization=" + organization.value_or("None") +
                                             ", and so do its keys: leave organization_id out.");
}

Status may_manage_new_key(Records& records, const Caller& caller, const KeyOwners& key,
                          const std::optional<Record>& team, std::string_view permission) {
  if (team) {
    if (Status same = check_organization_of_team(key, *team); !same) return same;
    const Result<Standing> standing = standing_in(records, caller, *team);
    if (!standing) return base::fail(standing.error());
    if (*standing == Standing::Admin) return {};
    if (*standing == Standing::None)
      return not_yours("User=" + user_shown(caller) + " is not a member of team=" + team->key() + ".");
    if (!team_permits(*team, permission)) return no_member_permission(caller, *team, permission);
    if (key.user_id && *key.user_id != caller.user_id)
      return not_yours("Members of a team make keys for themselves; user_id may be left out.");
    return {};
  }
  if (key.team_id) return not_yours("Team=" + *key.team_id + " is not known, or not yours.");
  const std::string organization = key.organization_id.value_or("");
  const Result<bool> admin = has_organization_role(records, caller, organization, true);
  if (!admin) return base::fail(admin.error());
  if (*admin && (!key.user_id || *key.user_id == caller.user_id)) return {};
  if (!owns(caller, key))
    return not_yours("User can only create keys for themselves. Got user_id=" + key.user_id.value_or("None") +
                     ", Your ID=" + user_shown(caller));
  if (organization.empty()) return {};
  const Result<bool> member = has_organization_role(records, caller, organization, false);
  if (!member) return base::fail(member.error());
  if (!*member) return not_yours("You are not a member of organization=" + organization + ".");
  return {};
}

}  // namespace

Status may_call(const Route& route, const Caller& caller) {
  if (Status role = check_role(route, caller); !role) return role;
  return account::check_route_allowed(caller, {route.path, route.who == Who::Pipeline});
}

bool sees_everything(const Caller& caller) {
  return administers(caller) || caller.role == Role::ProxyAdminViewer;
}

Status may_read_organization(Records& records, const Caller& caller, const std::string& organization_id) {
  if (sees_everything(caller)) return {};
  const Result<bool> member = has_organization_role(records, caller, organization_id, false);
  if (!member) return base::fail(member.error());
  if (!*member) return not_yours("You are not a member of organization=" + organization_id + ".");
  return {};
}

Status may_manage_organization(Records& records, const Caller& caller, const std::string& organization_id) {
  if (administers(caller)) return {};
  const Result<bool> admin = has_organization_role(records, caller, organization_id, true);
  if (!admin) return base::fail(admin.error());
  if (!*admin || is_viewer(caller))
    return not_yours("You are not an admin of organization=" + organization_id + ". Only its org_admins may do this.");
  return {};
}

Status may_read_team(Records& records, const Caller& caller, const Record& team) {
  if (sees_everything(caller) || (!caller.team_id.empty() && caller.team_id == team.key())) return {};
  const Result<Standing> standing = standing_in(records, caller, team);
  if (!standing) return base::fail(standing.error());
  if (*standing == Standing::None)
    return not_yours("key not allowed to access this team's info. Key team_id=" +
                     (caller.team_id.empty() ? "None" : caller.team_id) + ", requested team_id=" + team.key());
  return {};
}

Status may_manage_team(Records& records, const Caller& caller, const Record& team) {
  const Result<Standing> standing = standing_in(records, caller, team);
  if (!standing) return base::fail(standing.error());
  if (*standing != Standing::Admin || is_viewer(caller))
    return not_yours("User=" + user_shown(caller) + " is not an admin of team=" + team.key() +
                     ". Only proxy admins, its team admins and the org_admins of its organisation may do this.");
  return {};
}

Status may_read_user(Records& records, const Caller& caller, const std::string& user_id) {
  if (sees_everything(caller) || (!caller.user_id.empty() && caller.user_id == user_id)) return {};
  if (caller.is_user) {
    const auto memberships = records.all(account::kOrganizationMembers, "user_id", user_id);
    if (!memberships) return base::fail(memberships.error());
    for (const Record& membership : *memberships) {
      const Result<bool> admin = has_organization_role(records, caller, membership.key(), true);
      if (!admin) return base::fail(admin.error());
      if (*admin) return {};
    }
  }
  return not_yours("key not allowed to access this user's info. user_id=" + user_id +
                   ", key's user_id=" + user_shown(caller));
}

Status may_manage_user(Records&, const Caller& caller, const std::string& user_id) {
  if (administers(caller)) return {};
  if (caller.is_user && !is_viewer(caller) && caller.user_id == user_id) return {};
  return not_yours("User=" + user_shown(caller) + " may not change user_id=" + user_id +
                   ". Only proxy admins change other users.");
}

Status may_read_key(Records& records, const Caller& caller, const KeyOwners& key) {
  if (sees_everything(caller)) return {};
  if (!key.hash.empty() && key.hash == caller.key_hash_hex) return {};
  if (owns(caller, key)) return {};
  const Result<std::optional<Record>> team = team_of(records, key);
  if (!team) return base::fail(team.error());
  if (*team) {
    const Result<Standing> standing = standing_in(records, caller, **team);
    if (!standing) return base::fail(standing.error());
    if (*standing == Standing::Admin) return {};
    if (*standing == Standing::Member && team_permits(**team, "/key/info")) return {};
  }
  const Result<bool> admin = has_organization_role(records, caller, key.organization_id.value_or(""), true);
  if (!admin) return base::fail(admin.error());
  if (*admin) return {};
  return not_yours("You are not allowed to access this key's info. Your role=" +
                   std::string(domain::role_name(caller.role)));
}

Status may_manage_key(Records& records, const Caller& caller, const KeyOwners& key, std::string_view permission) {
  if (administers(caller)) return {};
  if (is_viewer(caller)) return viewers_read(permission, caller);
  const Result<std::optional<Record>> team = team_of(records, key);
  if (!team) return base::fail(team.error());
  if (key.hash.empty()) return may_manage_new_key(records, caller, key, *team, permission);
  const bool itself = caller.handed_over && key.hash == caller.key_hash_hex;
  if ((owns(caller, key) || itself) && owner_may(permission)) return {};
  const Result<bool> org_admin = has_organization_role(records, caller, key.organization_id.value_or(""), true);
  if (!org_admin) return base::fail(org_admin.error());
  if (*org_admin) return {};
  const auto foreign = not_yours("User=" + user_shown(caller) + " may not do " + std::string(permission) +
                                 " with this key: it is not his, and he is no admin of its team or organisation.");
  if (!*team) return foreign;
  const Result<Standing> standing = standing_in(records, caller, **team);
  if (!standing) return base::fail(standing.error());
  if (*standing == Standing::Admin) return {};
  if (*standing == Standing::None) return foreign;
  if (!team_permits(**team, permission)) return no_member_permission(caller, **team, permission);
  if (permission == "/key/delete") return foreign;
  if (permission.ends_with("regenerate")) return no_member_permission(caller, **team, permission);
  return {};
}

}  // namespace turnpike::api
