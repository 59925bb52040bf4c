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
  void run(std::function<void()> job) {
    constexpr std::size_t kThreads = 2;
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    if (threads_ < kThreads) {
      ++threads_;
      std::thread([this] { work(); }).detach();
    }
    changed_.notify_one();
  }

 private:
  void work() {
    base::name_this_thread("blocking");
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return !jobs_.empty(); });
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  std::size_t threads_ = 0;
};

}  // namespace

void run_blocking(std::function<void()> job) {
  // Never destroyed: a look-up that hangs must not hold up the end of the process.
  static Workers& workers = *new Workers;
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
