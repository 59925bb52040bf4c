#include "api/handed_keys.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/tables.h"
#include "api/context.h"
#include "api/reply.h"

namespace turnpike::api {
namespace {

using account::KeyRow;
using account::Record;
using account::Records;

/// With the key of an administrator one would be administrator.
Status check_plain(Records& records, const std::string& user_id) {
  const Result<std::optional<Record>> user = records.find(account::kUsers, user_id);
  if (!user) return base::fail(user.error());
  const std::string role = *user ? (*user)->text("user_role") : std::string();
  constexpr std::string_view kPlain[] = {"", "internal_user", "internal_user_viewer"};
  if (std::ranges::find(kPlain, role) != std::end(kPlain)) return {};
  return forbid_field(
      "user_id", fmt::format("user_id={} has the role {}: only proxy admins hand out keys of his.", user_id, role));
}

Status check_member(Records& records, const std::string& team_id, const std::string& user_id) {
  const Result<std::optional<Record>> member = records.find(account::kTeamMembers, team_id, user_id);
  if (!member) return base::fail(member.error());
  if (*member) return {};
  return forbid_field("user_id",
                      fmt::format("User={} not assigned to team={}. Add him with /team/member_add.", user_id, team_id));
}

}  // namespace

Status may_hand_over(Records& records, const domain::Caller& caller, const KeyRow* before, KeyRow& row) {
  if (!row.user_id) {
    row.handed_over = false;
    return {};
  }
  const bool new_secret = before == nullptr || before->hash != row.hash;
  const bool new_owner = before == nullptr || before->user_id != row.user_id;
  if (!new_secret && !new_owner) return {};
  const bool own = *row.user_id == caller.user_id;
  if (administers(caller) || (own && caller.is_user)) {
    // Who had the secret of somebody else's key has it still.
    row.handed_over = !new_secret && (row.handed_over || (before->user_id && !administers(caller)));
    return {};
  }
  row.handed_over = true;
  if (own) return {};
  if (Status plain = check_plain(records, *row.user_id); !plain) return plain;
  return new_owner && row.team_id ? check_member(records, *row.team_id, *row.user_id) : Status();
}

Status keep_within_team(Records& records, const domain::Caller& caller, KeyRow& row) {
  if (administers(caller) || row.team_id || caller.team_id.empty()) return {};
  const Result<std::optional<Record>> team = records.find(account::kTeams, caller.team_id);
  if (!team) return base::fail(team.error());
  if (!*team) return {};
  Result<std::optional<Record>> user = std::optional<Record>();
  if (row.user_id) user = records.find(account::kUsers, *row.user_id);
  if (!user) return base::fail(user.error());
  if (row.models.empty() && row.access_group_ids.empty() && (!*user || (*user)->list("models").empty())) {
    row.models = (*team)->list("models");
    row.access_group_ids = (*team)->list("access_group_ids");
  }
  const bool limited = row.max_budget || row.budget_id || (*user && (*user)->amount("max_budget"));
  if (!limited) row.max_budget = (*team)->amount("max_budget");
  const bool counted = row.max_budget_tokens || row.budget_id || (*user && (*user)->whole("max_budget_tokens"));
  if (!counted) row.max_budget_tokens = (*team)->whole("max_budget_tokens");
  return {};
}

}  // namespace turnpike::api
