#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/money.h"
#include "db/database.h"

namespace turnpike::db {

/// What administrators do to ledger accounts, as statements inside the transaction that changes the entity itself.
/// Sums stay provable: an edited spend is an entry of its own, numbered by replica 0, which stands for the database.
/// Order of tables in every transaction: replica, account, account_window, entry, daily.
enum class EntryKind : std::int16_t { Call = 0, Adjust = 1, WriteOff = 2, Opening = 3 };

/// The account of (kind, entity), made on first use; reopened when it was closed. Returns its id.
Result<std::int64_t> open_account(Transaction& transaction, std::int16_t kind, const std::string& entity,
                                  std::optional<Money> limit);
Status set_account_limit(Transaction& transaction, std::int64_t account_id, std::optional<Money> limit);
/// How often the account has been edited: rises with its limit, its spend, its end and its return.
Result<std::int64_t> account_version(Transaction& transaction, std::int64_t account_id);
Status close_account(Transaction& transaction, std::int64_t account_id, std::int64_t now_us);
/// Booked so far in the account's running window; unshipped entries of the process are not in it.
Result<Money> account_spend(Transaction& transaction, std::int64_t account_id);
/// Books `spend - booked` as an entry of `kind` and returns that difference.
Result<Money> set_account_spend(Transaction& transaction, std::int64_t account_id, Money spend, EntryKind kind,
                                const std::string& by, std::int64_t now_us);

}  // namespace turnpike::db
