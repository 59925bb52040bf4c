#pragma once

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "base/clock.h"
#include "base/id.h"
#include "net/io_threads.h"
#include "net/timer_wheel.h"

struct epoll_event;

namespace turnpike::net {

/// What the loop tells about file descriptors. `on_events` gets the epoll bits; it may destroy itself.
class Watched {
 public:
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~Watched() = default;
};

class EventLoop;

/// Where other threads may leave work for a loop that may have ended meanwhile: then the work is dropped.
class Mailbox {
 public:
  explicit Mailbox(EventLoop& loop) : loop_(&loop) {}
  void post(std::function<void()> work);
  void close();

 private:
  std::mutex mutex_;
  EventLoop* loop_;
};

/// The loop of one I/O thread: epoll with edge-triggered registrations that are made once per socket (no system call
/// arms or disarms a wait), a timer wheel, and work posted from other threads.
///
/// Simulated: while `base::simulated_now_us` is set, a loop that has nothing ready moves it to the next timer
///            instead of waiting for it. Other threads keep real time: what they do takes no time
///            here.
/// Threading: `post` and `stop` from anywhere, everything else on the loop's own thread.
class EventLoop final : public IoThread {
 public:
  explicit EventLoop(std::size_t index);
  ~EventLoop() override;

  std::size_t index() const override { return index_; }
  void post(std::function<void()> work) override;
  Task<void> sleep(std::chrono::milliseconds delay) override;
  std::unique_ptr<Timer> after(std::chrono::milliseconds delay, std::function<void()> action) override;
  base::Random& random() override { return random_; }

  /// Simulated: called before time leaps, to wait until nothing is on its way through the kernel any more.
  void before_leap(std::function<void()> settle) { settle_ = std::move(settle); }

  void run();
  void stop();
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }

  /// Edge-triggered for input, output and hang-up until `remove`.
  bool add(int fd, Watched& watched, std::uint32_t events);
  void remove(int fd, Watched& watched);

  /// Resumes `handle` from the loop, after the current callback: for wake-ups whose caller must not be re-entered.
  void defer(std::coroutine_handle<> handle) { ready_.push_back(handle); }

  /// Lets everybody else of the loop go first, once: for a coroutine that finds its next bytes ready again and again.
  struct Turn {
    EventLoop& loop;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) {
      loop.post([handle] { handle.resume(); });
    }
    void await_resume() const noexcept {}
  };
  Turn turn() { return {*this}; }
  /// After how many bytes it is time for one: a tenth of a millisecond of copying.
  static constexpr std::size_t kTurnBytes = 512 * 1024;

  /// Arms a timer that fires no earlier than `when`.
  void arm(TimerWheel::Node& node, base::Monotonic when);
  void arm_after(TimerWheel::Node& node, std::chrono::milliseconds delay) { arm(node, now_ + delay); }

  /// The time when the loop last woke: good enough for time-outs, and no system call.
  base::Monotonic now() const { return now_; }

 private:
  class FunctionTimer;
  void run_ready();
  void run_posted();
  int wait_ms();
  int wait(epoll_event* batch);
  int wait_simulated(epoll_event* batch);
  std::uint64_t tick_of(base::Monotonic when) const;

  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(*this);
  std::size_t index_;
  int epoll_ = -1;
  int wake_ = -1;
  std::atomic<bool> stopping_{false};
  base::Monotonic started_;
  base::Monotonic now_;
  base::Random random_;
  TimerWheel timers_;
  std::vector<std::coroutine_handle<>> ready_, resuming_;
  std::vector<std::function<void()>> local_, posted_, running_;
  std::function<void()> settle_;
  std::mutex mutex_;  // Guards posted_ and wake_pending_.
  bool wake_pending_ = false;
  epoll_event* batch_ = nullptr;  // The events being handed out, so that `remove` can take back later ones.
  int batch_next_ = 0, batch_count_ = 0;
};

/// There is one implementation of IoThread; the folders that wait on sockets use it directly.
inline EventLoop& loop_of(IoThread& thread) {
  return static_cast<EventLoop&>(thread);
}

}  // namespace turnpike::net
