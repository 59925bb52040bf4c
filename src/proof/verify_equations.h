#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/database.h"

/// What must hold of the ledger's tables, as queries (spec money 9).
namespace turnpike::proof {

/// A query that returns the rows of an equation whose two sides differ, two figures last.
struct Equation {
  std::string name;
  std::string what;
  std::string count_sql;  // How many things were compared.
  std::string sql;
  bool warns = false;  // What it finds is told and no fault of the books.
};

/// JSON is where the two databases differ most.
struct Dialect {
  std::string_view account_at;  // Elements of a flat list of whole numbers: value and place, as `a`.
  std::string_view window_at;   // The same as `w`.
  std::string_view is_account;  // Holds for the first of each pair.
  std::string_view tags;        // Elements of the list of texts c.tags, as `t`.
  std::string_view attempts_cost;
  std::string_view queries;
};
const Dialect& dialect_of(const db::Database& database);

/// Days whose entries are all there, from `since` on, as a condition on column `day`.
std::string kept_days(std::optional<std::int64_t> since);
/// The aggregates as the rows say they must be, as table `lines` of a WITH: one for each entity that calls count for.
/// Calls that are alike in all that is told apart here are summed before: there are few kinds of them, and many calls.
/// `days`: which of them.
std::string daily_lines(const Dialect& dialect, std::string_view days);

/// What the entries of `days` that name the same accounts add to each of their windows, with the times at which the
/// first and the last of their calls began, as tables `rows` and `pairs` of a WITH; entries that were set aside have
/// neither day nor times.
std::string entry_pairs(const Dialect& dialect, std::string_view days);

/// `since`: of later days only, without what is summed over all of them. `now_us`: what is late by then is told.
std::vector<Equation> equations(const Dialect& dialect, std::optional<std::int64_t> since, std::int64_t now_us);

}  // namespace turnpike::proof
