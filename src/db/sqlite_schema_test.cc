// What a new SQLite database gets at once is where the migrations end; UPDATE_FIXTURES=1 writes it anew from there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "db/migrations.h"
#include "db/sqlite_connection.h"

namespace turnpike::db::sqlite_schema_test {
namespace {

constexpr std::string_view kSource =
    R"(// Written by sqlite_schema_test with UPDATE_FIXTURES=1: where the migrations end.
#include "db/migrations.h"

namespace turnpike::db {{

constinit const std::string_view kSqliteSchema = R"sql(
{})sql";

}}  // namespace turnpike::db
)";

int newest() {
  return migrations().back().number;
}

/// A database in memory: `before` is run in it, then the migrations.
std::unique_ptr<SqliteConnection> migrated(std::string_view before, std::optional<int> last) {
  auto database = SqliteConnection::open(":memory:", SqliteConnection::Access::ReadWrite).value();
  EXPECT_TRUE(database->run(before, {}));
  const auto transact = [&](const std::function<Status(Transaction&)>& work) { return database->transact(work); };
  const Status status = migrate(transact, true, last);
  EXPECT_TRUE(status) << status.error().message;
  return database;
}

/// The first column of what `sql` selects.
std::vector<std::string> texts(SqliteConnection& database, const std::string& sql) {
  const auto rows = database.run(sql, {});
  EXPECT_TRUE(rows.has_value()) << sql << ": " << (rows ? "" : rows.error().message);
  std::vector<std::string> found;
  if (rows) {
    for (const Row& row : rows->rows) found.push_back(as_text(row.at(0)));
  }
  return found;
}

/// The statements that make it anew, but for schema_version itself: its form, then the rows of all tables.
std::vector<std::string> statements(SqliteConnection& database) {
  std::vector<std::string> all = texts(
      database, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'schema_version' ORDER BY rowid");
  for (const std::string& table :
       texts(database, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")) {
    const std::string values = fmt::format(
        "SELECT group_concat(CASE name WHEN 'applied_us' THEN '''unixepoch() * 1000000''' ELSE 'quote(' || name || ')' "
        "END, ' || '', '' || ') FROM pragma_table_info('{}')",
        table);
    const std::string row =
        fmt::format("SELECT 'INSERT INTO {0} VALUES (' || {1} || ')' FROM {0}", table, texts(database, values).at(0));
    for (std::string& insert : texts(database, row)) all.push_back(std::move(insert));
  }
  return all;
}

TEST(SqliteSchema, IsWhereTheMigrationsEnd) {
  const auto stepped = migrated("SELECT 1", newest());
  std::string text;
  for (const std::string& statement : statements(*stepped)) text += statement + ";\n";
  if (std::getenv("UPDATE_FIXTURES") != nullptr) {
    std::ofstream(TURNPIKE_SOURCE_DIR "/src/db/sqlite_schema.cc") << fmt::format(kSource, text);
    return;
  }
  EXPECT_EQ(kSqliteSchema, "\n" + text)
      << "UPDATE_FIXTURES=1 build/dev/src/db_test writes src/db/sqlite_schema.cc anew";

  const auto at_once = migrated("SELECT 1", {});
  EXPECT_EQ(statements(*at_once), statements(*stepped));
  for (const char* const list : {
           "SELECT type || ' ' || name || ' of ' || tbl_name FROM sqlite_master ORDER BY rowid",
           "SELECT format('%s %s %s %s %s %s', m.name, c.name, c.type, c.\"notnull\", quote(c.dflt_value), c.pk) "
           "FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.rowid, c.cid",
       }) {
    EXPECT_EQ(texts(*at_once, list), texts(*stepped, list));
  }
}

TEST(SqliteSchema, IsForNewDatabasesOnly) {
  struct Case {
    const char* name;
    const char* before;
    std::optional<int> last;
    bool at_once;
  };
  const Case cases[] = {
      {"a new one", "SELECT 1", {}, true},
      {"one that has a table", "CREATE TABLE other (a INTEGER)", {}, false},
      {"one that ends with a step", "SELECT 1", newest(), false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    const auto database = migrated(test.before, test.last);
    EXPECT_EQ(texts(*database, "SELECT quote(number) FROM schema_version").size(), migrations().size());
    EXPECT_EQ(texts(*database, "SELECT 'x' FROM schema_version WHERE applied_us % 1000000 <> 0").empty(), test.at_once)
        << "made at once it has whole seconds";
  }
}

}  // namespace
}  // namespace turnpike::db::sqlite_schema_test
