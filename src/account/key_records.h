#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/key_row.h"
#include "account/record.h"
#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"

/// Keys inside one unit of work: what is done to them stands in the audit log and the change feed in the transaction
/// that does it. After the commit `in_records` tells this replica's I/O threads and its ledger.
namespace turnpike::account {

/// The key with its account as it is at `now_us`.
Result<std::optional<KeyRow>> find_key(db::Transaction& transaction, const std::string& hash,
                                       std::int64_t now_us = base::unix_now_us());
Result<std::optional<KeyRow>> find_key_by_alias(db::Transaction& transaction, const std::string& alias,
                                                std::int64_t now_us = base::unix_now_us());

/// Makes the key `row.hash` with `row.spend` as its opening balance. Who and when are the actor's.
/// Errors: InvalidRequest with `param` when hash or alias is taken, NotFound when the linked budget does not exist.
Result<KeyRow> create_key(Records& records, KeyRow row);

/// Writes every column; a changed limit or spend reaches the account. `before` is the row as it was read.
/// `action`: what the audit log says: "updated", "blocked", ...
/// Errors: as create_key; Unavailable when somebody else has changed the key since.
Result<KeyRow> update_key(Records& records, const KeyRow& before, KeyRow after, std::string_view action = "updated");

/// The key gets another secret: `after.hash` and `after.key_name` are the new ones; account, alias and spend stay. The
/// old one works until `old_until_us`, if that is given.
Result<KeyRow> rotate_key(Records& records, const KeyRow& before, KeyRow after,
                          std::optional<std::int64_t> old_until_us);

/// A copy with who and when goes to the deleted keys, the account is closed.
Status remove_key(Records& records, const KeyRow& row);

/// Secrets that were rotated away and whose time is over are forgotten; at most `most` at once. Returns how many.
Result<std::size_t> end_deprecated_keys(Records& records, std::size_t most);

}  // namespace turnpike::account
