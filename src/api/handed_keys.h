#pragma once

#include "account/key_row.h"
#include "account/record.h"
#include "domain/caller.h"

/// Keys that are not made by the one they are for (AC-SEC-4). Whoever makes a key, or gives it another secret, knows
/// the secret: a key with all rights of its user would let an admin of a team act as anybody he takes into it.
namespace turnpike::api {

/// Marks a key that somebody else than its user makes, renews or gives to him as `handed_over`: it is billed to the
/// user, calls models and manages itself, and speaks for nobody. Proxy admins make keys that do; so does the user when
/// he renews it. Such a user has no role of the whole gateway and is a member of the key's team.
/// `before`: null for a new key. `row` has its new hash.
/// Errors: PermissionDenied, param user_id; the database's.
Status may_hand_over(account::Records& records, const domain::Caller& caller, const account::KeyRow* before,
                     account::KeyRow& row);

/// A key outside of teams that is asked for by a key of a team has what the team has, wherever neither `row` nor its
/// user's own row says: else leaving out the team would lift its limits.
/// Errors: the database's.
Status keep_within_team(account::Records& records, const domain::Caller& caller, account::KeyRow& row);

}  // namespace turnpike::api
