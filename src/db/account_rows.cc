#include "db/account_rows.h"

#include <fmt/format.h>

namespace turnpike::db {
namespace {

constexpr std::int64_t kDatabaseReplica = 0;
constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;

Value limit_value(std::optional<Money> limit) {
  return limit ? Value(limit->nano()) : Value();
}

}  // namespace

Result<std::int64_t> open_account(Transaction& transaction, std::int16_t kind, const std::string& entity,
                                  std::optional<Money> limit) {
  const auto known = transaction.run("SELECT account_id FROM account WHERE kind = $1 AND entity = $2 AND model = ''",
                                     {std::int64_t{kind}, entity});
  if (!known) return base::fail(known.error());
  if (!known->rows.empty()) {
    const std::int64_t account_id = as_int(known->rows[0][0]);
    const auto reopened = transaction.run(
        "UPDATE account SET limit_nano = $2, closed_us = NULL, version = version + 1 WHERE account_id = $1",
        {account_id, limit_value(limit)});
    if (!reopened) return base::fail(reopened.error());
    return account_id;
  }
  const auto made = transaction.run(
      "INSERT INTO account (account_id, kind, entity, limit_nano)"
      " SELECT coalesce(max(account_id), 0) + 1, $1, $2, $3 FROM account RETURNING account_id",
      {std::int64_t{kind}, entity, limit_value(limit)});
  if (!made) return base::fail(made.error());
  const std::int64_t account_id = as_int(made->rows.at(0).at(0));
  const auto window =
      transaction.run("INSERT INTO account_window (account_id, window_id) VALUES ($1, 0)", {account_id});
  if (!window) return base::fail(window.error());
  return account_id;
}

Status set_account_limit(Transaction& transaction, std::int64_t account_id, std::optional<Money> limit) {
  const auto changed =
      transaction.run("UPDATE account SET limit_nano = $2, version = version + 1 WHERE account_id = $1",
                      {account_id, limit_value(limit)});
  if (!changed) return base::fail(changed.error());
  return {};
}

Result<std::int64_t> account_version(Transaction& transaction, std::int64_t account_id) {
  const auto rows = transaction.run("SELECT version FROM account WHERE account_id = $1", {account_id});
  if (!rows) return base::fail(rows.error());
  return rows->rows.empty() ? 0 : as_int(rows->rows[0][0]);
}

Status close_account(Transaction& transaction, std::int64_t account_id, std::int64_t now_us) {
  const auto changed = transaction.run("UPDATE account SET closed_us = $2, version = version + 1 WHERE account_id = $1",
                                       {account_id, now_us});
  if (!changed) return base::fail(changed.error());
  return {};
}

Result<Money> account_spend(Transaction& transaction, std::int64_t account_id) {
  const auto rows = transaction.run(
      "SELECT w.spent_nano FROM account a JOIN account_window w ON w.account_id = a.account_id AND w.window_id = "
      "a.window_id WHERE a.account_id = $1",
      {account_id});
  if (!rows) return base::fail(rows.error());
  return Money::from_nano(rows->rows.empty() ? 0 : as_int(rows->rows[0][0]));
}

Result<Money> set_account_spend(Transaction& transaction, std::int64_t account_id, Money spend, EntryKind kind,
                                const std::string& by, std::int64_t now_us) {
  const auto booked = account_spend(transaction, account_id);
  if (!booked) return base::fail(booked.error());
  const Money difference = spend - *booked;
  if (difference.nano() == 0) return difference;

  const auto number = transaction.run(
      "UPDATE replica SET shipped_no = shipped_no + 1 WHERE replica_no = $1 RETURNING shipped_no", {kDatabaseReplica});
  if (!number) return base::fail(number.error());
  const auto window = transaction.run(
      "UPDATE account SET version = version + 1 WHERE account_id = $1 RETURNING window_id", {account_id});
  if (!window) return base::fail(window.error());
  const std::int64_t window_id = window->rows.empty() ? 0 : as_int(window->rows[0][0]);
  const auto moved = transaction.run(
      "INSERT INTO account_window (account_id, window_id, spent_nano) VALUES ($1, $2, $3)"
      " ON CONFLICT (account_id, window_id) DO UPDATE SET spent_nano = account_window.spent_nano + excluded.spent_nano",
      {account_id, window_id, difference.nano()});
  if (!moved) return base::fail(moved.error());
  const auto noted = transaction.run(
      "INSERT INTO entry (day, replica_no, entry_no, kind, started_us, ended_us, status, cost_nano, user_id, accounts,"
      " end_reason) VALUES ($1, $2, $3, $4, $5, $5, 0, $6, $7, $8, 'adjusted')",
      {now_us / kMicrosecondsPerDay, kDatabaseReplica, as_int(number->rows.at(0).at(0)),
       std::int64_t{static_cast<std::int16_t>(kind)}, now_us, difference.nano(), by,
       fmt::format("[{},{}]", account_id, window_id)});
  if (!noted) return base::fail(noted.error());
  return difference;
}

}  // namespace turnpike::db
