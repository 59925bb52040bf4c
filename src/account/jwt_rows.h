#pragma once

#include <vector>

#include "account/jwt_claims.h"
#include "account/record.h"
#include "db/database.h"
#include "domain/caller.h"

namespace turnpike::account {

/// Who stands behind a token: a caller for each team that it may speak for, in the order of the token, or one for its
/// user alone.
struct JwtOwners {
  std::vector<domain::CallerRef> callers;
  bool lacks_rows = false;  // Rows that the settings would make are missing: again inside of `transact`.
};

/// Finds the rows that `identity` names, and makes those that may be made (`may_write`).
///
/// Errors: Unauthenticated for a user, PermissionDenied for teams that do not exist and may not be made; the
///         database's own.
Result<JwtOwners> find_owners(db::Transaction& transaction, const JwtIdentity& identity,
                              const config::JwtSettings& settings, const domain::Caller& like, bool may_write,
                              std::int64_t now_us);

}  // namespace turnpike::account
