#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "base/task.h"

namespace turnpike::db {

using Value = std::variant<std::monostate, std::int64_t, double, std::string>;
using Row = std::vector<Value>;

struct Rows {
  std::vector<std::string> columns;
  std::vector<Row> rows;
  std::int64_t changed = 0;  // Rows inserted, updated or deleted.
};

std::int64_t as_int(const Value& value);  // Null: 0.
std::string as_text(const Value& value);  // Null: "".
bool is_null(const Value& value);

/// Statements of one unit of work, run inside one transaction by the database's own thread.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// `sql` is written in the common subset of PostgreSQL 13 and SQLite 3.40 with $1, $2, ... placeholders.
  /// Errors: Unavailable (database away, busy, full), InvalidRequest with code "unique" on a violated key, Internal.
  virtual Result<Rows> run(std::string_view sql, const std::vector<Value>& values) = 0;
};

/// A database behind one asynchronous interface. SQLite first; PostgreSQL implements the same.
///
/// Threading: any thread; work runs on the database's thread, one unit after the other (SQLite has one writer).
class Database {
 public:
  virtual ~Database() = default;

  /// Runs `work` in one transaction (committed when it returns success) and resumes on the calling I/O thread.
  virtual Task<Status> transact(std::function<Status(Transaction&)> work) = 0;
  /// The same for threads that may block (shipper, start-up, tests).
  virtual Status transact_now(const std::function<Status(Transaction&)>& work) = 0;

  virtual std::string description() const = 0;  // "sqlite"
  virtual bool reachable() const = 0;           // What the last unit of work found; no query.
};

/// Opens or makes `path` (WAL, mode 0600), locks it against a second process (`<path>.lock`) and applies the
/// compiled-in migrations from 0001. Synchronous is NORMAL: a commit may be lost with the power, never torn, and the
/// ledger ships what it finds missing from its journal again.
///
/// Limits: `kQueuedWorkMax` units of work wait at most; more are refused as Unavailable.
/// Errors: Unavailable with the path and the remedy (not writable, locked, newer schema, damaged).
constexpr std::size_t kQueuedWorkMax = 4096;
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path);

/// Reads beside a running gateway: no lock, no migration, every change is refused.
Result<std::unique_ptr<Database>> open_sqlite_to_read(const std::string& path);

}  // namespace turnpike::db
