#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/thread_name.h"
#include "db/database.h"
#include "db/job.h"
#include "db/migrations.h"
#include "db/sqlite_connection.h"
#include "net/io_threads.h"

namespace turnpike::db {
namespace {

/// Holds `<path>.lock` for the life of the process; the kernel frees it whatever the end.
class FileLock {
 public:
  FileLock() = default;
  FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  static Result<FileLock> take(const std::string& path) {
    FileLock lock;
    const std::string lock_path = path + ".lock";
    lock.descriptor_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock.descriptor_ < 0) {
      return base::fail(ErrorKind::Unavailable,
                        fmt::format("cannot write {}: check the directory and its permissions", lock_path));
    }
    if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
      char pid[32] = {};
      const ssize_t count = ::pread(lock.descriptor_, pid, sizeof pid - 1, 0);
      return base::fail(ErrorKind::Unavailable,
                        fmt::format("the database {} is in use by process {}: stop it or use another data directory",
                                    path, count > 0 ? pid : "(unknown)"));
    }
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(lock.descriptor_, 0) != 0 || ::pwrite(lock.descriptor_, pid.data(), pid.size(), 0) < 0) {
      return base::fail(ErrorKind::Unavailable, fmt::format("cannot write {}", lock_path));
    }
    return lock;
  }

 private:
  int descriptor_ = -1;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::unique_ptr<SqliteConnection> connection, FileLock lock)
      : connection_(std::move(connection)), lock_(std::move(lock)), thread_([this] {
          base::name_background_thread("sqlite");
          work_off();
        }) {}

  ~SqliteDatabase() override {
    {
      const std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    arrived_.notify_one();
    thread_.join();
  }

  Task<Status> transact(std::function<Status(Transaction&)> work) override {
    const auto job = std::make_shared<Job>(std::move(work), net::current_io_thread());
    if (!enqueue(job)) co_return queue_full();
    co_await job->done;
    co_return std::move(job->status);
  }

  Status transact_now(const std::function<Status(Transaction&)>& work) override {
    const auto job = std::make_shared<Job>(work, nullptr);
    if (!enqueue(job)) return queue_full();
    return job->wait();
  }

  std::string description() const override { return "sqlite"; }
  bool reachable() const override { return reachable_.load(std::memory_order_relaxed); }

 private:
  bool enqueue(const std::shared_ptr<Job>& job) {
    {
      const std::lock_guard guard(mutex_);
      if (stopping_ || queue_.size() >= kQueuedWorkMax) return false;
      queue_.push_back(job);
    }
    arrived_.notify_one();
    return true;
  }

  void work_off() {
    std::unique_lock guard(mutex_);
    for (;;) {
      arrived_.wait(guard, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const std::shared_ptr<Job> job = std::move(queue_.front());
      queue_.pop_front();
      guard.unlock();
      Status status = connection_->transact(job->work);
      const bool away = !status && status.error().kind == ErrorKind::Unavailable;
      reachable_.store(!away, std::memory_order_relaxed);
      job->finish(std::move(status));
      guard.lock();
    }
  }

  std::unique_ptr<SqliteConnection> connection_;
  FileLock lock_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<Job>> queue_;
  bool stopping_ = false;
  std::atomic<bool> reachable_{true};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path) {
  auto lock = FileLock::take(path);
  if (!lock) return base::fail(lock.error());
  // The file is made here so that it never exists with a wider mode.
  const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (made >= 0) ::close(made);
  auto connection = SqliteConnection::open(path, SqliteConnection::Access::ReadWrite);
  if (!connection) return base::fail(connection.error());
  const auto transact = [&](const std::function<Status(Transaction&)>& work) { return (*connection)->transact(work); };
  if (const Status status = migrate(transact, true); !status) {
    Error error = status.error();
    error.message = fmt::format("the database {} cannot be used: {}", path, error.message);
    error.kind = ErrorKind::Unavailable;
    return base::fail(std::move(error));
  }
  return std::make_unique<SqliteDatabase>(std::move(*connection), std::move(*lock));
}

Result<std::unique_ptr<Database>> open_sqlite_to_read(const std::string& path) {
  auto connection = SqliteConnection::open(path, SqliteConnection::Access::Read);
  if (!connection) return base::fail(connection.error());
  return std::make_unique<SqliteDatabase>(std::move(*connection), FileLock());
}

}  // namespace turnpike::db
