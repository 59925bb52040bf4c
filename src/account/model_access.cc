#include "account/authenticator.h"

namespace turnpike::account {
namespace {

/// "openai/*" and "*" as people write them in a key's list: '*' stands for anything.
bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  const std::string_view rest = pattern.substr(star + 1);
  for (std::size_t at = star; at <= name.size(); ++at) {
    if (matches(rest, name.substr(at))) return true;
  }
  return false;
}

}  // namespace

AccessGroups access_groups_of(const config::Settings& settings) {
  AccessGroups groups;
  for (const config::ModelEntry& entry : settings.models) {
    for (const std::string& group : entry.access_groups) groups[group].push_back(entry.model_name);
  }
  return groups;
}

bool model_allowed(const domain::Caller& caller, std::string_view model, const AccessGroups& groups) {
  if (caller.is_admin() || caller.role == domain::Role::Anonymous || caller.models.empty()) return true;
  for (const std::string& entry : caller.models) {
    if (entry == "all-proxy-models" || entry == "all-team-models") return true;
    if (entry == "no-default-models") continue;
    if (matches(entry, model)) return true;
    const auto group = groups.find(entry);
    if (group == groups.end()) continue;
    for (const std::string& member : group->second) {
      if (matches(member, model)) return true;
    }
  }
  return false;
}

std::span<const std::string> deciding_access_groups(const domain::Caller& caller, std::string_view model) {
  if (caller.is_admin() || caller.role == domain::Role::Anonymous) return {};
  for (const std::string& entry : caller.models) {
    if (entry == "all-proxy-models" || entry == "all-team-models" || matches(entry, model)) return {};
  }
  return caller.models;
}

Status check_model_allowed(const domain::Caller& caller, std::string_view model, const AccessGroups& groups) {
  if (model_allowed(caller, model, groups)) return {};
  Error error;
  error.kind = ErrorKind::PermissionDenied;
  error.type = "key_model_access_denied";
  error.param = "model";
  std::string list;
  for (const std::string& entry : caller.models) list += (list.empty() ? "'" : ", '") + entry + "'";
  error.message = "key not allowed to access model. This key can only access models=[" + list + "]. Tried to access " +
                  std::string(model) + ". POST /key/update with other models changes that.";
  return base::fail(std::move(error));
}

}  // namespace turnpike::account
