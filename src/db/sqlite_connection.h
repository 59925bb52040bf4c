#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "db/database.h"

struct sqlite3;
struct sqlite3_stmt;

namespace turnpike::db {

/// One SQLite connection with its prepared statements; all of it belongs to one thread.
class SqliteConnection final : public Transaction {
 public:
  enum class Access { ReadWrite, Read };
  static Result<std::unique_ptr<SqliteConnection>> open(const std::string& path, Access access);
  ~SqliteConnection() override;

  Result<Rows> run(std::string_view sql, const std::vector<Value>& values) override;

  /// BEGIN, `work`, COMMIT; ROLLBACK when either fails.
  Status transact(const std::function<Status(Transaction&)>& work);

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  struct Statement {
    std::unique_ptr<sqlite3_stmt, Finalize> handle;
    std::vector<int> value_of;  // Which of the values goes into SQLite's i-th parameter.
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  SqliteConnection() = default;
  Result<Statement*> prepare(std::string_view sql);
  tl::unexpected<Error> failure(int code) const;
  Status execute(const char* sql);

  std::unique_ptr<sqlite3, Close> handle_;
  std::unordered_map<std::string, Statement, TextHash, std::equal_to<>> statements_;
};

}  // namespace turnpike::db
