#pragma once

#include <optional>
#include <string>

#include "base/money.h"

namespace turnpike::config {

/// `litellm_settings`: what users get that are made without saying it.
struct UserSettings {
  std::string defaults_json = "{}";  // default_internal_user_params: members of /user/new.
  std::optional<Money> max_budget;   // max_internal_user_budget.
  std::string budget_duration;       // internal_user_budget_duration; empty: the budget does not begin anew.

  bool operator==(const UserSettings&) const = default;
};

}  // namespace turnpike::config
