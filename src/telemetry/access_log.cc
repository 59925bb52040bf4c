#include "telemetry/access_log.h"
#include "base/thread_name.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace turnpike::telemetry {
namespace {

/// What the I/O threads and the writer share. The writer keeps it alive should the log go away while a write is stuck.
struct Shared {
  struct alignas(64) Slot {
    std::mutex mutex;  // Held for one line, or for a swap.
    std::string buffer;
    std::uint64_t lines = 0;
  };
  explicit Shared(const AccessLog::Options& options_in)
      : options(options_in), slots(std::max<std::size_t>(options.threads, 1)) {}

  const AccessLog::Options options;
  std::vector<Slot> slots;
  std::atomic<std::uint64_t> dropped{0};

  std::mutex mutex;
  std::condition_variable changed;
  bool wanted = false;  // A buffer is half full.
  bool stopping = false;
  bool finished = false;  // The writer is done.
};

/// False when the reader has gone or the device refuses.
bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));  // Somebody made the descriptor non-blocking.
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

void write_round(Shared& shared, std::string& spare) {
  for (Shared::Slot& slot : shared.slots) {
    std::uint64_t lines = 0;
    {
      const std::lock_guard lock(slot.mutex);
      if (slot.buffer.empty()) continue;
      std::swap(slot.buffer, spare);
      lines = std::exchange(slot.lines, 0);
    }
    if (!write_all(shared.options.descriptor, spare)) shared.dropped.fetch_add(lines, std::memory_order_relaxed);
    spare.clear();
  }
}

void run_writer(const std::shared_ptr<Shared>& shared) {
  base::name_background_thread("access-log");
  // A closed pipe is an error value here, not the end of the process.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  std::string spare;
  for (;;) {
    bool stopping = false;
    {
      std::unique_lock lock(shared->mutex);
      shared->changed.wait_for(lock, shared->options.interval, [&] { return shared->wanted || shared->stopping; });
      shared->wanted = false;
      stopping = shared->stopping;
    }
    write_round(*shared, spare);
    if (stopping) break;
  }
  const std::lock_guard lock(shared->mutex);
  shared->finished = true;
  shared->changed.notify_all();
}

class Log final : public AccessLog {
 public:
  explicit Log(const Options& options) : shared_(std::make_shared<Shared>(options)) {
    if (options.enabled) writer_ = std::thread([shared = shared_] { run_writer(shared); });
  }
  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void call_ended(std::size_t thread, const domain::CallRecord& record) override;
  std::uint64_t lines_dropped() const override { return shared_->dropped.load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<Shared> shared_;
  std::thread writer_;
};

constexpr std::chrono::seconds kLastWriteMax{2};

Log::~Log() {
  if (!writer_.joinable()) return;
  std::unique_lock lock(shared_->mutex);
  shared_->stopping = true;
  shared_->changed.notify_all();
  const bool finished = shared_->changed.wait_for(lock, kLastWriteMax, [&] { return shared_->finished; });
  lock.unlock();
  // A reader that does not read must not keep the process from ending.
  finished ? writer_.join() : writer_.detach();
}

void Log::call_ended(std::size_t thread, const domain::CallRecord& record) {
  const Options& options = shared_->options;
  if (!options.enabled) return;
  Shared::Slot& slot = shared_->slots[std::min(thread, shared_->slots.size() - 1)];
  bool became_half_full = false;
  {
    const std::lock_guard lock(slot.mutex);
    const std::size_t before = slot.buffer.size();
    append_access_line(slot.buffer, record);
    slot.buffer.push_back('\n');
    if (slot.buffer.size() > options.buffer_bytes_max) {
      slot.buffer.resize(before);
      shared_->dropped.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    ++slot.lines;
    const std::size_t half = options.buffer_bytes_max / 2;
    became_half_full = before < half && slot.buffer.size() >= half;
  }
  if (!became_half_full) return;
  const std::lock_guard lock(shared_->mutex);
  shared_->wanted = true;
  shared_->changed.notify_all();
}

}  // namespace

std::unique_ptr<AccessLog> AccessLog::start(Options options) {
  return std::make_unique<Log>(options);
}

}  // namespace turnpike::telemetry
