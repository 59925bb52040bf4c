#include <algorithm>

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

namespace {

using domain::ModelLevel;

bool opens_everything(std::string_view entry) {
  return entry == "all-proxy-models" || entry == "all-team-models";
}

bool level_allows(const ModelLevel& level, std::string_view model, const AccessGroups& groups) {
  for (const std::string& entry : level.models) {
    if (opens_everything(entry)) return true;
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

/// The first list that does not hold the model; null: all do.
const ModelLevel* refusing_level(const domain::Caller& caller, std::string_view model, const AccessGroups& groups) {
  for (const ModelLevel& level : caller.model_levels) {
    if (!level_allows(level, model, groups)) return &level;
  }
  return nullptr;
}

bool has_no_default_models(const ModelLevel& level) {
  return level.of == ModelLevel::Of::User && level.models == std::vector<std::string>{"no-default-models"};
}

std::string_view level_name(ModelLevel::Of of) {
  switch (of) {
    case ModelLevel::Of::Key:
      return "key";
    case ModelLevel::Of::Team:
      return "team";
    case ModelLevel::Of::User:
      return "user";
    case ModelLevel::Of::Organization:
      return "org";
  }
  return "key";
}

std::string_view remedy(ModelLevel::Of of) {
  switch (of) {
    case ModelLevel::Of::Key:
      return "POST /key/update";
    case ModelLevel::Of::Team:
      return "POST /team/update";
    case ModelLevel::Of::User:
      return "POST /user/update";
    case ModelLevel::Of::Organization:
      return "PATCH /organization/update";
  }
  return "";
}

}  // namespace

bool model_allowed(const domain::Caller& caller, std::string_view model, const AccessGroups& groups) {
  return refusing_level(caller, model, groups) == nullptr;
}

std::span<const std::string> deciding_access_groups(const domain::Caller& caller, std::string_view model) {
  for (const ModelLevel& level : caller.model_levels) {
    const auto names = [&](const std::string& entry) { return opens_everything(entry) || matches(entry, model); };
    if (std::ranges::none_of(level.models, names)) return level.models;
  }
  return {};
}

Status check_model_allowed(const domain::Caller& caller, std::string_view model, const AccessGroups& groups) {
  const ModelLevel* level = refusing_level(caller, model, groups);
  if (level == nullptr) return {};
  const std::string name(level_name(level->of));
  Error error;
  error.kind = ErrorKind::PermissionDenied;
  error.param = "model";
  if (has_no_default_models(*level)) {
    error.type = "key_model_access_denied";
    error.message = "User=" + caller.user_id +
                    " has no default models: he may call models only with keys of a team. Tried to access " +
                    std::string(model);
    return base::fail(std::move(error));
  }
  error.type = name + "_model_access_denied";
  std::string list;
  for (const std::string& entry : level->models) list += (list.empty() ? "'" : ", '") + entry + "'";
  error.message = name + " not allowed to access model. This " + name + " can only access models=[" + list +
                  "]. Tried to access " + std::string(model) + ". " + std::string(remedy(level->of)) +
                  " with other models changes that.";
  return base::fail(std::move(error));
}

}  // namespace turnpike::account
