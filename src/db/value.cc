#include <charconv>

#include "base/text.h"
#include "db/database.h"

namespace turnpike::db {

bool is_null(const Value& value) {
  return std::holds_alternative<std::monostate>(value);
}

std::int64_t as_int(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  if (const auto* number = std::get_if<double>(&value)) return base::whole_of(*number);
  if (const auto* text = std::get_if<std::string>(&value)) {
    std::int64_t number = 0;
    std::from_chars(text->data(), text->data() + text->size(), number);
    return number;
  }
  return 0;
}

std::string as_text(const Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  if (const auto* number = std::get_if<double>(&value)) return std::to_string(*number);
  return {};
}

Result<std::vector<Rows>> Transaction::run_all(std::span<const Statement> statements, bool) {
  std::vector<Rows> all;
  for (const Statement& statement : statements) {
    Result<Rows> rows = run(statement.sql, statement.values);
    if (!rows) return base::fail(std::move(rows.error()));
    all.push_back(std::move(*rows));
  }
  return all;
}

Result<std::vector<bool>> Transaction::insert_new(const NewRows& rows) {
  std::string names, places, keys;
  for (std::size_t i = 0; i < rows.columns.size(); ++i) {
    const std::string comma = i == 0 ? "" : ", ";
    names += comma + std::string(rows.columns[i]);
    places += comma + "$" + std::to_string(i + 1);
    if (i < rows.keys) keys += comma + std::string(rows.columns[i]);
  }
  const std::string sql = "INSERT INTO " + std::string(rows.table) + " (" + names + ") VALUES (" + places +
                          ") ON CONFLICT (" + keys + ") DO NOTHING";
  std::vector<bool> inserted;
  for (const Row& row : rows.rows) {
    const Result<Rows> done = run(sql, row);
    if (!done) return base::fail(done.error());
    inserted.push_back(done->changed == 1);
  }
  return inserted;
}

Status Transaction::notify(std::string_view, std::string_view) {
  return {};
}

std::unique_ptr<Listening> Database::listen(std::string, std::function<void(std::string_view)>) {
  return nullptr;
}

std::unique_ptr<Database> Database::beside(std::size_t, std::chrono::milliseconds) {
  return nullptr;
}

}  // namespace turnpike::db
