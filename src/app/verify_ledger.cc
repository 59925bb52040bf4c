#include "app/verify_ledger.h"

#include <fmt/core.h>

#include <filesystem>

#include "app/data_dir.h"
#include "db/database.h"

namespace turnpike::app {
namespace {

/// One equation of the ledger: a query that returns the places where its sides differ (where, left, right).
struct Equation {
  const char* name;
  const char* says;
  const char* sql;
};

constexpr Equation kEquations[] = {
    {"V1", "each journal's entry numbers 1..shipped_no are all there",
     "SELECT 'replica ' || r.replica_no, (SELECT count(*) FROM entry e WHERE e.replica_no = r.replica_no) + "
     "(SELECT count(*) FROM entry_rejected x WHERE x.replica_no = r.replica_no), r.shipped_no FROM replica r WHERE "
     "r.replica_no > 0 "
     "AND (SELECT count(*) FROM entry e WHERE e.replica_no = r.replica_no) + (SELECT count(*) FROM entry_rejected x "
     "WHERE "
     "x.replica_no = r.replica_no) <> r.shipped_no"},
    {"V4", "each account window's spend is the sum of the entries that name it",
     "SELECT 'account ' || w.account_id || ' window ' || w.window_id, w.spent_nano, s.cost FROM account_window w JOIN "
     "(SELECT "
     "w2.account_id AS a, w2.window_id AS id, w2.dropped_nano + coalesce(sum(n.cost_nano), 0) AS cost FROM "
     "account_window w2 LEFT JOIN "
     "(SELECT e.cost_nano, json_extract(e.accounts, '$[' || p.key || ']') AS a, json_extract(e.accounts, '$[' || "
     "(p.key + 1) || ']') AS "
     "id FROM entry e, json_each(e.accounts) p WHERE p.key % 2 = 0) n ON n.a = w2.account_id AND n.id = w2.window_id "
     "GROUP BY "
     "w2.account_id, w2.window_id) s ON s.a = w.account_id AND s.id = w.window_id WHERE w.spent_nano <> s.cost"},
    {"V6", "each day's sum per journal is the sum of its entries",
     "SELECT 'replica ' || d.replica_no || ' day ' || d.day, d.cost_nano, coalesce(sum(e.cost_nano), 0) FROM "
     "replica_day d LEFT JOIN "
     "entry e ON e.replica_no = d.replica_no AND e.day = d.day GROUP BY d.replica_no, d.day HAVING d.cost_nano <> "
     "coalesce(sum(e.cost_nano), 0)"},
};

/// False when the equation does not hold.
bool check(db::Transaction& transaction, const Equation& equation) {
  const Result<db::Rows> rows = transaction.run(equation.sql, {});
  if (!rows) {
    fmt::print("{} FAILED  {}: {}\n", equation.name, equation.says, rows.error().message);
    return false;
  }
  fmt::print("{} {}  {}\n", equation.name, rows->rows.empty() ? "ok    " : "FAILED", equation.says);
  for (const db::Row& row : rows->rows) {
    fmt::print("     {}: {} is not {}\n", db::as_text(row.at(0)), db::as_int(row.at(1)), db::as_int(row.at(2)));
  }
  return rows->rows.empty();
}

}  // namespace

int verify_ledger(const Options& options) {
  if (options.rest.empty() || options.rest.front() != "verify") {
    fmt::print(stderr, "Usage: turnpike ledger --data_dir DIR verify\n");
    return 2;
  }
  const Result<std::string> directory = DataDir::find(options.data_dir);
  if (!directory) {
    fmt::print(stderr, "{}\n", directory.error().message);
    return 2;
  }
  const std::string path = *directory + "/turnpike.db";
  if (!std::filesystem::exists(path)) {
    fmt::print(stderr, "There is no ledger at {}. Name its directory: turnpike ledger --data_dir DIR verify\n", path);
    return 2;
  }
  Result<std::unique_ptr<db::Database>> database = db::open_sqlite(path);
  if (!database) {
    fmt::print(stderr, "{}\n", database.error().message);
    return 2;
  }
  bool holds = true;
  const Status read = (*database)->transact_now([&](db::Transaction& transaction) -> Status {
    for (const Equation& equation : kEquations) holds = check(transaction, equation) && holds;
    return {};
  });
  if (!read) {
    fmt::print(stderr, "{}\n", read.error().message);
    return 2;
  }
  return holds ? 0 : 1;
}

}  // namespace turnpike::app
