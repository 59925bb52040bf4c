#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "db/database.h"
#include "db/sqlstate.h"
#include "domain/call_record.h"
#include "lease/lease_keeper.h"
#include "ledger/account.h"
#include "ledger/budget_alerts.h"
#include "ledger/ledger_clock.h"
#include "ledger/rejected_entries.h"

namespace turnpike::http {
class Cancel;
}

namespace turnpike::ledger {

enum class Durability : std::uint8_t { Process, Disk };

/// What becomes of calls on a budget while the database that leases its money is away and none is left here.
enum class BudgetAway : std::uint8_t {
  Lease,   // They wait, then they are refused as Unavailable.
  Allow,   // They are admitted, as a debt.
  Refuse,  // All are refused at once, also while money is left.
};

struct LedgerOptions {
  std::string journal_dir;
  bool journal_off = false;  // --no-journal
  std::uint64_t segment_bytes = 64 * 1024 * 1024;
  std::chrono::milliseconds sync_interval{50};
  std::chrono::milliseconds ship_interval{100};
  std::chrono::seconds keep{3600};
  std::size_t ship_batch_rows = 1000;
  std::int64_t ship_queue_bytes_max = 64 * 1024 * 1024;  // Entries beyond it are read from the journal again.
  Durability durability = Durability::Process;
  bool strict = false;  // How holds that a crash left open are booked at the start; strict accounts are known there.
  bool serve_when_full = false;  // journal_full_policy: serve; entries wait in memory, at most ship_queue_bytes_max.
  bool database_may_be_away = false;  // At start: entries wait in the journal until it can be asked.
  // Other processes may spend from the same budgets: money is leased from the database (PostgreSQL).
  bool is_shared = false;
  lease::LeaseTerms lease;
  std::chrono::milliseconds lease_dead_after{600'000};  // Not with `strict`.
  BudgetAway budget_away = BudgetAway::Lease;
  LedgerClock::Wall wall = base::unix_now_us;                 // For tests: this machine's wall clock.
  std::function<void(const BudgetAlert&)> alert = {};         // A threshold was passed; on the shipper's thread.
  std::function<void(const RejectedEntries&)> rejected = {};  // The database does not take them; on the same.
  std::string host;
  std::string version;
};

class Ledger;

/// The refusal of a call that the journal has no room for: 503, code "journal_full".
Error journal_full();

/// Money taken for one call. Its only way out is `settle`; a live Hold that is destroyed is a bug: it settles as
/// interrupted and is counted.
class Hold {
 public:
  struct State;
  Hold();
  explicit Hold(std::unique_ptr<State> state);
  Hold(Hold&& other) noexcept;
  Hold& operator=(Hold&& other) noexcept;
  ~Hold();

  bool live() const { return state_ != nullptr; }
  const Amounts& amount() const;
  /// Where it is booked, without those of `aim`.
  std::span<const WindowRef> windows() const;

  /// Journal HOLD and ATTEMPT: before the first byte goes upstream. False: the journal did not take the hold, and
  /// nothing may be sent.
  bool attempt(std::uint32_t number, std::string_view deployment_id, std::string_view price_version);
  /// Journal ANSWER: first byte of a 2xx whose end is not in the same turn. `prompt_tokens`: counted or reported;
  /// `cost`: what they cost, which is booked when the process dies before the next PROGRESS.
  void answer(std::uint32_t number, std::uint64_t prompt_tokens, Money cost = {});
  /// Journal PROGRESS, at most every 5 s for streams, and when an attempt that was billed has failed. `cost_so_far`: of
  /// all attempts.
  void progress(std::uint64_t prompt_tokens, std::uint64_t completion_tokens, Money cost_so_far);
  /// Takes more of what is here, all or nothing; false: not affordable (spec money 2: `retry_unaffordable`).
  bool extend(Amounts more);
  /// The same as another admission would: may cross, and waits for leased money, 200 ms at most. False also when the
  /// caller has gone meanwhile.
  Task<bool> extend_or_wait(Amounts more, http::Cancel& cancel);
  /// The accounts of whom the next attempt asks, its provider's and its deployment's, take the place of those of the
  /// attempt before; they hold what the call holds. Errors: those of admission, of an account that has too little left;
  /// nothing has changed then.
  Task<Status> aim(std::vector<WindowRef> targets, http::Cancel& cancel);
  /// Takes more without asking (a stream outgrows its hold): `free` may go negative.
  void enlarge(Amounts more);

  /// Journals the entry, then adjusts the accounts; when it returns the entry survives a SIGKILL. Sets the record's
  /// `hold_exceeded` mark where it applies.
  void settle(domain::CallRecord& record) &&;
  /// Refused after all, before any attempt: what was taken is given back, and there is no entry.
  void undo() &&;
  /// With Durability::Disk: waits until the group sync covers the entry just settled. Otherwise returns at once.
  static Task<void> durable(Ledger& ledger);

 private:
  std::unique_ptr<State> state_;
};

/// What one admission needs to know.
struct Admission {
  std::vector<WindowRef> windows;  // All or nothing, in kind order.
  Amounts amount;
  bool free_model = false;      // Explicit price 0: holds no money, and what it needs nothing of may be exhausted.
  bool may_cross = false;       // budget_crossing: allow, and not strict: may take more than is left (spec money 7.6).
  std::int64_t started_us = 0;  // Ledger time: that of its windows.
  base::Id128 record_id;
  std::string_view call_id;
  std::string_view key_hash;
  std::string_view model_group;
  std::uint64_t prompt_tokens = 0;
};

constexpr std::chrono::milliseconds kBudgetWaits[] = {std::chrono::milliseconds(10), std::chrono::milliseconds(50),
                                                      std::chrono::milliseconds(200), std::chrono::milliseconds(1000)};

struct LedgerCounters {
  std::atomic<std::uint64_t> entries[4]{};  // by EntryStatus
  std::atomic<std::uint64_t> entries_estimated{0}, cost_unknown{0}, hold_dropped{0}, hold_exceeded{0}, crossings{0},
      refused_spent{0}, refused_held{0}, ship_batches{0}, ship_retries{0}, rejected_rows{0}, journal_bytes{0},
      unshipped{0}, journal_full{0}, budget_alerts{0}, interrupted_at_start{0}, refused_unavailable{0};
  std::array<std::atomic<std::uint64_t>, db::kSqlClasses.size()> ship_retries_by{};  // db::sql_class_of
  // Calls that waited for money, by how long: at most kBudgetWaits of the same place, the last one longer.
  std::atomic<std::uint64_t> budget_waits[5]{}, budget_wait_us{0};
  std::atomic<std::uint64_t> lease_applied{0}, lease_unknown{0}, lease_stale{0}, lease_resyncs{0}, lease_recalls{0};
  std::atomic<std::int64_t> lease_free_nano{0}, lease_stuck_nano{0};
  std::atomic<std::int64_t> oldest_unsynced_us{0};  // Unix microseconds of the oldest record not yet synced; 0: none.
  std::atomic<std::int64_t> oldest_unshipped_us{0};
  std::atomic<std::int64_t> in_memory{0};  // Entries that neither journal nor database has.
  std::atomic<bool> unsafe{false};         // Entries live in memory until the database has them.
};

/// Holds, entries and what becomes of them: the journal on local disk, the shipper to the database.
///
/// Threading: `admit`, `Hold` and `window` are for any I/O thread, without SQL or blocking, and without lock but where
/// a
///            window begins (one pwrite of half a microsecond per record); journal sync and shipping have threads of
///            their own.
class Ledger {
 public:
  /// Opens the journal (locked: a second process is refused with the pid found), closes the holds a crash left open,
  /// ships what is unshipped, starts the threads.
  static Result<std::unique_ptr<Ledger>> open(LedgerOptions options, db::Database& database);
  virtual ~Ledger() = default;  // After `close`.

  /// Errors: BudgetSpent, BudgetHeld (code, message and retry_after of spec money 3), Unavailable code "journal_full".
  virtual Result<Hold> admit(const Admission& admission) = 0;
  /// The same, and where money is short but may come: waits for it, until `cancel`. Errors also: Unavailable code
  /// "budget_unavailable"; CallerGone. The windows of an admission that succeeds are the hold's then.
  virtual Task<Result<Hold>> admit_or_wait(Admission& admission, http::Cancel& cancel) = 0;
  /// The refusal that `admit` is certain to give; takes nothing. A call that a rate limit refuses as well gets this
  /// one.
  virtual std::optional<Error> look(const Admission& admission) = 0;

  /// The account, made on first use.
  virtual AccountRef account(const AccountFacts& facts) = 0;
  /// The object if this process knows the account.
  virtual AccountRef find_account(std::int64_t account_id) const = 0;
  /// The account's window in which a call is booked that started at `at_us`, ledger time: for ever, however long it
  /// runs. Windows that begin meanwhile are opened here.
  virtual WindowRef window(const AccountFacts& facts, std::int64_t at_us) = 0;
  /// The open accounts of a kind that have a budget and that this process knows: `count_max` at most, the oldest first.
  /// Walks all accounts under the lock of their table: not for the path of a call.
  virtual std::vector<AccountRef> budgeted_accounts(std::int16_t kind, std::size_t count_max) const = 0;
  /// An administrator changed limit or window (already committed, and `version` is what the row has since). News may
  /// arrive in any order: terms older than those in force are ignored. `facts.spent` says nothing here.
  virtual void terms_changed(const AccountFacts& facts) = 0;
  /// Whose account it is has been read from the database: what other replicas have made of it, if this process knows
  /// it.
  virtual void account_read(const AccountFacts& facts) = 0;
  /// Whose account it was has been deleted. A later `terms_changed` opens it again.
  virtual void account_closed(std::int64_t account_id, std::int64_t version) = 0;
  /// `spent`: what the edit left in the database; `difference`: what it added to what was booked there. What calls have
  /// settled and is not shipped yet comes on top, whenever it arrives.
  virtual void spend_changed(std::int64_t account_id, Money spent, Money difference, std::int64_t version) = 0;

  /// Clean end: waits until everything is shipped (at most `patience`), writes STOP.
  virtual void close(std::chrono::milliseconds patience) = 0;
  /// Asks the shipper to ship now and waits on its thread; for tests and for reads that must see everything.
  virtual Task<void> shipped() = 0;

  /// Waits until what this thread has settled is on disk (Durability::Disk; otherwise at once).
  virtual Task<void> durable() = 0;

  /// What makes ledger time of the wall clock's, now. A call reads it once, at its start.
  virtual std::int64_t clock_offset_us() const = 0;

  /// How many replicas are alive on this database, this one included, and its place among them, from 0.
  virtual std::int64_t live_replicas() const = 0;
  virtual std::int64_t replica_rank() const = 0;

  virtual const LedgerCounters& counters() const = 0;
  virtual std::string readiness() const = 0;  // Empty: fine; else why new calls are not admitted.
};

}  // namespace turnpike::ledger
