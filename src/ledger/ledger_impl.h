#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "base/block_pool.h"
#include "journal/hold_record.h"
#include "journal/journal.h"
#include "journal/replay.h"
#include "ledger/leases.h"
#include "ledger/ledger.h"
#include "ledger/shipper.h"

namespace turnpike::ledger {

class LedgerImpl;

/// What a live Hold owns. The HOLD record is built at admission and written together with the first ATTEMPT, before
/// anything goes upstream: one `pwrite` less per call.
struct Hold::State : base::PooledObject {
  LedgerImpl* ledger = nullptr;
  std::uint64_t id = 0;
  Amounts amount;
  std::int64_t started_us = 0;  // Ledger time.
  bool free_model = false;
  bool may_cross = false;
  bool attempted = false;
  std::vector<WindowRef> windows;
  std::size_t own_windows = 0;          // How many of them are the call's; behind them: those of whom it asks.
  journal::RecordBatch record;          // HOLD, not sealed; its payload also serves a Hold that is dropped.
  journal::Segment* segment = nullptr;  // Where HOLD was written, pinned.
  std::string price_version;
};

/// What is wanted of several accounts: of all or of none.
struct Wish {
  const std::vector<WindowRef>& windows;
  std::uint64_t hold_id = 0;
  Amounts amount;
  bool may_cross = false;
  bool only_needed = false;                                // An account of which nothing is wanted is not asked.
  std::optional<std::chrono::milliseconds> patience = {};  // Instead of budget_wait.
  std::uint64_t crossing_id() const { return may_cross ? hold_id : 0; }
  bool passes_over(const AccountWindow& window) const { return only_needed && amount.on(window.account) == 0; }
};

class LedgerImpl final : public Ledger {
 public:
  LedgerImpl(LedgerOptions options, db::Database& database)
      : options_(std::move(options)), database_(database), clock_(options_.wall) {}
  ~LedgerImpl() override;
  Status start();
  Status start_without_journal();

  Result<Hold> admit(const Admission& admission) override;
  Task<Result<Hold>> admit_or_wait(Admission& admission, http::Cancel& cancel) override;
  std::optional<Error> look(const Admission& admission) override;
  AccountRef account(const AccountFacts& facts) override;
  AccountRef find_account(std::int64_t account_id) const override;
  WindowRef window(const AccountFacts& facts, std::int64_t at_us) override;
  std::vector<AccountRef> budgeted_accounts(std::int16_t kind, std::size_t count_max) const override;
  void terms_changed(const AccountFacts& facts) override;
  void account_read(const AccountFacts& facts) override;
  void account_closed(std::int64_t account_id, std::int64_t version) override;
  void spend_changed(std::int64_t account_id, Money spent, Money difference, std::int64_t version) override;
  void close(std::chrono::milliseconds patience) override;
  Task<void> shipped() override;
  Task<void> durable() override;
  std::int64_t clock_offset_us() const override { return clock_.offset_us(); }
  std::int64_t live_replicas() const override { return leases_ ? leases_->live_replicas() : 1; }
  std::int64_t replica_rank() const override { return leases_ ? leases_->rank() : 0; }
  const LedgerCounters& counters() const override;
  std::string readiness() const override;

  // For Hold.
  bool attempt(Hold::State& hold, std::uint32_t number, std::string_view deployment_id, std::string_view price_version);
  void write(Hold::State& hold, journal::RecordBatch& records);
  bool extend(Hold::State& hold, Amounts more);
  Task<bool> extend_or_wait(Hold::State& hold, Amounts more, http::Cancel& cancel);
  void take_anyway(Hold::State& hold, Amounts more);
  void settle(Hold::State& hold, domain::CallRecord& record);
  void settle_dropped(Hold::State& hold);
  void undo(Hold::State& hold);
  void take_over(Hold::State& hold, Hold::State& other);

 private:
  /// Which account refused, if one did; what was taken is given back then.
  AccountWindow* take_all(const Wish& wish);
  bool take_one(AccountWindow& window, std::int64_t nano, std::uint64_t crossing_id);
  /// Ends what was taken: what is not spent is free again.
  void give(AccountWindow& window, std::int64_t held_nano, std::int64_t cost_nano);
  Status may_admit();
  std::uint64_t next_hold_id();
  Hold make_hold(const Admission& admission, std::vector<WindowRef> windows, std::uint64_t id, const Amounts& amount);
  /// What `take_all` did not find: takes it as soon as it is there. Who wished may be gone when it is.
  Task<Status> await_money(Wish wish, const AccountWindow& refused, http::Cancel& cancel);
  Task<Status> await_lease(Wish wish, http::Cancel& cancel);
  Status take_waited(const Wish& wish, const LeaseWait& wait);
  void note_extended(Hold::State& hold, const Amounts& more);
  std::unique_ptr<Leases> make_leases(std::uint64_t epoch, const std::string& journal_id);
  std::map<lease::LeaseKey, std::int64_t> unshipped_costs(std::uint64_t shipped_no) const;
  /// Counts the refusal of a call.
  Error counted(Error refusal);
  AccountRef find_shared(std::int64_t account_id) const;
  void begin_window(Account& account, domain::BudgetWindow window, Money spent);
  WindowRef make_window(Account& account, domain::BudgetWindow window, Money spent);
  void open_lease(const Account& account, std::optional<lease::LeaseKey> before);
  void follow_time(Account& account, std::int64_t at_us);
  void plan_ahead(Account& account);
  void open_ahead(Account& account);
  void take_terms(const AccountFacts& facts, bool is_read);
  void put_limit(Account& account, std::int64_t limit_nano);
  void put_leased_limit(Account& account, std::int64_t limit_nano);
  Result<ReplicaRow> join(const std::string& journal_id, std::uint64_t epoch);
  bool joins_later(const Error& error) const;
  Result<journal::Replay> read_journal(ReplicaRow& replica, bool away) const;
  Status open_journal(journal::JournalDirectory directory, const journal::Replay& replay, const ReplicaRow& replica);
  void ship_earlier(const journal::Replay& replay, std::uint64_t from_no);
  Status close_holds(journal::Replay& replay, const ReplicaRow& replica, bool away);
  void close_with(const journal::EntryRow& row, bool doubtful);
  std::unique_ptr<Shipper> make_shipper(const ReplicaRow& replica, bool joins_later,
                                        std::set<journal::EntryId> moved = {});
  void finish(Hold::State& hold, journal::EntryRow& row);
  bool has_room() const;
  bool unsafe() const;  // What is booked now lives in memory until the database has it.
  std::uint64_t next_entry_no();
  std::uint64_t last_entry_no() const;

  const LedgerOptions options_;
  db::Database& database_;
  LedgerClock clock_;                               // Set at the start, then by the answers to what `leases_` asks.
  const std::uint64_t instance_ = next_instance();  // Among those of this process.
  const std::string instance_text_ = new_instance_text();
  mutable LedgerCounters counters_;
  std::unique_ptr<journal::Journal> journal_;            // Null with --no-journal.
  std::unique_ptr<Leases> leases_;                       // Null on SQLite: one process, to which all money belongs.
  std::unique_ptr<Shipper> shipper_;                     // After what it tells where the database is.
  std::atomic<std::uint64_t> entry_no_{0}, hold_id_{0};  // Used without a journal.
  std::atomic<bool> closing_{false};
  bool closed_ = false;

  struct EarlySpend {
    Money spent;
    std::int64_t version = 0;
  };
  template <typename Edit>
  static void keep_early(std::unordered_map<std::int64_t, Edit>& edits, std::int64_t account_id, const Edit& edit);

  mutable std::mutex accounts_mutex_;
  std::map<std::int64_t, AccountRef> accounts_;
  std::unordered_map<std::int64_t, AccountFacts> early_terms_;  // Changed before this process knew the account.
  std::unordered_map<std::int64_t, EarlySpend> early_spends_;

  static std::uint64_t next_instance();
  static std::string new_instance_text();
};

journal::AccountPairs pairs_of(const std::vector<WindowRef>& windows);

/// What a call takes at its admission.
inline Amounts taken_by(const Admission& admission) {
  return admission.free_model ? Amounts{Money(), admission.amount.tokens}.from_zero() : admission.amount.from_zero();
}

/// The limit as `free` counts it: none is 0, and nobody asks `free` then.
inline std::int64_t counted_limit(std::int64_t limit_nano) {
  return limit_nano < 0 ? 0 : limit_nano;
}

}  // namespace turnpike::ledger
