#include "db/postgres_days.h"

#include "base/clock.h"

#include <fmt/format.h>

#include <initializer_list>

namespace turnpike::db {
namespace {

constexpr std::int64_t kDaysAhead = 7;

constexpr std::int64_t kMaintenanceLock = 0x7475726e70696b66;  // One after that of changes.

Status run_all(Transaction& transaction, std::initializer_list<std::string> statements) {
  for (const std::string& sql : statements) {
    if (const auto done = transaction.run(sql, {}); !done) return base::fail(done.error());
  }
  return {};
}

}  // namespace

std::string entry_day_table(std::int64_t day) {
  return day < 0 ? fmt::format("entry_before_{}", -day) : fmt::format("entry_{}", day);
}

Status make_entry_day(Transaction& transaction, std::int64_t day) {
  const std::string part = entry_day_table(day);
  const auto known = transaction.run("SELECT to_regclass($1) IS NOT NULL", {part});
  if (!known) return base::fail(known.error());
  if (as_int(known->rows.at(0).at(0)) != 0) return {};
  // Made apart and then attached: that locks `entry` against nobody who reads or writes it.
  for (const std::string& sql :
       {fmt::format("CREATE TABLE {} (LIKE entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", part),
        fmt::format("ALTER TABLE entry ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})", part, day, day + 1)}) {
    if (const auto done = transaction.run(sql, {}); !done) return base::fail(done.error());
  }
  return {};
}

Status make_coming_entry_days(Transaction& transaction, std::int64_t now_us) {
  const std::int64_t today = now_us / base::kDayUs;
  for (std::int64_t day = today; day <= today + kDaysAhead; ++day) {
    if (Status made = make_entry_day(transaction, day); !made) return made;
  }
  return {};
}

Result<std::vector<std::int64_t>> entry_days_before(Transaction& transaction, std::int64_t day) {
  const auto rows = transaction.run(
      "SELECT day FROM (SELECT CASE WHEN relname LIKE 'entry_before_%' THEN -CAST(substr(relname, 14) AS BIGINT) ELSE"
      " CAST(substr(relname, 7) AS BIGINT) END AS day FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
      " WHERE inhparent = to_regclass('entry') AND relname ~ '^entry_(before_)?[0-9]+$') parts WHERE day < $1 ORDER BY "
      "day",
      {day});
  if (!rows) return base::fail(rows.error());
  std::vector<std::int64_t> days;
  for (const Row& row : rows->rows) days.push_back(as_int(row[0]));
  return days;
}

Result<bool> hold_entry_day(Transaction& transaction, std::int64_t day) {
  const auto mine = transaction.run(fmt::format("SELECT pg_try_advisory_xact_lock({})", kMaintenanceLock), {});
  if (!mine) return base::fail(mine.error());
  if (as_int(mine->rows.at(0).at(0)) == 0) return false;
  const std::string part = entry_day_table(day);
  const auto known = transaction.run("SELECT to_regclass($1) IS NOT NULL", {part});
  if (!known) return base::fail(known.error());
  if (as_int(known->rows.at(0).at(0)) == 0) return false;  // Another process was faster.
  if (Status held =
          run_all(transaction, {"SET LOCAL lock_timeout = '2s'", fmt::format("LOCK TABLE {} IN SHARE MODE", part)});
      !held) {
    return base::fail(std::move(held.error()));
  }
  return true;
}

Status drop_entry_day(Transaction& transaction, std::int64_t day) {
  const std::string part = entry_day_table(day);
  return run_all(transaction,
                 {fmt::format("SELECT pg_advisory_xact_lock({})", kPostgresChangeLock),
                  fmt::format("ALTER TABLE entry DETACH PARTITION {}", part), fmt::format("DROP TABLE {}", part)});
}

}  // namespace turnpike::db
