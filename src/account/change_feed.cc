#include "account/change_feed.h"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/thread_name.h"

namespace turnpike::account {
namespace {

constexpr std::int64_t kReadMax = 1000;  // Changes taken at once; beyond, everything is forgotten.

}  // namespace

struct ChangeFeed::State {
  State(db::Database& database_in, Hooks hooks_in) : database(database_in), hooks(std::move(hooks_in)) {}

  db::Database& database;
  Hooks hooks;
  std::mutex mutex;
  std::condition_variable woken;
  bool asked = false;
  bool stopping = false;
  bool started = false;  // The first question has been asked.
  std::atomic<std::int64_t> answered_us{base::unix_now_us()};
  std::int64_t seen = -1;  // The newest change known here; -1: none has been read yet.
  std::thread thread;
  std::unique_ptr<db::Listening> listening;

  void follow() {
    std::unique_lock guard(mutex);
    for (;;) {
      woken.wait_for(guard, kPollInterval, [this] { return stopping || asked; });
      if (stopping) return;
      asked = false;
      guard.unlock();
      poll();
      guard.lock();
    }
  }

  void poll() {
    std::vector<Change> changes;
    std::int64_t newest = 0;
    bool gap = false;
    const Status read = database.read_now([&](db::Transaction& transaction) -> Status {
      changes.clear();
      const auto counter = transaction.run("SELECT change_no FROM change_counter", {});
      if (!counter) return base::fail(counter.error());
      newest = counter->rows.empty() ? 0 : db::as_int(counter->rows[0][0]);
      if (seen < 0 || newest <= seen) return {};
      const auto rows = transaction.run(
          "SELECT change_no, kind, entity FROM change_log WHERE change_no > $1 AND change_no <= $2 ORDER BY change_no "
          "LIMIT $3",
          {seen, newest, kReadMax});
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) {
        changes.push_back({db::as_int(row.at(0)), db::as_text(row.at(1)), db::as_text(row.at(2))});
      }
      gap = static_cast<std::int64_t>(changes.size()) != newest - seen;
      return {};
    });
    if (!read) return;  // Asked again in half a second; `behind` says how long it has been.
    answered_us.store(base::unix_now_us(), std::memory_order_relaxed);
    const bool late = seen < 0 && started;  // Who knows what has changed since the first caller was read.
    const bool first = seen < 0 && !started;
    seen = newest;
    if (first) return;
    if (gap || late) {
      hooks.lost();
    } else if (!changes.empty()) {
      hooks.changed(changes);
    }
  }
};

ChangeFeed::ChangeFeed(db::Database& database, Hooks hooks)
    : state_(std::make_unique<State>(database, std::move(hooks))) {
  state_->poll();
  state_->started = true;
  state_->thread = std::thread([state = state_.get()] {
    base::name_background_thread("changes");
    state->follow();
  });
  state_->listening = database.listen(std::string(db::kChangeChannel), [this](std::string_view) { wake(); });
}

ChangeFeed::~ChangeFeed() {
  state_->listening.reset();
  {
    const std::lock_guard guard(state_->mutex);
    state_->stopping = true;
  }
  state_->woken.notify_one();
  state_->thread.join();
}

void ChangeFeed::wake() {
  {
    const std::lock_guard guard(state_->mutex);
    state_->asked = true;
  }
  state_->woken.notify_one();
}

std::chrono::milliseconds ChangeFeed::behind() const {
  return std::chrono::milliseconds((base::unix_now_us() - state_->answered_us.load(std::memory_order_relaxed)) / 1000);
}

}  // namespace turnpike::account
