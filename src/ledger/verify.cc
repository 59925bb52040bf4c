#include "ledger/verify.h"

#include <fmt/format.h>

#include <unordered_map>

#include "base/id.h"
#include "ledger/replay.h"

namespace turnpike::ledger {
namespace {

using db::as_int;
using db::as_text;

/// A query that returns the rows of an equation whose two sides differ, two figures last.
struct Equation {
  const char* name;
  const char* what;
  const char* count_sql;  // How many things were compared.
  const char* sql;
};

constexpr Equation kEquations[] = {
    {"V1", "entry numbers 1..shipped_no are all there, per replica", "SELECT count(*) FROM replica",
     "SELECT 'replica ' || r.replica_no, r.shipped_no, (SELECT count(*) FROM entry e WHERE e.replica_no = "
     "r.replica_no) + "
     "(SELECT count(*) FROM entry_rejected j WHERE j.replica_no = r.replica_no) AS rows FROM replica r WHERE "
     "r.shipped_no "
     "<> (SELECT count(*) FROM entry e WHERE e.replica_no = r.replica_no) + (SELECT count(*) FROM entry_rejected j "
     "WHERE "
     "j.replica_no = r.replica_no)"},
    {"V4", "totals of each account and window = sum of the entries that name it", "SELECT count(*) FROM account_window",
     "SELECT 'account ' || w.account_id || ' window ' || w.window_id, w.spent_nano, coalesce(s.nano, 0) + "
     "w.dropped_nano "
     "FROM account_window w LEFT JOIN (SELECT a, w, sum(cost_nano) AS nano FROM (SELECT json_extract(accounts, '$[' || "
     "(2 * p.i) || ']') AS a, json_extract(accounts, '$[' || (2 * p.i + 1) || ']') AS w, cost_nano FROM (SELECT "
     "accounts, "
     "cost_nano FROM entry UNION ALL SELECT accounts, cost_nano FROM entry_rejected) rows JOIN (SELECT 0 AS i UNION "
     "ALL "
     "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION "
     "ALL "
     "SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10 UNION ALL SELECT 11 UNION ALL SELECT 12 UNION "
     "ALL "
     "SELECT 13 UNION ALL SELECT 14 UNION ALL SELECT 15) p ON 2 * p.i < json_array_length(accounts)) GROUP BY a, w) s "
     "ON "
     "s.a = w.account_id AND s.w = w.window_id WHERE w.spent_nano <> coalesce(s.nano, 0) + w.dropped_nano"},
    {"V4", "calls of each account and window = entries of calls that name it", "SELECT count(*) FROM account_window",
     "SELECT 'account ' || w.account_id || ' window ' || w.window_id, w.calls, coalesce(s.calls, 0) + w.dropped_calls "
     "FROM "
     "account_window w LEFT JOIN (SELECT a, w, count(*) AS calls FROM (SELECT json_extract(accounts, '$[' || (2 * p.i) "
     "|| "
     "']') AS a, json_extract(accounts, '$[' || (2 * p.i + 1) || ']') AS w FROM (SELECT accounts FROM entry WHERE kind "
     "= 0 "
     "UNION ALL SELECT accounts FROM entry_rejected) rows JOIN (SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 "
     "UNION "
     "ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 "
     "UNION ALL "
     "SELECT 9 UNION ALL SELECT 10 UNION ALL SELECT 11 UNION ALL SELECT 12 UNION ALL SELECT 13 UNION ALL SELECT 14 "
     "UNION "
     "ALL SELECT 15) p ON 2 * p.i < json_array_length(accounts)) GROUP BY a, w) s ON s.a = w.account_id AND s.w = "
     "w.window_id WHERE w.calls <> coalesce(s.calls, 0) + w.dropped_calls"},
    {"V5", "daily sums per key = sums of the day's rows", "SELECT count(*) FROM daily WHERE entity_kind = 6",
     "SELECT 'day ' || d.day || ' key ' || d.key_hash || ' group ' || d.model_group, d.cost_nano, coalesce(s.nano, 0) "
     "FROM "
     "daily d LEFT JOIN (SELECT day, coalesce(key_hash, '') AS k, coalesce(model_group, '') AS g, coalesce(model, '') "
     "AS "
     "m, coalesce(provider, '') AS p, coalesce(route, '') AS r, sum(cost_nano) AS nano, count(*) AS calls FROM entry "
     "WHERE "
     "kind = 0 GROUP BY 1, 2, 3, 4, 5, 6) s ON s.day = d.day AND s.k = d.key_hash AND s.g = d.model_group AND s.m = "
     "d.model "
     "AND s.p = d.provider AND s.r = d.route WHERE d.entity_kind = 6 AND (d.cost_nano <> coalesce(s.nano, 0) OR "
     "d.calls <> "
     "coalesce(s.calls, 0)) AND NOT EXISTS (SELECT 1 FROM entry_rejected)"},
    {"V5", "all daily sums together = all rows", "SELECT count(*) FROM entry WHERE kind = 0",
     "SELECT 'all days', d.nano, e.nano FROM (SELECT coalesce(sum(cost_nano), 0) AS nano FROM daily WHERE entity_kind "
     "= 6) "
     "d, (SELECT (SELECT coalesce(sum(cost_nano), 0) FROM entry WHERE kind = 0) + (SELECT coalesce(sum(cost_nano), 0) "
     "FROM "
     "entry_rejected) AS nano) e WHERE d.nano <> e.nano"},
    {"V6", "replica's days = sums of its rows", "SELECT count(*) FROM replica_day",
     "SELECT 'replica ' || r.replica_no || ' entries', r.n, (SELECT count(*) FROM entry e WHERE e.replica_no = "
     "r.replica_no) + (SELECT count(*) FROM entry_rejected j WHERE j.replica_no = r.replica_no) AS rows FROM (SELECT "
     "replica_no, sum(entries) AS n FROM replica_day GROUP BY replica_no) r WHERE r.n <> (SELECT count(*) FROM entry e "
     "WHERE e.replica_no = r.replica_no) + (SELECT count(*) FROM entry_rejected j WHERE j.replica_no = r.replica_no)"},
    {"V6", "replica's days = cost of its rows", "SELECT count(*) FROM replica_day",
     "SELECT 'replica ' || r.replica_no || ' day ' || r.day, r.cost_nano, coalesce(s.nano, 0) FROM replica_day r LEFT "
     "JOIN "
     "(SELECT replica_no, day, sum(cost_nano) AS nano FROM entry GROUP BY 1, 2) s ON s.replica_no = r.replica_no AND "
     "s.day "
     "= r.day WHERE r.cost_nano <> coalesce(s.nano, 0) AND NOT EXISTS (SELECT 1 FROM entry_rejected j WHERE "
     "j.replica_no = "
     "r.replica_no)"},
    {"V8", "cost of each call = sum of its attempts, where several stand in the row",
     "SELECT count(*) FROM entry WHERE attempts IS NOT NULL",
     "SELECT 'replica ' || replica_no || ' entry ' || entry_no, cost_nano, (SELECT sum(json_extract(value, "
     "'$.cost_nano')) "
     "FROM json_each(attempts)) AS nano FROM entry WHERE attempts IS NOT NULL AND cost_nano <> (SELECT "
     "sum(json_extract(value, '$.cost_nano')) FROM json_each(attempts))"},
};

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

/// V2 and V3: the kept journal against the rows.
Status check_journal(db::Transaction& transaction, const std::string& journal_dir, std::vector<Check>& checks) {
  const auto replay = replay_journal(journal_dir, true);
  if (!replay) return base::fail(replay.error());
  Check whole{"V3", "every hold of the journal has its entry or belongs to a running call", true,
              fmt::format("{} open", replay->open_holds.size())};
  for (const auto& [from, to] : replay->gaps) {
    whole.agrees = false;
    whole.detail += fmt::format("; records {} to {} are missing", from, to);
  }
  checks.push_back(whole);

  Check rows{
      "V2", "every shipped entry of a kept segment has its row, with the same cost, status and tokens", true, {}};
  if (replay->segments.empty()) return {};
  const std::string journal_id = base::Id128{replay->segments.back().header.journal_id}.to_string();
  const auto replica =
      transaction.run("SELECT replica_no, shipped_no FROM replica WHERE journal_id = $1", {journal_id});
  if (!replica) return base::fail(replica.error());
  if (replica->rows.empty()) {
    rows.agrees = false;
    rows.detail = "the database does not know this journal";
    checks.push_back(rows);
    return {};
  }
  const std::int64_t replica_no = as_int(replica->rows[0][0]);
  const auto shipped_no = static_cast<std::uint64_t>(as_int(replica->rows[0][1]));
  std::uint64_t compared = 0, differing = 0;
  Status failed;
  const Status read =
      read_entries(replay->segments, 1, shipped_no, [&](std::uint64_t number, std::string_view payload) {
        const auto row = decode_row(payload);
        if (!row) return true;
        const auto stored = transaction.run(
            "SELECT cost_nano, status, prompt_tokens, completion_tokens, started_us, call_id FROM entry WHERE day = $1 "
            "AND "
            "replica_no = $2 AND entry_no = $3",
            {row->day(), replica_no, static_cast<std::int64_t>(number)});
        if (!stored) {
          failed = base::fail(stored.error());
          return false;
        }
        ++compared;
        const EntryNumbers& n = row->numbers;
        const bool same = !stored->rows.empty() && as_int(stored->rows[0][0]) == n.cost_nano &&
                          as_int(stored->rows[0][1]) == n.status &&
                          static_cast<std::uint64_t>(as_int(stored->rows[0][2])) == n.prompt_tokens &&
                          static_cast<std::uint64_t>(as_int(stored->rows[0][3])) == n.completion_tokens &&
                          as_int(stored->rows[0][4]) == n.started_us &&
                          as_text(stored->rows[0][5]) == row->text(Text::CallId);
        if (!same) {
          ++differing;
          rows.agrees = false;
          if (differing <= kShownMax) {
            rows.detail += fmt::format("; entry {}: {}", number, stored->rows.empty() ? "no row" : "other figures");
          }
        }
        return true;
      });
  if (!failed) return failed;
  if (!read) return read;
  rows.detail = fmt::format("{} compared", compared) + rows.detail;
  if (replay->max_entry_no > shipped_no)
    rows.detail += fmt::format(", {} not shipped yet", replay->max_entry_no - shipped_no);
  checks.push_back(rows);
  return {};
}

}  // namespace

Result<std::vector<Check>> verify_ledger(db::Database& database, const std::string& journal_dir) {
  std::vector<Check> checks;
  const Status status = database.transact_now([&](db::Transaction& transaction) -> Status {
    for (const Equation& equation : kEquations) {
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
