#pragma once

#include "account/record.h"
#include "account/team_roster.h"
#include "api/context.h"
#include "api/permission.h"
#include "api/record_fields.h"
#include "json/document.h"

/// What bodies of team routes say, and how much of it their sender may say.
namespace turnpike::api {

/// The body of a management route; an empty one is `{}`.
Status parse_body(const Context& context, json::Document& document);

/// The team a body or a query names. Errors: NotFound with LiteLLM's text.
Result<account::Record> get_team(account::Records& records, const std::string& team_id);

/// Lays the body over the team.
Result<Applied> apply_team_body(const json::Value& body, account::Record& team);

/// What the body gives to the team, for `grant_within`. `before`: null for a new team.
Grant grant_of(const json::Value& body, const account::Record* before, const account::Record& team);

/// Whether the caller stands above the team: the administrator, or an administrator of its organisation. A team's own
/// admins hold what the team has, so that they can share it out and cannot add to it (AC-SEC-4).
Result<bool> stands_above(account::Records& records, const domain::Caller& caller, const account::Record& team);
/// Refuses what would give the team more than it had.
Status only_less(const account::Record& before, const account::Record& after);

/// How the stored names of the team's own models begin (stored_models.cc).
std::string own_model_prefix(const account::Record& team);

/// `metadata.team_member_key_duration`; nothing: keys of the team live as long as they say.
std::optional<std::int64_t> team_key_seconds(const account::Record& team);

/// team_member_budget and its companions: one budget that every member without one of his own is held to. Its id stands
/// in the team's metadata; the team is to be written after this.
Status apply_member_budget(account::Records& records, const json::Value& body, account::Record& team);
/// That id; empty: there is none.
std::string member_budget_of(const account::Record& team);

/// Errors: InvalidRequest naming what no team can open to its members. team_settings.cc
Status check_member_permissions(const std::vector<std::string>& permissions);

/// Teams that any user may join (`default_internal_user_params.available_teams`).
std::vector<std::string> available_teams(const Context& context);

}  // namespace turnpike::api
