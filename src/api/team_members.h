#pragma once

#include <optional>
#include <string>
#include <vector>

#include "account/team_roster.h"
#include "base/result.h"
#include "domain/caller.h"
#include "json/document.h"

/// Who is in a team, and what each may spend there.
namespace turnpike::api {

/// A member as bodies name him: by his id, by his address, or by both.
struct NamedMember {
  std::string user_id, user_email;
  bool admin = false;
};

/// What one member may spend; what stands nowhere is not limited.
struct MemberBudget {
  std::optional<Money> dollars;
  std::optional<std::int64_t> tokens;

  bool any() const { return dollars || tokens; }
};
/// `max_budget_in_<where>` and `max_budget_tokens_in_<where>` of a body; `where`: team, organization.
Result<MemberBudget> member_budget(const json::Value& body, std::string_view where);

/// The elements of a list of members, or the one member that stands in its place. Errors: InvalidRequest naming
/// `field`.
Result<std::vector<NamedMember>> read_members(const json::Value& value, std::string_view field);

/// Makes a membership; a user who is not known is made, by others than proxy admins for keys of teams only.
/// `own_budget`: instead of the one all members share. Returns the id of the user. Errors: InvalidRequest type
/// "team_member_already_in_team".
Result<std::string> join_team(account::Records& records, const domain::Caller& caller, const account::Record& team,
                              const NamedMember& member, const MemberBudget& own_budget);

/// The membership that `user_id` or `user_email` of a body names. Errors: InvalidRequest where there is none.
Result<account::Record> named_membership(account::Records& records, const account::Record& team,
                                         const json::Value& body);

}  // namespace turnpike::api
