#include "ledger/verify_repair.h"

#include <fmt/format.h>

#include "ledger/verify_equations.h"

namespace turnpike::ledger {
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

/// Sums of what is kept and of what was dropped.
Result<std::int64_t> remake_windows(db::Transaction& transaction, const Dialect& dialect) {
  const auto changed =
      run(transaction,
          fmt::format(
              "WITH {}, sums AS (SELECT account, win, sum(cost_nano) AS nano, sum(CASE WHEN kind = 0 THEN 1 ELSE 0 "
              "END) AS calls FROM pairs GROUP BY account, win), booked AS (SELECT t.account_id AS account, "
              "t.window_id AS win, coalesce(s.nano, 0) AS nano, coalesce(s.calls, 0) AS calls FROM account_window t"
              " LEFT JOIN sums s ON s.account = t.account_id AND s.win = t.window_id)"
              " UPDATE account_window SET spent_nano = dropped_nano + booked.nano, calls = dropped_calls + "
              "booked.calls FROM booked WHERE account_id = booked.account AND window_id = booked.win AND (spent_nano"
              " <> dropped_nano + booked.nano OR account_window.calls <> dropped_calls + booked.calls)",
              entry_pairs(dialect, "1 = 1")));
  if (!changed) return base::fail(changed.error());
  return changed->changed;
}

}  // namespace

Result<Repaired> repair_aggregates(db::Database& database) {
  const bool sqlite = database.description() == "sqlite";
  const Dialect& dialect = dialect_of(database.description());
  Repaired repaired;
  const Status done = database.transact_now([&](db::Transaction& transaction) -> Status {
    repaired = {};
    if (!sqlite) {
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

}  // namespace turnpike::ledger
