#pragma once

#include <string>
#include <vector>

#include "account/key_row.h"
#include "db/database.h"

namespace turnpike::account {

/// The key table in SQL: one place that knows its columns and their order.
/// Selects from `verification_key k` with the key's account; add WHERE and ORDER BY.
const std::string& select_key();
const std::string& insert_key();  // key_values
/// key_values, then the hash and `updated_us` the row had when it was read.
const std::string& update_key_sql();

/// The account as it is at `now_us` (account_rows.h).
Result<KeyRow> read_key_row(db::Transaction& transaction, const db::Row& row, std::int64_t now_us);
Result<std::vector<KeyRow>> read_key_rows(db::Transaction& transaction, const db::Rows& rows, std::int64_t now_us);
std::vector<db::Value> key_values(const KeyRow& row);

}  // namespace turnpike::account
