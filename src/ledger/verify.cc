#include "ledger/verify.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/id.h"
#include "ledger/replay.h"
#include "ledger/ship_batch.h"

namespace turnpike::ledger {
namespace {

using db::as_int;
using db::as_text;

/// A query that returns the rows of an equation whose two sides differ, two figures last.
struct Equation {
  std::string name;
  std::string what;
  std::string count_sql;  // How many things were compared.
  std::string sql;
};

// All entries by number, also those the database could not take as they are.
constexpr std::string_view kNumbers =
    "numbers AS (SELECT replica_no, entry_no FROM entry UNION ALL SELECT replica_no, entry_no FROM entry_rejected)";

/// JSON is where the two databases differ most.
struct Dialect {
  std::string_view account_at;  // Elements of a flat list of whole numbers: value and place, as `a`.
  std::string_view window_at;   // The same as `w`.
  std::string_view is_account;  // Holds for the first of each pair.
  std::string_view tags;        // Elements of the list of texts c.tags, as `t`.
  std::string_view attempts_cost;
  std::string_view queries;
};

constexpr Dialect kSqlite = {
    "json_each(rows.accounts) a",
    "json_each(rows.accounts) w",
    "a.key % 2 = 0",
    "json_each(c.tags) t",
    "(SELECT sum(json_extract(value, '$.cost_nano')) FROM json_each(attempts))",
    "json_extract(usage, '$.queries')",
};
constexpr Dialect kPostgres = {
    "jsonb_array_elements_text(rows.accounts::jsonb) WITH ORDINALITY a(value, key)",
    "jsonb_array_elements_text(rows.accounts::jsonb) WITH ORDINALITY w(value, key)",
    "a.key % 2 = 1",
    "jsonb_array_elements_text(c.tags::jsonb) t(value)",
    "(SELECT sum((value->>'cost_nano')::bigint) FROM jsonb_array_elements(attempts::jsonb) AS each(value))",
    "(usage::jsonb->>'queries')::bigint",
};

/// What each entry adds to which account and window: `accounts` is a flat list of pairs.
std::string pairs(const Dialect& dialect) {
  return fmt::format(
      "rows AS (SELECT accounts, cost_nano, kind FROM entry UNION ALL SELECT accounts, cost_nano, 0 FROM"
      " entry_rejected), pairs AS (SELECT CAST(a.value AS BIGINT) AS account, CAST(w.value AS BIGINT) AS win, "
      "cost_nano,"
      " kind FROM rows, {}, {} WHERE {} AND w.key = a.key + 1)",
      dialect.account_at, dialect.window_at, dialect.is_account);
}

/// The aggregates as the rows say they must be, one line for each entity that a row counts for.
std::string daily_rows(const Dialect& dialect) {
  return fmt::format(
      "calls AS (SELECT day, replica_no, entry_no, coalesce(key_hash, '') AS key_hash, user_id, team_id, "
      "organization_id,"
      " end_user, tags, coalesce(model_group, '') AS model_group, coalesce(model, '') AS model,"
      " coalesce(provider, '') AS provider, coalesce(route, '') AS route, cost_nano, 1 AS calls,"
      " CASE WHEN status <> 0 THEN 1 ELSE 0 END AS failed,"
      " prompt_tokens + completion_tokens + cache_read_tokens + cache_write_tokens AS tokens FROM entry WHERE kind = "
      "0),"
      " tagged AS (SELECT DISTINCT c.*, t.value AS tag FROM calls c, {} WHERE t.value <> ''),"
      " lines AS (SELECT 6 AS entity_kind, key_hash AS entity, c.* FROM calls c"
      " UNION ALL SELECT 5, user_id, c.* FROM calls c WHERE user_id IS NOT NULL"
      " UNION ALL SELECT 3, team_id, c.* FROM calls c WHERE team_id IS NOT NULL"
      " UNION ALL SELECT 2, organization_id, c.* FROM calls c WHERE organization_id IS NOT NULL"
      " UNION ALL SELECT 7, end_user, c.* FROM calls c WHERE end_user IS NOT NULL"
      " UNION ALL SELECT 8, tag, day, replica_no, entry_no, key_hash, user_id, team_id, organization_id, end_user, "
      "tags,"
      " model_group, model, provider, route, cost_nano, calls, failed, tokens FROM tagged)",
      dialect.tags);
}

/// One measure of `daily` against the rows, in both directions.
Equation daily_equation(const Dialect& dialect, std::string what, std::string_view of_daily, std::string_view of_row) {
  constexpr std::string_view kKey = "day, entity_kind, entity, key_hash, model_group, model, provider, route";
  return {"V5", std::move(what), "SELECT count(*) FROM daily",
          fmt::format("WITH {}, sides AS (SELECT {}, {} AS total, 0 AS summed FROM daily"
                      " UNION ALL SELECT {}, 0, {} FROM lines)"
                      " SELECT 'day ' || day || ' kind ' || entity_kind || ' ' || entity || ' group ' || model_group,"
                      " sum(total), sum(summed) FROM sides WHERE NOT EXISTS (SELECT 1 FROM entry_rejected)"
                      " GROUP BY {} HAVING sum(total) <> sum(summed)",
                      daily_rows(dialect), kKey, of_daily, kKey, of_row, kKey)};
}

Equation window_equation(const Dialect& dialect, std::string what, std::string_view of_window,
                         std::string_view of_pair) {
  return {"V4", std::move(what), "SELECT count(*) FROM account_window",
          fmt::format("WITH {}, sides AS (SELECT account_id AS account, window_id AS win, {} AS total, 0 AS summed"
                      " FROM account_window UNION ALL SELECT account, win, 0, {} FROM pairs)"
                      " SELECT 'account ' || account || ' window ' || win, sum(total), sum(summed) FROM sides"
                      " GROUP BY account, win HAVING sum(total) <> sum(summed)",
                      pairs(dialect), of_window, of_pair)};
}

Equation replica_equation(std::string what, std::string_view of_day, std::string_view of_row) {
  return {"V6", std::move(what), "SELECT count(*) FROM replica_day",
          fmt::format("WITH sides AS (SELECT replica_no, day, {} AS total, 0 AS summed FROM replica_day"
                      " UNION ALL SELECT replica_no, day, 0, {} FROM entry WHERE replica_no <> 0)"
                      " SELECT 'replica ' || replica_no || ' day ' || day, sum(total), sum(summed) FROM sides"
                      " WHERE replica_no NOT IN (SELECT replica_no FROM entry_rejected)"
                      " GROUP BY replica_no, day HAVING sum(total) <> sum(summed)",
                      of_day, of_row)};
}

std::vector<Equation> equations(const Dialect& dialect) {
  return {
      {"V1", "entry numbers go 1, 2, 3, ... without a hole or a double, per replica", "SELECT count(*) FROM entry",
       fmt::format("WITH {}, steps AS (SELECT replica_no, entry_no, lag(entry_no, 1, CAST(0 AS BIGINT)) OVER "
                   "(PARTITION BY replica_no"
                   " ORDER BY entry_no) AS before FROM numbers)"
                   " SELECT 'replica ' || replica_no || ' after entry ' || before, before + 1, entry_no FROM steps"
                   " WHERE entry_no <> before + 1",
                   kNumbers)},
      {"V1", "the last entry number is shipped_no, per replica", "SELECT count(*) FROM replica",
       fmt::format("WITH {} SELECT 'replica ' || r.replica_no, r.shipped_no, coalesce(max(n.entry_no), 0)"
                   " FROM replica r LEFT JOIN numbers n ON n.replica_no = r.replica_no"
                   " GROUP BY r.replica_no, r.shipped_no HAVING r.shipped_no <> coalesce(max(n.entry_no), 0)",
                   kNumbers)},
      window_equation(dialect, "totals of each account and window = sum of the entries that name it",
                      "spent_nano - dropped_nano", "cost_nano"),
      window_equation(dialect, "calls of each account and window = calls that name it", "calls - dropped_calls",
                      "CASE WHEN kind = 0 THEN 1 ELSE 0 END"),
      daily_equation(dialect, "daily cost of each entity, key, group, model, provider and route = its rows",
                     "cost_nano", "cost_nano"),
      daily_equation(dialect, "daily calls = its rows", "calls", "calls"),
      daily_equation(dialect, "daily failed calls = its rows", "failed", "failed"),
      daily_equation(dialect, "daily tokens = its rows",
                     "prompt_tokens + completion_tokens + cache_read_tokens + cache_write_tokens", "tokens"),
      {"V5", "all daily sums together = all rows", "SELECT count(*) FROM entry WHERE kind = 0",
       "SELECT 'all days', d.nano, e.nano FROM (SELECT coalesce(sum(cost_nano), 0) AS nano FROM daily"
       " WHERE entity_kind = 6) d, (SELECT (SELECT coalesce(sum(cost_nano), 0) FROM entry WHERE kind = 0)"
       " + (SELECT coalesce(sum(cost_nano), 0) FROM entry_rejected) AS nano) e WHERE d.nano <> e.nano"},
      replica_equation("entries of each replica's days = its rows", "entries", "1"),
      replica_equation("cost of each replica's days = its rows", "cost_nano", "cost_nano"),
      {"V8", "cost of each call = sum of its attempts, where several stand in the row",
       "SELECT count(*) FROM entry WHERE attempts IS NOT NULL",
       fmt::format("SELECT 'replica ' || replica_no || ' entry ' || entry_no, cost_nano, {0} AS nano FROM entry"
                   " WHERE attempts IS NOT NULL AND cost_nano <> {0}",
                   dialect.attempts_cost)},
      {"V8", "no call costs less than nothing, and a single attempt without a price costs nothing, but beside a search",

       "SELECT count(*) FROM entry WHERE kind = 0",
       fmt::format(
           "SELECT 'replica ' || replica_no || ' entry ' || entry_no, cost_nano, 0 FROM entry WHERE kind = 0 AND"
           " (cost_nano < 0 OR (cost_nano <> 0 AND (marks & {}) <> 0 AND attempts IS NULL AND"
           " coalesce({}, 0) = 0))",
           std::uint64_t{domain::kCostUnknown}, dialect.queries)},
  };
}

constexpr std::size_t kShownMax = 3;

Result<Check> check(db::Transaction& transaction, const Equation& equation) {
  Check result{equation.name, equation.what, true, {}};
  const auto counted = transaction.run(equation.count_sql, {});
  if (!counted) return base::fail(counted.error());
  const auto differing = transaction.run(equation.sql, {});
  if (!differing) return base::fail(differing.error());
  result.agrees = differing->rows.empty();
  if (result.agrees) {
    result.detail = fmt::format("{} compared", as_int(counted->rows.at(0).at(0)));
    return result;
  }
  result.detail = fmt::format("{} differ", differing->rows.size());
  for (std::size_t i = 0; i < std::min(differing->rows.size(), kShownMax); ++i) {
    const db::Row& row = differing->rows[i];
    result.detail +=
        fmt::format("; {}: {} on one side, {} on the other", as_text(row[0]), as_int(row[1]), as_int(row[2]));
  }
  return result;
}

/// V3: what the journal says of itself.
Check check_holds(const Replay& replay) {
  Check whole{"V3", "every hold of the journal has one entry or belongs to a running call, and nothing is missing",
              true, fmt::format("{} open", replay.open_holds.size())};
  for (const auto& [from, to] : replay.gaps) {
    whole.agrees = false;
    whole.detail += fmt::format("; records {} to {} are missing", from, to);
  }
  for (const std::string& file : replay.damaged_files) {
    whole.agrees = false;
    whole.detail += fmt::format("; {} is damaged", file);
  }
  for (std::size_t i = 0; i < std::min(replay.doubled_holds.size(), kShownMax); ++i) {
    whole.detail += fmt::format("; hold {} has several entries", replay.doubled_holds[i]);
  }
  whole.agrees = whole.agrees && replay.doubled_holds.empty();
  return whole;
}

/// V2: the entries of kept segments against their rows, column by column.
class RowCheck {
 public:
  RowCheck(db::Transaction& transaction, std::int64_t replica_no)
      : transaction_(transaction), replica_no_(replica_no) {}

  Status compare(std::uint64_t number, std::string_view payload) {
    const auto row = decode_row(payload);
    if (!row) return {};  // A newer version's.
    entry_values(*row, replica_no_, values_);
    const auto stored = transaction_.run(
        "SELECT " + entry_columns() + " FROM entry WHERE day = $1 AND replica_no = $2 AND entry_no = $3",
        {row->day(), replica_no_, static_cast<std::int64_t>(number)});
    if (!stored) return base::fail(stored.error());
    ++compared_;
    if (stored->rows.empty()) {
      const auto set_aside = transaction_.run("SELECT 1 FROM entry_rejected WHERE replica_no = $1 AND entry_no = $2",
                                              {replica_no_, static_cast<std::int64_t>(number)});
      if (!set_aside) return base::fail(set_aside.error());
      if (set_aside->rows.empty()) differs(number, "no row");
      return {};
    }
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (stored->rows[0][i] == values_[i]) continue;
      differs(number, stored->columns[i] + " differs");
      return {};
    }
    return {};
  }

  Check result() const {
    return {"V2", "every shipped entry of a kept segment has its row, equal column by column", differing_ == 0,
            fmt::format("{} compared", compared_) + detail_};
  }

 private:
  void differs(std::uint64_t number, const std::string& how) {
    if (++differing_ <= kShownMax) detail_ += fmt::format("; entry {}: {}", number, how);
  }

  db::Transaction& transaction_;
  std::int64_t replica_no_;
  std::vector<db::Value> values_;
  std::uint64_t compared_ = 0, differing_ = 0;
  std::string detail_;
};

/// V2 and V3: the kept journal against the rows.
Status check_journal(db::Transaction& transaction, const std::string& journal_dir, std::vector<Check>& checks) {
  const auto replay = replay_journal(journal_dir, true);
  if (!replay) return base::fail(replay.error());
  checks.push_back(check_holds(*replay));
  const auto sound = std::find_if(replay->segments.rbegin(), replay->segments.rend(),
                                  [](const KeptSegment& segment) { return !segment.header_damaged; });
  if (sound == replay->segments.rend()) return {};
  const auto replica = transaction.run("SELECT replica_no, shipped_no FROM replica WHERE journal_id = $1",
                                       {base::Id128{sound->header.journal_id}.to_string()});
  if (!replica) return base::fail(replica.error());
  if (replica->rows.empty()) {
    checks.push_back({"V2", "the database knows the journal", false, "it does not"});
    return {};
  }
  const auto shipped_no = static_cast<std::uint64_t>(as_int(replica->rows[0][1]));
  RowCheck rows(transaction, as_int(replica->rows[0][0]));
  Status compared;
  const Status read =
      read_entries(replay->segments, 1, shipped_no, [&](std::uint64_t number, std::string_view payload) {
        compared = rows.compare(number, payload);
        return compared.has_value();
      });
  if (!compared) return compared;
  if (!read) return read;
  Check result = rows.result();
  if (replay->max_entry_no > shipped_no) {
    result.detail += fmt::format(", {} not shipped yet", replay->max_entry_no - shipped_no);
  }
  checks.push_back(std::move(result));
  return {};
}

}  // namespace

Result<std::vector<Check>> verify_ledger(db::Database& database, const std::string& journal_dir) {
  std::vector<Check> checks;
  const Dialect& dialect = database.description() == "sqlite" ? kSqlite : kPostgres;
  const Status status = database.read_now([&](db::Transaction& transaction) -> Status {
    checks.clear();
    for (const Equation& equation : equations(dialect)) {
      auto result = check(transaction, equation);
      if (!result) return base::fail(result.error());
      checks.push_back(std::move(*result));
    }
    if (journal_dir.empty()) return {};
    return check_journal(transaction, journal_dir, checks);
  });
  if (!status) return base::fail(status.error());
  return checks;
}

std::string format_checks(const std::vector<Check>& checks) {
  std::string text;
  std::size_t wrong = 0;
  for (const Check& item : checks) {
    text += fmt::format("{} {:<4} {} ({})\n", item.agrees ? "ok  " : "FAIL", item.name, item.what, item.detail);
    wrong += item.agrees ? 0 : 1;
  }
  text += wrong == 0 ? "The ledger agrees with itself.\n" : fmt::format("{} equations do not hold.\n", wrong);
  return text;
}

}  // namespace turnpike::ledger
