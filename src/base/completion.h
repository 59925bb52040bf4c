#pragma once

#include <condition_variable>
#include <coroutine>
#include <memory>
#include <mutex>
#include <utility>

#include "base/executor.h"

namespace turnpike::base {

/// One coroutine (or one blocked thread) waits for what another thread finishes: the meeting point of I/O threads with
/// the database and ledger threads.
///
/// Threading: `complete` from any thread, once. The waiter resumes through `executor`; without one, the waiting thread
///            blocks instead (start-up, tests, shipper). A waiting coroutine that is destroyed is simply not resumed,
///            as long as that happens on the executor's thread.
class Completion {
  struct State {
    std::mutex mutex;
    std::condition_variable finished;
    Executor* executor = nullptr;
    std::coroutine_handle<> waiter;
    bool done = false;
  };

 public:
  explicit Completion(Executor* executor) : state_(std::make_shared<State>()) { state_->executor = executor; }

  void complete() const {
    const std::shared_ptr<State> state = state_;
    std::unique_lock lock(state->mutex);
    state->done = true;
    const bool waiting = state->waiter != nullptr;
    lock.unlock();
    if (state->executor == nullptr) {
      state->finished.notify_all();
    } else if (waiting) {
      state->executor->post([state] {
        std::unique_lock relock(state->mutex);
        const std::coroutine_handle<> waiter = std::exchange(state->waiter, {});
        relock.unlock();
        if (waiter) waiter.resume();
      });
    }
  }

  class Awaiter {
   public:
    explicit Awaiter(const Completion& completion) : state_(completion.state_) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() {
      const std::lock_guard lock(state_->mutex);
      state_->waiter = {};
    }
    bool await_ready() const {
      std::unique_lock lock(state_->mutex);
      if (state_->executor == nullptr) state_->finished.wait(lock, [this] { return state_->done; });
      return state_->done;
    }
    bool await_suspend(std::coroutine_handle<> waiter) const {
      const std::lock_guard lock(state_->mutex);
      if (state_->done) return false;
      state_->waiter = waiter;
      return true;
    }
    void await_resume() const noexcept {}

   private:
    std::shared_ptr<State> state_;
  };
  Awaiter operator co_await() const { return Awaiter(*this); }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace turnpike::base
