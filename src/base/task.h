#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/block_pool.h"

namespace turnpike::base {

/// A lazy coroutine: it starts when it is awaited and resumes its one awaiter when it ends (symmetric transfer, no
/// allocation beyond the frame). It knows no event loop: whoever completes an awaited operation decides the thread, and
/// in Turnpike that is always the thread that owns the call.
///
/// Errors:    an exception is rethrown at the await. Expected failures are `Result` values.
/// Threading: none; a task lives on one thread.
template <class T = void>
class [[nodiscard]] Task;

namespace detail {

struct TaskPromiseBase {
  std::coroutine_handle<> continuation = std::noop_coroutine();
  std::exception_ptr exception;

  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().continuation;
    }
    void await_resume() const noexcept {}
  };
  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception = std::current_exception(); }
  static void* operator new(std::size_t bytes) { return take_block(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { give_block(frame, bytes); }
};

template <class T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() {
    if (exception) std::rethrow_exception(exception);
    return std::move(*value);
  }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiter) noexcept {
    handle_.promise().continuation = awaiter;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

namespace detail {

template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

struct Spawned {
  struct promise_type {
    Spawned get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
    static void* operator new(std::size_t bytes) { return take_block(bytes); }
    static void operator delete(void* frame, std::size_t bytes) noexcept { give_block(frame, bytes); }
  };
};

inline Spawned run_spawned(Task<void> task) {
  co_await task;
}

}  // namespace detail

/// Runs `task` until it first waits; its frame frees itself at the end. An exception that leaves it ends the program:
/// whoever spawns catches inside.
inline void spawn(Task<void> task) {
  detail::run_spawned(std::move(task));
}

/// One coroutine waits, somebody else on the same thread fires. A fire before the wait is kept.
class Signal {
 public:
  void fire() {
    fired_ = true;
    if (waiter_) std::exchange(waiter_, {}).resume();
  }
  bool fired() const noexcept { return fired_; }
  void reset() noexcept { fired_ = false; }

  bool await_ready() const noexcept { return fired_; }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() const noexcept {}

 private:
  std::coroutine_handle<> waiter_;
  bool fired_ = false;
};

}  // namespace turnpike::base

namespace turnpike {
using base::Task;
}
