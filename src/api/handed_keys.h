#pragma once

#include "account/key_row.h"
#include "account/record.h"
#include "domain/caller.h"

/// Keys that are not made by the one they are for (AC-SEC-4). Whoever makes a key, or gives it another secret, knows
/// the secret: a key with all rights of its user would let an admin of a team act as anybody he takes into it.
namespace turnpike::api {

/// A key for somebody else, made by who is no proxy admin, calls models and reads itself: `row.allowed_routes` is set
/// to that where it is empty. Its user has no role of the whole gateway and, where `new_owner`, is a member of its
/// team. Nothing happens to one's own keys and to those without a user. Errors: PermissionDenied with the param user_id
/// or allowed_routes; the database's.
Status confine_handed_key(account::Records& records, const domain::Caller& caller, bool new_owner,
                          account::KeyRow& row);

/// A key outside of teams that is asked for by a key of a team has what the team has, wherever neither `row` nor its
/// user's own row says: else leaving out the team would lift its limits.
/// Errors: the database's.
Status keep_within_team(account::Records& records, const domain::Caller& caller, account::KeyRow& row);

}  // namespace turnpike::api
