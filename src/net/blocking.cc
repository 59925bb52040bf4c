#include "net/blocking.h"
#include "base/thread_name.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace turnpike::net {
namespace {

class Workers {
 public:
  Workers(const char* name, std::size_t threads_max) : name_(name), threads_max_(threads_max) {}

  void run(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    if (jobs_.size() > idle_ && threads_ < threads_max_) {
      ++threads_;
      std::thread([this] { work(); }).detach();
    }
    changed_.notify_one();
  }

 private:
  void work() {
    base::name_this_thread(name_);
    std::unique_lock lock(mutex_);
    for (;;) {
      ++idle_;
      changed_.wait(lock, [this] { return !jobs_.empty(); });
      --idle_;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  const char* const name_;
  const std::size_t threads_max_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
};

}  // namespace

// Never destroyed: a job that hangs must not hold up the end of the process.
void run_blocking(std::function<void()> job) {
  constexpr std::size_t kThreads = 2;
  static Workers& workers = *new Workers("blocking", kThreads);
  workers.run(std::move(job));
}

void run_waiting(std::function<void()> job) {
  static Workers& workers = *new Workers("look-up", kWaitingThreads);
  workers.run(std::move(job));
}

void Rendezvous::complete(Wake why) {
  if (done_) return;
  done_ = true;
  why_ = why;
  timer_.disarm();
  if (waiter_) loop_.defer(std::exchange(waiter_, {}));
}

void Rendezvous::Wait::await_suspend(std::coroutine_handle<> handle) {
  meeting.waiter_ = handle;
  if (until != base::Monotonic::max()) meeting.loop_.arm(meeting.timer_, until);
}

}  // namespace turnpike::net
