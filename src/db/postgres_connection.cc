#include "db/postgres_connection.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/id.h"
#include "base/text.h"
#include "db/arrays.h"
#include "db/postgres_days.h"
#include "db/sqlstate.h"

namespace turnpike::db {
namespace {

using std::chrono::milliseconds;

// Types of PostgreSQL's catalogue, which never change.
constexpr Oid kBool = 16, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kFloat4 = 700, kFloat8 = 701, kNumeric = 1700;
constexpr Oid kAsNeeded = 0;  // The server finds the type where the value goes.

constexpr int kTriesMax = 8;
constexpr milliseconds kStopLook{200};
constexpr std::size_t kRowsMax = 2'000;  // Of one statement.

std::vector<std::string> beginning_of(Unit unit, milliseconds statement_limit) {
  // Not the server's default, which may ask for more than the statements are written for.
  const bool reads = unit == Unit::Read;
  std::vector<std::string> texts = {
      reads ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN ISOLATION LEVEL READ COMMITTED",
      fmt::format("SET LOCAL statement_timeout = {}", statement_limit.count())};
  if (unit == Unit::Change) texts.push_back(fmt::format("SELECT pg_advisory_xact_lock({})", kPostgresChangeLock));
  return texts;
}

Value read_value(const char* text, int length, Oid type) {
  const std::string_view view(text, static_cast<std::size_t>(length));
  const char* const end = text + length;
  switch (type) {
    case kBool:
      return std::int64_t{view == "t" ? 1 : 0};
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
    case kNumeric: {  // What sum() makes of whole numbers.
      std::int64_t whole = 0;
      if (const auto read = std::from_chars(text, end, whole); read.ec == std::errc() && read.ptr == end) return whole;
      [[fallthrough]];
    }
    case kFloat4:
    case kFloat8: {
      double number = 0;
      std::from_chars(text, end, number);
      return number;
    }
    default:
      return std::string(view);
  }
}

Rows rows_of(pg_result* result) {
  Rows rows;
  const int columns = PQnfields(result);
  for (int column = 0; column < columns; ++column) rows.columns.emplace_back(PQfname(result, column));
  const int count = PQntuples(result);
  rows.rows.reserve(static_cast<std::size_t>(count));
  for (int at = 0; at < count; ++at) {
    Row& row = rows.rows.emplace_back();
    row.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, at, column) != 0) {
        row.emplace_back(std::monostate{});
      } else {
        row.push_back(
            read_value(PQgetvalue(result, at, column), PQgetlength(result, at, column), PQftype(result, column)));
      }
    }
  }
  if (!std::string_view(PQcmdStatus(result)).starts_with("SELECT")) {
    const std::string_view changed = PQcmdTuples(result);
    std::from_chars(changed.data(), changed.data() + changed.size(), rows.changed);
  }
  return rows;
}

/// Values as libpq takes them: text, with whole and broken numbers typed so that expressions of them alone are clear.
struct Parameters {
  explicit Parameters(const std::vector<Value>& values) {
    texts.reserve(values.size());
    for (const Value& value : values) {
      if (const auto* text = std::get_if<std::string>(&value)) {
        has_nul = has_nul || text->find('\0') != std::string::npos;
        add(text->c_str(), kAsNeeded);
      } else if (const auto* number = std::get_if<std::int64_t>(&value)) {
        add(texts.emplace_back(std::to_string(*number)).c_str(), kInt8);
      } else if (const auto* real = std::get_if<double>(&value)) {
        add(texts.emplace_back(fmt::format("{}", *real)).c_str(), kFloat8);
      } else {
        add(nullptr, kAsNeeded);
      }
    }
  }
  void add(const char* text, Oid type) {
    pointers.push_back(text);
    types.push_back(type);
  }
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
  std::vector<Oid> types;
  bool has_nul = false;
};

/// "Partition key of the failing row contains (day) = (20785)." in whatever language: the number in the last brackets.
std::optional<std::int64_t> day_of(std::string_view detail) {
  const std::size_t open = detail.rfind('(');
  if (open == std::string_view::npos) return std::nullopt;
  std::int64_t day = 0;
  const char* const end = detail.data() + detail.size();
  const auto read = std::from_chars(detail.data() + open + 1, end, day);
  if (read.ec != std::errc() || read.ptr == end || *read.ptr != ')') return std::nullopt;
  return day;
}

std::string first_line(const char* text) {
  const std::string_view view = text == nullptr ? std::string_view() : std::string_view(text);
  return std::string(base::trim(view.substr(0, view.find('\n'))));
}

}  // namespace

void PostgresConnection::CloseConnection::operator()(pg_conn* connection) const {
  PQfinish(connection);
}
void PostgresConnection::ClearResult::operator()(pg_result* result) const {
  PQclear(result);
}

Result<std::unique_ptr<PostgresConnection>> PostgresConnection::open(const PostgresUrl& url, Limits limits,
                                                                     const std::atomic<bool>& stop) {
  // What the URL says comes last and wins.
  std::vector<std::pair<std::string, std::string>> words = {
      {"fallback_application_name", "turnpike"},
      {"client_encoding", "UTF8"},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "20000"},
  };
  words.insert(words.end(), url.words.begin(), url.words.end());
  std::vector<const char*> names, values;
  for (const auto& [name, value] : words) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  std::unique_ptr<PostgresConnection> connection(
      new PostgresConnection(Handle(PQconnectStartParams(names.data(), values.data(), 0)), limits, stop));
  if (Status connected = connection->connect(); !connected) return base::fail(std::move(connected.error()));
  return connection;
}

Status PostgresConnection::connect() {
  if (!handle_) return lost("no memory");
  const base::Monotonic until = base::monotonic_now() + limits_.connect;
  PQsetNoticeProcessor(handle_.get(), [](void*, const char*) {}, nullptr);
  PostgresPollingStatusType step = PGRES_POLLING_WRITING;
  while (step != PGRES_POLLING_OK) {
    if (step == PGRES_POLLING_FAILED || PQstatus(handle_.get()) == CONNECTION_BAD) {
      return lost(first_line(PQerrorMessage(handle_.get())));
    }
    if (!wait_for_server(step == PGRES_POLLING_READING ? POLLIN : POLLOUT, until)) {
      return lost(fmt::format("no connection within {} ms", limits_.connect.count()));
    }
    step = PQconnectPoll(handle_.get());
  }
  PQsetnonblocking(handle_.get(), 1);
  return {};
}

bool PostgresConnection::wait_for_server(short events, base::Monotonic until) const {
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - base::monotonic_now());
    if (left.count() <= 0 || stop_.load(std::memory_order_relaxed)) return false;
    pollfd entry{PQsocket(handle_.get()), events, 0};
    if (::poll(&entry, 1, static_cast<int>(std::min(left, kStopLook).count())) > 0) return true;
  }
}

bool PostgresConnection::broken() const {
  return broken_ || PQstatus(handle_.get()) != CONNECTION_OK;
}

tl::unexpected<Error> PostgresConnection::lost(std::string_view what) {
  broken_ = true;
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.message = "The database cannot be reached, please retry shortly.";
  error.detail = what;
  error.retry_after = std::chrono::seconds(1);
  return base::fail(std::move(error));
}

tl::unexpected<Error> PostgresConnection::failure(const pg_result* result) {
  const char* const state_text = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (state_text == nullptr) return lost(first_line(PQerrorMessage(handle_.get())));
  const std::string_view state = state_text;
  const std::string text = first_line(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
  const bool names_constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) != nullptr;
  const SqlFault fault = judge_sqlstate(state, names_constraint);
  if (fault == SqlFault::Reconnect) return lost(fmt::format("{}: {}", state, text));
  Error error;
  error.detail = fmt::format("{}: {}", state, text);
  error.retry_after = std::chrono::seconds(1);
  switch (fault) {
    case SqlFault::NoDay:
      if (const char* const detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL)) missing_day_ = day_of(detail);
      [[fallthrough]];
    case SqlFault::Again:
    case SqlFault::Later:
    case SqlFault::Reconnect:
      again_ = again_ || fault == SqlFault::Again;
      error.kind = ErrorKind::Unavailable;
      error.message = fmt::format("the database cannot be used: {}", text);
      return base::fail(std::move(error));
    case SqlFault::Taken:
    case SqlFault::BadRow:
      error.kind = ErrorKind::InvalidRequest;
      error.message = "the database refused the row";
      error.code = fault == SqlFault::Taken ? "unique" : "constraint";
      break;
    case SqlFault::BadValue:
      error.kind = ErrorKind::InvalidRequest;
      error.message = "the database refused the value";
      error.code = "value";
      break;
    case SqlFault::Refused:
      error.kind = ErrorKind::Internal;
      error.message = fmt::format("database error: {}", text);
      break;
  }
  error.retry_after.reset();
  return base::fail(std::move(error));
}

/// Everything the server answers to what was sent: the last result, or the first failure.
Result<PostgresConnection::Answer> PostgresConnection::receive() {
  const base::Monotonic until = base::monotonic_now() + limits_.statement + std::chrono::seconds(1);
  Answer last;
  Answer failed;
  for (;;) {
    Result<Answer> next = next_answer(until);
    if (!next) return base::fail(std::move(next.error()));
    if (!*next) break;
    const ExecStatusType status = PQresultStatus(next->get());
    const bool good = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
    if (!good && !failed) {
      failed = std::move(*next);
    } else {
      last = std::move(*next);
    }
  }
  if (failed) return failure(failed.get());
  if (!last) return lost("the connection ended");
  return last;
}

Result<PostgresConnection::Answer> PostgresConnection::simple(const std::string& sql) {
  if (broken()) return lost("the connection has ended");
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return lost(first_line(PQerrorMessage(handle_.get())));
  return receive();
}

Result<Rows> PostgresConnection::run(std::string_view sql, const std::vector<Value>& values) {
  const Statement only{sql, values};
  Result<std::vector<Rows>> all = run_all({&only, 1}, false);
  if (!all) return base::fail(std::move(all.error()));
  return std::move(all->front());
}

/// With what begins the unit, if nothing of it has been sent, and with its end.
Result<std::vector<Rows>> PostgresConnection::run_all(std::span<const Statement> statements, bool ends_unit) {
  std::vector<Statement> all;
  for (const std::string& text : beginning_) all.push_back({text, {}});
  const std::size_t before = all.size();
  all.insert(all.end(), statements.begin(), statements.end());
  if (ends_unit) all.push_back({"COMMIT", {}});
  Result<std::vector<Answer>> answers = pipeline(all);
  if (began_) beginning_.clear();
  if (!answers) return base::fail(std::move(answers.error()));
  ended_ = ends_unit;
  std::vector<Rows> found;
  for (std::size_t i = 0; i < statements.size(); ++i) found.push_back(rows_of((*answers)[before + i].get()));
  return found;
}

Result<std::vector<PostgresConnection::Answer>> PostgresConnection::pipeline(std::span<const Statement> statements) {
  if (broken()) return lost("the connection has ended");
  if (PQenterPipelineMode(handle_.get()) == 0) return lost(first_line(PQerrorMessage(handle_.get())));
  const Status sent = send_all(statements);
  if (!sent && broken()) return base::fail(sent.error());
  Result<std::vector<Answer>> answers = receive_all(sent ? statements.size() : 0);
  if (!broken() && PQexitPipelineMode(handle_.get()) == 0) return lost(first_line(PQerrorMessage(handle_.get())));
  if (!sent) return base::fail(sent.error());
  return answers;
}

/// A value that cannot be sent ends it before anything is.
Status PostgresConnection::send_all(std::span<const Statement> statements) {
  std::vector<Parameters> parameters;
  parameters.reserve(statements.size());
  bool has_nul = false;
  for (const Statement& statement : statements) has_nul = parameters.emplace_back(statement.values).has_nul || has_nul;
  for (std::size_t i = 0; i < statements.size() && !has_nul; ++i) {
    const std::string text(statements[i].sql);
    if (PQsendQueryParams(handle_.get(), text.c_str(), static_cast<int>(statements[i].values.size()),
                          parameters[i].types.data(), parameters[i].pointers.data(), nullptr, nullptr, 0) == 0) {
      return lost(first_line(PQerrorMessage(handle_.get())));
    }
  }
  if (PQpipelineSync(handle_.get()) == 0) return lost(first_line(PQerrorMessage(handle_.get())));
  if (!has_nul) return {};
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.message = "the database refused the value";
  error.code = "value";
  error.detail = "a text has a NUL";
  return base::fail(std::move(error));
}

/// What the server answers to `count` statements and the sync behind them. Once one has failed it passes over the rest.
Result<std::vector<PostgresConnection::Answer>> PostgresConnection::receive_all(std::size_t count) {
  const base::Monotonic until = base::monotonic_now() +
                                limits_.statement * static_cast<std::int64_t>(std::max<std::size_t>(count, 1)) +
                                std::chrono::seconds(1);
  std::vector<Answer> answers;
  Answer failed;
  for (;;) {
    Result<Answer> next = next_answer(until);
    if (!next) return base::fail(std::move(next.error()));
    if (!*next) continue;  // Behind each statement's answer.
    const ExecStatusType status = PQresultStatus(next->get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_PIPELINE_ABORTED) continue;
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
      answers.push_back(std::move(*next));
      if (!beginning_.empty()) began_ = true;
    } else if (!failed) {
      failed = std::move(*next);
    }
  }
  if (failed) return failure(failed.get());
  if (answers.size() != count) return lost("the connection ended");
  return answers;
}

/// Null where one statement's answers end. Errors: Unavailable.
Result<PostgresConnection::Answer> PostgresConnection::next_answer(base::Monotonic until) {
  for (;;) {
    const int unsent = PQflush(handle_.get());
    if (unsent < 0) return lost(first_line(PQerrorMessage(handle_.get())));
    if (unsent == 0 && PQisBusy(handle_.get()) == 0) break;
    const auto events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN);
    if (!wait_for_server(events, until)) return lost("no answer in time");
    if (PQconsumeInput(handle_.get()) == 0) return lost(first_line(PQerrorMessage(handle_.get())));
  }
  Answer answer(PQgetResult(handle_.get()));
  if (broken()) return lost(answer ? first_line(PQresultErrorMessage(answer.get())) : "the connection ended");
  return answer;
}

/// Many rows a statement: one round trip, parsed once.
Result<std::vector<bool>> PostgresConnection::insert_new(const NewRows& rows) {
  std::vector<bool> inserted(rows.rows.size());
  const std::string keys = fmt::format("{}", fmt::join(rows.columns.begin(), rows.columns.begin() + rows.keys, ", "));
  for (std::size_t first = 0; first < rows.rows.size(); first += kRowsMax) {
    const std::size_t end = std::min(first + kRowsMax, rows.rows.size());
    // What is null in all of them is left out: nothing would say of which type it is.
    std::vector<std::size_t> columns;
    for (std::size_t column = 0; column < rows.columns.size(); ++column) {
      const auto has = [column](const Row& row) { return !is_null(row[column]); };
      if (std::any_of(rows.rows.begin() + first, rows.rows.begin() + end, has)) columns.push_back(column);
    }
    std::vector<std::string_view> names;
    for (const std::size_t column : columns) names.push_back(rows.columns[column]);
    std::vector<Value> values;
    values.reserve((end - first) * columns.size());
    for (std::size_t at = first; at < end; ++at) {
      for (const std::size_t column : columns) values.push_back(rows.rows[at][column]);
    }
    const Result<Rows> stored =
        run(fmt::format("INSERT INTO {} ({}) SELECT * FROM {} ON CONFLICT ({}) DO NOTHING RETURNING {}", rows.table,
                        fmt::join(names, ", "), unnest_text(values, columns.size()), keys, keys),
            array_values(values, columns.size()));
    if (!stored) return base::fail(stored.error());
    // They come back in the order they were given.
    std::size_t at = first;
    for (const Row& key : stored->rows) {
      while (at < end && !std::equal(key.begin(), key.end(), rows.rows[at].begin())) ++at;
      if (at == end) return base::fail(ErrorKind::Internal, "the database inserted what nobody gave it");
      inserted[at++] = true;
    }
  }
  return inserted;
}

Status PostgresConnection::notify(std::string_view channel, std::string_view text) {
  const Result<Rows> told = run("SELECT pg_notify($1, $2)", {std::string(channel), std::string(text)});
  return told ? Status() : base::fail(told.error());
}

Status PostgresConnection::once(const std::function<Status(Transaction&)>& work, Unit unit) {
  began_ = again_ = ended_ = false;
  missing_day_.reset();
  beginning_ = beginning_of(unit, limits_.statement);
  Status status;
  try {
    status = work(*this);
  } catch (const std::exception& problem) {
    status = base::fail(ErrorKind::Internal, "database work failed", problem.what());
  }
  if (ended_) return status;
  const bool asked = beginning_.empty();
  beginning_.clear();
  if (status && !asked) return status;
  if (status) {
    const auto committed = simple("COMMIT");
    if (!committed) return base::fail(committed.error());
    // A statement has failed and the unit went on as if it had not.
    if (std::string_view(PQcmdStatus(committed->get())) == "COMMIT") return {};
    return base::fail(ErrorKind::Internal, "the database has rolled back what failed before");
  }
  if (!broken() && began_) (void)simple("ROLLBACK");
  return status;
}

Status PostgresConnection::transact(const std::function<Status(Transaction&)>& work, Unit unit) {
  base::Random random(static_cast<std::uint64_t>(base::unix_now_us()));
  for (int tries = 1;; ++tries) {
    Status status = once(work, unit);
    if (status || tries == kTriesMax || broken()) return status;
    if (const std::optional<std::int64_t> day = missing_day_) {
      const Status made =
          once([day](Transaction& transaction) { return make_entry_day(transaction, *day); }, Unit::Change);
      if (!made) return made;
    } else if (again_) {
      std::this_thread::sleep_for(milliseconds(1 + random.next() % (8U * static_cast<unsigned>(tries))));
    } else {
      return status;
    }
  }
}

Result<bool> PostgresConnection::behind_pooler() {
  const Result<Rows> rows = run("SELECT pg_backend_pid()", {});
  if (!rows) return base::fail(rows.error());
  return as_int(rows->rows.at(0).at(0)) != PQbackendPID(handle_.get());
}

Status PostgresConnection::listen(std::string_view channel) {
  const auto done = simple(fmt::format("LISTEN {}", channel));
  return done ? Status() : base::fail(done.error());
}

Result<std::vector<std::string>> PostgresConnection::await_notices(milliseconds patience) {
  const auto take = [this] {
    std::vector<std::string> texts;
    while (PGnotify* const notice = PQnotifies(handle_.get())) {
      texts.emplace_back(notice->extra);
      PQfreemem(notice);
    }
    return texts;
  };
  if (std::vector<std::string> texts = take(); !texts.empty()) return texts;
  if (!wait_for_server(POLLIN, base::monotonic_now() + patience)) return std::vector<std::string>();
  if (PQconsumeInput(handle_.get()) == 0 || broken()) return lost(first_line(PQerrorMessage(handle_.get())));
  return take();
}

}  // namespace turnpike::db
