#include "proof/verify_equations.h"

#include <fmt/format.h>

#include "db/replica_state.h"
#include "domain/call_record.h"

namespace turnpike::proof {
namespace {

// All entries by number, also those the database could not take as they are.
constexpr std::string_view kNumbers =
    "numbers AS (SELECT replica_no, entry_no FROM entry UNION ALL SELECT replica_no, entry_no FROM entry_rejected)";

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

/// `daily` against the rows, in both directions and by all measures at once: the rows are summed once.
Equation daily_equation(const Dialect& dialect, const std::string& days) {
  constexpr std::string_view kKey = "day, entity_kind, entity, key_hash, model_group, model, provider, route";
  constexpr std::pair<std::string_view, std::string_view> kMeasures[] = {
      {"cost", "cost_nano"},
      {"calls", "calls"},
      {"failed calls", "failed"},
      {"tokens", "prompt_tokens + completion_tokens + cache_read_tokens + cache_write_tokens"}};
  std::string of_daily, of_lines, sums, differ, found;
  for (std::size_t i = 0; i < std::size(kMeasures); ++i) {
    const auto& [name, column] = kMeasures[i];
    of_daily += fmt::format(", {} AS total{}, 0 AS summed{}", column, i, i);
    of_lines += fmt::format(", 0, {}", column);
    sums += fmt::format(", sum(total{0}) AS total{0}, sum(summed{0}) AS summed{0}", i);
    differ += fmt::format("{}sum(total{}) <> sum(summed{})", i == 0 ? "" : " OR ", i, i);
    found += fmt::format(
        "{0} SELECT 'day ' || day || ' kind ' || entity_kind || ' ' || entity || ' group ' || model_group || ', {1}', "
        "total{2}, summed{2} FROM sums WHERE total{2} <> summed{2}",
        i == 0 ? "" : " UNION ALL", name, i);
  }
  return {"V5",
          "daily cost, calls, failed calls and tokens of each entity, key, group, model, provider and route = its rows",
          "SELECT count(*) FROM daily WHERE " + days,
          fmt::format("WITH {0}, sides AS (SELECT {1}{2} FROM daily WHERE {3} UNION ALL SELECT {1}{4} FROM lines),"
                      " sums AS (SELECT {1}{5} FROM sides WHERE NOT EXISTS (SELECT 1 FROM entry_rejected)"
                      " GROUP BY {1} HAVING {6}){7}",
                      daily_lines(dialect, days), kKey, of_daily, days, of_lines, sums, differ, found)};
}

/// All measures at once: a deployment's day is short.
Equation deployment_equation(const std::string& days) {
  return {"V5", "each deployment's days = its rows", "SELECT count(*) FROM deployment_day WHERE " + days,
          fmt::format(
              "WITH sides AS (SELECT day, deployment_id, cost_nano, calls, failed, rate_limited, prompt_tokens + "
              "completion_tokens AS tokens FROM deployment_day WHERE {0}"
              " UNION ALL SELECT day, deployment_id, -cost_nano, -1, CASE WHEN status <> 0 THEN -1 ELSE 0 END,"
              " CASE WHEN http_status = 429 THEN -1 ELSE 0 END, -prompt_tokens - completion_tokens FROM entry"
              " WHERE kind = 0 AND deployment_id IS NOT NULL AND {0})"
              " SELECT 'day ' || day || ' deployment ' || deployment_id || ', too much', sum(cost_nano), 0 FROM sides"
              " WHERE NOT EXISTS (SELECT 1 FROM entry_rejected) GROUP BY day, deployment_id HAVING sum(cost_nano) <> 0"
              " OR sum(calls) <> 0 OR sum(failed) <> 0 OR sum(rate_limited) <> 0 OR sum(tokens) <> 0",
              days)};
}

Equation window_equation(const Dialect& dialect, std::string what, std::string_view of_window,
                         std::string_view of_pair) {
  return {"V4", std::move(what), "SELECT count(*) FROM account_window",
          fmt::format("WITH {}, sides AS (SELECT account_id AS account, window_id AS win, {} AS total, 0 AS summed"
                      " FROM account_window UNION ALL SELECT account, win, 0, {} FROM pairs)"
                      " SELECT 'account ' || account || ' window ' || win, sum(total), sum(summed) FROM sides"
                      " GROUP BY account, win HAVING sum(total) <> sum(summed)",
                      entry_pairs(dialect, "1 = 1"), of_window, of_pair)};
}

Equation replica_equation(std::string what, std::string_view of_day, std::string_view of_row,
                          std::string_view of_dropped, std::string_view days) {
  return {"V6", std::move(what), fmt::format("SELECT count(*) FROM replica_day WHERE {}", days),
          fmt::format("WITH sides AS (SELECT replica_no, day, {} AS total, 0 AS summed FROM replica_day"
                      " UNION ALL SELECT replica_no, day, 0, {} FROM entry WHERE replica_no <> 0"
                      " UNION ALL SELECT replica_no, day, 0, {} FROM dropped_day WHERE replica_no <> 0)"
                      " SELECT 'replica ' || replica_no || ' day ' || day, sum(total), sum(summed) FROM sides"
                      " WHERE {} AND replica_no NOT IN (SELECT replica_no FROM entry_rejected)"
                      " GROUP BY replica_no, day HAVING sum(total) <> sum(summed)",
                      of_day, of_row, of_dropped, days)};
}

/// What is summed over all days there ever were.
void add_of_all_time(const Dialect& dialect, std::vector<Equation>& out) {
  out.push_back(
      {"V1", "entry numbers go 1, 2, 3, ... without a hole or a double, per replica", "SELECT count(*) FROM entry",
       fmt::format("WITH {}, steps AS (SELECT replica_no, entry_no, lag(entry_no, 1, CAST(0 AS BIGINT)) OVER "
                   "(PARTITION BY replica_no ORDER BY entry_no) AS before FROM numbers)"
                   " SELECT 'replica ' || replica_no || ' after entry ' || before, before + 1, entry_no FROM steps"
                   " WHERE entry_no = before OR (entry_no <> before + 1 AND replica_no NOT IN (SELECT replica_no FROM "
                   "dropped_day))",
                   kNumbers)});
  out.push_back(
      {"V1", "entries and those of dropped days = shipped_no, the last number, per replica",
       "SELECT count(*) FROM replica",
       fmt::format(
           "WITH {}, kept AS (SELECT replica_no, count(*) AS n, max(entry_no) AS last FROM numbers GROUP BY "
           "replica_no), dropped AS (SELECT replica_no, sum(entries) AS n FROM dropped_day GROUP BY replica_no)"
           " SELECT 'replica ' || r.replica_no, r.shipped_no, coalesce(k.n, 0) + coalesce(d.n, 0) FROM replica r"
           " LEFT JOIN kept k ON k.replica_no = r.replica_no LEFT JOIN dropped d ON d.replica_no = r.replica_no"
           " WHERE r.shipped_no <> coalesce(k.n, 0) + coalesce(d.n, 0) OR k.last > r.shipped_no",
           kNumbers)});
  out.push_back(window_equation(dialect, "totals of each account and window = sum of the entries that name it",
                                "spent_nano - dropped_nano", "booked"));
  out.push_back(window_equation(dialect, "calls of each account and window = calls that name it",
                                "calls - dropped_calls", "calls"));
  // Replica 0 books edits of administrators, which are no calls.
  out.push_back({"V5", "all daily sums together = all rows and those of dropped days",
                 "SELECT count(*) FROM entry WHERE kind = 0",
                 "SELECT 'all days', d.nano, e.nano FROM (SELECT coalesce(sum(cost_nano), 0) AS nano FROM daily"
                 " WHERE entity_kind = 6) d, (SELECT (SELECT coalesce(sum(cost_nano), 0) FROM entry WHERE kind = 0)"
                 " + (SELECT coalesce(sum(cost_nano), 0) FROM dropped_day WHERE replica_no <> 0)"
                 " + (SELECT coalesce(sum(cost_nano), 0) FROM entry_rejected) AS nano) e WHERE d.nano <> e.nano"});
  out.push_back({"V7", "what each escrow has granted = what its leases were granted", "SELECT count(*) FROM escrow",
                 "WITH sides AS (SELECT account_id, window_id, granted_nano AS total, 0 AS summed FROM escrow UNION ALL"
                 " SELECT account_id, window_id, 0, granted_nano FROM lease)"
                 " SELECT 'account ' || account_id || ' window ' || window_id, sum(total), sum(summed) FROM sides"
                 " GROUP BY account_id, window_id HAVING sum(total) <> sum(summed)"});
  out.push_back(
      {"V7", "what an account has spent = its escrow's base and what its leases have used",
       "SELECT count(*) FROM escrow",
       "SELECT 'account ' || t.account_id || ' window ' || t.window_id, t.spent_nano, e.base_nano + l.used FROM"
       " escrow e JOIN account_window t ON t.account_id = e.account_id AND t.window_id = e.window_id"
       " JOIN (SELECT account_id, window_id, sum(used_nano) AS used FROM lease GROUP BY account_id, window_id)"
       " l ON l.account_id = e.account_id AND l.window_id = e.window_id"
       " WHERE t.spent_nano <> e.base_nano + l.used"});
  // A debt is granted with the replica's next operation, and a limit may have been lowered: neither is a fault.
  out.push_back(
      {"V7", "each lease was granted what it has used", "SELECT count(*) FROM lease",
       "SELECT 'account ' || account_id || ' window ' || window_id || ' replica ' || replica_no, granted_nano,"
       " used_nano FROM lease WHERE used_nano > granted_nano",
       true});
  out.push_back({"V7", "escrows of strict accounts have not granted more than the limit", "SELECT count(*) FROM escrow",
                 "SELECT 'account ' || e.account_id || ' window ' || e.window_id, e.limit_nano, e.base_nano + "
                 "e.granted_nano FROM escrow e JOIN account a ON a.account_id = e.account_id WHERE a.strict = 1 AND"
                 " e.granted_nano > 0 AND e.base_nano + e.granted_nano > e.limit_nano",
                 true});
}

Equation silent_leases(std::int64_t now_us) {
  constexpr std::int64_t kSilentUs = 600'000'000;
  return {"V10", "no money is leased to a replica that has been silent for ten minutes",
          "SELECT count(*) FROM lease WHERE granted_nano <> 0",
          fmt::format("SELECT 'replica ' || r.replica_no || ' on ' || r.host || CASE WHEN coalesce(a.kind, 0) >= 100"
                      " THEN ', in tokens' ELSE '' END || CASE r.state WHEN {} THEN ', what it had free was taken back'"
                      " ELSE '' END, sum(l.granted_nano - l.used_nano), 0 FROM lease l JOIN replica"
                      " r ON r.replica_no = l.replica_no JOIN replica_lease p ON p.replica_no = r.replica_no LEFT JOIN"
                      " account a ON a.account_id = l.account_id WHERE l.granted_nano > l.used_nano AND p.alive_us < {}"
                      " GROUP BY r.replica_no, r.host, r.state, coalesce(a.kind, 0) >= 100",
                      db::kReplicaReclaimed, now_us - kSilentUs),
          true};
}

/// A window's id is the second it began at; the next one of the account ends it.
Equation windows_of_calls(const Dialect& dialect, const std::string& days) {
  return {
      "V11", "each call is booked in the windows in which it began",
      "SELECT count(*) FROM entry WHERE kind = 0 AND " + days,
      fmt::format("WITH {} SELECT 'first and last call of account ' || account || ' in window ' || win, first_us, "
                  "last_us FROM pairs p WHERE first_us IS NOT NULL AND (first_us < win * 1000000 OR EXISTS (SELECT 1"
                  " FROM account_window n WHERE n.account_id = p.account AND n.window_id > p.win AND n.window_id * "
                  "1000000 <= p.last_us))",
                  entry_pairs(dialect, days))};
}

void add_of_bills(const Dialect& dialect, const std::string& days, std::vector<Equation>& out) {
  out.push_back({"V8", "cost of each call = sum of its attempts, where several stand in the row",
                 "SELECT count(*) FROM entry WHERE attempts IS NOT NULL AND " + days,
                 fmt::format("SELECT 'replica ' || replica_no || ' entry ' || entry_no, cost_nano, {0} AS nano FROM "
                             "entry WHERE attempts IS NOT NULL AND cost_nano <> {0} AND {1}",
                             dialect.attempts_cost, days)});
  out.push_back(
      {"V8", "no call costs less than nothing, and a single attempt without a price costs nothing, but beside a search",
       "SELECT count(*) FROM entry WHERE kind = 0 AND " + days,
       fmt::format(
           "SELECT 'replica ' || replica_no || ' entry ' || entry_no, cost_nano, 0 FROM entry WHERE kind = 0 AND"
           " (cost_nano < 0 OR (cost_nano <> 0 AND (marks & {}) <> 0 AND attempts IS NULL AND"
           " coalesce({}, 0) = 0)) AND {}",
           std::uint64_t{domain::kCostUnknown}, dialect.queries, days)});
}

}  // namespace

const Dialect& dialect_of(const db::Database& database) {
  return database.is_shared() ? kPostgres : kSqlite;
}

std::string kept_days(std::optional<std::int64_t> since) {
  std::string text = "day NOT IN (SELECT day FROM dropped_day)";
  if (since) text += fmt::format(" AND day >= {}", *since);
  return text;
}

std::string daily_lines(const Dialect& dialect, std::string_view days) {
  return fmt::format(
      "calls AS (SELECT day, coalesce(key_hash, '') AS key_hash, user_id, team_id, organization_id, end_user, tags, "
      "coalesce(model_group, '') AS model_group, coalesce(model, '') AS model, coalesce(provider, '') AS provider, "
      "coalesce(route, '') AS route, sum(cost_nano) AS cost_nano, count(*) AS calls, sum(CASE WHEN status <> 0 THEN 1 "
      "ELSE 0 END) AS failed, sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens, "
      "sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens"
      " FROM entry WHERE kind = 0 AND {} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11),"
      " tagged AS (SELECT DISTINCT c.*, t.value AS tag FROM calls c, {} WHERE t.value <> ''),"
      " lines AS (SELECT 6 AS entity_kind, key_hash AS entity, c.* FROM calls c"
      " UNION ALL SELECT 5, user_id, c.* FROM calls c WHERE user_id IS NOT NULL"
      " UNION ALL SELECT 3, team_id, c.* FROM calls c WHERE team_id IS NOT NULL"
      " UNION ALL SELECT 2, organization_id, c.* FROM calls c WHERE organization_id IS NOT NULL"
      " UNION ALL SELECT 7, end_user, c.* FROM calls c WHERE end_user IS NOT NULL"
      " UNION ALL SELECT 8, tag, day, key_hash, user_id, team_id, organization_id, end_user, tags, model_group, model, "
      "provider, route, cost_nano, calls, failed, prompt_tokens, completion_tokens, cache_read_tokens, "
      "cache_write_tokens FROM tagged)",
      days, dialect.tags);
}

std::string entry_pairs(const Dialect& dialect, std::string_view days) {
  return fmt::format(
      "rows AS (SELECT accounts, sum(cost_nano) AS cost_nano, sum(prompt_tokens + completion_tokens) AS tokens,"
      " sum(CASE WHEN kind = 0 THEN 1 ELSE 0 END) AS calls, min(CASE WHEN kind = 0 THEN started_us END) AS first_us,"
      " max(CASE WHEN kind = 0 THEN started_us END) AS last_us FROM entry WHERE {} GROUP BY accounts"
      " UNION ALL SELECT accounts, cost_nano, tokens, 1, NULL, NULL FROM entry_rejected),"
      " named AS (SELECT CAST(a.value AS BIGINT) AS account, CAST(w.value AS BIGINT) AS win, cost_nano, tokens, calls,"
      " first_us, last_us FROM rows, {}, {} WHERE {} AND w.key = a.key + 1),"
      // Each account counts what it is kept in.
      " pairs AS (SELECT n.account, n.win, CASE WHEN k.kind >= 100 THEN n.tokens ELSE n.cost_nano END AS booked, "
      "n.calls,"
      " n.first_us, n.last_us FROM named n LEFT JOIN account k ON k.account_id = n.account)",
      days, dialect.account_at, dialect.window_at, dialect.is_account);
}

std::vector<Equation> equations(const Dialect& dialect, std::optional<std::int64_t> since, std::int64_t now_us) {
  const std::string days = kept_days(since);
  std::vector<Equation> out;
  if (!since) add_of_all_time(dialect, out);
  out.push_back(daily_equation(dialect, days));
  out.push_back(deployment_equation(days));
  const std::string of_days = since ? fmt::format("day >= {}", *since) : "1 = 1";
  out.push_back(replica_equation("entries of each replica's days = its rows", "entries", "1", "entries", of_days));
  out.push_back(
      replica_equation("cost of each replica's days = its rows", "cost_nano", "cost_nano", "cost_nano", of_days));
  add_of_bills(dialect, days, out);
  out.push_back(silent_leases(now_us));
  out.push_back(windows_of_calls(dialect, days));
  return out;
}

}  // namespace turnpike::proof
