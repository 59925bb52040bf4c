#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
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

/// Rows for a table, of which those are left out whose key stands there already.
struct NewRows {
  std::string_view table;
  std::vector<std::string_view> columns;
  std::size_t keys = 1;  // The leading columns that are the key.
  std::vector<Row> rows;
};

struct Statement {
  std::string_view sql;
  std::vector<Value> values;
};

/// Statements of one unit of work, run inside one transaction by the database's own thread.
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// `sql` is written in the common subset of PostgreSQL 13 and SQLite 3.40 with $1, $2, ... placeholders.
  /// Errors: Unavailable (database away, busy, full), InvalidRequest with code "unique" on a violated key, Internal.
  /// After an error the unit should end with it: PostgreSQL takes no further statement of the transaction.
  virtual Result<Rows> run(std::string_view sql, const std::vector<Value>& values) = 0;

  /// Statements of which none needs to know what those before it have found: one way to the database and back where it
  /// can. What each found, in their order; the first error ends it. `ends_unit`: the unit is committed with them, and
  /// nothing may follow; what `work` returns then changes nothing any more.
  virtual Result<std::vector<Rows>> run_all(std::span<const Statement> statements, bool ends_unit = false);

  /// As `Database::is_shared`.
  virtual bool is_shared() const { return false; }
  /// Many rows go faster in one statement than in one each.
  virtual bool prefers_many() const { return false; }
  /// Which of the rows were inserted. Errors: those of `run`, for all rows together.
  virtual Result<std::vector<bool>> insert_new(const NewRows& rows);
  /// Tells those who listen to `channel` (a plain word) when the unit is committed, where the database can.
  virtual Status notify(std::string_view channel, std::string_view text = {});
};

/// An open channel; ends with this object.
class Listening {
 public:
  virtual ~Listening() = default;
  /// What is told now is heard. False: the connection is lost for the moment, or for good behind a pooler.
  virtual bool hears() const = 0;
};

/// A database behind one asynchronous interface: the embedded SQLite, or PostgreSQL.
///
/// Threading: any thread; work runs on threads of the database. Units of `transact` run one after the other, over all
///            processes of one database; those of `read` and `append` beside them where the database can.
/// A unit may be run again from its beginning (deadlock in PostgreSQL): what it fills outside must be cleared first.
/// When the answer to a COMMIT is lost the error is Unavailable although the work may stand.
class Database {
 public:
  virtual ~Database() = default;

  /// Runs `work` in one transaction (committed when it returns success) and resumes on the calling I/O thread.
  virtual Task<Status> transact(std::function<Status(Transaction&)> work) = 0;
  /// The same for threads that may block (shipper, start-up, tests).
  virtual Status transact_now(const std::function<Status(Transaction&)>& work) = 0;

  /// Work that changes nothing, on one snapshot.
  virtual Task<Status> read(std::function<Status(Transaction&)> work) { return transact(std::move(work)); }
  virtual Status read_now(const std::function<Status(Transaction&)>& work) { return transact_now(work); }
  /// Work whose statements are safe beside every other unit: none of them rests on what another has read.
  virtual Status append_now(const std::function<Status(Transaction&)>& work) { return transact_now(work); }

  /// Calls `heard` on a thread of its own with what somebody tells on `channel`, and with an empty text when something
  /// may have been missed. Null: ask now and then.
  virtual std::unique_ptr<Listening> listen(std::string channel, std::function<void(std::string_view)> heard);

  /// Up to `count` of the connections there may be, for units that do not stand behind those of this one; a statement
  /// of theirs takes `statement_timeout` at most. Null: there are none to spare.
  virtual std::unique_ptr<Database> beside(std::size_t count, std::chrono::milliseconds statement_timeout);

  /// Waits until it is known whether the database answers. Errors: what waiting will not mend (a migration failed);
  /// a server that is away is no error, it is tried again and again.
  virtual Status opened() { return {}; }
  virtual Status usable() const { return {}; }  // The same at any later time, without waiting.

  /// Several processes may use it at once, and SQL beyond the common subset may be used: PostgreSQL.
  virtual bool is_shared() const { return false; }
  virtual std::string description() const = 0;  // For people: "sqlite", "postgresql".
  virtual bool reachable() const = 0;           // What the last unit of work found; no query.
};

/// Opens or makes `path` (WAL, mode 0600), locks it against a second process (`<path>.lock`) and applies the
/// compiled-in migrations that it lacks; a new one gets the whole schema at once. Synchronous is NORMAL: a commit may
/// be lost with the power, never torn, and the ledger ships what it finds missing from its journal again.
///
/// Limits: `kQueuedWorkMax` units of work wait at most; more are refused as Unavailable.
/// Errors: Unavailable with the path and the remedy (not writable, locked, newer schema, damaged).
constexpr std::size_t kQueuedWorkMax = 4096;
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path);

struct PostgresOptions {
  std::size_t connections_max = 10;  // Of the whole process, listeners and those of `beside` included.
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds statement_timeout{30000};
  bool listen = true;
};
/// Returns at once, also while the server is away; connects and migrates in the background (`opened` waits for the
/// first try). While it is away work is refused as Unavailable at once.
/// Errors: InvalidRequest: no URL of PostgreSQL.
Result<std::unique_ptr<Database>> open_postgres(std::string_view url, PostgresOptions options);
bool is_postgres_url(std::string_view url);
/// What is wrong with it; the URL itself is never in the message.
Status check_postgres_url(std::string_view url);

/// Reads beside a running gateway: no lock, no migration, every change is refused.
Result<std::unique_ptr<Database>> open_sqlite_to_read(const std::string& path);

}  // namespace turnpike::db
