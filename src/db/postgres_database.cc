#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "db/database.h"
#include "db/job.h"
#include "db/migrations.h"
#include "db/postgres_connection.h"
#include "db/postgres_days.h"
#include "db/postgres_listener.h"
#include "net/io_threads.h"

namespace turnpike::db {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kReconnect{250};           // Between two tries while the server is away.
constexpr std::chrono::minutes kMaintenance{30};  // Between two looks for days of `entry` to make.
constexpr milliseconds kSpawnPause{1000};         // After the server refused one more connection.
constexpr milliseconds kMigrationMax{600'000};    // One statement of a migration.

/// Workers with a connection each take jobs from one queue. One of them at a time sees to the rest: the first
/// connection with its migrations, the way back after the server was away, the days of `entry` to come.
class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(PostgresUrl url, PostgresOptions options) : url_(std::move(url)), options_(options) {
    limits_.connect = options.connect_timeout;
    limits_.statement = options.statement_timeout;
    constexpr std::size_t kChannels = 2, kRoomForBoth = 4;  // Changes of rows, and money.
    const std::size_t all = std::max<std::size_t>(1, options_.connections_max);
    if (options_.listen && !url_.pooler)
      channels_ = all >= kRoomForBoth ? kChannels : std::min<std::size_t>(1, all - 1);
    workers_max_ = all - channels_;
    const std::lock_guard guard(mutex_);
    spawn();
  }

  ~PostgresDatabase() override {
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
      stop_ = state_ != State::Up;  // Else what waits is worked off first.
    }
    changed_.notify_all();
    for (Worker& worker : workers_) worker.thread.join();
  }

  Task<Status> transact(std::function<Status(Transaction&)> work) override {
    return run(std::move(work), Unit::Change);
  }
  Task<Status> read(std::function<Status(Transaction&)> work) override { return run(std::move(work), Unit::Read); }
  Status transact_now(const std::function<Status(Transaction&)>& work) override { return run_now(work, Unit::Change); }
  Status read_now(const std::function<Status(Transaction&)>& work) override { return run_now(work, Unit::Read); }
  Status append_now(const std::function<Status(Transaction&)>& work) override { return run_now(work, Unit::Append); }

  std::unique_ptr<Listening> listen(std::string channel, std::function<void(std::string_view)> heard) override {
    const std::lock_guard guard(mutex_);
    if (channels_ == 0) return nullptr;
    --channels_;
    return std::make_unique<PostgresListener>(url_, std::move(channel), std::move(heard));
  }
  std::unique_ptr<Database> beside(std::size_t count, milliseconds statement_timeout) override {
    constexpr std::size_t kFew = 3;  // Of so many, one at most is given away.
    PostgresOptions options = options_;
    {
      std::unique_lock guard(mutex_);
      options.connections_max = std::min(count, workers_max_ <= kFew ? std::size_t{1} : workers_max_ - 1);
      if (workers_max_ == 1) return nullptr;
      workers_max_ -= options.connections_max;
      changed_.notify_all();
      changed_.wait(guard, [this] { return !too_many(); });  // What is given away has been closed here.
    }
    options.statement_timeout = statement_timeout;
    options.listen = false;
    return std::make_unique<PostgresDatabase>(url_, options);
  }

  bool is_shared() const override { return true; }
  std::string description() const override { return "postgresql"; }
  bool reachable() const override { return state_.load(std::memory_order_relaxed) == State::Up; }

  Status opened() override {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [this] { return state_ != State::Starting; });
    return state_ == State::Failed ? failed_ : Status();
  }
  Status usable() const override {
    const std::lock_guard guard(mutex_);
    return failed_;
  }

 private:
  enum class State { Starting, Up, Away, Failed };
  using Connection = std::unique_ptr<PostgresConnection>;
  struct Worker {
    std::thread thread;
    bool ended = false;
  };

  Task<Status> run(std::function<Status(Transaction&)> work, Unit unit) {
    const auto job = std::make_shared<Job>(std::move(work), net::current_io_thread(), unit);
    if (Status refused = enqueue(job); !refused) co_return refused;
    co_await job->done;
    co_return std::move(job->status);
  }
  Status run_now(const std::function<Status(Transaction&)>& work, Unit unit) {
    const auto job = std::make_shared<Job>(work, nullptr, unit);
    if (Status refused = enqueue(job); !refused) return refused;
    return job->wait();
  }

  static Status away() {
    Error error;
    error.kind = ErrorKind::Unavailable;
    error.message = "The database cannot be reached, please retry shortly.";
    error.retry_after = std::chrono::seconds(1);
    return base::fail(std::move(error));
  }

  Status enqueue(const std::shared_ptr<Job>& job) {
    {
      const std::lock_guard guard(mutex_);
      if (state_ == State::Failed) return failed_;
      if (state_ == State::Away || stopping_) return away();
      if (changes_.size() + others_.size() >= kQueuedWorkMax) return queue_full();
      job->turn = ++turns_;
      (job->unit == Unit::Change ? changes_ : others_).push_back(job);
      const std::size_t ready = others_.size() + (may_change() ? 1 : 0);
      if (state_ == State::Up && ready > idle_ && base::monotonic_now() >= spawn_at_) spawn();
    }
    changed_.notify_one();
    return {};
  }

  void spawn() {
    if (running_ >= workers_max_) return;
    ++running_;
    auto slot = std::ranges::find_if(workers_, &Worker::ended);
    if (slot == workers_.end()) {
      slot = workers_.emplace(workers_.end());
    } else {
      slot->thread.join();
      slot->ended = false;
    }
    Worker& worker = *slot;
    worker.thread = std::thread([this, &worker] {
      base::name_background_thread("postgres");
      work_off(worker);
    });
  }

  bool upkeep_due() const { return !upkeep_running_ && state_ != State::Failed && base::monotonic_now() >= upkeep_at_; }
  /// Changes go one by one, so that those which wait for their turn hold no connection.
  bool may_change() const { return !changes_.empty() && !changing_; }
  bool has_work() const { return state_ == State::Up && (may_change() || !others_.empty()); }
  bool too_many() const { return running_ > workers_max_; }
  bool nothing_left() const { return stopping_ && (state_ != State::Up || (changes_.empty() && others_.empty())); }

  void work_off(Worker& me) {
    Connection connection;
    std::unique_lock guard(mutex_);
    for (bool serving = true; serving;) {
      ++idle_;
      changed_.wait_until(guard, upkeep_running_ ? base::monotonic_now() + kMaintenance : upkeep_at_,
                          [this] { return nothing_left() || too_many() || has_work() || upkeep_due(); });
      --idle_;
      if (nothing_left() || too_many()) break;
      if (upkeep_due()) {
        keep_up(guard, connection);
      } else if (has_work()) {
        serving = take_one(guard, connection);
      }
    }
    if (connection) --connected_;
    connection.reset();
    --running_;
    me.ended = true;
    changed_.notify_all();
    if (stopping_) fail_waiting(away());
  }

  /// False: the server has no connection for this worker, but some for others.
  bool take_one(std::unique_lock<std::mutex>& guard, Connection& connection) {
    const bool change = may_change() && (others_.empty() || changes_.front()->turn < others_.front()->turn);
    std::deque<std::shared_ptr<Job>>& queue = change ? changes_ : others_;
    const std::shared_ptr<Job> job = std::move(queue.front());
    queue.pop_front();
    changing_ = changing_ || change;
    const bool had_one = connection != nullptr;
    guard.unlock();
    Ran ran = execute(job->work, job->unit, connection);
    guard.lock();
    count_connection(had_one, connection);
    if (change) changing_ = false;
    if (!ran.connected && connected_ > 0) {
      queue.push_front(job);
      spawn_at_ = base::monotonic_now() + kSpawnPause;
      changed_.notify_all();
      return false;
    }
    if (!ran.connected) go_away(ran.status.error());
    changed_.notify_all();
    guard.unlock();
    job->finish(std::move(ran.status));
    guard.lock();
    return true;
  }

  struct Ran {
    Status status;
    bool connected = true;
  };
  /// Connects where needed. A connection that died while nobody used it costs the unit nothing.
  Ran execute(const std::function<Status(Transaction&)>& work, Unit unit, Connection& connection) {
    for (bool first = true;; first = false) {
      if (!connection) {
        Result<Connection> opened = PostgresConnection::open(url_, limits_, stop_);
        if (!opened) return {base::fail(std::move(opened.error())), false};
        connection = std::move(*opened);
      }
      Status status = connection->transact(work, unit);
      const bool lost = connection->broken();
      const bool began = connection->began();
      if (lost) connection.reset();
      if (!lost || began || !first) return {std::move(status)};
    }
  }

  void count_connection(bool had_one, const Connection& connection) {
    if (had_one && !connection) --connected_;
    if (!had_one && connection) ++connected_;
  }

  void keep_up(std::unique_lock<std::mutex>& guard, Connection& connection) {
    upkeep_running_ = true;
    const bool had_one = connection != nullptr;
    const bool first = !migrated_;
    guard.unlock();
    Ran ran = first ? migrate_schema(connection) : Ran();
    const bool migrated = ran.status.has_value();
    if (migrated) {
      ran = execute([](Transaction& transaction) { return make_coming_entry_days(transaction, base::unix_now_us()); },
                    Unit::Change, connection);
    }
    const bool passes = !ran.status && ran.status.error().retry_after.has_value();
    guard.lock();
    upkeep_running_ = false;
    count_connection(had_one, connection);
    if (!migrated && !passes) {
      failed_ = ran.status;
      state_ = State::Failed;
      fail_waiting(failed_);
    } else if (!migrated || !connection || (passes && state_ != State::Up)) {
      go_away(ran.status.error());
    } else {
      migrated_ = true;
      if (!ran.status) base::log(base::LogLevel::Warning, "database: {}", ran.status.error().message);
      if (state_ != State::Up) base::log(base::LogLevel::Info, "database: connected to {}", url_.shown);
      state_ = State::Up;
      upkeep_at_ = base::monotonic_now() + kMaintenance;
    }
    changed_.notify_all();
  }

  Ran migrate_schema(Connection& connection) {
    Ran last;
    const Status migrated = migrate(
        [&](const std::function<Status(Transaction&)>& work) {
          if (connection) connection->limit_statements(kMigrationMax);
          last = execute(work, Unit::Change, connection);
          return last.status;
        },
        false);
    if (connection) connection->limit_statements(limits_.statement);
    return {migrated, last.connected};
  }

  void go_away(const Error& error) {
    if (state_ != State::Away) {
      base::log(base::LogLevel::Warning, "database: {} cannot be reached ({}); it is tried again and again", url_.shown,
                error.detail.empty() ? error.message : error.detail);
    }
    state_ = State::Away;
    upkeep_at_ = base::monotonic_now() + kReconnect;
    fail_waiting(away());
  }

  void fail_waiting(const Status& status) {
    for (std::deque<std::shared_ptr<Job>>* queue : {&changes_, &others_}) {
      for (const std::shared_ptr<Job>& job : *queue) job->finish(status);
      queue->clear();
    }
  }

  const PostgresUrl url_;
  const PostgresOptions options_;
  PostgresConnection::Limits limits_;
  std::size_t workers_max_ = 1, channels_ = 0;  // Of the connections that there may be.

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> changes_, others_;
  std::uint64_t turns_ = 0;
  bool changing_ = false;
  std::size_t running_ = 0, idle_ = 0, connected_ = 0;
  std::atomic<State> state_{State::Starting};
  Status failed_;
  bool migrated_ = false;
  bool upkeep_running_ = false;
  base::Monotonic upkeep_at_{};
  base::Monotonic spawn_at_{};
  bool stopping_ = false;
  std::atomic<bool> stop_{false};
  std::list<Worker> workers_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_postgres(std::string_view url, PostgresOptions options) {
  Result<PostgresUrl> read = read_postgres_url(url);
  if (!read) return base::fail(std::move(read.error()));
  return std::make_unique<PostgresDatabase>(std::move(*read), options);
}

}  // namespace turnpike::db
