#include "account/team_roster.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "account/owned_keys.h"
#include "account/tables.h"

namespace turnpike::account {
namespace {

constexpr std::size_t kTeamsAtOnce = 500;  // Parameters of one statement.

const std::string& select_members() {
  static const std::string sql = fmt::format(
      "SELECT m.team_id, m.user_id, u.user_email, m.role, m.budget_id, m.account_id, coalesce(w.spent_nano, 0), CASE "
      "WHEN ta.limit_nano IS NOT NULL OR ta.soft_nano IS NOT NULL THEN ta.account_id ELSE 0 END, coalesce("
      "tw.spent_nano, 0) FROM team_member m LEFT JOIN internal_user u ON u.user_id = m.user_id JOIN account a ON "
      "a.account_id = m.account_id{} WHERE m.team_id IN (",
      db::kJoinWindow);
  return sql;
}

std::optional<std::string> maybe_text(const db::Value& value) {
  if (db::is_null(value)) return std::nullopt;
  return db::as_text(value);
}

TeamMember read_member(const db::Row& row) {
  TeamMember member;
  member.user_id = db::as_text(row.at(1));
  member.email = maybe_text(row.at(2));
  member.role = db::as_text(row.at(3));
  member.budget_id = maybe_text(row.at(4));
  member.account_id = db::as_int(row.at(5));
  member.spend = Money::from_nano(db::as_int(row.at(6)));
  member.tokens_id = db::as_int(row.at(7));
  member.spend_tokens = Money::from_nano(db::as_int(row.at(8)));
  return member;
}

using Members = std::map<std::string, std::vector<TeamMember>>;

Status read_members(Records& records, std::span<const Roster> teams, Members& members) {
  std::string sql = select_members();
  std::vector<db::Value> values;
  for (const Roster& roster : teams) {
    values.emplace_back(roster.team.key());
    sql += (values.size() == 1 ? "$" : ", $") + std::to_string(values.size());
  }
  const auto rows = records.transaction().run(sql + ") ORDER BY m.team_id, m.created_at_us, m.user_id", values);
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) members[db::as_text(row.at(0))].push_back(read_member(row));
  return {};
}

}  // namespace

Result<std::vector<Roster>> rosters_of(Records& records, std::vector<Record> teams) {
  std::vector<Roster> rosters;
  rosters.reserve(teams.size());
  for (Record& team : teams) rosters.push_back({std::move(team), {}});
  Members members;
  for (std::size_t from = 0; from < rosters.size(); from += kTeamsAtOnce) {
    const auto some = std::span<const Roster>(rosters).subspan(from, std::min(kTeamsAtOnce, rosters.size() - from));
    if (Status read = read_members(records, some, members); !read) return base::fail(std::move(read.error()));
  }
  for (Roster& roster : rosters) roster.members = std::move(members[roster.team.key()]);
  return rosters;
}

Result<Roster> roster_of(Records& records, Record team) {
  std::vector<Record> one;
  one.push_back(std::move(team));
  Result<std::vector<Roster>> rosters = rosters_of(records, std::move(one));
  if (!rosters) return base::fail(std::move(rosters.error()));
  return std::move(rosters->front());
}

Status remove_team(Records& records, const Record& team) {
  const Result<std::vector<KeyRow>> keys = keys_of(records, {{"team_id", team.key()}});
  if (!keys) return base::fail(keys.error());
  if (Status gone = remove_keys(records, *keys); !gone) return gone;
  const Result<std::vector<Record>> memberships = records.all(kTeamMembers, "team_id", team.key());
  if (!memberships) return base::fail(memberships.error());
  for (const Record& membership : *memberships) {
    if (Status gone = records.remove(membership); !gone) return gone;
  }
  return records.remove(team);
}

Result<std::vector<std::string>> teams_of_user(Records& records, const std::string& user_id) {
  const auto rows = records.transaction().run("SELECT team_id FROM team_member WHERE user_id = $1", {user_id});
  if (!rows) return base::fail(rows.error());
  std::vector<std::string> ids;
  for (const db::Row& row : rows->rows) ids.push_back(db::as_text(row.at(0)));
  return ids;
}

}  // namespace turnpike::account
