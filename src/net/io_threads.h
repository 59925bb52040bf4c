#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/executor.h"
#include "base/id.h"
#include "base/task.h"

namespace turnpike::net {

/// One I/O thread: an event loop that owns its connections, timers and pools. Everything but `post` and `load` is for
/// the thread itself.
class IoThread : public base::Executor {
 public:
  ~IoThread() override = default;

  virtual std::size_t index() const = 0;
  void post(std::function<void()> work) override = 0;

  /// Resumes the awaiting coroutine after `delay` on this thread.
  virtual Task<void> sleep(std::chrono::milliseconds delay) = 0;

  /// Runs `action` once after `delay` (accuracy about 10 ms, one coarse wheel per thread); the handle cancels on
  /// destruction.
  class Timer {
   public:
    virtual ~Timer() = default;
  };
  virtual std::unique_ptr<Timer> after(std::chrono::milliseconds delay, std::function<void()> action) = 0;

  virtual base::Random& random() = 0;
};

/// The process's I/O threads. `count` 0: the CPU quota of the cgroup rounded up, else the cores.
class IoThreads {
 public:
  static std::unique_ptr<IoThreads> start(std::size_t count);
  virtual ~IoThreads() = default;  // Stops and joins.
  virtual const std::vector<IoThread*>& all() const = 0;

  /// Runs `work` on every thread (reload, key changed): the one way news reaches them.
  virtual void publish(const std::function<void(IoThread&)>& work) = 0;
};

/// The thread the caller runs on, or null outside of I/O threads.
IoThread* current_io_thread();

}  // namespace turnpike::net
