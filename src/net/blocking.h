#pragma once

#include <coroutine>
#include <functional>
#include <memory>

#include "net/event_loop.h"
#include "net/socket.h"

namespace turnpike::net {

/// Runs jobs that would hold up an I/O thread (loading certificates, long token counts, reading files) on two threads
/// of their own, which start when needed and last as long as the process.
///
/// Threading: from any thread; jobs must not touch anything of an I/O thread.
void run_blocking(std::function<void()> job);

/// The same for jobs that wait for others (name look-ups): apart, and on more threads, so that some that hang hold up
/// neither the rest nor what is computed.
/// Limits: `kWaitingThreads`, started as needed; further jobs queue.
inline constexpr std::size_t kWaitingThreads = 16;
void run_waiting(std::function<void()> job);

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
