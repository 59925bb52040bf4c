#include "domain/caller.h"

#include <array>

namespace turnpike::domain {
namespace {

struct RoleName {
  Role role;
  std::string_view name;
};
constexpr std::array<RoleName, 7> kRoleNames = {{
    {Role::ProxyAdmin, "proxy_admin"},
    {Role::ProxyAdminViewer, "proxy_admin_viewer"},
    {Role::InternalUser, "internal_user"},
    {Role::InternalUserViewer, "internal_user_viewer"},
    {Role::Team, "team"},
    {Role::Customer, "customer"},
    {Role::Anonymous, "anonymous"},
}};

}  // namespace

std::string_view role_name(Role role) {
  for (const RoleName& row : kRoleNames) {
    if (row.role == role) return row.name;
  }
  return "internal_user";
}

std::optional<Role> parse_role(std::string_view name) {
  if (name == "internal_user_view_only") return Role::InternalUserViewer;  // Older names of the same.
  if (name == "proxy_admin_view_only") return Role::ProxyAdminViewer;
  for (const RoleName& row : kRoleNames) {
    if (row.name == name && row.role != Role::Anonymous) return row.role;
  }
  return std::nullopt;
}

}  // namespace turnpike::domain
