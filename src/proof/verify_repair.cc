#include "proof/verify_repair.h"

#include <fmt/format.h>

#include <vector>

#include "base/clock.h"
#include "base/money.h"
#include "db/account_rows.h"
#include "proof/verify_equations.h"

namespace turnpike::proof {
namespace {

using db::as_int;

Result<db::Rows> run(db::Transaction& transaction, std::string_view sql) {
  return transaction.run(sql, {});
}

Status run_all(db::Transaction& transaction, std::initializer_list<std::string> statements) {
  for (const std::string& sql : statements) {
    if (const auto done = run(transaction, sql); !done) return base::fail(done.error());
  }
  return {};
}

Status check_none_set_aside(db::Transaction& transaction) {
  const auto rejected = run(transaction, "SELECT count(*) FROM entry_rejected");
  if (!rejected) return base::fail(rejected.error());
  const std::int64_t count = as_int(rejected->rows.at(0).at(0));
  if (count == 0) return {};
  return base::fail(ErrorKind::InvalidRequest,
                    fmt::format("{} entries stand in entry_rejected: what they cost is in the aggregates only, which "
                                "would lose it. Nothing was changed.",
                                count));
}

/// Aggregates of one day, whose entries are all there.
Status remake_day(db::Transaction& transaction, const Dialect& dialect, std::int64_t day) {
  const std::string of_day = fmt::format("day = {}", day);
  return run_all(
      transaction,
      {"DELETE FROM daily WHERE " + of_day,
       fmt::format("WITH {} INSERT INTO daily (day, entity_kind, entity, key_hash, model_group, model, provider, route,"
                   " cost_nano, calls, failed, cached, prompt_tokens, completion_tokens, cache_read_tokens, "
                   "cache_write_tokens) SELECT day, entity_kind, entity, key_hash, model_group, model, provider, route,"
                   " sum(cost_nano), sum(calls), sum(failed), 0, sum(prompt_tokens), sum(completion_tokens), "
                   "sum(cache_read_tokens), sum(cache_write_tokens) FROM lines GROUP BY day, entity_kind, entity, "
                   "key_hash, model_group, model, provider, route",
                   daily_lines(dialect, of_day)),
       "DELETE FROM deployment_day WHERE " + of_day,
       fmt::format("INSERT INTO deployment_day (day, deployment_id, model_group, model, provider, api_base, cost_nano, "
                   "calls, failed, rate_limited, prompt_tokens, completion_tokens) SELECT day, deployment_id, "
                   "coalesce(model_group, ''), coalesce(model, ''), coalesce(provider, ''), coalesce(api_base, ''), "
                   "sum(cost_nano), count(*), sum(CASE WHEN status <> 0 THEN 1 ELSE 0 END), sum(CASE WHEN http_status ="
                   " 429 THEN 1 ELSE 0 END), sum(prompt_tokens), sum(completion_tokens) FROM entry WHERE kind = 0 AND "
                   "deployment_id IS NOT NULL AND {} GROUP BY day, deployment_id, coalesce(model_group, ''), "
                   "coalesce(model, ''), coalesce(provider, ''), coalesce(api_base, '')",
                   of_day),
       fmt::format("DELETE FROM replica_day WHERE {} AND replica_no <> 0", of_day),
       fmt::format("INSERT INTO replica_day (replica_no, day, entries, cost_nano) SELECT replica_no, day, count(*), "
                   "sum(cost_nano) FROM entry WHERE {} AND replica_no <> 0 GROUP BY replica_no, day",
                   of_day)});
}

/// A total that is another than what its entries add up to, those that were dropped included.
struct WrongWindow {
  std::int64_t account_id = 0, window_id = 0;
  std::int64_t spent_nano = 0, right_nano = 0;
  std::int64_t right_calls = 0;
  bool in_tokens = false;
};

Result<std::vector<WrongWindow>> find_wrong_windows(db::Transaction& transaction, const Dialect& dialect) {
  const auto rows =
      run(transaction,
          fmt::format("WITH {}, sides AS (SELECT account, win, 0 AS spent, booked AS nano, 0 AS had, calls FROM pairs"
                      " UNION ALL SELECT account_id, window_id, spent_nano, "
                      "dropped_nano, calls, dropped_calls FROM account_window)"
                      " SELECT account, win, sum(spent), sum(nano), sum(calls), (SELECT k.kind FROM account k WHERE"
                      " k.account_id = account) FROM sides GROUP BY account, win"
                      " HAVING sum(spent) <> sum(nano) OR sum(had) <> sum(calls) ORDER BY account, win",
                      entry_pairs(dialect, "1 = 1")));
  if (!rows) return base::fail(rows.error());
  std::vector<WrongWindow> wrong;
  for (const db::Row& row : rows->rows) {
    const bool in_tokens = !db::is_null(row[5]) && domain::counts_tokens(static_cast<std::int16_t>(as_int(row[5])));
    wrong.push_back({as_int(row[0]), as_int(row[1]), as_int(row[2]), as_int(row[3]), as_int(row[4]), in_tokens});
  }
  return wrong;
}

/// No total changes without an entry: this one costs nothing, since the others say already what is right, and tells
/// what stood there before.
Status note_adjustment(db::Transaction& transaction, const WrongWindow& wrong, std::int64_t now_us) {
  const auto number =
      run(transaction, "UPDATE replica SET shipped_no = shipped_no + 1 WHERE replica_no = 0 RETURNING shipped_no");
  if (!number) return base::fail(number.error());
  const auto shown = [&wrong](std::int64_t nano) {
    return wrong.in_tokens ? fmt::format("{} tokens", nano) : Money::from_nano(nano).to_string();
  };
  const auto noted = transaction.run(
      "INSERT INTO entry (day, replica_no, entry_no, kind, started_us, ended_us, status, cost_nano, accounts, "
      "error_text, end_reason) VALUES ($1, 0, $2, $3, $4, $4, 0, 0, $5, $6, 'made_anew')",
      {now_us / base::kDayUs, as_int(number->rows.at(0).at(0)),
       std::int64_t{static_cast<std::int16_t>(db::EntryKind::Adjust)}, now_us,
       fmt::format("[{},{}]", wrong.account_id, wrong.window_id),
       fmt::format("spent was {}, is {}", shown(wrong.spent_nano), shown(wrong.right_nano))});
  return noted ? Status() : base::fail(noted.error());
}

Status correct(db::Transaction& transaction, const WrongWindow& wrong, std::int64_t now_us) {
  if (Status noted = note_adjustment(transaction, wrong, now_us); !noted) return noted;
  // Whoever knows the old total learns of it.
  const auto told =
      transaction.run("UPDATE account SET version = version + 1 WHERE account_id = $1", {wrong.account_id});
  if (!told) return base::fail(told.error());
  const auto set = transaction.run(
      "INSERT INTO account_window (account_id, window_id, spent_nano, calls) VALUES ($1, $2, $3, $4) ON CONFLICT "
      "(account_id, window_id) DO UPDATE SET spent_nano = excluded.spent_nano, calls = excluded.calls",
      {wrong.account_id, wrong.window_id, wrong.right_nano, wrong.right_calls});
  if (!set) return base::fail(set.error());
  const auto based =
      transaction.run("UPDATE escrow SET base_nano = base_nano + $3 WHERE account_id = $1 AND window_id = $2",
                      {wrong.account_id, wrong.window_id, wrong.right_nano - wrong.spent_nano});
  return based ? Status() : base::fail(based.error());
}

/// Sums of what is kept and of what was dropped.
Result<std::int64_t> remake_windows(db::Transaction& transaction, const Dialect& dialect) {
  const Result<std::vector<WrongWindow>> all = find_wrong_windows(transaction, dialect);
  if (!all) return base::fail(all.error());
  const std::int64_t now_us = base::unix_now_us();
  for (const WrongWindow& wrong : *all) {
    if (Status corrected = correct(transaction, wrong, now_us); !corrected) return base::fail(corrected.error());
  }
  return static_cast<std::int64_t>(all->size());
}

}  // namespace

Result<Repaired> repair_aggregates(db::Database& database) {
  const Dialect& dialect = dialect_of(database);
  Repaired repaired;
  const Status done = database.transact_now([&](db::Transaction& transaction) -> Status {
    repaired = {};
    if (database.is_shared()) {
      // What would be added meanwhile waits.
      if (Status held = run_all(transaction, {"LOCK TABLE entry IN SHARE MODE"}); !held) return held;
    }
    if (Status whole = check_none_set_aside(transaction); !whole) return whole;
    const auto days = run(transaction,
                          "SELECT DISTINCT day FROM (SELECT day FROM entry UNION SELECT day FROM daily "
                          "UNION SELECT day FROM replica_day) every WHERE " +
                              kept_days(std::nullopt));
    if (!days) return base::fail(days.error());
    for (const db::Row& row : days->rows) {
      if (Status made = remake_day(transaction, dialect, as_int(row[0])); !made) return made;
    }
    repaired.days = static_cast<std::int64_t>(days->rows.size());
    const Result<std::int64_t> windows = remake_windows(transaction, dialect);
    if (!windows) return base::fail(windows.error());
    repaired.windows = *windows;
    return {};
  });
  if (!done) return base::fail(done.error());
  return repaired;
}

}  // namespace turnpike::proof
