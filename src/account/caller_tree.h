#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/database.h"
#include "domain/caller.h"

/// Who stands behind a key or a token: one unit of work reads the key, its team, his membership, the user and the
/// organisation, and makes the snapshot that calls work with.
namespace turnpike::account {

struct ReadCaller {
  domain::CallerRef caller;           // Null: nobody has this key.
  std::optional<std::int64_t> until;  // Unix microseconds: a key that was replaced is let in until then.
};

/// By the hash of the secret. A key that was regenerated with a grace period is its successor until the grace ends.
Result<ReadCaller> read_caller(db::Transaction& transaction, const std::string& hash, std::int64_t now_us);

/// Completes a caller of whom `user_id`, `team_id` and `organization_id` are set (and what his key says): role, names,
/// lists of models, aliases, accounts. Those that have no row add nothing.
Status add_owners(db::Transaction& transaction, domain::Caller& caller);

/// An end user or a tag that has a row of its own.
struct Spender {
  domain::CallerAccount account;
  std::optional<domain::CallerAccount> tokens;  // That of its budget in tokens.
  bool blocked = false;
  domain::CallerLimits limits;
};
constexpr std::int16_t kEndUserKind = 7;  // Spec money 4.
constexpr std::int16_t kTagKind = 8;

}  // namespace turnpike::account
