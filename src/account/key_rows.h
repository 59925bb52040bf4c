#pragma once

#include <string_view>
#include <vector>

#include "account/key_store.h"
#include "db/database.h"

namespace turnpike::account {

/// The key table in SQL: one place that knows its columns and their order.
/// Selects from `verification_key k` with the booked spend of the key's account; add WHERE and ORDER BY.
extern const std::string_view kSelectKey;
extern const std::string_view kInsertKey;  // key_values
extern const std::string_view kUpdateKey;  // key_values; every column but hash, account_id, created_*.
extern const std::string_view
    kKeepDeletedKey;  // $1 hash, $2 spend, $3 by, $4 when: copies the row before it is deleted.

KeyRow read_key_row(const db::Row& row);
std::vector<db::Value> key_values(const KeyRow& row);

}  // namespace turnpike::account
