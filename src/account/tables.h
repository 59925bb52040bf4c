#pragma once

#include "account/record.h"

/// The tables of migrations 3 and 4 as `Records` works with them.
namespace turnpike::account {

extern const Table kBudgets;              // budget_id
extern const Table kOrganizations;        // organization_id
extern const Table kOrganizationMembers;  // organization_id, user_id
extern const Table kTeams;                // team_id
extern const Table kTeamMembers;          // team_id, user_id
extern const Table kUsers;                // user_id
extern const Table kEndUsers;             // user_id
extern const Table kTags;                 // tag_name
extern const Table kAccessGroups;         // access_group_id
extern const Table kModels;               // model_id
extern const Table kCredentials;          // credential_name
extern const Table kConfigRows;           // param_name
extern const Table kInvitations;          // id

}  // namespace turnpike::account
