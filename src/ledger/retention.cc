#include "ledger/retention.h"

#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "db/postgres_days.h"

namespace turnpike::ledger {
namespace {

using db::as_int;
using db::Transaction;

constexpr int kRowsAtOnce = 1000;

/// "[1,0,2,0]" as pairs of account and window.
std::vector<std::pair<std::int64_t, std::int64_t>> read_pairs(std::string_view text) {
  std::vector<std::int64_t> numbers;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end;) {
    std::int64_t number = 0;
    const auto read = std::from_chars(at, end, number);
    if (read.ec == std::errc()) numbers.push_back(number);
    at = read.ec == std::errc() ? read.ptr : at + 1;
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> pairs;
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2) pairs.emplace_back(numbers[i], numbers[i + 1]);
  return pairs;
}

/// Entries on their way out, and what stays of them.
class Leaving {
 public:
  void add(std::int64_t day, std::int64_t replica_no, std::string_view accounts, std::int64_t entries,
           std::int64_t calls, std::int64_t cost_nano, std::int64_t tokens) {
    Sum& of_day = days_[{day, replica_no}];
    of_day.count += entries;
    of_day.cost_nano += cost_nano;
    for (const auto& pair : read_pairs(accounts)) {
      Sum& of_window = windows_[pair];
      of_window.count += calls;
      of_window.cost_nano += cost_nano;
      of_window.tokens += tokens;
    }
    entries_ += entries;
    numbers_.insert(day);
  }
  std::int64_t entries() const { return entries_; }
  const std::set<std::int64_t>& days() const { return numbers_; }

  Status note(Transaction& transaction) const {
    for (auto at = windows_.begin(); at != windows_.end();) {
      if (Status noted = note_windows(transaction, at); !noted) return noted;
    }
    for (const auto& [key, sum] : days_) {
      const auto done = transaction.run(
          "INSERT INTO dropped_day (day, replica_no, entries, cost_nano) VALUES ($1, $2, $3, $4) ON CONFLICT (day, "
          "replica_no) DO UPDATE SET entries = dropped_day.entries + excluded.entries, cost_nano = "
          "dropped_day.cost_nano + excluded.cost_nano",
          {key.first, key.second, sum.count, sum.cost_nano});
      if (!done) return base::fail(done.error());
    }
    return {};
  }

 private:
  struct Sum {
    std::int64_t count = 0;
    std::int64_t cost_nano = 0;
    std::int64_t tokens = 0;  // Of windows.
  };
  using Windows = std::map<std::pair<std::int64_t, std::int64_t>, Sum>;

  /// Some of them, with one statement.
  Status note_windows(Transaction& transaction, Windows::const_iterator& at) const {
    constexpr std::size_t kWindowsAtOnce = 1000;
    std::string rows;
    std::vector<db::Value> values;
    for (std::size_t i = 0; i < kWindowsAtOnce && at != windows_.end(); ++i, ++at) {
      rows += fmt::format("{}(${}, ${}, ${}, ${}, ${})", i == 0 ? "" : ", ", 5 * i + 1, 5 * i + 2, 5 * i + 3, 5 * i + 4,
                          5 * i + 5);
      const auto& [window, sum] = *at;
      for (const std::int64_t value : {window.first, window.second, sum.cost_nano, sum.tokens, sum.count}) {
        values.emplace_back(value);
      }
    }
    const auto done = transaction.run(
        fmt::format(
            "WITH gone(account, win, nano, tokens, calls) AS (VALUES {}) UPDATE account_window SET dropped_nano "
            "= dropped_nano + CASE WHEN (SELECT a.kind FROM account a WHERE a.account_id = gone.account) >= 100 "
            "THEN gone.tokens ELSE gone.nano END, dropped_calls = dropped_calls + gone.calls FROM gone WHERE "
            "account_id = gone.account AND window_id = gone.win",
            rows),
        values);
    return done ? Status() : base::fail(done.error());
  }

  Windows windows_;
  std::map<std::pair<std::int64_t, std::int64_t>, Sum> days_;  // By day and replica.
  std::set<std::int64_t> numbers_;
  std::int64_t entries_ = 0;
};

Status drop_part(db::Database& database, std::int64_t day, DroppedDays& dropped) {
  Leaving leaving;
  bool mine = false;
  const Status done = database.append_now([&](Transaction& transaction) -> Status {
    leaving = {};
    mine = false;
    const Result<bool> held = db::hold_entry_day(transaction, day);
    if (!held) return base::fail(held.error());
    if (!*held) return {};
    const auto rows = transaction.run(
        fmt::format("SELECT replica_no, accounts, count(*), sum(CASE WHEN kind = 0 THEN 1 ELSE 0 END), "
                    "sum(cost_nano), sum(prompt_tokens + completion_tokens) FROM {} GROUP BY replica_no, accounts",
                    db::entry_day_table(day)),
        {});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      leaving.add(day, as_int(row[0]), db::as_text(row[1]), as_int(row[2]), as_int(row[3]), as_int(row[4]),
                  as_int(row[5]));
    }
    if (Status gone = db::drop_entry_day(transaction, day); !gone) return gone;
    mine = true;
    return leaving.note(transaction);
  });
  if (!done || !mine) return done;
  dropped.entries += leaving.entries();
  ++dropped.days;
  return {};
}

bool stopped(const std::atomic<bool>* stop) {
  return stop != nullptr && stop->load(std::memory_order_relaxed);
}

/// Of the oldest rows at most a thousand.
Result<Leaving> delete_some(db::Database& database, std::int64_t first_kept) {
  Leaving leaving;
  const Status done = database.transact_now([&](Transaction& transaction) -> Status {
    leaving = {};
    const auto rows = transaction.run(
        "DELETE FROM entry WHERE (day, replica_no, entry_no) IN (SELECT day, replica_no, entry_no FROM entry WHERE day "
        "< $1 ORDER BY day, replica_no, entry_no LIMIT $2) RETURNING day, replica_no, accounts, kind, cost_nano, "
        "prompt_tokens + completion_tokens",
        {first_kept, std::int64_t{kRowsAtOnce}});
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) {
      leaving.add(as_int(row[0]), as_int(row[1]), db::as_text(row[2]), 1, as_int(row[3]) == 0 ? 1 : 0, as_int(row[4]),
                  as_int(row[5]));
    }
    return leaving.note(transaction);
  });
  if (!done) return base::fail(done.error());
  return leaving;
}

Result<DroppedDays> delete_rows(db::Database& database, std::int64_t first_kept, const std::atomic<bool>* stop) {
  DroppedDays dropped;
  std::set<std::int64_t> days;
  for (;;) {
    const base::Monotonic begun = base::monotonic_now();
    const Result<Leaving> left = delete_some(database, first_kept);
    if (!left) return base::fail(left.error());
    dropped.entries += left->entries();
    days.insert(left->days().begin(), left->days().end());
    if (left->entries() < kRowsAtOnce || stopped(stop)) break;
    std::this_thread::sleep_for(base::monotonic_now() - begun);  // The database's thread has other work.
  }
  dropped.days = static_cast<std::int64_t>(days.size());
  return dropped;
}

}  // namespace

Result<DroppedDays> drop_days_before(db::Database& database, std::int64_t first_kept, const std::atomic<bool>* stop) {
  if (!database.is_shared()) return delete_rows(database, first_kept, stop);
  std::vector<std::int64_t> days;
  const Status read = database.read_now([&](Transaction& transaction) -> Status {
    Result<std::vector<std::int64_t>> found = db::entry_days_before(transaction, first_kept);
    if (!found) return base::fail(std::move(found.error()));
    days = std::move(*found);
    return {};
  });
  if (!read) return base::fail(read.error());
  DroppedDays dropped;
  for (const std::int64_t day : days) {
    if (stopped(stop)) break;
    if (Status done = drop_part(database, day, dropped); !done) return base::fail(std::move(done.error()));
  }
  return dropped;
}

struct Retention::State {
  State(db::Database& of, Options how) : database(of), options(how) {}

  void work() {
    constexpr std::chrono::seconds kAgain{60};  // After what could not be done.
    std::unique_lock guard(mutex);
    while (!stopping) {
      guard.unlock();
      const bool done = run();
      guard.lock();
      wake.wait_for(guard, done ? options.interval : std::min(options.interval, kAgain),
                    [this] { return stopping.load(); });
    }
  }

  bool run() {
    const auto keep_us = std::chrono::microseconds(options.keep).count();
    const std::int64_t first_kept = (base::unix_now_us() - keep_us) / base::kDayUs;
    const Result<DroppedDays> dropped = drop_days_before(database, first_kept, &stopping);
    if (!dropped) {
      base::log(base::LogLevel::Warning, "ledger: old entries stay for now: {}", dropped.error().message);
      return false;
    }
    if (dropped->entries > 0) {
      base::log(base::LogLevel::Info, "ledger: {} entries of {} days are gone, as the retention says; their sums stay",
                dropped->entries, dropped->days);
    }
    return true;
  }

  db::Database& database;
  const Options options;
  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<bool> stopping{false};
  std::thread thread;
};

Retention::Retention(db::Database& database, Options options) : state_(std::make_unique<State>(database, options)) {
  state_->thread = std::thread([state = state_.get()] {
    base::name_background_thread("retention");
    state->work();
  });
}

Retention::~Retention() {
  {
    const std::lock_guard guard(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

}  // namespace turnpike::ledger
