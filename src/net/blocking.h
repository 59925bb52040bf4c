#pragma once

#include <coroutine>
#include <functional>
#include <memory>

#include "net/event_loop.h"
#include "net/socket.h"

namespace turnpike::net {

/// Runs short blocking calls (name look-ups, loading certificates) on two threads of their own, which start with the
/// first job and last as long as the process.
///
/// Threading: `run` from any thread; jobs must not touch anything of an I/O thread.
void run_blocking(std::function<void()> job);

/// Lets a coroutine of an I/O thread wait for something that may take longer than it cares to: whoever completes holds
/// a shared pointer, so a late completion finds nobody and harms nothing.
class Rendezvous {
 public:
  explicit Rendezvous(EventLoop& loop) : loop_(loop) {}

  /// On the loop's thread: ends the wait, now or in advance.
  void complete(Wake why);

  struct Wait {
    Rendezvous& meeting;
    base::Monotonic until;
    bool await_ready() const noexcept { return meeting.done_; }
    void await_suspend(std::coroutine_handle<> handle);
    Wake await_resume() const noexcept { return meeting.why_; }
  };
  Wait wait(base::Monotonic until) { return {*this, until}; }
  EventLoop& loop() { return loop_; }

 private:
  EventLoop& loop_;
  bool done_ = false;
  Wake why_ = Wake::Ready;
  std::coroutine_handle<> waiter_;
  TimerWheel::Node timer_{[](void* self) { static_cast<Rendezvous*>(self)->complete(Wake::Timeout); }, this};
};

}  // namespace turnpike::net
