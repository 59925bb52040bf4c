#include "db/sqlite_connection.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cstdlib>

namespace turnpike::db {
namespace {

constexpr std::size_t kStatementsMax = 256;
constexpr int kBusyTimeoutMs = 2000;

}  // namespace

void SqliteConnection::Close::operator()(sqlite3* handle) const {
  sqlite3_close_v2(handle);
}
void SqliteConnection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

SqliteConnection::~SqliteConnection() {
  statements_.clear();
}

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::open(const std::string& path, Access access) {
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection);
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_NOMUTEX |
                    (access == Access::Read ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int opened = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  connection->handle_.reset(handle);
  if (opened != SQLITE_OK) {
    return base::fail(ErrorKind::Unavailable,
                      fmt::format("cannot open the database {}: {}; check the directory and its permissions", path,
                                  sqlite3_errstr(opened)));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  // 8 MiB of cache hold the hot pages of a shipping batch; checkpoints every 16 MiB of log instead of every 4.
  const char* const pragmas = access == Access::Read
                                  ? "PRAGMA query_only = ON;"
                                  : "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -8192;"
                                    "PRAGMA wal_autocheckpoint = 4000; PRAGMA temp_store = MEMORY;";
  if (const Status status = connection->execute(pragmas); !status) {
    Error error = status.error();
    error.message = fmt::format("cannot use the database {}: {}", path, error.message);
    return base::fail(std::move(error));
  }
  return connection;
}

Status SqliteConnection::execute(const char* sql) {
  const int code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code);
  return {};
}

tl::unexpected<Error> SqliteConnection::failure(int code) const {
  const std::string text = sqlite3_errmsg(handle_.get());
  Error error;
  error.detail = text;
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
      error.kind = ErrorKind::InvalidRequest;
      error.message = "the database refused the row";
      error.code = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ? "unique" : "constraint";
      break;
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
      error.kind = ErrorKind::InvalidRequest;
      error.message = "the database refused the value";
      error.code = "value";
      break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:  // Locks of the log that others held all the while.
    case SQLITE_INTERRUPT:
    case SQLITE_ABORT:
    case SQLITE_PERM:
    case SQLITE_NOLFS:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_NOTADB:
      error.kind = ErrorKind::Unavailable;
      error.message = fmt::format("the database cannot be used: {}", text);
      break;
    default:
      error.kind = ErrorKind::Internal;
      error.message = fmt::format("database error: {}", text);
  }
  return base::fail(std::move(error));
}

Result<SqliteConnection::Statement*> SqliteConnection::prepare(std::string_view sql) {
  if (const auto known = statements_.find(sql); known != statements_.end()) return &known->second;
  if (statements_.size() >= kStatementsMax) statements_.clear();
  sqlite3_stmt* handle = nullptr;
  const int code = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  Statement statement;
  statement.handle.reset(handle);
  if (code != SQLITE_OK) return failure(code);
  const int parameters = sqlite3_bind_parameter_count(handle);
  for (int i = 1; i <= parameters; ++i) {
    // SQLite numbers "$7" by first appearance and keeps the name; the digits are the caller's index.
    const char* name = sqlite3_bind_parameter_name(handle, i);
    const int index = name != nullptr ? std::atoi(name + 1) : 0;
    if (index < 1) return base::fail(ErrorKind::Internal, "a statement has a parameter that is not $1, $2, ...");
    statement.value_of.push_back(index - 1);
  }
  return &statements_.emplace(std::string(sql), std::move(statement)).first->second;
}

Result<Rows> SqliteConnection::run(std::string_view sql, const std::vector<Value>& values) {
  const auto prepared = prepare(sql);
  if (!prepared) return base::fail(prepared.error());
  sqlite3_stmt* const handle = (*prepared)->handle.get();
  struct Reset {
    sqlite3_stmt* handle;
    ~Reset() {
      sqlite3_reset(handle);
      sqlite3_clear_bindings(handle);
    }
  } reset{handle};

  const std::vector<int>& value_of = (*prepared)->value_of;
  for (std::size_t i = 0; i < value_of.size(); ++i) {
    const int at = static_cast<int>(i) + 1;
    if (static_cast<std::size_t>(value_of[i]) >= values.size()) {
      return base::fail(ErrorKind::Internal, "a statement has more parameters than values");
    }
    const Value& value = values[static_cast<std::size_t>(value_of[i])];
    int code = SQLITE_OK;  // An unbound parameter is null.
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      code = sqlite3_bind_int64(handle, at, *number);
    } else if (const auto* real = std::get_if<double>(&value)) {
      code = sqlite3_bind_double(handle, at, *real);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      code = sqlite3_bind_text64(handle, at, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    if (code != SQLITE_OK) return failure(code);
  }

  Rows rows;
  const int columns = sqlite3_column_count(handle);
  for (int i = 0; i < columns; ++i) rows.columns.emplace_back(sqlite3_column_name(handle, i));
  for (;;) {
    const int code = sqlite3_step(handle);
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) return failure(code);
    Row& row = rows.rows.emplace_back();
    row.reserve(static_cast<std::size_t>(columns));
    for (int i = 0; i < columns; ++i) {
      switch (sqlite3_column_type(handle, i)) {
        case SQLITE_INTEGER:
          row.emplace_back(std::int64_t{sqlite3_column_int64(handle, i)});
          break;
        case SQLITE_FLOAT:
          row.emplace_back(sqlite3_column_double(handle, i));
          break;
        case SQLITE_NULL:
          row.emplace_back(std::monostate{});
          break;
        default: {
          const auto* bytes = static_cast<const char*>(sqlite3_column_blob(handle, i));
          row.emplace_back(std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle, i))));
        }
      }
    }
  }
  rows.changed = sqlite3_stmt_readonly(handle) != 0 ? 0 : sqlite3_changes64(handle_.get());
  return rows;
}

Status SqliteConnection::transact(const std::function<Status(Transaction&)>& work) {
  if (const auto begun = run("BEGIN", {}); !begun) return base::fail(begun.error());
  Status status;
  try {
    status = work(*this);
  } catch (const std::exception& problem) {
    status = base::fail(ErrorKind::Internal, "database work failed", problem.what());
  }
  if (status) {
    const auto committed = run("COMMIT", {});
    if (committed) return {};
    status = base::fail(committed.error());
  }
  if (sqlite3_get_autocommit(handle_.get()) == 0) (void)run("ROLLBACK", {});
  return status;
}

}  // namespace turnpike::db
