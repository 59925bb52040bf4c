#pragma once

#include <optional>
#include <string>
#include <vector>

#include "account/record.h"

/// Who is in a team. A team's row does not say it: memberships are rows of their own, so that two changes of one team
/// at once never lose a member.
namespace turnpike::account {

struct TeamMember {
  std::string user_id;
  std::optional<std::string> email;  // Of the user's row, if there is one.
  std::string role;                  // "admin" or "user".
  std::optional<std::string> budget_id;
  std::int64_t account_id = 0;
  Money spend;                 // Booked.
  std::int64_t tokens_id = 0;  // The account of his budget in tokens; 0: he has none.
  Money spend_tokens;
};

struct Roster {
  Record team;
  std::vector<TeamMember> members;  // The longest in the team first.
};

Result<Roster> roster_of(Records& records, Record team);
Result<std::vector<Roster>> rosters_of(Records& records, std::vector<Record> teams);

/// The team with its keys and its memberships; its members stay.
Status remove_team(Records& records, const Record& team);

/// The teams a user is in.
Result<std::vector<std::string>> teams_of_user(Records& records, const std::string& user_id);

}  // namespace turnpike::account
