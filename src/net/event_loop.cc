#include "net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <stdexcept>

namespace turnpike::net {
namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr int kBatchMax = 256;

thread_local EventLoop* current_loop = nullptr;

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  base::fill_random(&seed, sizeof seed);
  return seed;
}

/// Suspends a coroutine until its timer fires.
struct Nap {
  EventLoop& loop;
  base::Monotonic until;
  std::coroutine_handle<> sleeper;
  TimerWheel::Node node{[](void* self) {
                          auto* nap = static_cast<Nap*>(self);
                          nap->loop.defer(nap->sleeper);
                        },
                        this};

  Nap(EventLoop& owner, base::Monotonic end) : loop(owner), until(end) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    sleeper = handle;
    loop.arm(node, until);
  }
  void await_resume() const noexcept {}
};

}  // namespace

IoThread* current_io_thread() {
  return current_loop;
}

class EventLoop::FunctionTimer final : public IoThread::Timer {
 public:
  explicit FunctionTimer(std::function<void()> action) : action_(std::move(action)) {}
  TimerWheel::Node& node() { return node_; }

 private:
  static void fire(void* self) {
    // The action may destroy this timer: it runs from a copy of its own.
    const std::function<void()> action = std::move(static_cast<FunctionTimer*>(self)->action_);
    action();
  }
  std::function<void()> action_;
  TimerWheel::Node node_{&FunctionTimer::fire, this};
};

void Mailbox::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (loop_ != nullptr) loop_->post(std::move(work));
}

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
}

EventLoop::EventLoop(std::size_t index)
    : index_(index), started_(base::monotonic_now()), now_(started_), random_(random_seed()) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wake_ < 0) throw std::runtime_error("cannot create an event loop: out of file descriptors");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
}

EventLoop::~EventLoop() {
  mailbox_->close();
  ::close(wake_);
  ::close(epoll_);
}

void EventLoop::post(std::function<void()> work) {
  if (current_loop == this) {
    local_.push_back(std::move(work));
    return;
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(work));
    wake = !std::exchange(wake_pending_, true);
  }
  if (!wake) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

void EventLoop::stop() {
  stopping_.store(true);
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
}

Task<void> EventLoop::sleep(std::chrono::milliseconds delay) {
  Nap nap(*this, base::monotonic_now() + delay);
  co_await nap;
}

std::unique_ptr<IoThread::Timer> EventLoop::after(std::chrono::milliseconds delay, std::function<void()> action) {
  auto timer = std::make_unique<FunctionTimer>(std::move(action));
  arm(timer->node(), base::monotonic_now() + delay);
  return timer;
}

bool EventLoop::add(int fd, Watched& watched, std::uint32_t events) {
  epoll_event event{};
  event.events = events | EPOLLET;
  event.data.ptr = &watched;
  return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void EventLoop::remove(int fd, Watched& watched) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
  for (int i = batch_next_; i < batch_count_; ++i) {
    if (batch_[i].data.ptr == &watched) batch_[i].events = 0;
  }
}

std::uint64_t EventLoop::tick_of(base::Monotonic when) const {
  if (when <= started_) return 0;
  return static_cast<std::uint64_t>((when - started_) / kTick);
}

void EventLoop::arm(TimerWheel::Node& node, base::Monotonic when) {
  // Two roundings must not make a timer early: the tick after the one that holds `when`.
  timers_.arm(node, when == base::Monotonic::max() ? TimerWheel::kNever / 2 : tick_of(when) + 1);
}

int EventLoop::wait_ms() {
  if (!ready_.empty() || !local_.empty()) return 0;
  const std::uint64_t next = timers_.next_tick();
  if (next == TimerWheel::kNever) return -1;
  constexpr std::uint64_t kLongest = 60'000 / 10;
  const std::uint64_t here = tick_of(now_);
  if (next <= here) return 0;
  const auto until = started_ + kTick * static_cast<std::int64_t>(std::min(next, here + kLongest));
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now_);
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

int EventLoop::wait(epoll_event* batch) {
  if (base::simulated_now_us.load(std::memory_order_relaxed) != 0) [[unlikely]]
    return wait_simulated(batch);
  return ::epoll_wait(epoll_, batch, kBatchMax, wait_ms());
}

int EventLoop::wait_simulated(epoll_event* batch) {
  const int to_next_timer = wait_ms();
  if (to_next_timer <= 0) return ::epoll_wait(epoll_, batch, kBatchMax, to_next_timer);
  if (settle_) settle_();
  if (const int arrived = ::epoll_wait(epoll_, batch, kBatchMax, 0); arrived != 0) return arrived;
  base::simulated_now_us.fetch_add(std::int64_t{to_next_timer} * 1000, std::memory_order_relaxed);
  return 0;
}

void EventLoop::run_ready() {
  while (!ready_.empty()) {
    resuming_.swap(ready_);
    for (const std::coroutine_handle<> handle : resuming_) handle.resume();
    resuming_.clear();
  }
}

void EventLoop::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(posted_);
    wake_pending_ = false;
  }
  for (std::function<void()>& work : running_) {
    work();
    work = nullptr;
  }
  running_.clear();
}

void EventLoop::run() {
  current_loop = this;
  epoll_event batch[kBatchMax];
  batch_ = batch;
  std::vector<std::function<void()>> local;
  for (;;) {
    run_ready();
    local.swap(local_);
    for (std::function<void()>& work : local) {
      work();
      work = nullptr;
    }
    local.clear();
    run_ready();
    if (stopping_.load()) break;

    batch_count_ = wait(batch);
    now_ = base::monotonic_now();
    for (batch_next_ = 0; batch_next_ < batch_count_;) {
      const epoll_event event = batch[batch_next_++];
      if (event.data.ptr == nullptr) {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto taken = ::read(wake_, &count, sizeof count);
        run_posted();
      } else if (event.events != 0) {
        static_cast<Watched*>(event.data.ptr)->on_events(event.events);
      }
    }
    batch_count_ = 0;
    timers_.advance(tick_of(now_));
  }
  // What was posted before the stop still runs: closings of sockets that belong to this thread.
  for (bool more = true; more;) {
    run_posted();
    run_ready();
    local.swap(local_);
    for (std::function<void()>& work : local) work();
    local.clear();
    const std::lock_guard lock(mutex_);
    more = !posted_.empty() || !ready_.empty() || !local_.empty();
  }
  batch_ = nullptr;
  current_loop = nullptr;
}

}  // namespace turnpike::net
