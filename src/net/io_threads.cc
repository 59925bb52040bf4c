#include "net/io_threads.h"

#include <sched.h>
#include <csignal>
#include <fstream>
#include <string>
#include <thread>

#include "base/thread_name.h"
#include "net/cpu_quota.h"
#include "net/event_loop.h"

namespace turnpike::net {
namespace {

class Threads final : public IoThreads {
 public:
  explicit Threads(std::size_t count) {
    // A peer that has closed must cost an error value and not the process.
    std::signal(SIGPIPE, SIG_IGN);
    for (std::size_t i = 0; i < count; ++i) {
      loops_.push_back(std::make_unique<EventLoop>(i));
      all_.push_back(loops_.back().get());
    }
    for (const auto& loop : loops_) {
      threads_.emplace_back([running = loop.get()] {
        base::name_this_thread(("io-" + std::to_string(running->index())).c_str());
        running->run();
      });
    }
  }
  ~Threads() override {
    for (const auto& loop : loops_) loop->stop();
    for (std::thread& thread : threads_) thread.join();
  }

  const std::vector<IoThread*>& all() const override { return all_; }

  void publish(const std::function<void(IoThread&)>& work) override {
    for (IoThread* thread : all_) {
      thread->post([work, thread] { work(*thread); });
    }
  }

 private:
  std::vector<std::unique_ptr<EventLoop>> loops_;
  std::vector<IoThread*> all_;
  std::vector<std::thread> threads_;
};

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::size_t default_count() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    cores = static_cast<std::size_t>(std::max(1, CPU_COUNT(&allowed)));
  }
  auto quota = cpus_of_quota(first_line("/sys/fs/cgroup/cpu.max"));
  if (!quota) {
    quota = cpus_of_quota(first_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") + " " +
                          first_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us"));
  }
  return quota ? std::min(*quota, cores) : cores;
}

}  // namespace

std::unique_ptr<IoThreads> IoThreads::start(std::size_t count) {
  return std::make_unique<Threads>(count == 0 ? default_count() : count);
}

}  // namespace turnpike::net
