#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/completion.h"
#include "db/database.h"
#include "lease/lease_keeper.h"
#include "ledger/ledger_clock.h"

namespace turnpike::ledger {

struct LedgerCounters;

/// A call that waits for money; completed with its outcome.
struct LeaseWait {
  explicit LeaseWait(base::Executor* executor) : done(executor) {}
  base::Completion done;
  std::uint64_t ticket = 0;
  enum class Outcome : std::uint8_t { Taken, Refused, Unavailable, Left } outcome = Outcome::Left;
  lease::LeaseKey key;  // Refused: whose; taken with `crossed`: of which more was taken than was left.
  bool crossed = false;
};
using LeaseWaitRef = std::shared_ptr<LeaseWait>;

/// The clock of leases and their verdicts.
inline std::int64_t steady_now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(base::monotonic_now().time_since_epoch()).count();
}

/// This process's leases on PostgreSQL: the keeper on a thread of its own, its operations on connections of their own,
/// so that neither shipping nor reports stand before a call that waits for money.
///
/// Threading: any thread tells it things, under a lock that is never held while anything is decided or asked.
class Leases {
 public:
  struct Options {
    lease::LeaseTerms terms;
    std::int64_t epoch = 0;
    std::string journal_id;  // Whose the replica is.
    /// How many entries the database has, with every answer; nothing: it does not know the replica.
    std::function<void(std::optional<std::uint64_t> stored_no)> stored;
    /// What replicas held that have been silent for so long is stuck, and with `reclaims` it is taken back.
    std::chrono::milliseconds dead_after{600'000};
    bool reclaims = true;
    /// Costs of entries of the processes before that are not stored yet, by lease; `shipped_no`: what is stored.
    std::function<std::map<lease::LeaseKey, std::int64_t>(std::uint64_t shipped_no)> unshipped;
  };
  /// `database`: the main one, for notices and where it has no connections to spare. `clock` is set by its answers.
  Leases(db::Database& database, Options options, LedgerCounters& counters, LedgerClock& clock);
  ~Leases();

  /// Begins, once the journal's row is known.
  void start(std::int64_t replica_no);

  /// Calls will take from `words`, which are this account's in this window from now on.
  void open(const lease::LeaseAccount& account, std::shared_ptr<lease::AccountWords> words);
  /// Its window has ended: calls that started in it may still come for a little while.
  void let_go(lease::LeaseKey key);
  void touched(lease::LeaseKey key);
  /// What is booked elsewhere may have changed.
  void look(lease::LeaseKey key);
  /// Does it on the keeper's thread as soon as ledger time has come so far.
  void run_at(std::int64_t ledger_us, std::function<void()> act);
  /// `patience`: instead of LeaseTerms::wait_us.
  LeaseWaitRef wait(std::vector<lease::LeaseClaim> claims, bool may_cross,
                    std::optional<std::chrono::milliseconds> patience, base::Executor* executor);
  /// The caller has gone; the wait ends at once, unless its money has just been taken.
  void leave(std::uint64_t ticket);
  /// Returns everything. False: the database did not hear of it within `patience`.
  bool give_back(std::chrono::milliseconds patience);
  /// Nothing is asked any more.
  void stop();

  bool superseded() const { return superseded_.load(std::memory_order_relaxed); }
  bool away() const { return away_.load(std::memory_order_relaxed); }
  std::int64_t live_replicas() const { return live_replicas_.load(std::memory_order_relaxed); }
  std::int64_t rank() const { return rank_.load(std::memory_order_relaxed); }

 private:
  using News = std::function<void(std::int64_t now_us)>;  // Told to the keeper, on its thread.

  void tell(News news);
  void keep();
  void hear(std::string_view text);
  struct Heard {
    lease::LeaseAnswer answer;
    std::int64_t sent_us = 0, answered_us = 0;  // By the wall clock.
  };
  void read_answer(Heard heard, std::int64_t now_us);
  void run_due();
  std::int64_t wake_at_us() const;
  void say_given_back();
  void end_waits();
  void retire_ended(std::int64_t now_us);
  void publish(std::int64_t now_us);
  void send();
  void come_back(db::Database& database, std::int64_t replica_no);
  void tend(db::Database& database);

  db::Database& database_;
  const std::unique_ptr<db::Database> own_;  // Null: there are no others than those of `database_`.
  const Options options_;
  const std::chrono::milliseconds tend_every_;
  LedgerCounters& counters_;
  LedgerClock& clock_;
  std::atomic<std::int64_t> replica_no_{0};  // 0: not known yet.

  lease::LeaseKeeper keeper_;  // From here on: the keeper's thread.
  std::map<std::uint64_t, LeaseWaitRef> waiting_;
  std::vector<std::pair<lease::LeaseKey, std::int64_t>> ended_;  // To be retired at that time.
  std::multimap<std::int64_t, std::function<void()>> due_;       // By ledger time.
  bool giving_back_ = false;
  std::int64_t summed_at_us_ = 0;

  std::mutex mutex_;
  std::condition_variable told_, to_send_, given_back_;
  std::vector<News> news_;
  std::vector<lease::LeaseOperation> outbox_;
  std::atomic<std::uint64_t> tickets_{0};
  bool stopping_ = false, is_given_back_ = false;
  base::Monotonic tend_at_{};

  std::atomic<bool> superseded_{false}, away_{false};
  std::atomic<std::int64_t> live_replicas_{1}, rank_{0};
  std::vector<std::thread> senders_;
  std::thread thread_;
  std::unique_ptr<db::Listening> listening_;
};

}  // namespace turnpike::ledger
