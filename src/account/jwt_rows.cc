#include "account/jwt_rows.h"

#include <algorithm>

#include "account/caller_tree.h"
#include "account/tables.h"

namespace turnpike::account {
namespace {

tl::unexpected<Error> refuse(ErrorKind kind, std::string message) {
  Error error;
  error.kind = kind;
  error.type = "auth_error";
  error.message = std::move(message);
  return base::fail(std::move(error));
}

class Owners {
 public:
  Owners(db::Transaction& transaction, const JwtIdentity& identity, const config::JwtSettings& settings, bool may_write,
         std::int64_t now_us)
      : identity_(identity), settings_(settings), may_write_(may_write), records_(transaction, actor_) {
    actor_.name = "jwt";
    actor_.now_us = now_us;
  }

  bool lacks_rows = false;

  /// The id of the user's row; empty when the token names none.
  Result<std::string> user() {
    if (identity_.user_id.empty()) return std::string();
    Result<std::optional<Record>> row = find_user();
    if (!row) return base::fail(std::move(row.error()));
    if (!*row) return make_user();
    if (Status kept = keep_role(**row); !kept) return base::fail(std::move(kept.error()));
    return (*row)->key();
  }

  Result<std::string> organization() {
    if (!identity_.organization_id.empty()) {
      const Result<std::optional<Record>> row = records_.find(kOrganizations, identity_.organization_id);
      if (!row) return base::fail(row.error());
      if (*row) return identity_.organization_id;
      return refuse(ErrorKind::PermissionDenied,
                    "Organization doesn't exist in db. Organization=" + identity_.organization_id +
                        ". Create organization via `/organization/new` call.");
    }
    if (identity_.organization_alias.empty()) return std::string();
    return by_alias(kOrganizations, "organization_alias", identity_.organization_alias);
  }

  /// Those of the list that there are; the one team of the token before them.
  Result<std::vector<std::string>> teams() {
    std::vector<std::string> found;
    std::string one = identity_.team_id;
    if (one.empty() && !identity_.team_alias.empty()) {
      Result<std::string> id = by_alias(kTeams, "team_alias", identity_.team_alias);
      if (!id) return base::fail(std::move(id.error()));
      one = std::move(*id);
    }
    if (!one.empty()) {
      if (Status added = add_team(one, true, found); !added) return base::fail(std::move(added.error()));
      return found;
    }
    for (const std::string& id : identity_.team_ids) {
      if (Status added = add_team(id, false, found); !added) return base::fail(std::move(added.error()));
    }
    if (!found.empty() || identity_.team_ids.empty() || lacks_rows) return found;
    return refuse(ErrorKind::PermissionDenied,
                  "None of the token's teams exists in db. Checked teams=" + shown_list(identity_.team_ids) +
                      ". Create one via `/team/new` call.");
  }

  /// upsert_sso_user_to_team: whoever comes with a team's token belongs to it; sync_user_role_and_teams: and to no
  /// other team.
  Status keep_memberships(const std::string& user, const std::vector<std::string>& teams) {
    if (user.empty() || !(settings_.upsert_sso_user_to_team || settings_.sync_user_role_and_teams)) return {};
    const Result<std::vector<Record>> memberships = records_.all(kTeamMembers, "user_id", user);
    if (!memberships) return base::fail(memberships.error());
    for (const std::string& team : teams) {
      const bool is_member =
          std::any_of(memberships->begin(), memberships->end(), [&](const Record& row) { return row.key(0) == team; });
      if (is_member) continue;
      if (!may_write_) {
        lacks_rows = true;
        continue;
      }
      Record row(kTeamMembers);
      row.set("team_id", team).set("user_id", user).set("role", std::string("user"));
      if (const Result<Record> made = records_.create(std::move(row)); !made) return base::fail(made.error());
    }
    if (!settings_.sync_user_role_and_teams) return {};
    for (const Record& row : *memberships) {
      if (std::find(teams.begin(), teams.end(), row.key(0)) != teams.end()) continue;
      if (!may_write_) {
        lacks_rows = true;
        continue;
      }
      if (Status removed = records_.remove(row); !removed) return removed;
    }
    return {};
  }

 private:
  Result<std::string> by_alias(const Table& table, std::string_view column, const std::string& alias) {
    const Result<std::vector<Record>> rows = records_.all(table, column, alias);
    if (!rows) return base::fail(rows.error());
    if (rows->size() == 1) return rows->front().key();
    return refuse(ErrorKind::PermissionDenied,
                  std::string(table.sql) + " '" + alias + "' of the token " +
                      (rows->empty() ? "does not exist: no " : "is not clear: more than one ") +
                      std::string(table.sql) + " has this " + std::string(column) + ".");
  }

  /// By id, then by the id that the identity provider gave, then by e-mail address where only one user has it.
  Result<std::optional<Record>> find_user() {
    Result<std::optional<Record>> row = records_.find(kUsers, identity_.user_id);
    if (!row || *row) return row;
    for (const auto& [column, value] :
         {std::pair<std::string_view, const std::string&>{"sso_user_id", identity_.user_id},
          std::pair<std::string_view, const std::string&>{"user_email", identity_.user_email}}) {
      if (value.empty()) continue;
      Result<std::vector<Record>> rows = records_.all(kUsers, column, value);
      if (!rows) return base::fail(std::move(rows.error()));
      if (rows->size() == 1) return std::optional<Record>(std::move(rows->front()));
    }
    return std::optional<Record>();
  }

  Result<std::string> make_user() {
    if (!settings_.user_id_upsert) {
      return refuse(ErrorKind::Unauthenticated, "Authentication Error, User doesn't exist in db. 'user_id'=" +
                                                    identity_.user_id + ". Create user via `/user/new` call.");
    }
    if (!may_write_) {
      lacks_rows = true;
      return identity_.user_id;
    }
    Record row(kUsers);
    row.set("user_id", identity_.user_id).set("sso_user_id", identity_.user_id);
    if (!identity_.user_email.empty()) row.set("user_email", identity_.user_email);
    row.set("user_role", identity_.user_role.empty() ? std::string("internal_user") : identity_.user_role);
    if (const Result<Record> made = records_.create(std::move(row)); !made) return base::fail(made.error());
    return identity_.user_id;
  }

  Status keep_role(const Record& row) {
    if (!settings_.sync_user_role_and_teams || identity_.user_role.empty()) return {};
    if (row.text("user_role") == identity_.user_role) return {};
    if (!may_write_) {
      lacks_rows = true;
      return {};
    }
    Record after = row;
    after.set("user_role", identity_.user_role);
    if (const Result<Record> kept = records_.update(row, std::move(after)); !kept) return base::fail(kept.error());
    return {};
  }

  Status add_team(const std::string& id, bool demanded, std::vector<std::string>& found) {
    const Result<std::optional<Record>> row = records_.find(kTeams, id);
    if (!row) return base::fail(row.error());
    if (*row) {
      found.push_back(id);
      return {};
    }
    if (!settings_.team_id_upsert) {
      if (!demanded) return {};
      return refuse(ErrorKind::PermissionDenied,
                    "Team doesn't exist in db. Team=" + id + ". Create team via `/team/new` call.");
    }
    if (!may_write_) {
      lacks_rows = true;
      return {};
    }
    Record made(kTeams);
    made.set("team_id", id).set("team_alias", id);
    if (const Result<Record> done = records_.create(std::move(made)); !done) return base::fail(done.error());
    found.push_back(id);
    return {};
  }

  const JwtIdentity& identity_;
  const config::JwtSettings& settings_;
  const bool may_write_;
  Actor actor_;
  Records records_;
};

/// What the token says stands above what the rows say: it speaks for a team, an end user, or as administrator.
domain::Role role_of(const JwtIdentity& identity, const domain::Caller& caller) {
  using domain::Role;
  if (identity.role == Role::ProxyAdmin || identity.role == Role::Customer) return *identity.role;
  if (!identity.role && !identity.has_team() && !identity.end_user.empty()) return Role::Customer;
  if (caller.is_user) return caller.role;
  return caller.team_id.empty() ? Role::InternalUser : Role::Team;
}

}  // namespace

Result<JwtOwners> find_owners(db::Transaction& transaction, const JwtIdentity& identity,
                              const config::JwtSettings& settings, const domain::Caller& like, bool may_write,
                              std::int64_t now_us) {
  Owners owners(transaction, identity, settings, may_write, now_us);
  const bool admin = identity.is_admin();  // Needs no row of anybody.
  Result<std::string> user = admin ? identity.user_id : owners.user();
  if (!user) return base::fail(std::move(user.error()));
  Result<std::string> organization = admin ? std::string() : owners.organization();
  if (!organization) return base::fail(std::move(organization.error()));
  Result<std::vector<std::string>> teams = admin ? std::vector<std::string>() : owners.teams();
  if (!teams) return base::fail(std::move(teams.error()));
  if (Status kept = owners.keep_memberships(*user, *teams); !kept) return base::fail(std::move(kept.error()));
  JwtOwners found;
  found.lacks_rows = owners.lacks_rows;
  if (found.lacks_rows) return found;
  if (teams->empty()) teams->emplace_back();
  for (const std::string& team : *teams) {
    auto caller = std::make_shared<domain::Caller>(like);
    caller->user_id = *user;
    caller->team_id = team;
    caller->organization_id = *organization;
    if (Status added = add_owners(transaction, *caller); !added) return base::fail(std::move(added.error()));
    caller->role = role_of(identity, *caller);
    found.callers.push_back(std::move(caller));
  }
  return found;
}

}  // namespace turnpike::account
