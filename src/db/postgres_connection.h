#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "db/database.h"
#include "db/job.h"
#include "db/postgres_url.h"

struct pg_conn;
struct pg_result;

namespace turnpike::db {

/// One connection; all of it belongs to one thread. Everything waits with a limit of time and gives up when `stop` says
/// so. Nothing of a session is used (no prepared statement, no SET but for the transaction), so that a pooler may stand
/// between.
class PostgresConnection final : public Transaction {
 public:
  struct Limits {
    std::chrono::milliseconds connect{5000};
    std::chrono::milliseconds statement{30000};
  };
  /// Errors: Unavailable with what libpq says, which has no password in it.
  static Result<std::unique_ptr<PostgresConnection>> open(const PostgresUrl& url, Limits limits,
                                                          const std::atomic<bool>& stop);

  Result<Rows> run(std::string_view sql, const std::vector<Value>& values) override;
  Result<std::vector<Rows>> run_all(std::span<const Statement> statements, bool ends_unit) override;
  bool is_shared() const override { return true; }
  bool prefers_many() const override { return true; }
  Result<std::vector<bool>> insert_new(const NewRows& rows) override;
  Status notify(std::string_view channel, std::string_view text) override;

  /// Begins, runs `work` and commits. Runs it again when the database asks for that (deadlock, serialization) and when
  /// a day's part of `entry` was missing, which it makes.
  Status transact(const std::function<Status(Transaction&)>& work, Unit unit);

  /// How long a statement may take from now on.
  void limit_statements(std::chrono::milliseconds most) { limits_.statement = most; }
  bool broken() const;                   // Of no use any more.
  bool began() const { return began_; }  // The last unit of work got as far as its first statement.
  /// Something stands between that gives each transaction a connection of its own.
  Result<bool> behind_pooler();
  Status listen(std::string_view channel);
  /// What is told within `patience`: returns with the first. Errors: Unavailable: the connection is broken.
  Result<std::vector<std::string>> await_notices(std::chrono::milliseconds patience);

 private:
  struct CloseConnection {
    void operator()(pg_conn* connection) const;
  };
  struct ClearResult {
    void operator()(pg_result* result) const;
  };
  using Handle = std::unique_ptr<pg_conn, CloseConnection>;
  using Answer = std::unique_ptr<pg_result, ClearResult>;

  PostgresConnection(Handle handle, Limits limits, const std::atomic<bool>& stop)
      : handle_(std::move(handle)), limits_(limits), stop_(stop) {}
  Status connect();
  Status once(const std::function<Status(Transaction&)>& work, Unit unit);
  Result<Answer> send(std::string_view sql, const std::vector<Value>& values);
  Result<Answer> simple(const std::string& sql);
  Result<Answer> receive();
  Result<std::vector<Answer>> pipeline(std::span<const Statement> statements);
  Status send_all(std::span<const Statement> statements);
  Result<std::vector<Answer>> receive_all(std::size_t count);
  Result<Answer> next_answer(base::Monotonic until);
  bool wait_for_server(short events, base::Monotonic until) const;
  tl::unexpected<Error> failure(const pg_result* result);
  tl::unexpected<Error> lost(std::string_view what);

  Handle handle_;
  Limits limits_;
  const std::atomic<bool>& stop_;
  std::vector<std::string> beginning_;  // What is still to be sent before the unit's first statement.
  bool began_ = false;
  bool ended_ = false;  // Committed with its last statements.
  bool broken_ = false;
  bool again_ = false;  // The database asks to run the unit again.
  std::optional<std::int64_t> missing_day_;
};

}  // namespace turnpike::db
